"""Gives what campaigns promise for delivered orders, once, and takes it back on refunds, behind the journal.

What there is to do is read from the journal itself: sales and refunds, in the order in which they were
written, up to the horizon below which nothing more can come (see `core.money.journal.sealing`). The cursor
moves in the transaction that grants, so a killed daemon leaves a batch as it was, and two never grant twice.
Orders are decided one after the other in that order, each with what came before it, so where a batch is cut
makes no difference. The sale itself knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from core.campaigns.campaign import PaysKind, Reward
from core.campaigns.deciding import Granted, History, Refused, Why, decide
from core.campaigns.facts import Judged, read_orders
from core.campaigns.guards import guard
from core.campaigns.history import note_counted, note_granted, read_history, read_marks
from core.campaigns.late import OF_ONE_ORDER, Late, Work, done_late, due_late, keep_late
from core.campaigns.paying import Payer, Payment
from core.campaigns.publishing import Version, read_versions, versions_for
from core.campaigns.taking_back import take_back
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import ConsigndError
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
_ADD_GRANT = _SQL["add_grant"]
_ADD_PARTS = _SQL["add_parts"]
_ADD_REFUSAL = _SQL["add_refusal"]

EVENTS_AT_ONCE = 200
_BEFORE_ANY_ID = -1
_NOT_PAID = "not_paid"
_LARGEST = 2**63 - 1
# What no history can change: then none is read.
_PLAIN = frozenset(
    {Why.CURRENCY, Why.CONDITION, Why.MINIMUM, Why.OWN_RING, Why.COST_UNKNOWN, Why.WORTH_UNKNOWN}
)

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
    # In a stretch of the past, what was refunded since is not to be read again.
    earlier: bool
    late: Sequence[Late] = ()
    granted: int = 0
    refused: int = 0
    taken_back: int = 0


class Granting:
    """The work of all campaigns. Call it every few seconds, from as many daemons as there are."""

    def __init__(self, pool: Pool, payer: Payer, now: Callable[[], datetime]) -> None:
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
        return await read_versions(conn) if last else []

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
                await self._take_back(conn, batch, order_id, event["written_in"], now)
            elif order_id in batch.orders:
                await self._give(conn, batch, batch.orders.pop(order_id), now)
                if earlier:
                    await self._take_back(conn, batch, order_id, _LARGEST, now)
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
        return _Batch(versions, orders, decided, earlier, late)

    async def _give(self, conn: Connection, batch: _Batch, judged: Judged, now: datetime) -> bool:
        """Decide about one order; whether that went well. What did not is kept, and the others go on."""
        try:
            async with conn.transaction():
                await self._decide(conn, batch, judged, now)
        except OF_ONE_ORDER as error:
            await keep_late(conn, OrderId(judged.facts.order_id), Work.GIVE, error, now)
            return False
        return True

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
        if judged is not None and not await self._give(conn, batch, judged, now):
            return
        if await self._take_back(conn, batch, late.order_id, _LARGEST, now) or late.work is Work.GIVE:
            await done_late(conn, late)

    async def _decide(self, conn: Connection, batch: _Batch, judged: Judged, now: datetime) -> None:
        facts = judged.facts
        for version in versions_for(batch.versions, facts.sold_at, facts.delivered_at):
            for reward in version.campaign.rewards:
                key = (OrderId(facts.order_id), version.campaign.name, reward.rule.name)
                if key in batch.decided:
                    continue
                batch.decided.add(key)
                if await self._answer(conn, version, reward, judged, now):
                    batch.granted += 1
                else:
                    batch.refused += 1

    async def _answer(
        self, conn: Connection, version: Version, reward: Reward, judged: Judged, now: datetime
    ) -> bool:
        """Decide and write; whether it was granted. What cannot be paid is refused with the reason."""
        try:
            async with conn.transaction():
                return await self._write(conn, version, reward, judged, now)
        except ConsigndError as error:
            _log.error(
                "campaign.not_paid",
                campaign=version.campaign.name,
                order_id=judged.facts.order_id,
                error=str(error),
            )
            await _refuse(conn, version, reward, judged, _NOT_PAID, str(error), now)
            return False

    async def _write(
        self, conn: Connection, version: Version, reward: Reward, judged: Judged, now: datetime
    ) -> bool:
        campaign, facts, buyer = version.campaign, judged.facts, judged.buyer
        points = None
        if buyer is not None:
            points = await self._payer.terms(conn, reward.pays, buyer, campaign.currency, facts.delivered_at)
        first = decide(
            campaign, reward, facts, History(rings=judged.rings), _no_guard, seed=version.seed, points=points
        )
        if buyer is None or (isinstance(first, Refused) and first.why in _PLAIN):
            assert isinstance(first, Refused), "without a buyer nothing is granted"
            await _refuse(conn, version, reward, judged, first.why, first.reason, now)
            return False
        marked = await read_marks(conn, judged, reward.rule.name)
        history = await read_history(conn, version, reward, judged, marked)
        answer = decide(campaign, reward, facts, history, guard, seed=version.seed, points=points)
        if isinstance(answer, Refused):
            await note_counted(conn, version, reward, judged, answer)
            await _refuse(conn, version, reward, judged, answer.why, answer.reason, now)
            return False
        payment = Payment(
            campaign=campaign.name,
            pays=reward.pays,
            buyer=buyer,
            beneficiary=answer.beneficiary,
            currency=campaign.currency,
            source=f"{campaign.name}/{facts.order_id}/{reward.rule.name}",
            expires_days=reward.expires_days,
        )
        await self._pay(conn, version, reward, judged, answer, payment, now)
        await note_granted(conn, version, reward, judged, marked, answer)
        return True

    async def _pay(
        self,
        conn: Connection,
        version: Version,
        reward: Reward,
        judged: Judged,
        granted: Granted,
        payment: Payment,
        now: datetime,
    ) -> None:
        grant_id: int = await conn.fetchval(
            _ADD_GRANT,
            payment.campaign,
            version.version_id,
            judged.facts.order_id,
            reward.rule.name,
            payment.buyer.buyer_id,
            str(reward.rule.party),
            granted.beneficiary,
            str(reward.pays),
            granted.amount_minor,
            payment.currency,
            granted.given if reward.pays.kind is PaysKind.POINTS else None,
            granted.base_minor,
            granted.eligible_minor,
            list(granted.line_nos),
            granted.outcome_no,
            reward.rule.on_refund.value,
            granted.warning,
            now,
        )
        paid = await self._payer.pay(conn, payment, granted.parts, now)
        await conn.execute(
            _ADD_PARTS,
            grant_id,
            list(range(1, len(paid) + 1)),
            [part.amount for part in granted.parts],
            [part.vests_at for part in granted.parts],
            [each.vested_at for each in paid],
            [each.paid_ref for each in paid],
        )


def _no_guard(*_: object) -> str:
    return ""


def _sold_at(event: Record) -> datetime:
    sold_at: datetime = min(event["placed_at"], event["posted_at"])
    return sold_at


async def _refuse(
    conn: Connection,
    version: Version,
    reward: Reward,
    judged: Judged,
    code: str,
    reason: str,
    now: datetime,
) -> None:
    await conn.execute(
        _ADD_REFUSAL,
        version.campaign.name,
        version.version_id,
        judged.facts.order_id,
        reward.rule.name,
        str(code),
        reason,
        now,
    )
