"""Turns what the operator wrote about quantities into the rules core decides by. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from config.match import Match
from config.settings import Settings
from config.stock import ALL, NONE, Buffer, ListingStock, Stock
from config.stock import StockRule as WrittenRule
from connectors.kit.errors import OptionsRefused
from core.errors import InvalidInput
from core.money.money import Money
from core.offers.matching import SkuMatch
from core.offers.stock.rules import (
    DEFAULT_LAG_SECONDS,
    CountBuffer,
    LastTo,
    Lifted,
    PartBuffer,
    RiskBuffer,
    SharedBy,
    SkuRule,
    StockPolicy,
    StockRule,
)
from core.offers.stock.rules import Buffer as CoreBuffer
from core.types import ListingRef

_PPM_OF_ONE = 1_000_000
_PPM_OF_PERCENT = 10_000


def stock_policy(stock: Stock) -> StockPolicy:
    """What holds for everything, and the rules on SKUs in the order they were written."""
    rules = [_sku_rule(number, rule) for number, rule in enumerate(stock.rules)]
    return StockPolicy(_everywhere(stock, "stock", ""), tuple(rules))


def channel_stock(settings: Settings, name: str) -> StockRule:
    """What a channel wants otherwise than the rest."""
    return _rule(settings.channels[name].stock, f"channels.{name}.stock")


def channel_tier(settings: Settings, name: str) -> str:
    """The tier by which rules on SKUs know a channel."""
    return settings.channels[name].stock.tier or name


def listing_stock(settings: Settings, name: str) -> dict[ListingRef, StockRule]:
    """What single listings of a channel want otherwise than the channel."""
    return {
        ListingRef(listing.ref): _rule(listing.stock, f"channels.{name}.listings.{listing.ref}.stock")
        for listing in settings.channels[name].listings
    }


def sku_match(match: Match, place: str) -> SkuMatch:
    """Which SKUs a rule is for; OptionsRefused when a face value is finer than its currency."""
    try:
        low, high = (
            _money(match.face_value_from, match.currency),
            _money(match.face_value_below, match.currency),
        )
    except InvalidInput as error:
        raise OptionsRefused(f"{place}.match: {error}") from None
    return SkuMatch(
        tags=frozenset(match.tags),
        brand=match.brand,
        kind=match.kind,
        region=match.region,
        face_value_from=low,
        face_value_below=high,
        validity_from=_days(match.validity_days_from),
        validity_below=_days(match.validity_days_below),
    )


def _sku_rule(number: int, rule: WrittenRule) -> SkuRule:
    place = f"stock.rules[{number}]"
    return SkuRule(sku_match(rule.match, place), _everywhere(rule, "stock", rule.label, rule.tiers))


def _everywhere(
    written: Stock | WrittenRule, place: str, label: str, tiers: Sequence[str] | None = None
) -> StockRule:
    said = _rule(written, place)
    return StockRule(
        on=said.on,
        share_ppm=said.share_ppm,
        cap=said.cap,
        floor=said.floor,
        allotment=said.allotment,
        buffer=said.buffer,
        priority=said.priority,
        tiers=None if tiers is None else Lifted.LIFTED if ALL in tiers else frozenset(tiers),
        bound_permille=None if written.bound is None else int(written.bound * 1000),
        shared_by=None if written.shared_by is None else SharedBy(written.shared_by),
        last_codes=written.last_codes,
        last_to=None if written.last_to is None else LastTo(written.last_to),
        place=place,
        label=label,
    )


def _rule(written: ListingStock, place: str) -> StockRule:
    return StockRule(
        on=written.on,
        share_ppm=None if written.share is None else int(written.share * _PPM_OF_ONE),
        cap=Lifted.LIFTED if written.cap == NONE else written.cap,
        floor=written.floor,
        allotment=Lifted.LIFTED if written.allotment == NONE else written.allotment,
        buffer=None if written.buffer is None else _buffer(written.buffer),
        priority=written.priority,
        place=place,
    )


def _buffer(written: Buffer) -> CoreBuffer:
    if written.chance is not None:
        return RiskBuffer(written.chance, written.lag_seconds or DEFAULT_LAG_SECONDS)
    if written.percent is not None:
        return PartBuffer(int(written.percent * _PPM_OF_PERCENT))
    return CountBuffer(written.codes or 0)


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money.parse(str(amount), currency)


def _days(days: int | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)
