"""Says how a listing's price is to be made, step by step; what is None is not done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import PlanRefused
from core.money.money import Money

WHOLE_PPM = 1_000_000
_PRICES_BELOW_MINOR = 10**15
# Over a weekend nobody fixes rates.
RATE_MAX_AGE = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when something holds; None: always, for ever."""

    from_at: datetime | None = None
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it holds now."""
        return (self.from_at is None or self.from_at <= now) and (self.until is None or now < self.until)


ALWAYS = Span()


class Aim(StrEnum):
    """What a price starts from."""

    FIXED = "fixed"
    COST_PLUS = "cost_plus"
    NET = "net"


@dataclass(frozen=True, slots=True)
class Target:
    """What the price is to be: `amount` for the buyer (fixed) or for us (net), or the cost and a margin."""

    aim: Aim
    amount: Money | None = None
    margin_ppm: int = 0
    span: Span = ALWAYS

    def __post_init__(self) -> None:
        if (self.amount is None) != (self.aim is Aim.COST_PLUS):
            raise PlanRefused(f"price target {self.aim}: fixed and net take an amount, cost_plus takes none")
        if self.amount is not None and self.amount.amount_minor <= 0:
            raise PlanRefused(f"price target {self.aim}: {self.amount} is not above zero")
        if self.margin_ppm < -WHOLE_PPM:
            raise PlanRefused("price target: a margin below -100 % makes a price below zero")


@dataclass(frozen=True, slots=True)
class StockRung:
    """A change of the price while the stock is below, or above, so much of the usual."""

    change_ppm: int
    below_ppm: int | None = None
    above_ppm: int | None = None

    def __post_init__(self) -> None:
        if (self.below_ppm is None) == (self.above_ppm is None):
            raise PlanRefused("stock rung: write either below or above")
        _change(self.change_ppm, "stock rung")


@dataclass(frozen=True, slots=True)
class StaleRung:
    """A change of the price while nothing was sold for so long."""

    change_ppm: int
    after: timedelta

    def __post_init__(self) -> None:
        _change(self.change_ppm, "stale rung")


@dataclass(frozen=True, slots=True)
class Pressure:
    """The stock-pressure ladder: the farthest rung by stock, and the farthest by days without a sale."""

    stock: tuple[StockRung, ...] = ()
    stale: tuple[StaleRung, ...] = ()
    span: Span = ALWAYS


@dataclass(frozen=True, slots=True)
class DemandRule:
    """How far the price goes with demand: this share of what sales are above or below usual, up to a bound.

    `velocity_ppm` of 100,000 and sales at 150 % of usual raise the price by 5 %. The season's factors are the
    product of weekday, hour and month, each from own sales.
    """

    velocity_ppm: int = 0
    season_ppm: int = 0
    at_most_ppm: int = 100_000
    span: Span = ALWAYS

    def __post_init__(self) -> None:
        if not 0 <= self.at_most_ppm < WHOLE_PPM:
            raise PlanRefused("demand: at_most is 0 to below 100 %")


class Follow(StrEnum):
    """Where to stand among the rivals."""

    UNDERCUT = "undercut"
    MATCH = "match"
    STAY = "stay"


@dataclass(frozen=True, slots=True)
class Damping:
    """Keeps two programs from racing each other down.

    A price follows downwards at most once per `interval`. After `rounds` cuts in a row it goes back to its
    target and stays there for `rest`. `slack_minor`: how much cheaper than needed a price may stay before it
    is moved up again.
    """

    interval: timedelta = timedelta(minutes=15)
    rounds: int = 4
    rest: timedelta = timedelta(hours=6)
    slack_minor: int = 0

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.slack_minor < 0:
            raise PlanRefused("damping: rounds is 1 or more, and slack 0 or more")


@dataclass(frozen=True, slots=True)
class RivalRule:
    """How to answer rivals: undercut the cheapest by a step, match it, or stay at a place in the order.

    Competition moves a price at most `below_ppm` under its target (the reserve) and `above_ppm` over it.
    """

    follow: Follow = Follow.MATCH
    step_minor: int = 1
    place: int = 1
    below_ppm: int = 100_000
    above_ppm: int = 0
    ignore: tuple[str, ...] = ()
    fresh: timedelta = timedelta(hours=6)
    damping: Damping = Damping()
    span: Span = ALWAYS

    def __post_init__(self) -> None:
        if self.step_minor < 1 or self.place < 1:
            raise PlanRefused("rival: step and place are 1 or more")
        if not 0 <= self.below_ppm <= WHOLE_PPM or self.above_ppm < 0:
            raise PlanRefused("rival: below is 0 to 100 %, above 0 % or more")


@dataclass(frozen=True, slots=True)
class Window:
    """A price for a time, such as a flash sale, until it is over or so many were sold.

    `per_buyer`: so many pieces one buyer may take of it; None: as many as he likes.
    """

    name: str
    from_at: datetime
    until: datetime
    price: Money
    quota: int | None = None
    per_buyer: int | None = None

    def __post_init__(self) -> None:
        if self.from_at >= self.until:
            raise PlanRefused(f"window {self.name}: it ends before it starts")
        if self.price.amount_minor <= 0 or (self.quota is not None and self.quota < 1):
            raise PlanRefused(f"window {self.name}: its price and quota are above zero")
        if self.per_buyer is not None and self.per_buyer < 1:
            raise PlanRefused(f"window {self.name}: a buyer may take 1 or more")


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a buyer pays."""

    amount: Money
    span: Span = ALWAYS


