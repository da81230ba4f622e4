"""Pulls orders from a channel; the cursor is saved after everything it brought is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from connectors.kit.abilities import PullsOrders
from core.cursors import move_cursor, read_cursor
from core.db.pool import Pool
from core.errors import InvalidInput, MoveRefused, ReferenceReused
from core.offers.terms import ChannelTerms
from core.orders.intake import Intake
from core.types import ChannelOrder

ORDERS = "orders"
_MOST_PAGES = 200
_AT_ONCE = 32

_log = structlog.get_logger()


class Puller:
    """Reads one channel's orders page by page and hands them to intake."""

    def __init__(
        self,
        pool: Pool,
        intake: Intake,
        terms: ChannelTerms,
        connector: PullsOrders,
        now: Callable[[], datetime],
        taken_in: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._intake = intake
        self._terms = terms
        self._connector = connector
        self._now = now
        self._taken_in = taken_in

    async def pull(self) -> None:
        """Take in all that is new. Intake is idempotent, so a page read twice does no harm."""
        async with self._pool.acquire() as conn:
            cursor = await read_cursor(conn, self._terms.channel_id, ORDERS)
        for _ in range(_MOST_PAGES):
            page = await self._connector.pull_orders(cursor)
            await self._take_in(page.orders)
            if page.cursor != cursor:
                async with self._pool.acquire() as conn:
                    await move_cursor(conn, self._terms.channel_id, ORDERS, page.cursor, self._now())
            cursor = page.cursor
            if not page.more:
                return

    async def _take_in(self, orders: Sequence[ChannelOrder]) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(order: ChannelOrder) -> None:
            async with slots:
                await self._take_in_one(order)

        results = await asyncio.gather(*(one(order) for order in orders), return_exceptions=True)
        if orders:
            self._taken_in()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _take_in_one(self, order: ChannelOrder) -> None:
        """One order that contradicts itself must not keep the others out; all else is told again."""
        try:
            await self._intake.take_in(self._terms, order, "pull")
        except (ReferenceReused, MoveRefused, InvalidInput) as error:
            _log.warning(
                "order.not_taken_in", channel=self._terms.name, order_ref=order.order_ref, error=str(error)
            )
