"""Says what a price depends on that comes from outside: costs, rates, rivals, past changes, sales, approvals.

Everything here was read from somewhere before; nothing here decides. What is empty or None is not known, and
every step says so instead of guessing. Times are aware UTC, amounts minor units, rates whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.money.conversion import Rates
from core.money.money import Money
from core.types import ListingId

# How far back past changes of a price are looked at; older ones need not be read.
CHANGES_LOOKED_AT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Sighting:
    """An offer for the same product on the same channel, as it was last seen; own: one of ours."""

    seller: str
    price: Money
    own: bool
    seen_at: datetime
    stock: int | None = None


@dataclass(frozen=True, slots=True)
class ShownPrice:
    """What a listing shows: what the buyer pays, and what of it reaches us."""

    gross: Money
    net: Money


@dataclass(frozen=True, slots=True)
class ChangeMade:
    """A change of the price that a channel was told, in minor units of its currency."""

    at: datetime
    before_minor: int
    after_minor: int

    @property
    def lowered(self) -> bool:
        """Whether it went down."""
        return self.after_minor < self.before_minor


@dataclass(frozen=True, slots=True)
class Budget:
    """How many changes of the price are free until `resets_at`; None: as many as we like.

    A pool is shared by all listings that name it; without one the budget is the listing's own. `fee` is
    what a change costs when no free one is left; None: it is not possible.
    """

    free_left: int | None = None
    resets_at: datetime | None = None
    pool: str | None = None
    fee: Money | None = None


@dataclass(frozen=True, slots=True)
class PriceException:
    """A person's word that a listing may be sold as low as `least` (what the buyer pays) for some time."""

    least: Money
    signed_by: str
    why: str
    from_at: datetime
    until: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.from_at <= now < self.until


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person said last about a price that the brake held."""

    price: Money
    approved: bool
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class QuotedFee:
    """What the channel's own calculator said it leaves of a price."""

    gross: Money
    net: Money
    at: datetime


@dataclass(frozen=True, slots=True)
class Demand:
    """How a SKU sells, from our own sales; the factors are sales in relation to the mean (1.0).

    `weekday` has 7 (Monday first), `hour` 24 and `month` 12 values of UTC, or none where too little was sold
    to tell.
    """

    per_day: float = 0.0
    usual_per_day: float | None = None
    usual_stock: float | None = None
    last_sold_at: datetime | None = None
    measured_since: datetime | None = None
    weekday: tuple[float, ...] = ()
    hour: tuple[float, ...] = ()
    month: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.weekday) in (0, 7), self.weekday
        assert len(self.hour) in (0, 24), self.hour
        assert len(self.month) in (0, 12), self.month


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """A time window of which somebody asks how much was sold in it, known by its name and its beginning."""

    name: str
    from_at: datetime


@dataclass(frozen=True, slots=True)
class ListingQuestion:
    """A listing whose stored facts are wanted, and the windows of which its sales are counted.

    `core.offers.pricing.stored_facts` answers many of these at once.
    """

    listing_id: ListingId
    spans: tuple[WindowSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class ListingFacts:
    """What is stored about a listing's price.

    Changes are those of CHANGES_LOOKED_AT, the oldest first; `sold_in` says how many units each window that
    was asked for has sold, but for what was given back.
    """

    changes: tuple[ChangeMade, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    budget: Budget = Budget()
    exceptions: tuple[PriceException, ...] = ()
    verdict: Verdict | None = None
    fee: QuotedFee | None = None
    demand: Demand | None = None
    sold_in: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offered:
    """Where and as what something is offered, as far as split plans ask."""

    channel: str = ""
    sku: str = ""
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PriceFacts:
    """Everything from outside that one listing's price is made of.

    `bases` are what one unit should bring after commission, by currency; `unit_costs` those of the dearest
    free codes, one of each currency; `stock` counts the free codes of the SKU; `published` is what was
    acknowledged last.
    """

    currency: str
    now: datetime
    bases: Mapping[str, int] = field(default_factory=dict)
    unit_costs: tuple[Money, ...] = ()
    stock: int = 0
    rates: Rates = field(default_factory=dict)
    published: ShownPrice | None = None
    listing: ListingFacts = ListingFacts()
    offered: Offered = Offered()