class Direction(StrEnum):
    """Which way a price is rounded."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class Brake:
    """The largest change at once, and within a day; what goes beyond waits for a person."""

    step_ppm: int | None = None
    day_ppm: int | None = None
    span: Span = ALWAYS


@dataclass(frozen=True, slots=True)
class Spending:
    """How changes are spent where they are counted: `pay` allows those that cost money.

    A change by less than `least_ppm` is not worth a counted one.
    """

    pay: bool = False
    least_ppm: int = 0
    span: Span = ALWAYS


@dataclass(frozen=True, slots=True)
class PriceRule:
    """How a base price becomes a channel's price.

    Prices are rounded to a multiple of `rounding_minor` plus `ending_minor`: 100 and 99 make 7.99. The
    floor is the unit cost and `floor_margin_ppm` of it; None adds nothing to the cost. `given` says which
    rule each step comes from, by the step's name.
    """

    markup_ppm: int = 0
    floor_margin_ppm: int | None = None
    rounding_minor: int = 1
    ending_minor: int | None = None
    direction: Direction = Direction.UP
    target: Target | None = None
    pressure: Pressure | None = None
    demand: DemandRule | None = None
    rival: RivalRule | None = None
    windows: tuple[Window, ...] = ()
    ceiling: Ceiling | None = None
    brake: Brake | None = None
    spending: Spending = Spending()
    rate_max_age: timedelta = RATE_MAX_AGE
    given: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.markup_ppm, self.floor_margin_ppm or 0) < -WHOLE_PPM:
            raise PlanRefused("price rule: a mark-up or margin below -100 % makes a price below zero")
        if self.rounding_minor < 1:
            raise PlanRefused(f"price rule: rounding_minor is {self.rounding_minor}: write 1 or more")
        if not 0 <= (self.ending_minor or 0) < self.rounding_minor:
            raise PlanRefused(
                f"price rule: ending_minor is {self.ending_minor}: write 0 or more, below rounding_minor"
                f" ({self.rounding_minor}), such as 99 below 100"
            )

    def currencies(self) -> set[str]:
        """Those of the amounts that a person wrote into it."""
        amounts = [window.price for window in self.windows]
        amounts += [self.target.amount] if self.target is not None and self.target.amount is not None else []
        amounts += [self.ceiling.amount] if self.ceiling is not None else []
        return {amount.currency for amount in amounts}

    @property
    def candidates(self) -> range:
        """The prices that this rule may end at."""
        return range(self.ending_minor or self.rounding_minor, _PRICES_BELOW_MINOR, self.rounding_minor)


def _change(change_ppm: int, what: str) -> None:
    if change_ppm <= -WHOLE_PPM:
        raise PlanRefused(f"{what}: a change of -100 % or less makes a price of nothing")
