"""Says what comes out of pricing: a price, a price held for approval, or none; each with its steps.

Nothing here can carry a quantity: whoever sets prices has no way to say how many are sold.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.money.money import Money
from core.offers.price.facts import ShownPrice
from core.types import ListingId


class Reason(StrEnum):
    """Why there is no price, for programs."""

    NO_BASE = "no_base"
    NO_COST = "no_cost"
    NO_RATE = "no_rate"
    RATE_TOO_OLD = "rate_too_old"
    PLAN_REFUSED = "plan_refused"
    FLOOR_ABOVE_CEILING = "floor_above_ceiling"
    STUCK_UNDER_FLOOR = "stuck_under_floor"


@dataclass(frozen=True, slots=True)
class PriceStep:
    """The amount after one step, and why: up to the mark-up what we are paid, then what the buyer pays.

    `given` names the rule that the step followed; empty: nobody wrote one.
    """

    name: str
    amount_minor: int
    why: str
    given: str = ""


@dataclass(frozen=True, slots=True)
class Priced:
    """The price to show; the last step ends at gross. `pays`: a change that may be paid for."""

    gross: Money
    net: Money
    steps: tuple[PriceStep, ...]
    pays: bool = False

    @property
    def shown(self) -> ShownPrice:
        """What the listing shows."""
        return ShownPrice(self.gross, self.net)


@dataclass(frozen=True, slots=True)
class Held:
    """A price too far from the one shown: `asked` waits for a person, and the old one stays.

    `shown` is None where the old one is below the floor: better to sell nothing meanwhile. `refused` says
    that a person has said no to exactly this price, so that nobody is asked again.
    """

    asked: ShownPrice
    shown: ShownPrice | None
    why: str
    steps: tuple[PriceStep, ...]
    refused: bool = False


@dataclass(frozen=True, slots=True)
class NoPrice:
    """No price could be made. `shown` is the old one where it may stay; None: the listing goes off."""

    reason: Reason
    why: str
    shown: ShownPrice | None
    steps: tuple[PriceStep, ...]


PricePlan = Priced | Held | NoPrice


@dataclass(frozen=True, slots=True)
class PriceChange:
    """All that pricing may say of a listing: its price, and whether that differs from what it shows."""

    listing_id: ListingId
    price: ShownPrice
    changed: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the steps early: there is no price. The old one stays where `stays` says so."""

    reason: Reason
    why: str
    stays: bool
