"""Says what a campaign is made of: rewards as rules, how they are paid, a budget, an end, guards. Data only.

A reward's rule is one of `core.money.plans`, reckoned of an order as if it were one unit: its rate is of the
lines that meet its condition, its fixed amount and its tiers count once for the order, its cap and its tiers
over a period count for each beneficiary. Amounts are minor units of the campaign's currency, rates are parts
per million; where it pays points, what the rule reckons are points.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import ConfigDict

from core.errors import PlanRefused
from core.money.plans.rules import Rule

_EXACT = ConfigDict(extra="forbid")
_NAMED = re.compile(r"(points|coupon):([a-z0-9]+(?:[_-][a-z0-9]+)*)")
# Twofold: what a window that doubles comes to.
WHOLE_PPM = 1_000_000


class PaysKind(StrEnum):
    """In what a reward is paid."""

    WALLET = "wallet"  # cash back: money that the buyer may spend with us
    PAYABLE = "payable"  # money that a settlement pays out: referrers
    POINTS = "points"
    COUPON = "coupon"


@dataclass(frozen=True, slots=True)
class Pays:
    """How a reward is paid; points and coupons say of which programme or series."""

    __pydantic_config__ = _EXACT

    kind: PaysKind
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Pays:
        """From its text: wallet, payable, points:PROGRAMME, coupon:SERIES."""
        if found := _NAMED.fullmatch(text):
            return cls(PaysKind(found[1]), found[2])
        if text in (PaysKind.WALLET, PaysKind.PAYABLE):
            return cls(PaysKind(text))
        raise PlanRefused(f"pays {text!r}: write wallet, payable, points:PROGRAMME or coupon:SERIES")

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome of a draw: how often it comes, and what it gives in place of the rule's rate and amount."""

    __pydantic_config__ = _EXACT

    weight: int
    rate_ppm: int = 0
    fixed_minor: int = 0


@dataclass(frozen=True, slots=True)
class Reward:
    """What one beneficiary gets of an order.

    A draw's outcomes stand in place of the rule's own rate. `expires_days` counts from when a part vests;
    None: what it is paid in decides.
    """

    __pydantic_config__ = _EXACT

    rule: Rule
    pays: Pays
    outcomes: tuple[Outcome, ...] = ()
    expires_days: int | None = None


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A window in which rewards are so many times what they are; no names: all rewards."""

    __pydantic_config__ = _EXACT

    name: str
    times_ppm: int
    starts_at: datetime
    ends_at: datetime
    rewards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a campaign gives, in all and on one day (UTC)."""

    __pydantic_config__ = _EXACT

    total_minor: int
    per_day_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rewards, and how much, one buyer gets; all who share an address or a device are one there."""

    __pydantic_config__ = _EXACT

    grants_per_account: int | None = None
    amount_per_account_minor: int | None = None
    grants_per_address: int | None = None
    grants_per_device: int | None = None


@dataclass(frozen=True, slots=True)
class Guards:
    """Lines beyond which a reward is refused, or let pass with a warning.

    The margin is the order's: what the channel leaves less what its codes cost, else what the operator took.
    The lifetime is all that the buyer ever bought of us, this order among it, less what went back.
    None: no such line.
    """

    __pydantic_config__ = _EXACT

    margin_warn_ppm: int | None = 300_000
    margin_stop_ppm: int | None = WHOLE_PPM
    lifetime_ppm: int | None = 150_000
    minimum_order_minor: int = 0
    own_rings: bool = False


@dataclass(frozen=True, slots=True)
class Campaign:
    """One version of a campaign.

    It touches orders that are sold from `starts_at` on and before `ends_at`, and delivered after it was
    published unless it says `earlier_orders`. Windows that overlap multiply each other, at most
    `multiplier_cap_ppm`.
    """

    __pydantic_config__ = _EXACT

    name: str
    currency: str
    starts_at: datetime
    ends_at: datetime
    budget: Budget
    rewards: tuple[Reward, ...]
    version: int = 1
    multipliers: tuple[Multiplier, ...] = ()
    multiplier_cap_ppm: int = WHOLE_PPM
    limits: Limits = Limits()
    guards: Guards = Guards()
    earlier_orders: bool = False

    def reward(self, name: str) -> Reward | None:
        """The reward of a name."""
        return next((reward for reward in self.rewards if reward.rule.name == name), None)

    @property
    def draws(self) -> bool:
        """Whether any reward is drawn."""
        return any(reward.outcomes for reward in self.rewards)
