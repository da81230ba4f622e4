"""Decides what every listing of one SKU shows: quantities shared out over the channels, and prices. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Record
from core.errors import PlanRefused
from core.money.money import Money
from core.offers.pricing import PricePlan, plan_price
from core.offers.stock_policy import ListingStock, QuantityPlan, plan_quantities, promise_now
from core.offers.terms import ChannelTerms
from core.types import ChannelId, ListingId, ListingRef, PriceBasis, SkuId


@dataclass(frozen=True, slots=True)
class ShelfStock:
    """Free codes of one shelf; expires_at None: never."""

    expires_at: datetime | None
    unit_cost_minor: int | None
    currency: str | None
    free: int


@dataclass(frozen=True, slots=True)
class SkuStock:
    """What we hold of a SKU, and what it should bring, by currency."""

    shelves: tuple[ShelfStock, ...]
    base_price_minor: Mapping[str, int]

    def free_after(self, moment: datetime) -> int:
        """Free codes that are still valid after a moment."""
        return sum(
            max(shelf.free, 0)
            for shelf in self.shelves
            if shelf.expires_at is None or shelf.expires_at > moment
        )

    def highest_cost(self, currency: str) -> Money | None:
        """The dearest of the free codes: a price must not lose money on any of them."""
        costs = [
            Money(shelf.unit_cost_minor, shelf.currency)
            for shelf in self.shelves
            if shelf.free and shelf.unit_cost_minor is not None and shelf.currency is not None
        ]
        own = [cost for cost in costs if cost.currency == currency]
        return max(own or costs, key=lambda cost: cost.amount_minor, default=None)


@dataclass(frozen=True, slots=True)
class OfferRow:
    """A listing's offer as the database has it."""

    listing_id: ListingId
    channel_id: ChannelId
    listing_ref: ListingRef
    sku_id: SkuId
    enabled: bool
    dirty_version: int
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
    why: dict[str, object]

    @property
    def held_back(self) -> bool:
        """Whether less is told than wanted, for now."""
        return self.quantity < self.wanted_quantity

    @property
    def raises(self) -> bool:
        """Whether telling it raises what is promised."""
        return self.quantity > self.row.showing


def plan_sku(
    stock: SkuStock,
    rows: Sequence[OfferRow],
    terms: Mapping[ChannelId, ChannelTerms],
    paused: set[ChannelId],
    bound_permille: int,
    now: datetime,
) -> list[OfferPlan]:
    """Plans for those listings of a SKU whose channels are configured; each sees what the others show."""
    known = [row for row in rows if row.channel_id in terms]
    prices = {row.listing_id: _price(stock, terms[row.channel_id]) for row in known}
    available = stock.free_after(now)
    wants = [
        _listing_stock(row, stock, terms[row.channel_id], prices[row.listing_id], paused, now)
        for row in known
    ]
    quantities = plan_quantities(available, bound_permille, wants)
    showing = {row.listing_id: row.showing for row in rows}
    plans = []
    for row in known:
        others = sum(showing.values()) - showing[row.listing_id]
        plan = _plan(
            row,
            terms[row.channel_id],
            quantities[row.listing_id],
            prices[row.listing_id],
            others,
            available,
            bound_permille,
        )
        if plan.tells:
            showing[row.listing_id] = max(showing[row.listing_id], plan.quantity)
        plans.append(plan)
    return plans


def _price(stock: SkuStock, terms: ChannelTerms) -> PricePlan | str:
    """The price on a channel, or why there is none: then the listing is off, and only this one."""
    base = stock.base_price_minor.get(terms.currency)
    if base is None:
        return f"no base price: set one in {terms.currency}"
    try:
        return plan_price(
            Money(base, terms.currency), terms.price, terms.plan, stock.highest_cost(terms.currency)
        )
    except PlanRefused as refused:
        return str(refused)


def _listing_stock(
    row: OfferRow,
    stock: SkuStock,
    terms: ChannelTerms,
    price: PricePlan | str,
    paused: set[ChannelId],
    now: datetime,
) -> ListingStock:
    return ListingStock(
        listing_id=row.listing_id,
        channel=terms.name,
        rule=terms.stock,
        on=row.enabled and row.channel_id not in paused and isinstance(price, PricePlan),
        sellable=stock.free_after(now + terms.min_validity),
        authoritative=terms.reservation_is_authoritative,
        largest_quantity=terms.largest_quantity,
    )


def _plan(
    row: OfferRow,
    terms: ChannelTerms,
    wanted: QuantityPlan,
    price: PricePlan | str,
    others: int,
    available: int,
    bound_permille: int,
) -> OfferPlan:
    quantity, held = promise_now(wanted.quantity, row.showing, others, available, bound_permille)
    # Without a price there is nothing to write: the listing goes off at the price it has.
    price_minor = (
        price.gross.amount_minor if isinstance(price, PricePlan) else (row.published_price_minor or 0)
    )
    net_minor = price.net.amount_minor if isinstance(price, PricePlan) else (row.published_net_minor or 0)
    on = quantity > 0
    price_changed = isinstance(price, PricePlan) and _price_differs(row, terms, price_minor, net_minor)
    quantity_changed = (
        row.in_doubt
        or row.counted_there
        or row.published_quantity is None
        or (row.published_on or False) != on
        or (on and row.published_quantity != quantity)
    )
    return OfferPlan(
        row=row,
        wanted_quantity=wanted.quantity,
        quantity=quantity,
        price_minor=price_minor,
        net_minor=net_minor,
        currency=terms.currency,
        on=on,
        tells=quantity_changed or price_changed,
        price_changed=price_changed,
        quantity_changed=quantity_changed,
        available=available,
        promised_total=others + quantity,
        why=_why(wanted, price, held),
    )


def _price_differs(row: OfferRow, terms: ChannelTerms, price_minor: int, net_minor: int) -> bool:
    """Compared on the side that is written: the other side is the channel's own sum."""
    if row.in_doubt:
        return True
    if terms.written_price is PriceBasis.NET:
        return row.published_net_minor != net_minor
    return row.published_price_minor != price_minor


def _why(wanted: QuantityPlan, price: PricePlan | str, held: str | None) -> dict[str, object]:
    quantity = [{"rule": s.rule, "quantity": s.quantity, "why": s.why} for s in wanted.steps]
    if held:
        quantity.append({"rule": "held back", "quantity": wanted.quantity, "why": held})
    if isinstance(price, str):
        steps: list[dict[str, object]] = [{"rule": "no price", "amount_minor": 0, "why": price}]
    else:
        steps = [{"rule": s.name, "amount_minor": s.amount_minor, "why": s.why} for s in price.steps]
    return {"quantity": quantity, "price": steps}
