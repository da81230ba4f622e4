"""Takes orders in, however often and by whatever way a channel tells of them. Idempotent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from msgspec.structs import replace

from core.buyers.hearing import OrderHearing
from core.codes.allocator import Allocator
from core.codes.reservation import ReservedLine, ReserveLine, ReserveRequest
from core.db.ids import IdBlocks
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import InvalidInput, StaleVersion
from core.money.ledger import Ledger
from core.offers.catalogue import Listing, ListingBook
from core.offers.closures.switches import refused_by_switch
from core.offers.terms import ChannelTerms
from core.orders.conditions import note_conditions
from core.orders.lifecycle import KEPT_UNSEEN
from core.orders.orders import Order, find_order, load_order, move_orders
from core.orders.refunds import settle_refund
from core.orders.risk import Judgement, RiskVerdict, judge
from core.types import ChannelOrder, Lane, ListingRef, OrderId, OrderLine, OrderState, Payment

_SQL = load_queries("core.orders", "orders.sql")
_ADD_TOMBSTONE = _SQL["add_tombstone"]
_NOTE_TAKEN_BACK = _SQL["note_taken_back"]
_PARKED_RETRY = timedelta(seconds=5)
_TRIES = 5

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of an order that a channel told of; None when none of its lines is ours."""

    order_id: OrderId | None
    state: OrderState | None


