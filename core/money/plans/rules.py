"""Says what a split plan is made of: who takes what of which base, when, under which condition. Data only.

Amounts are minor units of the plan's currency, rates are parts per million. `lint` says whether a plan makes
sense; nothing here judges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import ConfigDict

from core.errors import PlanRefused

_EXACT = ConfigDict(extra="forbid")
_NAMED = re.compile(r"(budget|party):([a-z0-9]+(?:[_-][a-z0-9]+)*)")
_REFERRER = re.compile(r"referrer-([1-9])")
# A price above this is none: ten thousand million of the largest unit.
LARGEST_MINOR = 10**12


class PartyKind(StrEnum):
    """Who may take part in a sale."""

    CHANNEL = "channel"
    OPERATOR = "operator"
    CONSIGNOR = "consignor"
    REFERRER = "referrer"
    BUDGET = "budget"  # set aside for a purpose, such as traffic, and spent later
    BUYER = "buyer"  # rebates
    OTHER = "party"  # anybody else, by name


@dataclass(frozen=True, slots=True)
class Party:
    """A party of a rule. Budgets and others have a name, referrers a level; who it is, the sale tells."""

    __pydantic_config__ = _EXACT

    kind: PartyKind
    name: str = ""
    level: int = 0

    @classmethod
    def parse(cls, text: str) -> Party:
        """From its text: channel, operator, consignor, buyer, referrer-1, budget:traffic, party:shop."""
        if found := _REFERRER.fullmatch(text):
            return cls(PartyKind.REFERRER, level=int(found[1]))
        if found := _NAMED.fullmatch(text):
            return cls(PartyKind(found[1]), name=found[2])
        if text in ("channel", "operator", "consignor", "buyer"):
            return cls(PartyKind(text))
        raise PlanRefused(
            f"party {text!r}: write channel, operator, consignor, buyer, referrer-1, referrer-2, budget:NAME"
            " or party:NAME"
        )

    def __str__(self) -> str:
        if self.kind is PartyKind.REFERRER:
            return f"referrer-{self.level}"
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)


CHANNEL, OPERATOR, CONSIGNOR = (
    Party(kind) for kind in (PartyKind.CHANNEL, PartyKind.OPERATOR, PartyKind.CONSIGNOR)
)


class Base(StrEnum):
    """What a rate is reckoned of; never below zero on a sale."""

    GROSS = "gross"
    GROSS_LESS_TAX = "gross_less_tax"
    TAX = "tax"
    AFTER_CHANNEL = "after_channel"  # gross less what the channel's rules take
    MARGIN = "margin"  # after_channel less what the code cost
    REDEEMED = "redeemed"  # what was redeemed of a coupon so far; nothing before the first time
    REMAINS = "remains"  # what the rules before left


class Scope(StrEnum):
    """Of what one amount is reckoned: each unit, the line, or the order.

    The last two are shared out exactly.
    """

    UNIT = "unit"
    LINE = "line"
    ORDER = "order"


class Short(StrEnum):
    """What happens when a rule asks for more than is left."""

    REFUSE = "refuse"  # the sale cannot be split: its order is parked
    LESS = "less"  # it takes what is left
    LOSS = "loss"  # it takes all the same, and the operator bears the loss: a channel's commission is a fact


class TierBy(StrEnum):
    """What decides the tier."""

    AMOUNT = "amount"  # the base
    UNITS = "units"  # units the rule has seen in its period, those of this line among them
    TURNOVER = "turnover"  # the base summed over the period, before this unit
    ORDERS = "orders"  # which order of the buyer's this is


class TierMode(StrEnum):
    """Whether the tier reached holds for the whole amount, or each part is reckoned in its own tier."""

    WHOLE = "whole"
    MARGINAL = "marginal"


class Per(StrEnum):
    """The period over which caps and tiers count; calendar periods in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    EVER = "ever"


