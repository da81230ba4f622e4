"""Tells how each listing's price comes about, now or at another moment, and what a draft would make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import UnknownListing
from core.offers.closures.closed import Closures, read_closures
from core.offers.planning import OfferRow, price_state
from core.offers.price.facts import Budget, PriceFacts
from core.offers.price.plan import Held, NoPrice, PricePlan, PriceStep
from core.offers.price.rule import Window
from core.offers.pricing.listing_prices import PriceCase, decide_all, least_price, read_cases
from core.offers.sku_facts import read_stocks
from core.offers.terms import ChannelTerms
from core.types import ChannelId, ListingId, ListingRef, SkuId

_PRICED_LISTINGS = load_queries("core.views", "price_policy.sql")["priced_listings"]
_LOOK_AT_OFFERS = load_queries("core.offers", "outbox.sql")["look_at_offers"]
_PAGE = 1000

Terms = Mapping[ChannelId, ChannelTerms]


@dataclass(frozen=True, slots=True)
class WindowView:
    """A time window of a listing's rule; what was sold in it is counted where it has a quota."""

    name: str
    from_at: datetime
    until: datetime
    price_minor: int
    currency: str
    quota: int | None
    sold: int
    per_buyer: int | None


@dataclass(frozen=True, slots=True)
class BudgetView:
    """How many changes of the price are still free (None: all), until when, and what one more costs.

    `shared` says that other listings draw on the same ones.
    """

    free_left: int | None
    resets_at: datetime | None
    shared: bool
    fee_minor: int | None
    fee_currency: str | None


@dataclass(frozen=True, slots=True)
class ExplainedPrice:
    """A listing's price as it comes about; the last step ends at what the listing shows.

    `state` is priced, held, or the reason for which there is no price. Nothing shown: the listing is off.
    """

    listing_id: ListingId
    channel: str
    listing_ref: ListingRef
    sku_ref: str
    currency: str
    state: str
    shown_minor: int | None
    net_minor: int | None
    published_minor: int | None
    asked_minor: int | None
    why: str | None
    steps: tuple[PriceStep, ...]
    windows: tuple[WindowView, ...]
    budget: BudgetView


@dataclass(frozen=True, slots=True)
class SimulatedPrice:
    """One listing's price by the rules in force and by others."""

    old: ExplainedPrice
    new: ExplainedPrice

    @property
    def differs(self) -> bool:
        """Whether the other rules show another price."""
        return (self.old.shown_minor, self.old.state) != (self.new.shown_minor, self.new.state)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which listings to look at: of a channel, a reference, a SKU; None: any. At most `limit`."""

    channel: str | None = None
    listing_ref: str | None = None
    sku_ref: str | None = None
    after: int = 0
    limit: int = _PAGE


async def explain_prices(
    conn: Connection, terms: Terms, asked: Asked, now: datetime, at: datetime | None = None
) -> list[ExplainedPrice]:
    """Worked out now, as the next claim would, or as it would be at another moment with today's facts."""
    refs, rows, sku_ids = await _rows(conn, asked)
    return await _explained(conn, terms, rows, sku_ids, refs, now, at)


async def simulate_prices(
    conn: Connection, old: Terms, new: Terms, asked: Asked, now: datetime, at: datetime | None = None
) -> list[SimulatedPrice]:
    """Each listing's price by the rules in force and by those of `new`."""
    refs, rows, sku_ids = await _rows(conn, asked)
    before = await _explained(conn, old, rows, sku_ids, refs, now, at)
    after = {each.listing_id: each for each in await _explained(conn, new, rows, sku_ids, refs, now, at)}
    return [SimulatedPrice(each, after[each.listing_id]) for each in before if each.listing_id in after]


async def least_prices(
    conn: Connection, terms: Terms, asked: Asked, now: datetime
) -> dict[ListingId, int | None]:
    """What each listing has to show at least, in minor units of its channel; None: there is no such price."""
    _, rows, sku_ids = await _rows(conn, asked)
    cases = await read_cases(conn, rows, await read_stocks(conn, sku_ids, now), terms, now)
    least = {case.row.listing_id: least_price(case) for case in cases}
    return {key: None if shown is None else shown.gross.amount_minor for key, shown in least.items()}


