"""Tells what a channel would be told now, what it would not, and why: a plan before anything is published."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Pool
from core.db.queries import load_queries
from core.offers.outbox import Outbox
from core.offers.planning import OfferPlan, price_state
from core.offers.price.plan import Held, NoPrice
from core.offers.terms import ChannelTerms
from core.types import ListingId, ListingRef, SkuId

_SQL = load_queries("core.offers", "preview.sql")
_SKUS_OF_CHANNEL = _SQL["skus_of_channel"]
_OFFER_STATES = _SQL["offer_states"]

_CHUNK_SKUS = 200


@dataclass(frozen=True, slots=True)
class OfferState:
    """How far an offer is in going out: whether it is marked, when it may be told again, what was refused."""

    sku_ref: str
    marked: bool
    retry_at: datetime | None
    refusal: str | None
    failures: int


@dataclass(frozen=True, slots=True)
class Preview:
    """A listing's next telling: old and new values, whether it goes out, and all that is kept back.

    `price_state` is priced, held, or why there is no price; amounts are minor units of `currency`.
    """

    channel: str
    listing_ref: ListingRef
    sku_ref: str
    currency: str
    quantity_from: int | None
    quantity_to: int
    quantity_wanted: int
    price_from_minor: int | None
    price_to_minor: int | None
    price_state: str
    sends: bool
    sends_quantity: bool
    sends_price: bool
    kept_back: tuple[str, ...]


async def preview(pool: Pool, outbox: Outbox, terms: ChannelTerms, now: datetime) -> AsyncIterator[Preview]:
    """Every listing of a channel, SKU by SKU; nothing is written, and nothing is locked."""
    last = SkuId(0)
    # Ends with the last SKU: each chunk begins behind the one before.
    while rows := await pool.fetch(_SKUS_OF_CHANNEL, terms.channel_id, last, _CHUNK_SKUS):
        sku_ids = [SkuId(row["sku_id"]) for row in rows]
        plans = [plan for plan in await outbox.plan(sku_ids) if plan.row.channel_id == terms.channel_id]
        states = await _states(pool, [plan.row.listing_id for plan in plans])
        for plan in plans:
            # One that was linked since is told the next time.
            if plan.row.listing_id in states:
                yield of_plan(plan, states[plan.row.listing_id], terms, now)
        last = sku_ids[-1]


async def _states(pool: Pool, listing_ids: Sequence[ListingId]) -> Mapping[ListingId, OfferState]:
    found = {}
    for row in await pool.fetch(_OFFER_STATES, listing_ids):
        values = dict(row)
        listing_id = ListingId(values.pop("listing_id"))
        found[listing_id] = OfferState(**values)
    return found


def of_plan(plan: OfferPlan, state: OfferState, terms: ChannelTerms, now: datetime) -> Preview:
    """One listing's preview. Pure."""
    stopped = list(_stopped(plan, state, terms, now))
    sends = plan.tells and not stopped
    row = plan.row
    return Preview(
        channel=terms.name,
        listing_ref=row.listing_ref,
        sku_ref=state.sku_ref,
        currency=terms.currency,
        quantity_from=row.published_quantity if row.published_on is not False else 0,
        quantity_to=plan.quantity if plan.on else 0,
        quantity_wanted=plan.wanted_quantity,
        price_from_minor=row.published_price_minor,
        price_to_minor=plan.price_minor or None,
        price_state=price_state(plan.priced),
        sends=sends,
        sends_quantity=sends and plan.quantity_changed,
        sends_price=sends and plan.price_changed,
        kept_back=(*stopped, *_kept_back(plan)),
    )


def _stopped(plan: OfferPlan, state: OfferState, terms: ChannelTerms, now: datetime) -> Iterator[str]:
    """What keeps all of a telling from going out now."""
    if not plan.tells:
        return
    if terms.dry_run:
        yield f"channels.{terms.name}.dry_run is true: nothing is published there"
    if state.refusal and not state.marked:
        yield f"the channel refused it ({state.refusal}); it is told again when something changes"
    elif not state.marked:
        yield "it is not marked yet: the next recalculation does that, or `consignd sync now`"
    if state.marked and state.retry_at is not None and state.retry_at > now:
        tries = f" after {state.failures} failures" if state.failures else ""
        yield f"it waits until {state.retry_at:%H:%M:%S} UTC{tries}"


def _kept_back(plan: OfferPlan) -> Iterator[str]:
    """What a telling leaves as it is, though another value was worked out."""
    match plan.priced:
        case Held(asked=asked, why=why, refused=refused):
            said = "a person said no to it" if refused else "it waits for `consignd price approve`"
            yield f"price {asked.gross} is held: {why}; {said}"
        case NoPrice(why=why, shown=shown):
            yield f"no new price: {why}" if shown is not None else f"off, for there is no price: {why}"
        case _:
            # That step stands there only where it kept the old price.
            yield from (f"price: {step.why}" for step in plan.priced.steps if step.name == "budget")
    if plan.held_back:
        yield f"quantity {plan.wanted_quantity} is held back: {_last_why(plan)}"
    elif not plan.wanted_quantity and plan.priced.shown is not None:
        yield f"off: {_last_why(plan)}"


def _last_why(plan: OfferPlan) -> str:
    """Why the quantity is what it is, by its last step."""
    steps = plan.why["quantity"]
    last = steps[-1] if isinstance(steps, list) and steps else {}
    return str(last.get("why", "")) if isinstance(last, dict) else ""