class Moment(StrEnum):
    """When a share vests, that is, when its owner may be paid."""

    SALE = "sale"
    DELIVERY = "delivery"
    HOLD = "hold"  # delivery, and the hold after it
    REDEMPTION = "redemption"


class OnRefund(StrEnum):
    """What a party gives back when money goes back to the buyer."""

    PROPORTIONAL = "proportional"  # the part of its share that is the refund's part of the price
    FULL = "full"  # its whole share of every unit that is refunded, even in part
    KEPT = "kept"  # nothing; the plan says who bears it


@dataclass(frozen=True, slots=True)
class Tier:
    """From this measure on: this rate and fixed amount."""

    __pydantic_config__ = _EXACT

    start: int
    rate_ppm: int = 0
    fixed_minor: int = 0


@dataclass(frozen=True, slots=True)
class Tiers:
    """A table of tiers, rising; below its first tier a rule takes nothing."""

    __pydantic_config__ = _EXACT

    by: TierBy
    mode: TierMode
    steps: tuple[Tier, ...]
    per: Per = Per.EVER


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a rule takes in one period."""

    __pydantic_config__ = _EXACT

    amount_minor: int
    per: Per


@dataclass(frozen=True, slots=True)
class Condition:
    """When a rule applies: everything that is written must hold. Several names: one of them is enough."""

    __pydantic_config__ = _EXACT

    channels: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    unless_tags: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None  # the first moment at which it holds no more
    orders_from: int | None = None  # the buyer's n-th order; 1 and 1 is the first alone
    orders_to: int | None = None
    referrer: int | None = None  # somebody of this level brought the buyer


@dataclass(frozen=True, slots=True)
class Vesting:
    """When a share vests: at a moment, in equal parts `every_days` apart.

    `hold_days` None: the channel's hold.
    """

    __pydantic_config__ = _EXACT

    at: Moment = Moment.SALE
    hold_days: int | None = None
    parts: int = 1
    every_days: int = 0


@dataclass(frozen=True, slots=True)
class Lapse:
    """What has not vested so many days after the sale goes to the operator, a budget or a named party."""

    __pydantic_config__ = _EXACT

    days: int
    to: Party = OPERATOR


@dataclass(frozen=True, slots=True)
class Rule:
    """What one party takes: rate of the base + fixed, or by tiers.

    At most, at least; capped; under a condition.
    """

    __pydantic_config__ = _EXACT

    name: str
    party: Party
    base: Base = Base.GROSS
    rate_ppm: int = 0
    fixed_minor: int = 0
    tiers: Tiers | None = None
    minimum_minor: int | None = None
    maximum_minor: int | None = None
    cap: Cap | None = None
    rest: bool = False
    scope: Scope = Scope.UNIT
    when: Condition = Condition()
    vest: Vesting = Vesting()
    lapse: Lapse | None = None
    on_refund: OnRefund = OnRefund.PROPORTIONAL
    when_short: Short = Short.REFUSE
    # Where a rule is put together with others: the currency its amounts were written in.
    currency: str | None = None

    @property
    def rounds(self) -> bool:
        """Whether what it takes of a unit may have been rounded."""
        return self.rate_ppm > 0 or self.tiers is not None or self.scope is not Scope.UNIT

    @property
    def counts(self) -> bool:
        """Whether what it takes depends on what came before in its period."""
        by_history = self.tiers is not None and self.tiers.by in (TierBy.UNITS, TierBy.TURNOVER)
        return by_history or self.cap is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of a split plan.

    It promises to split every price from `smallest_minor` to `largest_minor`.
    """

    __pydantic_config__ = _EXACT

    name: str
    rules: tuple[Rule, ...]
    version: int = 1
    currency: str | None = None  # None: no rule has an amount, so any currency will do
    smallest_minor: int = 0
    largest_minor: int = LARGEST_MINOR
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    kept_borne_by: Party = field(default=OPERATOR)
