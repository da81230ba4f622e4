"""Decides what every listing of one SKU shows: quantities shared out over the channels, and prices. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.db.pool import Record
from core.money.money import Money
from core.offers.closures.closed import Closures, closed_by
from core.offers.drift.adopted import as_found
from core.offers.history.selling import Lag, Selling
from core.offers.matching import SkuFacts
from core.offers.price.plan import Held, NoPrice, PriceChange, PricePlan
from core.offers.stock.quantities import codes_of_groups, plan_quantities, promise_now
from core.offers.stock.rules import ListingPolicy, SkuPolicy, StockPolicy
from core.offers.stock.wants import ListingStock, QuantityPlan, QuotaLeft, Step
from core.offers.terms import ChannelTerms
from core.types import ChannelId, ListingId, ListingRef, PriceBasis, SkuId

_WHOLE_PPM = 1_000_000
# An increase waits for the decreases of others, but not for a channel that does not answer.
_PATIENCE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class ShelfStock:
    """Free codes of one shelf; expires_at None: never."""

    expires_at: datetime | None
    unit_cost_minor: int | None
    currency: str | None
    free: int


@dataclass(frozen=True, slots=True)
class SkuStock:
    """What we hold of a SKU, what it should bring, by currency, what it is and how it sells."""

    shelves: tuple[ShelfStock, ...]
    base_price_minor: Mapping[str, int]
    facts: SkuFacts = field(default_factory=SkuFacts)
    selling: Selling = field(default_factory=lambda: Selling({}))

    def facts_at(self, now: datetime) -> SkuFacts:
        """What rules look at, with how long the code that is sold next stays valid."""
        expiries = [shelf.expires_at for shelf in self.shelves if shelf.free > 0 and shelf.expires_at]
        if not expiries and self.facts.validity is None:
            return self.facts
        return replace(self.facts, validity=min(expiries) - now if expiries else None)

    def free_after(self, moment: datetime) -> int:
        """Free codes that are still valid after a moment."""
        return sum(
            max(shelf.free, 0)
            for shelf in self.shelves
            if shelf.expires_at is None or shelf.expires_at > moment
        )

    def dearest_costs(self) -> tuple[Money, ...]:
        """The dearest of the free codes in each currency: a price must not lose money on any of them."""
        dearest: dict[str, int] = {}
        for shelf in self.shelves:
            cost_minor, currency = shelf.unit_cost_minor, shelf.currency
            if shelf.free > 0 and cost_minor is not None and currency is not None:
                dearest[currency] = max(dearest.get(currency, cost_minor), cost_minor)
        return tuple(Money(minor, currency) for currency, minor in sorted(dearest.items()))

    def currencies(self) -> set[str]:
        """Those of base prices and costs."""
        costs = {each.currency for each in self.shelves if each.free > 0 and each.unit_cost_minor is not None}
        return {*self.base_price_minor, *(currency for currency in costs if currency is not None)}


@dataclass(frozen=True, slots=True)
class OfferRow:
    """A listing's offer as the database has it."""

    listing_id: ListingId
    channel_id: ChannelId
    listing_ref: ListingRef
    sku_id: SkuId
    enabled: bool
    dirty_version: int
    dirty_since: datetime
    telling_quantity: int | None
    doubt_quantity: int | None
    published_quantity: int | None
    published_price_minor: int | None
    published_net_minor: int | None
    published_on: bool | None
    observed_quantity: int | None
    counted_there: bool

    @classmethod
    def read(cls, row: Record) -> OfferRow:
        """From a row of `lock_offers`."""
        return cls(**dict(row))

    @property
    def showing(self) -> int:
        """The largest quantity the channel may be showing of ours now."""
        published = (self.published_quantity or 0) if self.published_on is not False else 0
        return max(published, self.telling_quantity or 0, self.doubt_quantity or 0)

    @property
    def in_doubt(self) -> bool:
        """Whether it was told something of which nobody knows what became."""
        return self.telling_quantity is not None or self.doubt_quantity is not None


@dataclass(frozen=True, slots=True)
class OfferPlan:
    """What a listing should show, what it can be told now, and why.

    `quantity` is what may be told at this moment; below `wanted_quantity` it is held back until others have
    gone down. Amounts are minor units of the channel's currency.
    """

    row: OfferRow
    wanted_quantity: int
    quantity: int
    price_minor: int
    net_minor: int
    currency: str
    on: bool
    tells: bool
    price_changed: bool
    quantity_changed: bool
    available: int
    promised_total: int
    policy: ListingPolicy
    sku_policy: SkuPolicy
    steps: tuple[Step, ...]
    priced: PricePlan
    why: dict[str, object]

    @property
    def held_back(self) -> bool:
        """Whether less is told than wanted, for now."""
        return self.quantity < self.wanted_quantity

    @property
    def raises(self) -> bool:
        """Whether telling it raises what is promised."""
        return self.quantity > self.row.showing