async def _rows(conn: Connection, asked: Asked) -> tuple[dict[ListingId, str], list[OfferRow], list[SkuId]]:
    found = await conn.fetch(
        _PRICED_LISTINGS, asked.channel, asked.listing_ref, asked.sku_ref, asked.after, asked.limit
    )
    if not found and (asked.listing_ref or asked.sku_ref):
        raise UnknownListing(
            f"no listing {asked.listing_ref or ''} of SKU {asked.sku_ref or 'any'} on"
            f" {asked.channel or 'any channel'}: `consignd stock link` makes one known"
        )
    refs = {ListingId(row["listing_id"]): str(row["sku_ref"]) for row in found}
    sku_ids = sorted({SkuId(row["sku_id"]) for row in found})
    rows = [OfferRow.read(row) for row in await conn.fetch(_LOOK_AT_OFFERS, sku_ids)]
    return refs, [row for row in rows if row.listing_id in refs], sku_ids


async def _explained(
    conn: Connection,
    terms: Terms,
    rows: Sequence[OfferRow],
    sku_ids: Sequence[SkuId],
    refs: Mapping[ListingId, str],
    now: datetime,
    at: datetime | None,
) -> list[ExplainedPrice]:
    stocks = await read_stocks(conn, sku_ids, now)
    closures: Closures = await read_closures(conn, sku_ids, [row.listing_id for row in rows])
    cases = await read_cases(conn, rows, stocks, terms, now)
    if at is not None:
        cases = [
            replace(
                case,
                rule=case.terms.price.rule_for(
                    stocks[case.row.sku_id].facts_at(at), case.row.listing_ref, at
                ),
                facts=_at(case.facts, at),
            )
            for case in cases
        ]
    plans = decide_all(cases, closures, set())
    return [_view(case, plans[case.row.listing_id], refs[case.row.listing_id]) for case in cases]


def _at(facts: PriceFacts, at: datetime) -> PriceFacts:
    """The facts as if they were as fresh at another moment as they are now."""
    later: timedelta = at - facts.now
    rates = {pair: replace(rate, at=rate.at + later) for pair, rate in facts.rates.items()}
    seen = tuple(replace(each, seen_at=each.seen_at + later) for each in facts.listing.sightings)
    return replace(facts, now=at, rates=rates, listing=replace(facts.listing, sightings=seen))


def _view(case: PriceCase, plan: PricePlan, sku_ref: str) -> ExplainedPrice:
    shown, facts = plan.shown, case.facts
    return ExplainedPrice(
        listing_id=case.row.listing_id,
        channel=case.terms.name,
        listing_ref=case.row.listing_ref,
        sku_ref=sku_ref,
        currency=facts.currency,
        state=price_state(plan),
        shown_minor=shown.gross.amount_minor if shown else None,
        net_minor=shown.net.amount_minor if shown else None,
        published_minor=facts.published.gross.amount_minor if facts.published else None,
        asked_minor=plan.asked.gross.amount_minor if isinstance(plan, Held) else None,
        why=plan.why if isinstance(plan, Held | NoPrice) else None,
        steps=plan.steps,
        windows=tuple(_window(window, facts) for window in case.rule.windows),
        budget=_budget(facts.listing.budget),
    )


def _budget(budget: Budget) -> BudgetView:
    return BudgetView(
        free_left=budget.free_left,
        resets_at=budget.resets_at,
        shared=budget.pool is not None,
        fee_minor=budget.fee.amount_minor if budget.fee else None,
        fee_currency=budget.fee.currency if budget.fee else None,
    )


def _window(window: Window, facts: PriceFacts) -> WindowView:
    return WindowView(
        name=window.name,
        from_at=window.from_at,
        until=window.until,
        price_minor=window.price.amount_minor,
        currency=window.price.currency,
        quota=window.quota,
        sold=facts.listing.sold_in.get(window.name, 0),
        per_buyer=window.per_buyer,
    )