class Intake:
    """The one way in for orders, from polls, webhooks and reservations alike."""

    def __init__(
        self,
        pool: Pool,
        allocator: Allocator,
        ledger: Ledger,
        listings: ListingBook,
        now: Callable[[], datetime],
        hearing: OrderHearing | None = None,
    ) -> None:
        self._pool = pool
        self._hearing = hearing
        self._allocator = allocator
        self._ledger = ledger
        self._listings = listings
        self._now = now
        self._order_ids = IdBlocks(pool, "order_id_block")

    async def take_in(self, terms: ChannelTerms, told: ChannelOrder, actor: str) -> TakenIn:
        """Do what the channel's word on an order asks for; durable when it returns.

        Raises ReferenceReused when the order's lines differ from those told before.
        """
        listings = await self._listings.find(terms.channel_id, [line.listing_ref for line in told.lines])
        ours = [line for line in told.lines if line.listing_ref in listings]
        if not ours:
            _log.info("order.not_ours", channel=terms.name, order_ref=told.order_ref)
            return TakenIn(None, None)
        refuse_foreign(terms, told, ours)
        if told.payment in (Payment.CANCELLED, Payment.REFUNDED):
            return await self._take_back(terms, told, ours, listings, actor)
        if told.fulfilled:
            return await self._note_fulfilled(terms, told, actor)
        if told.payment is Payment.PAID and self._hearing is not None:
            await self._hearing.hear(terms.channel_id, terms.name, terms.facts, told, ours, self._now())
        request = reserve_request(terms, told, ours, listings, self._now())
        unsold = None
        if terms.asks_more_of_orders:
            async with self._pool.acquire() as conn:
                unsold = await note_conditions(conn, terms, told, ours, listings, self._now())
            request = request if unsold is None else not_to_be_sold(request, told.payment, unsold)
        if told.payment is not Payment.PAID:
            request = await self._unless_stopped(request, ours)
        answer = await self._allocator.reserve(request)
        if not answer.repeated:
            _log.info(
                "order.taken_in",
                channel=terms.name,
                order_id=answer.order_id,
                state=answer.state.value,
                reason=request.reason,
            )
            return TakenIn(answer.order_id, answer.state)
        if told.payment is Payment.PAID:
            return await self._note_paid(terms, answer.order_id, actor, unsold)
        return TakenIn(answer.order_id, answer.state)

    async def _unless_stopped(self, request: ReserveRequest, ours: Sequence[OrderLine]) -> ReserveRequest:
        """While a switch is off nothing new is reserved; that it was refused, and why, is written down."""
        refs = [line.listing_ref for line in ours]
        why = await refused_by_switch(self._pool, request.channel_id, request.order_ref, refs)
        return request if why is None else replace(request, wants_codes=False, reason=why)

    async def _note_fulfilled(self, terms: ChannelTerms, told: ChannelOrder, actor: str) -> TakenIn:
        """The channel says the buyer has codes.

        Of an order we do not know, or have not begun to deliver, they are not ours: what we keep for it is
        let go. While our own delivery is under way, asking about that decides.
        """
        async with self._pool.acquire() as conn:
            order = await find_order(conn, terms.channel_id, told.order_ref)
            if order is None:
                return TakenIn(None, None)
            if order.state in KEPT_UNSEEN or order.state is OrderState.PARKED:
                reason = "the channel delivered codes of its own"
                return TakenIn(order.order_id, await self.cancel(conn, order, actor=actor, reason=reason))
        return TakenIn(order.order_id, order.state)

    async def _note_paid(
        self, terms: ChannelTerms, order_id: OrderId, actor: str, unsold: str | None
    ) -> TakenIn:
        """A known order is paid: deliver what is kept, or look for codes anew if it was let go."""
        for _ in range(_TRIES):
            async with self._pool.acquire() as conn:
                order = await load_order(conn, order_id)
                try:
                    async with conn.transaction():
                        state = await self._pay(conn, order, judgement_of(terms, order, unsold), actor)
                except StaleVersion:
                    continue
                return TakenIn(order_id, state)
        raise StaleVersion(f"order {order_id}: moved {_TRIES} times while we looked; try again")

    async def _pay(self, conn: Connection, order: Order, judgement: Judgement, actor: str) -> OrderState:
        now = self._now()
        match order.state:
            case OrderState.RESERVED:
                taken = True
            case OrderState.RELEASED | OrderState.REFUSED:
                taken = await self._allocator.allocate_known(conn, order.order_id, wanted_lines(order), now)
            case OrderState.CANCELLED:
                _log.warning("order.paid_after_cancel", channel_id=order.channel_id, order_id=order.order_id)
                return order.state
            case _:
                return order.state
        to = paid_state(judgement) if taken else OrderState.PARKED
        await move_orders(conn, [order], to, now=now, actor=actor, reason=judgement.why or "paid")
        return to

    async def _take_back(
        self,
        terms: ChannelTerms,
        told: ChannelOrder,
        ours: Sequence[OrderLine],
        listings: Mapping[ListingRef, Listing],
        actor: str,
    ) -> TakenIn:
        """The order will not happen, or its money goes back."""
        for _ in range(_TRIES):
            async with self._pool.acquire() as conn:
                order = await find_order(conn, terms.channel_id, told.order_ref)
            if order is None:
                if await self._bury(terms, told, listings[ours[0].listing_ref].lane, ours):
                    return TakenIn(None, OrderState.CANCELLED)
                continue
            try:
                async with self._pool.acquire() as conn:
                    state = await self.cancel(conn, order, actor=actor, reason=f"channel: {told.payment}")
                    if order.state is OrderState.CANCELLED and told.payment is Payment.REFUNDED:
                        # It ended before while the channel could not give the money back: now somebody has.
                        await settle_refund(
                            conn, order, self._now(), actor=actor, how="refunded at the channel"
                        )
            except StaleVersion:
                continue
            return TakenIn(order.order_id, state)
        raise StaleVersion(f"order {told.order_ref}: moved {_TRIES} times while we looked; try again")

    async def _bury(
        self, terms: ChannelTerms, told: ChannelOrder, lane: Lane, ours: Sequence[OrderLine]
    ) -> bool:
        """Note an order that was cancelled before we heard of it; False if we heard of it just now."""
        (order_id,) = await self._order_ids.take(1)
        done = await self._pool.execute(
            _ADD_TOMBSTONE,
            order_id,
            lane,
            terms.channel_id,
            told.order_ref,
            request_hash(terms, ours),
            terms.currency,
            told.buyer_ref,
            told.placed_at,
            self._now(),
        )
        return not done.endswith(" 0")

    async def cancel(self, conn: Connection, order: Order, *, actor: str, reason: str) -> OrderState:
        """End an order that will not happen: give its codes back, or reverse its money if it was delivered.

        While a delivery is under way it is only written down: if the channel refuses the codes, that ends the
        order; if the buyer turns out to have them, the sale is reversed then.
        Returns the state it is in then. Raises StaleVersion if it was moved meanwhile.
        """
        match order.state:
            case OrderState.DELIVERED:
                to = OrderState.REFUNDED
            case OrderState.DELIVERING | OrderState.UNSURE:
                return await self._note_taken_back(conn, order, actor, reason)
            case OrderState.CANCELLED | OrderState.REFUNDED:
                return order.state
            case _:
                to = OrderState.CANCELLED
        now = self._now()
        async with conn.transaction():
            # Lanes are locked before orders are moved, here as everywhere: the other way round two could
            # wait for each other.
            if order.state in KEPT_UNSEEN:
                await self._allocator.give_back(
                    conn, [order.order_id], order.lanes, actor=actor, reason=reason
                )
            await move_orders(conn, [order], to, now=now, actor=actor, reason=reason)
            await settle_refund(conn, order, now, actor=actor, how=reason)
            if to is OrderState.REFUNDED:
                await self._ledger.reverse_order(conn, order.order_id, now)
        _log.info("order.taken_back", order_id=order.order_id, was=order.state.value, state=to.value)
        return to

    async def _note_taken_back(self, conn: Connection, order: Order, actor: str, reason: str) -> OrderState:
        """Written first and looked at second, as whoever closes the sale does it the other way round."""
        assert not conn.is_in_transaction(), "it must be seen by others before we look"
        await conn.execute(_NOTE_TAKEN_BACK, order.order_id, self._now(), actor, reason)
        if (await load_order(conn, order.order_id)).move_no != order.move_no:
            raise StaleVersion(f"order {order.order_ref}: moved while it was taken back; look again")
        _log.info("order.taken_back_later", order_id=order.order_id, state=order.state.value, reason=reason)
        return order.state


