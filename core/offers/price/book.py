"""Decides which rule gives which step: everywhere, rules on SKUs, the channel, the listing. Pure.

Each layer says only what it wants otherwise; the later layer wins, step by step. Layers may hold for a time
only; so a rule for December leaves the rest of the year as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from core.offers.matching import SkuFacts, SkuMatch
from core.offers.price.rule import (
    ALWAYS,
    RATE_MAX_AGE,
    Brake,
    Ceiling,
    DemandRule,
    Direction,
    Pressure,
    PriceRule,
    RivalRule,
    Span,
    Spending,
    Target,
    Window,
)
from core.types import ListingRef

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rounding:
    """To a multiple of `minor` plus `ending_minor`; they belong together."""

    minor: int = 1
    ending_minor: int | None = None
    direction: Direction = Direction.UP


@dataclass(frozen=True, slots=True)
class PriceLayer:
    """What one layer says; None says nothing. `place` and `label` name it: price.floor [tag steam]."""

    markup_ppm: int | None = None
    floor_margin_ppm: int | None = None
    rounding: Rounding | None = None
    target: Target | None = None
    pressure: Pressure | None = None
    demand: DemandRule | None = None
    rival: RivalRule | None = None
    windows: tuple[Window, ...] | None = None
    ceiling: Ceiling | None = None
    brake: Brake | None = None
    spending: Spending | None = None
    rate_max_age: timedelta | None = None
    # Steps that are left out, whatever the layers below say.
    without: tuple[str, ...] = ()
    span: Span = ALWAYS
    place: str = "price"
    label: str = ""

    def source(self, step: str) -> str:
        """The name of one of its steps, as explanations give it."""
        return f"{self.place}.{step}" + (f" [{self.label}]" if self.label else "")


@dataclass(frozen=True, slots=True)
class SkuPriceLayer:
    """What holds for all SKUs that match."""

    match: SkuMatch
    layer: PriceLayer


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All layers that concern one channel."""

    everywhere: PriceLayer = PriceLayer()
    by_sku: tuple[SkuPriceLayer, ...] = ()
    channel: PriceLayer = PriceLayer()
    by_listing: Mapping[ListingRef, PriceLayer] = field(default_factory=dict)
    # Currencies of which no rate was told are crossed through this one.
    pivot: str = "EUR"

    def rule_for(self, sku: SkuFacts, listing_ref: ListingRef, now: datetime) -> PriceRule:
        """What holds for a listing of a SKU now, step by step, with where each comes from."""
        return _merged(self.layers(sku, listing_ref), now)

    def rules_at(self, now: datetime) -> RulesAt:
        """The same for many listings at one moment."""
        return RulesAt(self, now)

    @property
    def moves_by_itself(self) -> bool:
        """Whether a price may change without a sale or a word: by time, rivals, rates or history."""
        layers = (self.everywhere, self.channel, *self.by_listing.values())
        return any(_moves(layer) for layer in (*layers, *(each.layer for each in self.by_sku)))

    def layers(self, sku: SkuFacts, listing_ref: ListingRef) -> list[PriceLayer]:
        """All layers that concern a listing, the strongest last, whether or not they hold now."""
        own = self.by_listing.get(listing_ref)
        fitting = [each.layer for each in self.by_sku if each.match.fits(sku)]
        return [self.everywhere, *fitting, self.channel, *([own] if own else [])]


@dataclass(frozen=True, slots=True)
class RulesAt:
    """The rules of a book at one moment; listings that the same layers fit share one, and it is made once."""

    book: PriceBook
    now: datetime
    made: dict[tuple[int, ...], PriceRule] = field(default_factory=dict)

    def rule_for(self, sku: SkuFacts, listing_ref: ListingRef) -> PriceRule:
        """What holds for a listing of a SKU."""
        layers = self.book.layers(sku, listing_ref)
        # Layers live as long as their book, so where they stand in memory names them.
        names = tuple(map(id, layers))
        rule = self.made.get(names)
        if rule is None:
            rule = self.made[names] = _merged(layers, self.now)
        return rule


def _merged(every: Sequence[PriceLayer], now: datetime) -> PriceRule:
    """Step by step what the last layer says that holds now."""
    layers = [layer for layer in every if layer.span.holds(now)]
    given: dict[str, str] = {}
    pick = _Picker(layers, given)
    rounding = pick.last("rounding", lambda layer: layer.rounding, Rounding())
    return PriceRule(
        markup_ppm=pick.last("markup", lambda layer: layer.markup_ppm, 0),
        floor_margin_ppm=pick.last("floor", lambda layer: layer.floor_margin_ppm, None),
        rounding_minor=rounding.minor,
        ending_minor=rounding.ending_minor,
        direction=rounding.direction,
        target=pick.last("target", _dated(now, lambda layer: layer.target), None),
        pressure=pick.last("pressure", _dated(now, lambda layer: layer.pressure), None),
        demand=pick.last("demand", _dated(now, lambda layer: layer.demand), None),
        rival=pick.last("rival", _dated(now, lambda layer: layer.rival), None),
        windows=pick.last("windows", lambda layer: layer.windows, ()),
        ceiling=pick.last("ceiling", _dated(now, lambda layer: layer.ceiling), None),
        brake=pick.last("brake", _dated(now, lambda layer: layer.brake), None),
        spending=pick.last("budget", _dated(now, lambda layer: layer.spending), Spending()),
        rate_max_age=pick.last("rates", lambda layer: layer.rate_max_age, RATE_MAX_AGE),
        given=given,
    )


@dataclass(frozen=True, slots=True)
class _Picker:
    """Finds what the last layer says of a step, and notes where it stood."""

    layers: Sequence[PriceLayer]
    given: dict[str, str]

    def last(self, step: str, read: Callable[[PriceLayer], T | None], default: T) -> T:
        for layer in reversed(self.layers):
            value = read(layer)
            if value is not None:
                self.given[step] = layer.source(step)
                return value
            if step in layer.without:
                return default
        return default


_Dated = TypeVar("_Dated", Target, Pressure, DemandRule, RivalRule, Ceiling, Brake, Spending)


def _dated(
    now: datetime, read: Callable[[PriceLayer], _Dated | None]
) -> Callable[[PriceLayer], _Dated | None]:
    """Reads a step that holds now; one that does not leaves the word to the layer below."""

    def reading(layer: PriceLayer) -> _Dated | None:
        value = read(layer)
        return value if value is not None and value.span.holds(now) else None

    return reading


def _moves(layer: PriceLayer) -> bool:
    steps = (layer.target, layer.pressure, layer.demand, layer.rival, layer.ceiling, layer.windows)
    return layer.span != ALWAYS or any(step is not None for step in steps)
