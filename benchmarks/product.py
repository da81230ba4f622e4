"""Sells through the product's own entry points: reserve, then close, each durable when it returns."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from benchmarks.stand import Goods, Market
from core.codes.allocator import Allocator
from core.codes.reservation import Reserved, ReserveLine, ReserveRequest
from core.money.ledger import Ledger
from core.orders.closing import Closing, SaleCloser
from core.orders.orders import Order, TakenLine
from core.types import LineRef, ListingRef, OrderRef, OrderState

PRICE_MINOR = 2000
_HASH = b"x" * 32
_NUMBERS = itertools.count(1)
# The event loop's finest; less would be none at all, and our waiting would take a core from the sellers.
_WAKE_SECONDS = 0.001
# Whose codes they are, which the product knows from having opened them.
_OWNERS = {1: (("owner", 1),)}


def utc_now() -> datetime:
    """The clock of the product's composition root."""
    return datetime.now(UTC)


class Sells(Protocol):
    """Whoever sells one order of one code, durably."""

    async def sell(self) -> None: ...


class Seller:
    """One daemon's allocator and closer on a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._allocator = Allocator(market.pool, utc_now)
        self._closer = SaleCloser(market.pool, Ledger(market.pool), utc_now)

    async def sell(self) -> None:
        """One order of one code, from the marketplace's word to its money."""
        await self.close(await self.reserve())

    async def reserve(self) -> Order:
        """One order of one code, kept for it."""
        goods = random.choice(self._market.goods)
        request = self._request(goods)
        reserved = await self._allocator.reserve(request)
        assert reserved.state is OrderState.ACCEPTED, f"{reserved}: are there codes left?"
        return _order(request, reserved)

    async def close(self, order: Order) -> None:
        """An order delivered, and its money split."""
        await self._closer.close(Closing(order, self._market.terms, "bench", "", _OWNERS))

    def _request(self, goods: Goods) -> ReserveRequest:
        now = utc_now()
        return ReserveRequest(
            channel_id=self._market.terms.channel_id,
            order_ref=OrderRef(f"P{next(_NUMBERS)}"),
            request_hash=_HASH,
            lines=(ReserveLine(LineRef("1"), goods.listing_id, goods.lane, goods.sku_id, 1, PRICE_MINOR),),
            state=OrderState.ACCEPTED,
            short_state=OrderState.PARKED,
            currency=self._market.terms.currency,
            placed_at=now,
        )


def _order(request: ReserveRequest, reserved: Reserved) -> Order:
    """The order as the database has it now, without asking it."""
    (line,) = request.lines
    taken = TakenLine(
        1,
        line.lane,
        line.line_ref,
        line.listing_id,
        ListingRef("S"),
        line.sku_id,
        line.quantity,
        line.unit_price_minor,
        request.placed_at,
    )
    return Order(
        order_id=reserved.order_id,
        lane=line.lane,
        channel_id=request.channel_id,
        order_ref=request.order_ref,
        currency=request.currency,
        placed_at=request.placed_at,
        hold_until=None,
        created_at=request.placed_at,
        state=reserved.state,
        state_since=request.placed_at,
        move_no=0,
        failures=0,
        lines=(taken,),
    )


async def closed_loop(seller: Sells, waiting: int, seconds: float) -> float:
    """Sales per second with so many orders under way at any time."""
    await asyncio.gather(*(seller.sell() for _ in range(waiting)))
    started = time.perf_counter()
    deadline = started + seconds

    async def buyer() -> int:
        sold = 0
        while time.perf_counter() < deadline:
            await seller.sell()
            sold += 1
        return sold

    sold = sum(await asyncio.gather(*(buyer() for _ in range(waiting))))
    return sold / (time.perf_counter() - started)


async def tenths(seller: Seller, waiting: int, sales: int) -> list[float]:
    """Sales per second in each tenth of a run of so many sales."""
    return [await _rate_of(seller, waiting, sales // 10) for _ in range(10)]


async def _rate_of(seller: Seller, waiting: int, sales: int) -> float:
    left = iter(range(sales))
    started = time.perf_counter()

    async def buyer() -> None:
        for _ in left:
            await seller.sell()

    await asyncio.gather(*(buyer() for _ in range(waiting)))
    return sales / (time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long sales took at an offered load."""

    offered_per_second: float
    served_per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float


async def open_loop(seller: Sells, offered_per_second: float, seconds: float) -> Latency:
    """Sales that arrive at random, however the ones before them fare; timed from when each was due."""
    rng = random.Random(7)
    took: list[float] = []
    running: set[asyncio.Task[None]] = set()

    async def sale(due: float) -> None:
        await seller.sell()
        took.append(time.perf_counter() - due)

    started = time.perf_counter()
    due = started + rng.expovariate(offered_per_second)
    while due < started + seconds:
        # All that have come due since are begun together: to wake for each would cost what a sale may cost.
        await asyncio.sleep(_WAKE_SECONDS)
        while due <= time.perf_counter():
            task = asyncio.create_task(sale(due))
            running.add(task)
            task.add_done_callback(running.discard)
            due += rng.expovariate(offered_per_second)
    await asyncio.gather(*running)
    elapsed = time.perf_counter() - started
    took.sort()
    p50, p99, p999 = (took[int(len(took) * q)] * 1000 for q in (0.5, 0.99, 0.999))
    return Latency(offered_per_second, len(took) / elapsed, p50, p99, p999)
