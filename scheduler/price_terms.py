"""Turns what the operator wrote about prices into the layers core decides by. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

from config import price as written
from config.settings import Settings
from connectors.kit.errors import OptionsRefused
from core.errors import InvalidInput
from core.money.money import Money
from core.offers.price.book import PriceBook, PriceLayer, Rounding, SkuPriceLayer
from core.offers.price.rule import (
    Aim,
    Brake,
    Ceiling,
    Damping,
    DemandRule,
    Direction,
    Follow,
    Pressure,
    RivalRule,
    Span,
    Spending,
    StaleRung,
    StockRung,
    Target,
    Window,
)
from core.types import ListingRef
from scheduler.stock_terms import sku_match

S = TypeVar("S")
T = TypeVar("T")

_PPM_OF_PERCENT = 10_000


def price_book(settings: Settings, name: str) -> PriceBook:
    """All layers that concern a channel; OptionsRefused names an amount that is finer than its currency."""
    price, channel = settings.price, settings.channels[name]
    return PriceBook(
        everywhere=_layer(price, "price", rate_max_age=timedelta(hours=settings.rates.max_age_hours)),
        by_sku=tuple(_by_sku(price)),
        channel=_layer(channel.price, f"channels.{name}.price"),
        by_listing={
            ListingRef(listing.ref): _layer(listing.price, f"channels.{name}.listings.{listing.ref}.price")
            for listing in channel.listings
        },
        pivot=settings.rates.pivot,
    )


def _by_sku(price: written.Price) -> Iterator[SkuPriceLayer]:
    for number, rule in enumerate(price.rules):
        span = Span(rule.from_at, rule.until)
        match = sku_match(rule.match, f"price.rules[{number}]")
        yield SkuPriceLayer(match, _layer(rule, "price", span=span, label=rule.label))


def _layer(
    said: written.ListingPrice,
    place: str,
    *,
    span: Span | None = None,
    label: str = "",
    rate_max_age: timedelta | None = None,
) -> PriceLayer:
    try:
        return PriceLayer(
            markup_ppm=_ppm(said.markup_percent),
            floor_margin_ppm=_ppm(said.floor_margin_percent),
            rounding=_rounding(said),
            target=_written(said.target, _target),
            pressure=_written(said.pressure, _pressure),
            demand=_written(said.demand, _demand),
            rival=_written(said.rival, _rival),
            windows=_written(said.windows, lambda windows: tuple(_window(each) for each in windows)),
            ceiling=_written(said.ceiling, _ceiling),
            brake=_written(said.brake, _brake),
            spending=_written(said.budget, _spending),
            rate_max_age=rate_max_age,
            without=said.without,
            span=span or Span(),
            place=place,
            label=label,
        )
    except InvalidInput as error:
        raise OptionsRefused(f"{place}{f' [{label}]' if label else ''}: {error}") from None


def _written(said: S | None, make: Callable[[S], T]) -> T | None:
    """What core makes of a step, where one is written."""
    return None if said is None else make(said)


def _rounding(said: written.ListingPrice) -> Rounding | None:
    if said.rounding_minor is None and said.ending_minor is None and said.rounding is None:
        return None
    return Rounding(said.rounding_minor or 1, said.ending_minor, Direction(said.rounding or "up"))


def _target(said: written.Target) -> Target:
    if said.cost_plus_percent is not None:
        return Target(Aim.COST_PLUS, None, _ppm(said.cost_plus_percent) or 0, _span(said))
    aim, amount = (Aim.NET, said.net) if said.fixed is None else (Aim.FIXED, said.fixed)
    assert amount is not None, "the settings refuse a target of nothing"
    assert said.currency is not None, "the settings refuse an amount without a currency"
    return Target(aim, _money(amount, said.currency), 0, _span(said))


def _pressure(said: written.Pressure) -> Pressure:
    stock = [
        StockRung(_of(rung.change_percent), _ppm(rung.below_percent), _ppm(rung.above_percent))
        for rung in said.stock
    ]
    stale = [StaleRung(_of(rung.change_percent), timedelta(days=rung.days)) for rung in said.stale]
    return Pressure(tuple(stock), tuple(stale), _span(said))


def _demand(said: written.Demand) -> DemandRule:
    return DemandRule(
        _of(said.velocity_percent), _of(said.season_percent), _of(said.at_most_percent), _span(said)
    )


def _rival(said: written.Rival) -> RivalRule:
    damping = said.damping
    return RivalRule(
        follow=Follow(said.follow),
        step_minor=said.step_minor,
        place=said.place,
        below_ppm=_of(said.below_percent),
        above_ppm=_of(said.above_percent),
        ignore=said.ignore,
        fresh=timedelta(hours=said.fresh_hours),
        damping=Damping(
            interval=timedelta(seconds=damping.interval_seconds),
            rounds=damping.rounds,
            rest=timedelta(hours=damping.rest_hours),
            slack_minor=damping.slack_minor,
        ),
        span=_span(said),
    )


def _window(said: written.Window) -> Window:
    price = _money(said.price, said.currency)
    return Window(said.name, said.from_at, said.until, price, said.quota, said.per_buyer)


def _ceiling(said: written.Ceiling) -> Ceiling:
    return Ceiling(_money(said.amount, said.currency), _span(said))


def _brake(said: written.Brake) -> Brake:
    return Brake(_ppm(said.step_percent), _ppm(said.day_percent), _span(said))


def _spending(said: written.Budget) -> Spending:
    return Spending(said.pay, _of(said.least_change_percent), _span(said))


def _span(said: written.Dated) -> Span:
    return Span(said.from_at, said.until)


def _money(amount: Decimal, currency: str) -> Money:
    return Money.parse(str(amount), currency)


def _ppm(percent: Decimal | None) -> int | None:
    return None if percent is None else _of(percent)


def _of(percent: Decimal) -> int:
    return int(percent * _PPM_OF_PERCENT)