def reserve_request(
    terms: ChannelTerms,
    told: ChannelOrder,
    ours: Sequence[OrderLine],
    listings: Mapping[ListingRef, Listing],
    now: datetime,
) -> ReserveRequest:
    """What to ask the allocator for an order that a channel told of. Pure."""
    paid = told.payment is Payment.PAID
    hold_until = None if paid else (told.hold_until or now + terms.hold)
    gross_minor = sum(line.unit_price.amount_minor * line.quantity for line in ours)
    judgement = judge(terms.risk, gross_minor, sum(line.quantity for line in ours), told.payment)
    if paid and terms.group_offers and judgement.verdict is RiskVerdict.PASS:
        judgement = in_group(terms, [line.listing_ref for line in ours]) or judgement
    return ReserveRequest(
        channel_id=terms.channel_id,
        order_ref=told.order_ref,
        request_hash=request_hash(terms, ours),
        lines=tuple(_reserve_line(line, listings[line.listing_ref]) for line in ours),
        state=paid_state(judgement) if paid else OrderState.RESERVED,
        short_state=OrderState.PARKED if paid else OrderState.REFUSED,
        currency=terms.currency,
        placed_at=told.placed_at,
        due_at=hold_until,
        buyer_ref=told.buyer_ref,
        hold_until=hold_until,
        min_validity=terms.min_validity,
        partial=terms.takes_partial_orders,
        wants_codes=paid or judgement.verdict is not RiskVerdict.REFUSE,
        reason=judgement.why,
    )


def _reserve_line(line: OrderLine, listing: Listing) -> ReserveLine:
    return ReserveLine(
        line.line_ref,
        listing.listing_id,
        listing.lane,
        listing.sku_id,
        line.quantity,
        line.unit_price.amount_minor,
    )


def not_to_be_sold(request: ReserveRequest, payment: Payment, why: str) -> ReserveRequest:
    """A request that comes in held until its money went back, or keeps nothing if it is not paid. Pure."""
    if payment is Payment.PAID:
        return replace(request, state=OrderState.HELD, reason=why)
    return replace(request, wants_codes=False, reason=why)


def judgement_of(terms: ChannelTerms, order: Order, unsold: str | None) -> Judgement:
    """As judge_paid, of an order that may not be sold at all. Pure."""
    return judge_paid(terms, order) if unsold is None else Judgement(RiskVerdict.HOLD, unsold)


def judge_paid(terms: ChannelTerms, order: Order) -> Judgement:
    """What becomes of a known order now that it is paid; one that buys in a group waits for it. Pure."""
    judgement = judge_worth(terms, order)
    if not terms.group_offers or judgement.verdict is not RiskVerdict.PASS:
        return judgement
    return in_group(terms, [line.listing_ref for line in order.lines]) or judgement


def in_group(terms: ChannelTerms, refs: Iterable[ListingRef]) -> Judgement | None:
    """What an order for these listings waits for, if one is sold to groups. Pure."""
    for ref in refs:
        if ref in terms.group_offers:
            return Judgement(
                RiskVerdict.HOLD, f"group buying: waits for a group of {terms.group_offers[ref].name}"
            )
    return None


def judge_worth(terms: ChannelTerms, order: Order) -> Judgement:
    """What risk says of a known order now that it is paid. Pure."""
    gross_minor = sum(line.unit_price_minor * line.quantity for line in order.lines)
    return judge(terms.risk, gross_minor, sum(line.quantity for line in order.lines), Payment.PAID)


def paid_state(judgement: Judgement) -> OrderState:
    """What a paid order with its codes becomes; one that risk refuses is held until its money went back."""
    return OrderState.ACCEPTED if judgement.verdict is RiskVerdict.PASS else OrderState.HELD


def refuse_foreign(terms: ChannelTerms, told: ChannelOrder, ours: Sequence[OrderLine]) -> None:
    """An order in another currency than the channel's cannot be split by its plan: a person has to look."""
    for line in ours:
        if line.unit_price.currency != terms.currency:
            raise InvalidInput(
                f"order {told.order_ref} on {terms.name}: is in {line.unit_price.currency}, but the channel "
                f"is set up in {terms.currency}; serve or refund it there, and keep such orders on a channel "
                "of their own"
            )


def request_hash(terms: ChannelTerms, lines: Sequence[OrderLine]) -> bytes:
    """Tells whether a repeated reference asks for the same: listings, quantities, prices; not their order."""
    parts = sorted(
        f"{line.line_ref}\0{line.listing_ref}\0{line.quantity}\0{line.unit_price.amount_minor}"
        for line in lines
    )
    return hashlib.sha256("\1".join([terms.currency, *parts]).encode()).digest()


def wanted_lines(order: Order) -> list[ReservedLine]:
    """The codes a known order wants."""
    return [
        ReservedLine(line.line_no, line.lane, line.sku_id, line.listing_id, line.quantity, line.valid_until)
        for line in order.lines
    ]
