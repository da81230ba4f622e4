"""Decides how an accepted order comes to its codes: attempt written first, codes opened after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from core.codes.allocator import Allocator
from core.codes.custody import CodeOpener, OpenedCode
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import OrderHeld, StaleVersion
from core.offers.terms import ChannelTerms, Shortage
from core.orders.closing import Closing, Consignors, Owners, SaleCloser
from core.orders.intake import Intake, judge_paid, paid_state, wanted_lines
from core.orders.lifecycle import KEPT_UNSEEN
from core.orders.orders import Order, due_orders, find_order, load_order, load_orders, move_orders, set_due
from core.orders.refunds import RefundDue, find_refund
from core.types import LineCodes, OrderId, OrderRef, OrderState

_SQL = load_queries("core.orders", "orders.sql")
_ADOPT_ORDERS = _SQL["adopt_orders"]
_WHY_TAKEN_BACK = _SQL["why_taken_back"]
_TAKEN_BACK_UNDONE = _SQL["taken_back_undone"]
_TRIES = 5
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_PARKED_PAUSE_SECONDS = 5.0
_LONGEST_PARKED_PAUSE_SECONDS = 600.0
# Beyond so many doublings every pause is at its longest.
_MOST_DOUBLINGS = 10
_HELD_PAUSE_SECONDS = 600.0
# A daemon that took an order to deliver and died leaves it alone for so long before another takes it up.
_ATTEMPT_SECONDS = 60.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A delivery that is written down and may now be tried. Its order is DELIVERING."""

    order: Order
    lines: tuple[LineCodes, ...]
    # Whose codes they are.
    owners: Owners


