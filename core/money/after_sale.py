"""Posts what happens to a sale's money after it: shares vest or lapse, coupons are redeemed, parts refunded.

Whatever happens, what stands on a line's accounts is brought to where the engine says that it should stand.
So an event that comes twice posts nothing the second time, and all ever posted about a line is the engine's
answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import ConsigndError, InvalidInput, MoveRefused
from core.money.ledger import Ledger, Sale
from core.money.money import Money
from core.money.plans.facts import Milestones
from core.money.plans.journal import Due, moves, position, schedule
from core.money.plans.refunds import Refunded, refund_amount, refund_units, touched
from core.money.plans.rules import Base
from core.money.plans.waterfall import Split, evaluate
from core.money.posting import Posting
from core.money.sold import Sold, load_sold
from core.types import OrderId

_SQL = load_queries("core.money", "sold.sql")
_ADD_REFUND = _SQL["add_refund"]
_ADD_REDEMPTION = _SQL["add_redemption"]
_SET_SPLIT_DUE = _SQL["set_split_due"]
_DROP_SPLIT_DUE = _SQL["drop_split_due"]
_DUE_SPLITS = _SQL["due_splits"]
_POSTPONE_SPLITS = _SQL["postpone_splits"]
_ORDERS_AT_MOST = 500
_PAUSE = timedelta(hours=1)

_log = structlog.get_logger()


class AfterSale:
    """What finance and the clock do to sales that were split before."""

    def __init__(self, pool: Pool, ledger: Ledger) -> None:
        self._pool = pool
        self._ledger = ledger

    async def settle_due(self, now: datetime, limit: int = _ORDERS_AT_MOST) -> int:
        """Post what has vested or lapsed by now; how many orders were looked at. Any daemon may."""
        orders = [OrderId(row["order_id"]) for row in await self._pool.fetch(_DUE_SPLITS, now, limit)]
        for order_id in orders:
            try:
                async with self._pool.acquire() as conn, conn.transaction():
                    for sold in await load_sold(conn, order_id, lock=True):
                        await self._bring(conn, sold, now)
            except ConsigndError as error:
                # One sale that cannot be read must not keep the others waiting.
                _log.error("split.not_settled", order_id=order_id, error=str(error))
                await self._pool.execute(_POSTPONE_SPLITS, order_id, now, now + _PAUSE)
        return len(orders)

    async def refund_units(
        self,
        conn: Connection,
        order_id: OrderId,
        line_no: int,
        units: int,
        now: datetime,
        *,
        actor: str,
        reason: str,
    ) -> list[Posting]:
        """Give back whole units, the last sold first; the entries. InvalidInput: not so many are left."""
        sold = await _line(conn, order_id, line_no)
        return await self._refund(conn, sold, _units_back(sold, units), now, actor, reason)

    async def refund_amount(
        self,
        conn: Connection,
        order_id: OrderId,
        line_no: int,
        amount: Money,
        now: datetime,
        *,
        actor: str,
        reason: str,
    ) -> list[Posting]:
        """Give back a part of a line's price; the entries. InvalidInput: so much is not left."""
        sold = await _line(conn, order_id, line_no)
        if amount.currency != sold.split.currency:
            raise InvalidInput(f"order {order_id} was sold in {sold.split.currency}: refund that")
        state = refund_amount(sold.split, sold.refunded, amount.amount_minor)
        return await self._refund(conn, sold, state, now, actor, reason)

    async def redeem(
        self,
        conn: Connection,
        order_id: OrderId,
        line_no: int,
        unit_redeemed: Money,
        now: datetime,
        *,
        actor: str,
    ) -> list[Posting]:
        """Note what of each unit of a line was redeemed in all so far; the entries that follow from it."""
        sold = await _line(conn, order_id, line_no)
        _refuse_redemption(sold, unit_redeemed)
        minor = unit_redeemed.amount_minor
        split = evaluate(sold.split.plan, replace(sold.split.facts, unit_redeemed_minor=minor))
        reached = sold.milestones
        milestones = Milestones(
            reached.sold_at, reached.delivered_at, reached.redeemed_at or now, reached.hold
        )
        await conn.execute(_ADD_REDEMPTION, order_id, line_no, minor, now, actor)
        return await self._bring(conn, replace(sold, split=split, milestones=milestones), now, "redemption")

    async def _refund(
        self, conn: Connection, sold: Sold, state: Refunded, now: datetime, actor: str, reason: str
    ) -> list[Posting]:
        if not reason.strip():
            raise InvalidInput(f"order {sold.order_id}: say why money goes back; the reason is kept")
        after = position(sold.split, state, sold.milestones, now)
        back = moves(sold.standing, after, sold.split.currency)
        posted = await self._ledger.post(conn, "refund", _sale(sold, back), now, sold.sale_id)
        amounts, free = list(state.amounts_minor), list(state.free_units)
        number = sold.refunds + 1
        await conn.execute(_ADD_REFUND, sold.sale_id, number, posted, amounts, free, now, actor, reason)
        await self._note_due(conn, replace(sold, refunded=state), now)
        return back

    async def _bring(self, conn: Connection, sold: Sold, now: datetime, kind: str = "") -> list[Posting]:
        """Post the difference between what stands and what should."""
        change = moves(sold.standing, sold.expected(now), sold.split.currency)
        if change:
            await self._ledger.post(conn, kind or _kind(change), _sale(sold, change), now)
        await self._note_due(conn, sold, now)
        return change

    async def _note_due(self, conn: Connection, sold: Sold, now: datetime) -> None:
        at = next_due(schedule(sold.split, sold.refunded, sold.milestones, now))
        if at is None:
            await conn.execute(_DROP_SPLIT_DUE, sold.order_id, sold.line_no)
        else:
            await conn.execute(_SET_SPLIT_DUE, sold.order_id, sold.line_no, at)


