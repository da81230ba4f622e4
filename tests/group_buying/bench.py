"""Lets tests sell to groups: a stall with a group offer, buyers who order there, and a clock to move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from connectors.kit.connector import Connector, Options
from core.group_buying.groups import GroupBuying
from core.group_buying.offers import GroupOffer
from core.offers.terms import ChannelTerms
from core.orders.orders import Order
from core.orders.refunds import owed_refunds, settle_by_hand
from core.types import OrderRef, OrderState, Payment
from core.views.groups import GroupView, groups
from core.views.invariants import check
from scheduler.composition import utc_now
from tests.scheduler.bench import Bench, Stall, open_bench

DAY = timedelta(hours=24)


@dataclass(slots=True)
class GroupBench:
    """A bench whose first stall sells to groups."""

    bench: Bench
    stall: Stall
    buying: GroupBuying
    clock: list[datetime]
    told: dict[str, str] = field(default_factory=dict)

    @property
    def terms(self) -> ChannelTerms:
        """The stall's."""
        return self.stall.terms

    async def buy(
        self,
        ref: str,
        buyer: str | None = None,
        *,
        group: str | None = None,
        payment: Payment = Payment.PAID,
        quantity: int = 1,
    ) -> OrderState | None:
        """A buyer orders; told again it is the same order."""
        order = self.bench.told(ref, payment=payment, quantity=quantity, stall=self.stall)
        told = replace(order, buyer_ref=buyer, group_ref=group)
        if payment is Payment.PAID:
            self.told[ref] = buyer or ""
        return (await self.bench.take_in(told, self.stall)).state

    async def turn(self) -> None:
        """What the daemons do in a moment, and what is due by then."""
        await self.buying.turn()

    async def deliver(self, connector: Connector[Options] | None = None) -> None:
        """The channel's loop, with everything due."""
        await self.bench.make_due()
        if connector is None:
            await self.bench.deliverer(self.stall).deliver()
        else:
            await self.bench.deliverer_of(self.terms, connector).deliver()

    async def later(self, by: timedelta) -> None:
        """Time passes for groups."""
        self.clock[0] += by
        await self.turn()

    async def order(self, ref: str) -> Order:
        """An order as it stands."""
        return await self.bench.order(ref, self.stall)

    async def states(self, *refs: str) -> list[OrderState]:
        """Where orders stand."""
        return [(await self.order(ref)).state for ref in refs]

    async def groups(self, *, only_open: bool = False) -> tuple[GroupView, ...]:
        """As people see them."""
        async with self.bench.core.pool.acquire() as conn:
            return await groups(conn, self.clock[0], only_open=only_open)

    async def seats(self) -> dict[str, str]:
        """What became of each order's wish for a seat."""
        rows = await self.bench.core.pool.fetch("SELECT order_ref, state FROM group_seat")
        return {row["order_ref"]: row["state"] for row in rows}

    def sold(self) -> set[str]:
        """Orders whose codes went out."""
        return {delivery.order_ref for delivery in self.stall.connector.deliveries}

    def refunded(self) -> set[OrderRef]:
        """Orders whose money went back at the channel."""
        return set(self.stall.connector.cancelled)

    async def free_codes(self) -> int:
        """What could be sold now."""
        count: int = await self.bench.core.pool.fetchval(
            "SELECT coalesce(sum(free), 0)::bigint FROM stock_of_skus($1::int[])",
            [self.bench.sku.sku_id],
        )
        return count

    async def owed(self) -> list[tuple[str, int]]:
        """Refunds that a person has to make, in minor units."""
        async with self.bench.core.pool.acquire() as conn:
            return [(each.order_ref, each.amount_minor) for each in await owed_refunds(conn)]

    async def settle(self, ref: str) -> None:
        """A person has made one."""
        order_id = (await self.order(ref)).order_id
        async with self.bench.core.pool.acquire() as conn, conn.transaction():
            await settle_by_hand(conn, order_id, utc_now(), actor="kim", how="bank transfer 7")

    async def check(self) -> None:
        """Every promise that the database can show."""
        core = self.bench.core
        report = await check(core.pool, bound_permille=1000, now=utc_now(), vault=core.vault)
        assert report.ok, [invariant for invariant in report.invariants if not invariant.ok]


@asynccontextmanager
async def open_groups(
    dsn: str, folder: Path, offer: GroupOffer, *, codes: int = 8
) -> AsyncIterator[GroupBench]:
    """A bench with this offer on its one listing."""
    async with open_bench(dsn, folder, codes=codes) as bench:
        plain = bench.stall
        terms = replace(plain.terms, group_offers={plain.listing_ref: offer})
        stall = replace(plain, terms=terms)
        bench.stalls[0] = stall
        clock = [utc_now()]
        buying = GroupBuying(bench.core.pool, {terms.channel_id: terms}, lambda: clock[0])
        yield GroupBench(bench, stall, buying, clock)


async def killed(work: Coroutine[object, object, object], after_seconds: float) -> None:
    """Begin, and be cut off in the middle; what was not committed by then never was."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(after_seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