class Fulfilment:
    """The life of an order between payment and the buyer's codes."""

    def __init__(
        self,
        pool: Pool,
        allocator: Allocator,
        closer: SaleCloser,
        opener: CodeOpener,
        intake: Intake,
        now: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self._allocator = allocator
        self._closer = closer
        self._opener = opener
        self._intake = intake
        self._now = now

    async def due(self, terms: ChannelTerms, limit: int) -> list[Order]:
        """Open orders of a channel that want something done now, oldest first."""
        async with self._pool.acquire() as conn:
            return await due_orders(conn, terms.channel_id, self._now(), limit)

    async def adopt(self, terms: ChannelTerms) -> None:
        """Look at once at what a former driver of the channel had under way, and finish what it began."""
        now = self._now()
        soon = now + timedelta(seconds=_ATTEMPT_SECONDS)
        await self._pool.execute(_ADOPT_ORDERS, terms.channel_id, now, soon)
        rows = await self._pool.fetch(_TAKEN_BACK_UNDONE, terms.channel_id)
        async with self._pool.acquire() as conn:
            undone = await load_orders(conn, [OrderId(row["order_id"]) for row in rows])
        for order in undone:
            await self._reverse_if_taken_back(order)

    async def start(self, orders: Sequence[Order]) -> list[Attempt]:
        """Write attempts down, commit, and only then open the codes.

        Takes ACCEPTED orders, UNSURE ones that the channel surely has no codes for, and DELIVERING ones whose
        attempt is to be repeated; those keep their attempt key.
        """
        now = self._now()
        lease = now + timedelta(seconds=_ATTEMPT_SECONDS)
        again = [order for order in orders if order.state is OrderState.DELIVERING]
        fresh = [order for order in orders if order.state is not OrderState.DELIVERING]
        started = []
        async with self._pool.acquire() as conn:
            for order in fresh:
                try:
                    async with conn.transaction():
                        started += await move_orders(
                            conn, [order], OrderState.DELIVERING, now=now, actor="deliver", due_at=lease
                        )
                except StaleVersion:
                    _log.info("order.moved_meanwhile", order_id=order.order_id)
            for order in again:
                await set_due(conn, order.order_id, lease, failed=False)
            started += again
            return await self._open(conn, started)

    async def _open(self, conn: Connection, orders: Sequence[Order]) -> list[Attempt]:
        opened = await self._opener.open_orders(conn, [order.order_id for order in orders])
        codes = [opened.get(order.order_id, []) for order in orders]
        return [
            Attempt(order, line_codes(order, own), owners_of(own))
            for order, own in zip(orders, codes, strict=True)
        ]

    async def delivered(
        self, terms: ChannelTerms, order: Order, reason: str = "", owners: Owners | None = None
    ) -> None:
        """The channel has the codes: close the sale; it is reversed if it was taken back meanwhile."""
        closing = Closing(order, terms, "deliver", reason, owners)
        await self._reverse_if_taken_back(await self._closer.close(closing))

    async def _reverse_if_taken_back(self, order: Order) -> None:
        """Looked at after the sale is closed: whoever takes an order back does it the other way round."""
        async with self._pool.acquire() as conn:
            why = await conn.fetchrow(_WHY_TAKEN_BACK, order.order_id)
            if why is None:
                return
            try:
                await self._intake.cancel(conn, order, actor=why["actor"], reason=why["reason"])
            except StaleVersion:
                _log.info("order.moved_meanwhile", order_id=order.order_id)

    async def unsure(self, order: Order, reason: str) -> None:
        """The attempt's outcome is unknown: from now on only asking may decide."""
        async with self._pool.acquire() as conn, conn.transaction():
            await move_orders(
                conn, [order], OrderState.UNSURE, now=self._now(), actor="deliver", reason=reason
            )

    async def later(self, order: Order, after_seconds: float = 0.0) -> None:
        """Nothing was done or learned: look again after a pause that grows with the failures."""
        backoff = _growing(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, order)
        due_at = self._now() + timedelta(seconds=max(after_seconds, backoff))
        async with self._pool.acquire() as conn:
            await set_due(conn, order.order_id, due_at, failed=True)

    async def refused(self, order: Order, reason: str) -> None:
        """The channel will never take these codes. It has had them in hands: they are not sold again."""
        async with self._pool.acquire() as conn, conn.transaction():
            now = self._now()
            await move_orders(conn, [order], OrderState.CANCELLED, now=now, actor="deliver", reason=reason)
            await self._allocator.quarantine_order(
                conn, order.order_id, actor="deliver", reason=f"sent for {order.order_ref}: {reason}"
            )

    async def provide(self, terms: ChannelTerms, order_ref: OrderRef) -> tuple[LineCodes, ...] | None:
        """The codes of an order that the channel asks for; the same ones however often it asks.

        The sale is closed before the codes leave us. None: there is no such order or there are no codes for
        it, and will not be. Raises OrderHeld while a person has to look at it.
        """
        for _ in range(_TRIES):
            async with self._pool.acquire() as conn:
                order = await find_order(conn, terms.channel_id, order_ref)
            if order is None:
                return None
            if order.state in (OrderState.RELEASED, OrderState.PARKED):
                order = await self._take_late(terms, order)
            if order.state is OrderState.RESERVED:
                order = await self._judge_reserved(terms, order)
            if order.state is OrderState.HELD:
                raise OrderHeld(f"order {order_ref}: a person has to look at it before its codes go out")
            if order.state in (OrderState.RESERVED, OrderState.ACCEPTED):
                try:
                    order = await self._closer.close(Closing(order, terms, "provide", ""))
                except StaleVersion:
                    continue
            if order.state in (OrderState.DELIVERED, OrderState.REFUNDED):
                async with self._pool.acquire() as conn:
                    return (await self._open(conn, [order]))[0].lines
            return None
        raise StaleVersion(f"order {order_ref}: moved {_TRIES} times while we looked; try again")

    async def _judge_reserved(self, terms: ChannelTerms, order: Order) -> Order:
        """That the channel asks for the codes says it is paid: held now if risk wants that."""
        judgement = judge_paid(terms, order)
        if paid_state(judgement) is not OrderState.HELD:
            return order
        async with self._pool.acquire() as conn:
            try:
                async with conn.transaction():
                    moved = await move_orders(
                        conn,
                        [order],
                        OrderState.HELD,
                        now=self._now(),
                        actor="provide",
                        reason=judgement.why,
                    )
                    return moved[0]
            except StaleVersion:
                return await load_order(conn, order.order_id)

    async def _take_late(self, terms: ChannelTerms, order: Order) -> Order:
        """Codes for an order that lost its own, if there are some; the order as it is then."""
        async with self._pool.acquire() as conn:
            try:
                async with conn.transaction():
                    now = self._now()
                    if not await self._allocator.allocate_known(
                        conn, order.order_id, wanted_lines(order), now
                    ):
                        return order
                    judgement = judge_paid(terms, order)
                    moved = await move_orders(
                        conn,
                        [order],
                        paid_state(judgement),
                        now=now,
                        actor="provide",
                        reason=judgement.why or "late",
                    )
                    return moved[0]
            except StaleVersion:
                return await load_order(conn, order.order_id)

    async def retry_parked(self, terms: ChannelTerms, order: Order) -> OrderState:
        """Look for codes for a parked order again; the state it is in then."""
        taken = await self._take_late(terms, order)
        if taken.state is OrderState.PARKED:
            async with self._pool.acquire() as conn:
                due_at = self._now() + timedelta(seconds=_PARKED_PAUSE_SECONDS)
                await set_due(conn, order.order_id, due_at, failed=False)
        return taken.state

    async def not_taken_back(self, order: Order) -> None:
        """The channel will not end a parked order: look, and ask, ever less often."""
        pause_seconds = _growing(_PARKED_PAUSE_SECONDS, _LONGEST_PARKED_PAUSE_SECONDS, order)
        async with self._pool.acquire() as conn:
            due_at = self._now() + timedelta(seconds=pause_seconds)
            await set_due(conn, order.order_id, due_at, failed=True)

    def out_of_patience(self, terms: ChannelTerms, order: Order) -> bool:
        """Whether a parked order has waited as long as the channel's policy lets it."""
        return terms.shortage is Shortage.CANCEL and self._now() - order.state_since >= terms.patience

    async def wait_for_person(self, order: Order) -> None:
        """Leave a held order alone; a rule that was changed meanwhile is seen at the next look."""
        async with self._pool.acquire() as conn:
            due_at = self._now() + timedelta(seconds=_HELD_PAUSE_SECONDS)
            await set_due(conn, order.order_id, due_at, failed=False)

    async def cancel(self, order: Order, actor: str, reason: str) -> None:
        """End an order that is not delivered, after the channel gave the money back."""
        async with self._pool.acquire() as conn:
            await self._intake.cancel(conn, order, actor=actor, reason=reason)

    async def refund_due(self, order: Order) -> RefundDue | None:
        """Whether it was decided that an order's money goes back."""
        async with self._pool.acquire() as conn:
            return await find_refund(conn, order.channel_id, order.order_ref)

    async def leave_owed(self, order: Order, due: RefundDue) -> None:
        """End an order whose money the channel does not give back: its codes are free, the money is owed."""
        async with self._pool.acquire() as conn, conn.transaction():
            if order.state in KEPT_UNSEEN:
                await self._allocator.give_back(
                    conn, [order.order_id], order.lanes, actor=due.actor, reason=due.why
                )
            why = f"{due.why}; the money is owed: refund it at the channel"
            await move_orders(
                conn, [order], OrderState.CANCELLED, now=self._now(), actor=due.actor, reason=why
            )
        _log.warning("order.refund_owed", order_id=order.order_id, why=due.why)

    async def release_expired(self, order: Order) -> None:
        """Let the codes of an unpaid order go when its time is over; one looked at early waits on."""
        async with self._pool.acquire() as conn:
            if order.hold_until is not None and self._now() < order.hold_until:
                await set_due(conn, order.order_id, order.hold_until, failed=False)
                return
            try:
                async with conn.transaction():
                    await self._allocator.give_back(
                        conn, [order.order_id], order.lanes, actor="sweep", reason="not paid in time"
                    )
                    await move_orders(
                        conn,
                        [order],
                        OrderState.RELEASED,
                        now=self._now(),
                        actor="sweep",
                        reason="not paid in time",
                    )
            except StaleVersion:
                _log.info("order.moved_meanwhile", order_id=order.order_id)


def _growing(first_seconds: float, longest_seconds: float, order: Order) -> float:
    """A pause that doubles with every failure of an order."""
    return min(first_seconds * (1 << min(order.failures, _MOST_DOUBLINGS)), longest_seconds)


def owners_of(opened: Sequence[OpenedCode]) -> Owners:
    """Whose the codes of an order are, by line and name."""
    counts = Counter((code.line_no, code.consignor) for code in opened)
    owners: dict[int, Consignors] = {}
    for (line_no, consignor), codes in sorted(counts.items()):
        owners[line_no] = (*owners.get(line_no, ()), (consignor, codes))
    return owners


def line_codes(order: Order, opened: Sequence[OpenedCode]) -> tuple[LineCodes, ...]:
    """The codes of an order sorted to its lines, as a connector takes them; lines without codes left out."""
    return tuple(
        LineCodes(
            line.line_ref,
            line.listing_ref,
            tuple(code.payload for code in opened if code.line_no == line.line_no),
        )
        for line in order.lines
        if any(code.line_no == line.line_no for code in opened)
    )
