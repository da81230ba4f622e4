"""Tries splits again that are owed: of delivered orders whose plan asked for what nobody had or told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.ledger import Ledger
from core.offers.terms import ChannelTerms
from core.orders.closing_group import Closing, Consignors
from core.orders.orders import Order, load_order
from core.orders.planned import PlannedSales
from core.types import ChannelId, OrderId, OrderState

_CODES_PER_CONSIGNOR = load_queries("core.orders", "closing.sql")["codes_per_consignor"]
_SQL = load_queries("core.orders", "planned.sql")
_DUE_OWED = _SQL["due_owed"]
_LOCK_OWED = _SQL["lock_owed"]
_RETRY_OWED_LATER = _SQL["retry_owed_later"]
_SETTLE_OWED = _SQL["settle_owed"]
_OWED_SPLITS = _SQL["owed_splits"]
_SETTLE_OWED_AS_REFUNDED = load_queries("core.money", "sold.sql")["settle_owed_as_refunded"]
_ORDERS_AT_MOST = 100
_LONGEST_PAUSE = timedelta(hours=1)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OwedSplit:
    """A delivered order whose money is not split yet, why, and when it is tried again."""

    order_id: int
    channel: str
    order_ref: str
    why: str
    since: datetime
    tries: int
    due_at: datetime


async def owed_splits(conn: Connection, limit: int = 1000) -> tuple[OwedSplit, ...]:
    """The oldest first."""
    return tuple(OwedSplit(**dict(row)) for row in await conn.fetch(_OWED_SPLITS, limit))


class OwedSplits:
    """Posts what is owed once plan or facts are mended. Any daemon may; one order at a time is one's."""

    def __init__(self, pool: Pool, ledger: Ledger) -> None:
        self._pool = pool
        self._ledger = ledger

    async def retry(
        self, terms: Mapping[ChannelId, ChannelTerms], now: datetime, limit: int = _ORDERS_AT_MOST
    ) -> int:
        """Try those that are due by the plans in force now; how many were split."""
        # Plans may have been mended since: nothing of them is remembered from one round to the next.
        planned = PlannedSales(self._ledger, self._pool)
        done = 0
        for row in await self._pool.fetch(_DUE_OWED, now, list(terms), limit):
            async with self._pool.acquire() as conn, conn.transaction():
                channel = terms[ChannelId(row["channel_id"])]
                done += await self._try(conn, planned, OrderId(row["order_id"]), channel, now)
        return done

    async def _try(
        self, conn: Connection, planned: PlannedSales, order_id: OrderId, terms: ChannelTerms, now: datetime
    ) -> bool:
        tries = await conn.fetchval(_LOCK_OWED, order_id)
        if tries is None:
            return False
        order = await load_order(conn, order_id)
        if order.state is not OrderState.DELIVERED:
            await conn.execute(_SETTLE_OWED_AS_REFUNDED, order_id, now)
            return False
        owners: dict[int, Consignors] = {}
        for _, line_no, name, codes in await conn.fetch(_CODES_PER_CONSIGNOR, [order_id]):
            owners[line_no] = (*owners.get(line_no, ()), (name, codes))
        closing = Closing(order, terms, "sweep", "")
        reckoned = await planned.reckon(conn, [(closing, owners)], now, _delivered_at(order))
        if order_id in reckoned.owed:
            pause = min(timedelta(minutes=1) * 2 ** min(tries, 10), _LONGEST_PAUSE)
            await conn.execute(_RETRY_OWED_LATER, order_id, reckoned.owed[order_id], now + pause)
            return False
        for line in reckoned.lines:
            await self._ledger.post(conn, "sale", line.sale, now)
        await planned.keep(conn, reckoned)
        await conn.execute(_SETTLE_OWED, order_id, now)
        _log.info("split.paid_up", order_id=order_id, tries=tries)
        return True


def _delivered_at(order: Order) -> datetime:
    assert order.state is OrderState.DELIVERED, f"{order.order_ref} is {order.state}"
    return order.state_since
