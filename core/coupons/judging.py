"""Decides whether a coupon holds for a basket, how much it takes off, and why it does not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.coupons.series import CouponKind, Series
from core.errors import InvalidInput
from core.money.money import Money, per_million, share
from core.types import BuyerId

_MOST_LINES = 1_000
_LARGEST_MINOR = 2**53


class Why(StrEnum):
    """Why a coupon does not hold, for programs; `Refused.text` is for people."""

    NOT_A_CODE = "not a code"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    OTHER_CHANNEL = "other channel"
    OTHER_CURRENCY = "other currency"
    NOTHING_FITS = "nothing fits"
    BELOW_MINIMUM = "below minimum"
    BUYER_UNNAMED = "buyer unnamed"
    NOT_YOURS = "not yours"
    BUYER_LIMIT = "buyer limit"
    USED_UP = "used up"
    HELD = "held"
    ANOTHER_COUPON = "another coupon"
    BUDGET_SPENT = "budget spent"


@dataclass(frozen=True, slots=True)
class BasketLine:
    """So many of a SKU at a price a piece, before any coupon. A SKU that is not ours has no tags."""

    sku_ref: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class Basket:
    """What somebody is about to buy on a channel; `ref` is the shop's name of it and of its order."""

    channel: str
    ref: str
    currency: str
    lines: tuple[BasketLine, ...]
    buyer_ref: str | None = None

    def __post_init__(self) -> None:
        if not self.ref.strip() or not 1 <= len(self.lines) <= _MOST_LINES:
            raise InvalidInput(f"basket {self.ref!r}: write its reference, and 1 to {_MOST_LINES} lines")
        if any(line.quantity < 1 or line.unit_price_minor < 0 for line in self.lines):
            raise InvalidInput(f"basket {self.ref}: quantities are above zero, and no price is below it")
        if sum(line.quantity * line.unit_price_minor for line in self.lines) > _LARGEST_MINOR:
            raise InvalidInput(f"basket {self.ref}: it costs more than there is; write minor units")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a coupon when it is judged. `taken_minor` is what its series has taken off so far."""

    expires_at: datetime | None = None
    revoked: bool = False
    owner: BuyerId | None = None
    buyer: BuyerId | None = None
    spent_uses: int = 0
    held_uses: int = 0
    buyer_uses: int = 0
    taken_minor: int = 0
    budget_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Discount:
    """What a coupon takes off: of each line of the basket, and of those it is good for in all."""

    total: Money
    lines_minor: tuple[int, ...]
    good_for_minor: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a coupon does not hold."""

    why: Why
    text: str


def judge(
    series: Series, basket: Basket, tags: Sequence[frozenset[str]], standing: Standing, now: datetime
) -> Discount | Refused:
    """What the coupon takes off the basket now; `tags` are those of each line's SKU.

    First what no other basket would mend, then what another basket would, last what time or others may.
    """
    return (
        _over(standing, now)
        or _out_of_place(series, basket)
        or _not_for(series, standing)
        or _worth(series, basket, tags, standing)
    )


def _over(standing: Standing, now: datetime) -> Refused | None:
    if standing.revoked:
        return Refused(Why.REVOKED, "this coupon was taken back")
    if standing.expires_at is not None and now >= standing.expires_at:
        return Refused(Why.EXPIRED, f"this coupon ran out {standing.expires_at:%Y-%m-%d %H:%M} UTC")
    return None


def _out_of_place(series: Series, basket: Basket) -> Refused | None:
    if series.channels and basket.channel not in series.channels:
        where = ", ".join(sorted(series.channels))
        return Refused(Why.OTHER_CHANNEL, f"this coupon is for {where}, not for {basket.channel}")
    if basket.currency != series.currency:
        return Refused(
            Why.OTHER_CURRENCY, f"this coupon is in {series.currency}, the basket in {basket.currency}"
        )
    return None


def _not_for(series: Series, standing: Standing) -> Refused | None:
    """Whose it is, and how often."""
    if standing.buyer is None and (series.personal or series.per_buyer is not None):
        return Refused(Why.BUYER_UNNAMED, "this coupon asks who buys: log in, then try again")
    if series.personal and standing.buyer != standing.owner:
        return Refused(Why.NOT_YOURS, "this coupon belongs to somebody else")
    if standing.spent_uses >= series.uses:
        return Refused(Why.USED_UP, "this coupon is used up")
    if standing.spent_uses + standing.held_uses >= series.uses:
        return Refused(Why.HELD, "another basket holds this coupon: pay or cancel that one, then try again")
    if series.per_buyer is not None and standing.buyer_uses >= series.per_buyer:
        return Refused(
            Why.BUYER_LIMIT, f"{series.per_buyer} coupons of this kind are all that one buyer may use"
        )
    return None


def _worth(
    series: Series, basket: Basket, tags: Sequence[frozenset[str]], standing: Standing
) -> Discount | Refused:
    weights = [
        line.quantity * line.unit_price_minor if _is_for(series, line.sku_ref, own) else 0
        for line, own in zip(basket.lines, tags, strict=True)
    ]
    good_for_minor = sum(weights)
    if not good_for_minor:
        return Refused(Why.NOTHING_FITS, "this coupon is for other goods")
    if good_for_minor < series.minimum_minor:
        short = Money(series.minimum_minor - good_for_minor, series.currency)
        least = Money(series.minimum_minor, series.currency)
        return Refused(Why.BELOW_MINIMUM, f"this coupon holds from {least} on: {short} are missing")
    minor = discount_minor(series, good_for_minor)
    if not minor:
        return Refused(Why.BELOW_MINIMUM, "so little is left to pay that this coupon takes off nothing")
    budget = standing.budget_minor
    if budget is not None and standing.taken_minor + minor > budget:
        return Refused(Why.BUDGET_SPENT, "what was set aside for these coupons is used up")
    return Discount(Money(minor, series.currency), tuple(share(minor, weights)), good_for_minor)


def _is_for(series: Series, sku_ref: str, tags: frozenset[str]) -> bool:
    if not series.skus and not series.tags:
        return True
    return sku_ref in series.skus or not series.tags.isdisjoint(tags)


def discount_minor(series: Series, good_for_minor: int) -> int:
    """What a coupon takes off so much, in minor units: never more than that."""
    match series.kind:
        case CouponKind.AMOUNT:
            wanted = series.amount_minor
        case CouponKind.PERCENT:
            wanted = per_million(good_for_minor, series.rate_ppm)
    return min(wanted, good_for_minor, wanted if series.maximum_minor is None else series.maximum_minor)
