"""Says what a series of coupons promises: what off what, for whom, how often, how long, and who bears it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict

from core.errors import PlanRefused

MOST_USES = 10_000
_WHOLE_PPM = 1_000_000


class CouponKind(StrEnum):
    """How a discount is reckoned."""

    AMOUNT = "amount"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Series:
    """The terms of a series. Amounts are minor units of its currency; what is empty or None sets no limit.

    A discount falls on the lines that the series is for: those of `skus`, and of SKUs with one of `tags`.
    `personal`: only the buyer whom a coupon was issued to may use it. `borne_by`: a third party who owes us
    what is taken off; None: we take less. `comes_back`: a refunded order's coupon may be used again.
    """

    name: str
    kind: CouponKind
    currency: str
    amount_minor: int = 0
    rate_ppm: int = 0
    minimum_minor: int = 0
    maximum_minor: int | None = None
    valid_for: timedelta | None = None
    until: datetime | None = None
    uses: int = 1
    per_buyer: int | None = None
    skus: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    personal: bool = False
    budget_minor: int | None = None
    borne_by: str | None = None
    remind_days: tuple[int, ...] = ()
    hold: timedelta = timedelta(minutes=30)
    comes_back: bool = True

    def __post_init__(self) -> None:
        takes_amount = self.amount_minor > 0 and not self.rate_ppm
        takes_rate = 0 < self.rate_ppm <= _WHOLE_PPM and not self.amount_minor
        if not (takes_amount if self.kind is CouponKind.AMOUNT else takes_rate):
            raise PlanRefused(
                f"coupons {self.name}: an amount coupon takes off an amount above zero, a percent coupon a "
                "rate above 0 and up to 100 %, and neither has the other's"
            )
        limits = [n for n in (self.maximum_minor, self.budget_minor, self.per_buyer) if n is not None]
        if not 1 <= self.uses <= MOST_USES or self.minimum_minor < 0 or min(limits, default=1) < 1:
            raise PlanRefused(
                f"coupons {self.name}: uses are 1 to {MOST_USES}; a maximum, a budget and a limit for each "
                "buyer are above zero where they are written"
            )
        if min(self.hold, self.hold if self.valid_for is None else self.valid_for) <= timedelta(0):
            raise PlanRefused(f"coupons {self.name}: it must hold, and be held, for some time")

    def expires_at(self, issued_at: datetime) -> datetime | None:
        """When a coupon that is issued now runs out: whatever of the two limits comes first."""
        ends = [] if self.valid_for is None else [issued_at + self.valid_for]
        return min(ends if self.until is None else [*ends, self.until], default=None)


class WrittenSeries(TypedDict):
    """A series as the database keeps it; lists are sorted, so that equal terms are equal texts."""

    kind: str
    currency: str
    amount_minor: int
    rate_ppm: int
    minimum_minor: int
    maximum_minor: int | None
    valid_seconds: int | None
    until: str | None
    uses: int
    per_buyer: int | None
    skus: list[str]
    tags: list[str]
    channels: list[str]
    segments: list[str]
    personal: bool
    budget_minor: int | None
    borne_by: str | None
    remind_days: list[int]
    hold_seconds: int
    comes_back: bool


def series_to_json(series: Series) -> WrittenSeries:
    """The terms, as the database keeps them."""
    return WrittenSeries(
        kind=series.kind.value,
        currency=series.currency,
        amount_minor=series.amount_minor,
        rate_ppm=series.rate_ppm,
        minimum_minor=series.minimum_minor,
        maximum_minor=series.maximum_minor,
        valid_seconds=None if series.valid_for is None else int(series.valid_for.total_seconds()),
        until=None if series.until is None else series.until.isoformat(),
        uses=series.uses,
        per_buyer=series.per_buyer,
        skus=sorted(series.skus),
        tags=sorted(series.tags),
        channels=sorted(series.channels),
        segments=sorted(series.segments),
        personal=series.personal,
        budget_minor=series.budget_minor,
        borne_by=series.borne_by,
        remind_days=sorted(series.remind_days, reverse=True),
        hold_seconds=int(series.hold.total_seconds()),
        comes_back=series.comes_back,
    )


def series_from_json(name: str, written: WrittenSeries) -> Series:
    """The terms that `series_to_json` was given."""
    valid, until = written["valid_seconds"], written["until"]
    return Series(
        name=name,
        kind=CouponKind(written["kind"]),
        currency=written["currency"],
        amount_minor=written["amount_minor"],
        rate_ppm=written["rate_ppm"],
        minimum_minor=written["minimum_minor"],
        maximum_minor=written["maximum_minor"],
        valid_for=None if valid is None else timedelta(seconds=valid),
        until=None if until is None else datetime.fromisoformat(until),
        uses=written["uses"],
        per_buyer=written["per_buyer"],
        skus=frozenset(written["skus"]),
        tags=frozenset(written["tags"]),
        channels=frozenset(written["channels"]),
        segments=frozenset(written["segments"]),
        personal=written["personal"],
        budget_minor=written["budget_minor"],
        borne_by=written["borne_by"],
        remind_days=tuple(written["remind_days"]),
        hold=timedelta(seconds=written["hold_seconds"]),
        comes_back=written["comes_back"],
    )