@dataclass(frozen=True, slots=True)
class StockWishes:
    """What the operator wants of quantities, and how late each channel learns of sales elsewhere.

    `quotas` are of listings that are in a flash sale now.
    """

    policy: StockPolicy
    lags: Mapping[ChannelId, Lag]
    quotas: Mapping[ListingId, QuotaLeft] = field(default_factory=dict)


def plan_sku(
    stock: SkuStock,
    rows: Sequence[OfferRow],
    terms: Mapping[ChannelId, ChannelTerms],
    closures: Closures,
    wishes: StockWishes,
    prices: Mapping[ListingId, PricePlan],
    now: datetime,
) -> list[OfferPlan]:
    """Plans for those listings of a SKU whose channels are configured; each sees what the others show."""
    known = [row for row in rows if row.channel_id in terms]
    facts = stock.facts_at(now)
    sku_policy = wishes.policy.of_sku(facts)
    wants = {
        row.listing_id: _listing_stock(
            row, stock, facts, terms[row.channel_id], prices[row.listing_id], closures, wishes, now
        )
        for row in known
    }
    standing = Standing(
        stock.free_after(now), sku_policy, wants, {row.listing_id: row.showing for row in rows}
    )
    quantities = as_found(
        plan_quantities(standing.available, sku_policy, list(wants.values())), closures.quantities
    )
    plans = []
    for row in known:
        promise = _promise(row, standing, quantities, now)
        plan = _plan(row, terms[row.channel_id], promise, prices[row.listing_id], standing)
        if plan.tells:
            standing.showing[row.listing_id] = max(standing.showing[row.listing_id], plan.quantity)
        plans.append(plan)
    return plans


@dataclass(frozen=True, slots=True)
class Standing:
    """How a SKU stands while its listings are told one after the other: `showing` grows with what is told.

    It also has listings of channels that are not configured: what they may show is promised all the same.
    """

    available: int
    policy: SkuPolicy
    listings: Mapping[ListingId, ListingStock]
    showing: dict[ListingId, int]

    def others(self, listing_id: ListingId, codes: int) -> int:
        """What all others may show of a part of the stock: those confined to it, and the unconfigured."""
        return sum(
            quantity
            for other, quantity in self.showing.items()
            if other != listing_id and (other not in self.listings or self.listings[other].sellable <= codes)
        )


