"""Decides which SKUs a rule speaks of: by tags, brand, kind, region, face value and validity. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from core.errors import PlanRefused
from core.money.money import Money


@dataclass(frozen=True, slots=True)
class SkuFacts:
    """What rules look at. `validity` is how long the free code that is sold next stays valid.

    None: it never expires, or none is free.
    """

    tags: frozenset[str] = frozenset()
    brand: str = ""
    kind: str = ""
    region: str = ""
    face_value: Money | None = None
    validity: timedelta | None = None
    sku_ref: str = ""


@dataclass(frozen=True, slots=True)
class SkuMatch:
    """All of what is written here must hold; what is empty or None always does.

    Ranges hold from their first value to below their last. A face value in another currency, or none, is in
    no range; a code that never expires is valid for longer than any limit. Letters' case does not matter.
    """

    tags: frozenset[str] = frozenset()
    brand: str | None = None
    kind: str | None = None
    region: str | None = None
    face_value_from: Money | None = None
    face_value_below: Money | None = None
    validity_from: timedelta | None = None
    validity_below: timedelta | None = None

    def __post_init__(self) -> None:
        low, high = self.face_value_from, self.face_value_below
        if low and high and (low.currency != high.currency or low.amount_minor >= high.amount_minor):
            raise PlanRefused(f"match: no face value is from {low} to below {high}: write a range")
        since, until = self.validity_from, self.validity_below
        if since is not None and until is not None and since >= until:
            raise PlanRefused(f"match: no validity is from {since.days} to below {until.days} days")

    def fits(self, sku: SkuFacts) -> bool:
        """Whether the rule speaks of this SKU."""
        return (
            self.tags <= sku.tags
            and _same(self.brand, sku.brand)
            and _same(self.kind, sku.kind)
            and _same(self.region, sku.region)
            and self._face_value_fits(sku.face_value)
            and self._validity_fits(sku.validity)
        )

    def _face_value_fits(self, face: Money | None) -> bool:
        limits = [limit for limit in (self.face_value_from, self.face_value_below) if limit is not None]
        if not limits:
            return True
        if face is None or face.currency != limits[0].currency:
            return False
        low, high = self.face_value_from, self.face_value_below
        above = low is None or face.amount_minor >= low.amount_minor
        return above and (high is None or face.amount_minor < high.amount_minor)

    def _validity_fits(self, validity: timedelta | None) -> bool:
        if validity is None:
            return self.validity_below is None
        long_enough = self.validity_from is None or validity >= self.validity_from
        return long_enough and (self.validity_below is None or validity < self.validity_below)


def _same(wanted: str | None, found: str) -> bool:
    return wanted is None or wanted.casefold() == found.casefold()
