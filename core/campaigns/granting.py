"""Gives what campaigns promise for delivered orders, once, and takes it back on refunds, behind the journal.

What there is to do is read from the journal itself: sales and refunds, in the order in which they were
written, up to the horizon below which nothing more can come (see `core.money.journal.sealing`). The cursor
moves in the transaction that grants, so a killed daemon leaves a batch as it was, and two never grant twice.
Orders are decided one after the other in that order, each with what came before it, so where a batch is cut
makes no difference; they are read and written many at once. The sale itself knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from core.campaigns.facts import Judged, read_orders
from core.campaigns.giving import give, refuse
from core.campaigns.late import OF_ONE_ORDER, Late, Work, done_late, due_late, keep_late
from core.campaigns.paying import Payer
from core.campaigns.publishing import Version, read_versions, versions_for
from core.campaigns.sealing import SeedSeal
from core.campaigns.standing import Asking
from core.campaigns.taking_back import take_back
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import ConsigndError, KeyRefused, SealBroken
from core.types import BuyerId, OrderId
from core.wallets.wallets import lock_buyers

_SQL = load_queries("core.campaigns", "granting.sql")
_TAKE_TURN = _SQL["take_turn"]
_HOLD_TO_LOOKUPS = _SQL["hold_to_lookups"]
_HORIZON = _SQL["horizon"]
_LAST_VERSION = _SQL["last_version"]
_EVENTS = _SQL["events"]
_MOVE_CURSOR = _SQL["move_cursor"]
_EARLIER_CURSOR = _SQL["earlier_cursor"]
_DROP_CURSOR = _SQL["drop_cursor"]
_DECIDED = _SQL["decided"]
_BUYERS_OF_GRANTS = _SQL["buyers_of_grants"]
_REFUNDED_ORDERS = _SQL["refunded_orders"]

EVENTS_AT_ONCE = 200
_BEFORE_ANY_ID = -1
_NOT_PAID = "not_paid"
_LARGEST = 2**63 - 1
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Worked:
    """What one turn did; `more` says that it stopped at its limit."""

    granted: int = 0
    refused: int = 0
    taken_back: int = 0
    more: bool = False


@dataclass(slots=True)
class _Batch:
    """One stretch of the journal on its way: who is known, what is decided, what was done."""

    versions: Sequence[Version]
    orders: dict[OrderId, Judged]
    decided: set[tuple[OrderId, str, str]]
    # Orders that were decided about; only those have anything to give back.
    answered: set[OrderId]
    # In a stretch of the past: whose refunds were read before, and are not read again.
    refunded: set[OrderId]
    late: Sequence[Late] = ()
    # What is to be decided next, by order.
    asked: list[list[Asking]] = field(default_factory=list)
    failed: set[OrderId] = field(default_factory=set)
    granted: int = 0
    refused: int = 0
    taken_back: int = 0

    def ask(self, judged: Judged) -> None:
        """Have an order decided about, by all campaigns that have not done so."""
        facts, asked = judged.facts, []
        order_id = OrderId(facts.order_id)
        for version in versions_for(self.versions, facts.sold_at, facts.delivered_at):
            for reward in version.campaign.rewards:
                key = (order_id, version.campaign.name, reward.rule.name)
                if key not in self.decided:
                    self.decided.add(key)
                    asked.append(Asking(version, reward, judged))
        self.answered.add(order_id)
        if asked:
            self.asked.append(asked)


class Granting:
    """The work of all campaigns. Call it every few seconds, from as many daemons as there are."""

    def __init__(self, pool: Pool, payer: Payer, seal: SeedSeal, now: Callable[[], datetime]) -> None:
        self._seal = seal
        self._pool = pool
        self._payer = payer
        self._now = now

    async def work(self, limit: int = EVENTS_AT_ONCE) -> Worked:
        """Take a turn: a batch of what happened, and what referrers have waited for; nothing out of turn."""
        async with self._pool.acquire() as conn, conn.transaction():
            cursor = await conn.fetchrow(_TAKE_TURN)
            if cursor is None:
                return Worked()
            await conn.execute(_HOLD_TO_LOOKUPS)
            now = self._now()
            await self._payer.vest_due(conn, now)
            horizon: int = await conn.fetchval(_HORIZON)
            versions = await self._read(conn)
            start = (cursor["written_in"], cursor["transaction_id"])
            if not versions:
                await conn.execute(_MOVE_CURSOR, 0, horizon, _BEFORE_ANY_ID, now)
                return Worked()
            worked, end = await self._stretch(conn, start, horizon, versions, now, limit)
            await conn.execute(_MOVE_CURSOR, 0, *end, now)
            return worked if worked.more else await self._earlier(conn, worked, horizon, now, limit)

    async def _read(self, conn: Connection) -> list[Version]:
        """Stops may come without a new version, so all are read anew; there are not many."""
        last: int = await conn.fetchval(_LAST_VERSION)
        if not last:
            return []
        await self._seal.seal_plain(conn)
        return await read_versions(conn)

    async def _earlier(
        self, conn: Connection, worked: Worked, horizon: int, now: datetime, limit: int
    ) -> Worked:
        """A piece of what came before a version that asks for it."""
        cursor = await conn.fetchrow(_EARLIER_CURSOR)
        if cursor is None:
            return worked
        number, until = int(cursor["cursor_no"]), int(cursor["until_written_in"])
        every = await self._read(conn)
        names = {version.campaign.name for version in every if version.version_id == number}
        versions = [version for version in every if version.campaign.name in names]
        start = (cursor["written_in"], cursor["transaction_id"])
        done, end = await self._stretch(conn, start, min(until, horizon), versions, now, limit, earlier=True)
        if done.more or horizon < until:
            await conn.execute(_MOVE_CURSOR, number, *end, now)
        else:
            await conn.execute(_DROP_CURSOR, number)
        return Worked(
            worked.granted + done.granted,
            worked.refused + done.refused,
            worked.taken_back + done.taken_back,
            more=done.more or horizon >= until,
        )

    async def _stretch(
        self,
        conn: Connection,
        start: tuple[int, int],
        horizon: int,
        versions: Sequence[Version],
        now: datetime,
        limit: int,
        *,
        earlier: bool = False,
    ) -> tuple[Worked, tuple[int, int]]:
        """Decide about a stretch of the journal; what was done, and where it ends."""
        events = await conn.fetch(_EVENTS, *start, horizon, limit)
        batch = await self._prepare(conn, events, versions, now, earlier=earlier)
        for event in events:
            order_id = OrderId(event["order_id"])
            if event["kind"] == "refund":
                if order_id in batch.answered:
                    await self._give(conn, batch, now)
                    await self._take_back(conn, batch, order_id, event["written_in"], now)
            elif order_id in batch.orders:
                batch.ask(batch.orders.pop(order_id))
                if order_id in batch.refunded:
                    await self._give(conn, batch, now)
                    await self._take_back(conn, batch, order_id, _LARGEST, now)
        await self._give(conn, batch, now)
        for late in batch.late:
            await self._again(conn, batch, late, now)
        more = len(events) == limit
        end = (
            (int(events[-1]["written_in"]), int(events[-1]["transaction_id"]))
            if more
            else (horizon, _BEFORE_ANY_ID)
        )
        return Worked(batch.granted, batch.refused, batch.taken_back, more=more), max(start, end)

    async def _prepare(
        self,
        conn: Connection,
        events: Sequence[Record],
        versions: Sequence[Version],
        now: datetime,
        *,
        earlier: bool,
    ) -> _Batch:
        """Read what the batch needs at once, and hold its buyers in the order of their ids."""
        sold = {
            OrderId(event["order_id"])
            for event in events
            if event["kind"] == "sale" and versions_for(versions, _sold_at(event), event["posted_at"])
        }
        late = [] if earlier else await due_late(conn, now)
        sold |= {each.order_id for each in late if each.work is Work.GIVE}
        orders = await read_orders(conn, sorted(sold), now) if sold else {}
        touched = sorted({OrderId(event["order_id"]) for event in events} | {each.order_id for each in late})
        decided = {
            (OrderId(row["order_id"]), row["name"], row["reward"])
            for row in await conn.fetch(_DECIDED, touched)
        }
        buyers = {BuyerId(row["buyer_id"]) for row in await conn.fetch(_BUYERS_OF_GRANTS, touched)}
        buyers |= {judged.buyer.buyer_id for judged in orders.values() if judged.buyer is not None}
        await lock_buyers(conn, buyers)
        refunded = await conn.fetch(_REFUNDED_ORDERS, touched) if earlier else []
        return _Batch(
            versions,
            orders,
            decided,
            {order_id for order_id, *_ in decided},
            {OrderId(row["order_id"]) for row in refunded},
            late,
        )

    async def _give(self, conn: Connection, batch: _Batch, now: datetime) -> None:
        """Decide about the orders that wait for it, in their order."""
        asked, batch.asked = batch.asked, []
        if asked:
            await self._give_orders(conn, batch, asked, now)

    async def _give_orders(
        self, conn: Connection, batch: _Batch, asked: Sequence[Sequence[Asking]], now: datetime
    ) -> None:
        """All at once; where that fails by halves, until the order that it fails for stands alone."""
        askings = [asking for of_order in asked for asking in of_order]
        try:
            async with conn.transaction():
                granted = await give(conn, self._payer, self._seal, askings, now)
        except KeyRefused:  # ours to mend, and no order's fault: nothing is refused for it
            raise
        except OF_ONE_ORDER:
            half = len(asked) // 2
            if half:
                await self._give_orders(conn, batch, asked[:half], now)
                await self._give_orders(conn, batch, asked[half:], now)
            else:
                await self._give_alone(conn, batch, askings, now)
            return
        batch.granted += granted
        batch.refused += len(askings) - granted

    async def _give_alone(
        self, conn: Connection, batch: _Batch, askings: Sequence[Asking], now: datetime
    ) -> None:
        """The rewards of one order, one by one; what fails for no reason of ours is kept for later."""
        granted = 0
        order_id = OrderId(askings[0].judged.facts.order_id)
        try:
            async with conn.transaction():
                for asking in askings:
                    granted += await self._give_one(conn, asking, now)
        except OF_ONE_ORDER as error:
            batch.failed.add(order_id)
            await keep_late(conn, order_id, Work.GIVE, error, now)
            return
        batch.granted += granted
        batch.refused += len(askings) - granted

    async def _give_one(self, conn: Connection, asking: Asking, now: datetime) -> int:
        """What cannot be paid is refused with the reason."""
        try:
            async with conn.transaction():
                return await give(conn, self._payer, self._seal, [asking], now)
        except SealBroken:  # drawn when the row is restored
            raise
        except ConsigndError as error:
            name, order_id = asking.campaign.name, asking.judged.facts.order_id
            _log.error("campaign.not_paid", campaign=name, order_id=order_id, error=str(error))
            await refuse(conn, [(asking, _NOT_PAID, str(error))], now)
            return 0

    async def _take_back(
        self, conn: Connection, batch: _Batch, order_id: OrderId, until: int, now: datetime
    ) -> bool:
        """Take back of one order; whether that went well, as above."""
        try:
            async with conn.transaction():
                batch.taken_back += await take_back(conn, self._payer, order_id, until, now)
        except OF_ONE_ORDER as error:
            await keep_late(conn, order_id, Work.TAKE_BACK, error, now)
            return False
        return True

    async def _again(self, conn: Connection, batch: _Batch, late: Late, now: datetime) -> None:
        """Try once more what failed before; what was refunded meanwhile comes back with it."""
        judged = batch.orders.pop(late.order_id, None) if late.work is Work.GIVE else None
        if judged is not None:
            batch.ask(judged)
            await self._give(conn, batch, now)
            if late.order_id in batch.failed:
                return
        if await self._take_back(conn, batch, late.order_id, _LARGEST, now) or late.work is Work.GIVE:
            await done_late(conn, late)


def _sold_at(event: Record) -> datetime:
    sold_at: datetime = min(event["placed_at"], event["posted_at"])
    return sold_at