def next_due(dues: Sequence[Due]) -> datetime | None:
    """When something vests or lapses next, as far as dates tell."""
    return min((due.at for due in dues if due.at is not None), default=None)


async def _line(conn: Connection, order_id: OrderId, line_no: int) -> Sold:
    for sold in await load_sold(conn, order_id, lock=True):
        if sold.line_no == line_no:
            if sold.whole:
                raise MoveRefused(f"order {order_id} line {line_no}: all of it was refunded before")
            return sold
    raise InvalidInput(f"order {order_id} has no line {line_no} whose sale was posted: look at the order")


def _units_back(sold: Sold, units: int) -> Refunded:
    state, wanted = sold.refunded, units
    for consignor in reversed(dict.fromkeys(run.consignor for run in sold.split.runs)):
        here = min(wanted, _untouched(sold.split, state, consignor))
        if here > 0:
            state, wanted = refund_units(sold.split, state, consignor, here), wanted - here
    if wanted or units < 1:
        raise InvalidInput(
            f"order {sold.order_id} line {sold.line_no}: {units} units cannot be refunded,"
            f" {max(units - wanted, 0)} are left"
        )
    return state


def _untouched(split: Split, state: Refunded, consignor: str) -> int:
    each = zip(split.runs, state.amounts_minor, state.free_units, strict=True)
    return sum(run.count - touched(run, back, free) for run, back, free in each if run.consignor == consignor)


def _refuse_redemption(sold: Sold, unit_redeemed: Money) -> None:
    facts, where = sold.split.facts, f"order {sold.order_id} line {sold.line_no}"
    if unit_redeemed.currency != sold.split.currency:
        raise InvalidInput(f"{where} was sold in {sold.split.currency}: write what was redeemed in that")
    if unit_redeemed.amount_minor < (facts.unit_redeemed_minor or 0):
        raise InvalidInput(f"{where}: more than {unit_redeemed} was redeemed before; write the sum of all")
    if sold.refunds and any(rule.base is Base.REDEEMED for rule in sold.split.plan.rules):
        raise MoveRefused(f"{where}: a part was refunded, so what a share of it was can change no more")


def _kind(change: Sequence[Posting]) -> str:
    """Whether a share came to its owner, or went to somebody else for good."""
    debited = {(each.party, each.party_name) for each in change if each.amount_minor > 0}
    credited = {(each.party, each.party_name) for each in change if each.amount_minor < 0}
    return "release" if debited & credited else "lapse"


def _sale(sold: Sold, postings: Sequence[Posting]) -> Sale:
    return Sale(sold.order_id, sold.line_no, sold.lane, sold.plan_id, postings)