@dataclass(frozen=True, slots=True)
class _Promise:
    """What a listing should show, what it may be told now, and what holds it back."""

    wanted: QuantityPlan
    quantity: int
    held: str | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps to what is wanted, and the one that holds back."""
        if self.held is None:
            return self.wanted.steps
        return (*self.wanted.steps, Step("held back", self.quantity, self.held, "the outbox"))


def _promise(
    row: OfferRow, standing: Standing, quantities: Mapping[ListingId, QuantityPlan], now: datetime
) -> _Promise:
    """As far as the bound has room on every part of the stock, and once the others have gone down."""
    wanted = quantities[row.listing_id]
    lowering = [
        standing.listings[other].channel
        for other, plan in quantities.items()
        if other != row.listing_id and plan.quantity < standing.showing[other]
    ]
    if wanted.quantity > row.showing and lowering and now - row.dirty_since < _PATIENCE:
        return _Promise(wanted, row.showing, f"{', '.join(sorted(lowering))} must show less first")
    own = standing.listings[row.listing_id]
    promise = _Promise(wanted, wanted.quantity, None)
    for codes in codes_of_groups(standing.available, list(standing.listings.values())):
        if codes >= own.sellable:
            others, bound = standing.others(row.listing_id, codes), standing.policy.bound_permille.value
            quantity, held = promise_now(promise.quantity, row.showing, others, codes, bound)
            promise = _Promise(wanted, quantity, held or promise.held)
    return promise


def _listing_stock(
    row: OfferRow,
    stock: SkuStock,
    facts: SkuFacts,
    terms: ChannelTerms,
    price: PricePlan,
    closures: Closures,
    wishes: StockWishes,
    now: datetime,
) -> ListingStock:
    own = terms.listing_stock.get(row.listing_ref)
    days = terms.min_validity.days
    return ListingStock(
        listing_id=row.listing_id,
        channel=terms.name,
        policy=wishes.policy.of_listing(facts, terms.stock, own),
        closed=_closed(row, price, closures),
        sellable=stock.free_after(now + terms.min_validity),
        authoritative=terms.reservation_is_authoritative,
        largest_quantity=terms.largest_quantity,
        tier=terms.tier,
        sold_per_second=stock.selling.per_second.get(row.channel_id, 0.0),
        elsewhere_per_second=stock.selling.elsewhere(row.channel_id),
        mean_quantity=stock.selling.mean_quantity,
        lag=wishes.lags.get(row.channel_id, Lag()),
        proceeds_ppm=_proceeds_ppm(stock, price),
        sellable_why=f"codes valid for {days} days and more" if days else "codes that can be sold",
        sellable_source=f"channels.{terms.name}.min_validity_days" if days else "stock",
        quota=wishes.quotas.get(row.listing_id),
    )


def _closed(row: OfferRow, price: PricePlan, closures: Closures) -> str | None:
    """Why a listing may show nothing at all; None: it may."""
    closed = closed_by(closures, row.channel_id, row.sku_id, row.listing_id, enabled=row.enabled)
    if closed is not None:
        return closed
    return f"there is no price: {_why_none(price)}" if price.shown is None else None


def _why_none(price: PricePlan) -> str:
    return price.why if isinstance(price, NoPrice | Held) else ""


def _proceeds_ppm(stock: SkuStock, price: PricePlan) -> int | None:
    """What a unit leaves us in relation to what it should bring: so currencies compare without a rate."""
    shown = price.shown
    base = None if shown is None else stock.base_price_minor.get(shown.net.currency)
    return None if shown is None or not base else shown.net.amount_minor * _WHOLE_PPM // base


def _plan(
    row: OfferRow, terms: ChannelTerms, promise: _Promise, price: PricePlan, standing: Standing
) -> OfferPlan:
    quantity = promise.quantity
    # Without a price there is nothing to write: the listing goes off at the price it has.
    change = _price_change(row, terms, price)
    price_minor = change.price.gross.amount_minor if change else (row.published_price_minor or 0)
    net_minor = change.price.net.amount_minor if change else (row.published_net_minor or 0)
    on = quantity > 0
    price_changed = change is not None and change.changed
    quantity_changed = (
        row.in_doubt
        or row.counted_there
        or row.published_quantity is None
        or (row.published_on or False) != on
        or (on and row.published_quantity != quantity)
    )
    return OfferPlan(
        row=row,
        wanted_quantity=promise.wanted.quantity,
        quantity=quantity,
        price_minor=price_minor,
        net_minor=net_minor,
        currency=terms.currency,
        on=on,
        tells=quantity_changed or price_changed,
        price_changed=price_changed,
        quantity_changed=quantity_changed,
        available=standing.available,
        promised_total=standing.others(row.listing_id, standing.available) + quantity,
        policy=standing.listings[row.listing_id].policy,
        sku_policy=standing.policy,
        steps=promise.steps,
        priced=price,
        why=_why(promise, price),
    )


def _price_change(row: OfferRow, terms: ChannelTerms, price: PricePlan) -> PriceChange | None:
    """What pricing says of a listing: a price and nothing else."""
    if price.shown is None:
        return None
    gross_minor, net_minor = price.shown.gross.amount_minor, price.shown.net.amount_minor
    return PriceChange(row.listing_id, price.shown, _price_differs(row, terms, gross_minor, net_minor))


def _price_differs(row: OfferRow, terms: ChannelTerms, price_minor: int, net_minor: int) -> bool:
    """Compared on the side that is written: the other side is the channel's own sum."""
    if row.in_doubt:
        return True
    by_net = terms.written_price is PriceBasis.NET
    published, wanted = (
        (row.published_net_minor, net_minor) if by_net else (row.published_price_minor, price_minor)
    )
    # Less than the channel's own step it cannot show.
    return published is None or abs(published - wanted) >= terms.drift.price_step_minor


def _why(promise: _Promise, price: PricePlan) -> dict[str, object]:
    quantity = [
        {"rule": s.rule, "quantity": s.quantity, "why": s.why, "source": s.source} for s in promise.steps
    ]
    steps = [
        {"rule": s.name, "amount_minor": s.amount_minor, "why": s.why, "source": s.given} for s in price.steps
    ]
    return {"quantity": quantity, "price": steps, "price_state": price_state(price)}


def price_state(price: PricePlan) -> str:
    """In one word for programs: priced, held, or why there is no price."""
    if isinstance(price, NoPrice):
        return price.reason.value
    return "held" if isinstance(price, Held) else "priced"
