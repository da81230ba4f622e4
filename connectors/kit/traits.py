"""What a connector declares about its channel, so that the core can plan by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.types import PenaltyLine, PriceBasis


class Contract(StrEnum):
    """Who calls whom when something is sold."""

    ANSWERED = "answered"  # the channel asks us, the codes go back in our reply
    UPLOADED = "uploaded"  # the channel tells us, we upload the code in a call of our own
    OWN_SHOP = "own_shop"  # the order is paid at the shop; we read it and write the delivery
    STOCKED_AHEAD = "stocked_ahead"  # codes are uploaded before they are sold
    PROCURED = "procured"  # we buy upstream when it is sold


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most so many requests in so many seconds, over all requests to the channel."""

    requests: int
    per_seconds: float


@dataclass(frozen=True, slots=True)
class Penalty:
    """What the channel does when a share of failures in a window reaches a line.

    The texts are for people; `line` says the same to the guard, where our failures can be kept below it.
    """

    what: str
    threshold: str
    window_seconds: int
    consequence: str
    line: PenaltyLine | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """The declared facts of a channel's protocol; times in seconds, None where the channel sets no limit."""

    contract: Contract
    # Whether prices are written as the buyer sees them or as we are paid.
    written_price: PriceBasis
    rate_limit: RateLimit
    # Whether a sale needs our consent first (True) or may oversell between two stock pushes (False).
    reservation_is_authoritative: bool
    takes_partial_orders: bool = False
    # How long an unpaid reservation may have to be kept.
    hold_seconds: int = 3600
    # How soon after payment the codes must be with the channel.
    deliver_within_seconds: int | None = None
    # How soon a question of the channel must be answered.
    answer_within_seconds: float | None = None
    # Whether the channel lowers a listing's quantity when a sale is delivered, not when it is made: then it
    # is told anew after each delivery.
    delivery_lowers_quantity: bool = False
    # The least time between two writes of one listing.
    seconds_between_writes: float = 0.0
    # Price changes of one listing that cost nothing, per day; None: all are free.
    free_price_changes_per_day: int | None = None
    # The largest quantity the channel accepts for a listing.
    largest_quantity: int = 100_000
    # The finest step of a price there, in minor units: what is shown of ours may differ by less than that.
    price_step_minor: int = 1
    # The only currency of the channel; None: whatever the account is in.
    currency: str | None = None
    penalties: Sequence[Penalty] = ()
