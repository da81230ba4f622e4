"""Decides what an operator may write about prices: for everything, for SKUs, channels and listings."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator

from config.fields import Amount, Currency, Markup, Percent, Seconds, Table, Whole, not_boolean
from config.match import Match

_Name = Annotated[str, Field(min_length=1)]
# A change of -100 % would be a price of nothing.
Change = Annotated[Decimal, BeforeValidator(not_boolean), Field(gt=-100, le=10_000, decimal_places=4)]
AnyPercent = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, le=10_000, decimal_places=4)]
Positive = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=2**31 - 1)]
Hours = Annotated[float, BeforeValidator(not_boolean), Field(gt=0, le=24 * 366, allow_inf_nan=False)]
Moment = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
Step = Literal["target", "pressure", "demand", "rival", "windows", "ceiling", "brake", "budget"]


class Dated(Table):
    """Something that may hold for a time only: from `from_at` until `until`."""

    from_at: Moment | None = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.from_at is not None and self.until is not None and self.from_at >= self.until:
            raise ValueError("it ends before it begins: exchange from_at and until")
        return self


class Target(Dated):
    """What a price starts from, in place of base price and mark-up: one of the three."""

    fixed: Amount | None = None  # what the buyer pays
    net: Amount | None = None  # what reaches us
    cost_plus_percent: Markup | None = None
    currency: Currency | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        amounts = [amount for amount in (self.fixed, self.net) if amount is not None]
        if len(amounts) + (self.cost_plus_percent is not None) != 1:
            raise ValueError("write one of fixed, net and cost_plus_percent")
        if bool(amounts) != (self.currency is not None):
            raise ValueError('an amount and its currency go together: write currency = "EUR" beside it')
        if amounts and amounts[0] <= 0:
            raise ValueError("write an amount above zero")
        return self


class StockRung(Table):
    """A change while the stock is below, or above, so many per cent of the usual."""

    below_percent: AnyPercent | None = None
    above_percent: AnyPercent | None = None
    change_percent: Change

    @model_validator(mode="after")
    def _one_line(self) -> Self:
        if (self.below_percent is None) == (self.above_percent is None):
            raise ValueError("write either below_percent or above_percent")
        return self


class StaleRung(Table):
    """A change while nothing was sold for so many days."""

    days: Positive
    change_percent: Change


class Pressure(Dated):
    """The stock-pressure ladder: the farthest rung by stock, and the farthest by days without a sale."""

    stock: Annotated[tuple[StockRung, ...], Field(max_length=50)] = ()
    stale: Annotated[tuple[StaleRung, ...], Field(max_length=50)] = ()


class Demand(Dated):
    """How much of a change in sales goes into the price: 10 of sales at 150 % of usual are 5 %."""

    velocity_percent: Percent = Decimal(0)
    season_percent: Percent = Decimal(0)
    at_most_percent: Annotated[Percent, Field(lt=100)] = Decimal(10)


class Damping(Table):
    """Keeps two programs from racing each other down."""

    interval_seconds: Seconds = 900.0
    rounds: Positive = 4
    # Past changes are looked at for two days.
    rest_hours: Annotated[Hours, Field(le=24)] = 6.0
    slack_minor: Whole = 0


class Rival(Dated):
    """How to answer other sellers, at most so far under and over the price without them."""

    follow: Literal["undercut", "match", "stay"] = "match"
    step_minor: Positive = 1
    place: Positive = 1
    below_percent: Percent = Decimal(10)
    above_percent: AnyPercent = Decimal(0)
    ignore: tuple[_Name, ...] = ()
    fresh_hours: Hours = 6.0
    damping: Damping = Damping()

    @model_validator(mode="after")
    def _place_goes_with_stay(self) -> Self:
        if self.place != 1 and self.follow != "stay":
            raise ValueError('place goes with follow = "stay" only: remove it')
        return self


class Window(Table):
    """A price for a time, such as a flash sale; it ends early when so many were sold, to whomever."""

    name: _Name
    from_at: Moment
    until: Moment
    price: Annotated[Amount, Field(gt=0)]
    currency: Currency
    quota: Positive | None = None
    # How many pieces one buyer may take of it, over all channels that tell who buys.
    per_buyer: Positive | None = None

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.from_at >= self.until:
            raise ValueError("it ends before it begins: exchange from_at and until")
        return self


class Ceiling(Dated):
    """The most that a buyer pays."""

    amount: Annotated[Amount, Field(gt=0)]
    currency: Currency


class Brake(Dated):
    """The largest change at once and within a day; what goes beyond waits for a person."""

    step_percent: AnyPercent | None = None
    day_percent: AnyPercent | None = None

    @model_validator(mode="after")
    def _brakes_something(self) -> Self:
        if self.step_percent is None and self.day_percent is None:
            raise ValueError("write step_percent or day_percent")
        return self


class Budget(Dated):
    """How changes are spent where a marketplace counts them; paid ones only where `pay` says so."""

    pay: bool = False
    least_change_percent: Percent = Decimal(0)


class ListingPrice(Table):
    """How a price is made; what is not written is taken from the layer above, step by step.

    Prices are rounded to a multiple of rounding_minor, plus ending_minor: 100 and 99 make 7.99. Rounding and
    ending are taken as a pair. `without` leaves out steps that a layer above has written.
    """

    markup_percent: Markup | None = None
    floor_margin_percent: Markup | None = None
    rounding_minor: Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=1_000_000)] | None = None
    ending_minor: Whole | None = None
    rounding: Literal["up", "down", "nearest"] | None = None
    target: Target | None = None
    pressure: Pressure | None = None
    demand: Demand | None = None
    rival: Rival | None = None
    windows: Annotated[tuple[Window, ...], Field(max_length=100)] | None = None
    ceiling: Ceiling | None = None
    brake: Brake | None = None
    budget: Budget | None = None
    without: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _ending_fits(self) -> Self:
        if self.ending_minor is not None and self.ending_minor >= (self.rounding_minor or 1):
            raise ValueError("ending_minor must be below rounding_minor: write both, such as 100 and 99")
        return self

    @model_validator(mode="after")
    def _says_and_leaves_out(self) -> Self:
        for step in self.without:
            if getattr(self, step) is not None:
                raise ValueError(f"{step} is written and left out by `without`: remove one of them")
        return self

    @model_validator(mode="after")
    def _windows_have_names_of_their_own(self) -> Self:
        names = [window.name for window in self.windows or ()]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{names.count(name)} windows are named {name}: give each its own name")
        return self


class ChannelPrice(ListingPrice):
    """One channel's own pricing."""


class PriceRule(ListingPrice):
    """How a price is made for the SKUs that match, for a time or always; later rules win."""

    name: _Name | None = None
    match: Match
    from_at: Moment | None = None
    until: Moment | None = None

    @property
    def label(self) -> str:
        """What explanations call it."""
        return self.name or self.match.words()

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.from_at is not None and self.until is not None and self.from_at >= self.until:
            raise ValueError("it ends before it begins: exchange from_at and until")
        return self


class Price(ListingPrice):
    """How a base price becomes a price unless something else says otherwise."""

    markup_percent: Markup = Decimal(0)
    floor_margin_percent: Markup = Decimal(0)
    rules: Annotated[tuple[PriceRule, ...], Field(max_length=1000)] = ()
