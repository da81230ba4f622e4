"""Orders taken in by every way and in every order of events, against a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from core.codes.allocator import Allocator
from core.db.pool import Pool
from core.errors import InvalidInput, ReferenceReused
from core.money.ledger import Ledger, publish_plan
from core.money.money import Money
from core.money.plans.rules import CHANNEL, CONSIGNOR, OPERATOR
from core.offers.catalogue import ListingBook
from core.offers.terms import ChannelTerms, Shortage
from core.orders.closing import Closing, SaleCloser
from core.orders.intake import Intake
from core.orders.lifecycle import ENDED
from core.orders.orders import Order, find_order, load_order, move_orders
from core.types import (
    ChannelOrder,
    LineRef,
    ListingRef,
    OrderLine,
    OrderRef,
    OrderState,
    Payment,
)
from tests.factories import NOW, Shop, add_codes, add_shop, terms_of
from tests.plain_plans import plain_plan, plain_rule

RULES = [
    plain_rule(CHANNEL, rate_ppm=100_000),
    plain_rule(OPERATOR, rate_ppm=50_000),
    plain_rule(CONSIGNOR, rest=True),
]


@dataclass(frozen=True, slots=True)
class Desk:
    """A channel with one listing, and what takes its orders in."""

    pool: Pool
    shop: Shop
    terms: ChannelTerms
    intake: Intake
    closer: SaleCloser

    async def tell(
        self,
        payment: Payment,
        ref: str = "A",
        quantity: int = 1,
        *,
        fulfilled: bool = False,
        price: int = 2000,
    ) -> OrderState | None:
        told = ChannelOrder(
            order_ref=OrderRef(ref),
            payment=payment,
            lines=[OrderLine(LineRef("1"), ListingRef(self.shop.listing_ref), quantity, Money(price, "EUR"))],
            placed_at=NOW,
            fulfilled=fulfilled,
        )
        return (await self.intake.take_in(self.terms, told, "test")).state

    async def order(self, ref: str = "A") -> Order:
        async with self.pool.acquire() as conn:
            order = await find_order(conn, self.terms.channel_id, OrderRef(ref))
        assert order is not None
        return order

    async def free(self) -> int:
        """Codes that can still be sold."""
        return int(
            await self.pool.fetchval(
                "SELECT (SELECT coalesce(max(slot), 0) FROM code)"
                " - (SELECT coalesce(max(slot), 0) FROM allocation)"
            )
        )

    async def is_open(self, ref: str = "A") -> bool:
        order = await self.order(ref)
        found = await self.pool.fetchval("SELECT true FROM open_order WHERE order_id = $1", order.order_id)
        return bool(found)


async def open_desk(pool: Pool, codes: int) -> Desk:
    shop = await add_shop(pool, codes=codes)
    async with pool.acquire() as conn:
        plan_id, plan = await publish_plan(conn, plain_plan("test", 1, RULES))
    terms = replace(
        terms_of(shop.channel_id, shop.channel, plan_id, plan),
        shortage=Shortage.CANCEL,
        reservation_is_authoritative=False,
    )
    ledger = Ledger(pool)
    allocator = Allocator(pool, lambda: NOW)
    intake = Intake(pool, allocator, ledger, ListingBook(pool), lambda: NOW)
    return Desk(pool, shop, terms, intake, SaleCloser(pool, ledger, lambda: NOW))


@pytest.fixture
async def desk(pool: Pool) -> Desk:
    return await open_desk(pool, codes=3)


async def test_a_paid_order_is_accepted_with_its_codes(desk: Desk) -> None:
    assert await desk.tell(Payment.PAID, quantity=2) is OrderState.ACCEPTED
    assert await desk.free() == 1
    assert await desk.is_open()


async def test_an_unpaid_order_keeps_codes_and_is_accepted_when_paid(desk: Desk) -> None:
    assert await desk.tell(Payment.PENDING) is OrderState.RESERVED
    assert await desk.tell(Payment.PAID) is OrderState.ACCEPTED
    assert await desk.free() == 2


@pytest.mark.parametrize("times", [2, 30])
async def test_the_same_order_told_at_once_many_times_is_one_order(desk: Desk, times: int) -> None:
    states = await asyncio.gather(*(desk.tell(Payment.PAID) for _ in range(times)))
    assert set(states) == {OrderState.ACCEPTED}
    assert await desk.free() == 2


async def test_every_order_of_events_ends_the_same(pool: Pool) -> None:
    """Paid, pending and cancelled may arrive in any order and doubled: cancelled wins, nothing is kept."""
    desk = await open_desk(pool, codes=100)
    orders: Sequence[Sequence[Payment]] = [
        [Payment.PENDING, Payment.CANCELLED],
        [Payment.CANCELLED, Payment.PENDING],
        [Payment.CANCELLED, Payment.PAID, Payment.PENDING],
        [Payment.PENDING, Payment.PAID, Payment.CANCELLED, Payment.PAID],
        [Payment.PENDING, Payment.CANCELLED, Payment.CANCELLED, Payment.PENDING],
        [Payment.PAID, Payment.REFUNDED],
    ]
    for number, events in enumerate(orders):
        for event in events:
            await desk.tell(event, ref=f"order {number}")
        assert (await desk.order(f"order {number}")).state is OrderState.CANCELLED
        assert not await desk.is_open(f"order {number}")
    kept = await pool.fetchval(
        "SELECT count(*) FROM allocation WHERE NOT EXISTS (SELECT FROM departure d"
        " WHERE (d.lane, d.shelf_id, d.slot) = (allocation.lane, allocation.shelf_id, allocation.slot))"
    )
    assert kept == 0


async def test_paid_and_cancelled_at_the_same_moment_never_keep_codes_for_nobody(pool: Pool) -> None:
    desk = await open_desk(pool, codes=40)
    for number in range(20):
        ref = f"race {number}"
        await desk.tell(Payment.PENDING, ref=ref)
        await asyncio.gather(desk.tell(Payment.PAID, ref=ref), desk.tell(Payment.CANCELLED, ref=ref))
        assert (await desk.order(ref)).state is OrderState.CANCELLED
    assert await pool.fetchval("SELECT count(*) FROM code WHERE origin_slot IS NOT NULL") == 20


async def test_a_paid_order_without_codes_waits_and_an_unpaid_one_is_refused(pool: Pool) -> None:
    desk = await open_desk(pool, codes=0)
    assert await desk.tell(Payment.PAID, ref="paid") is OrderState.PARKED
    assert await desk.tell(Payment.PENDING, ref="unpaid") is OrderState.REFUSED
    assert await desk.is_open("paid")
    assert not await desk.is_open("unpaid")


async def test_a_refused_order_that_is_paid_after_all_gets_codes_if_there_are_some(pool: Pool) -> None:
    desk = await open_desk(pool, codes=0)
    await desk.tell(Payment.PENDING)
    await add_codes(pool, desk.shop.sku_id, 1)
    assert await desk.tell(Payment.PAID) is OrderState.ACCEPTED
    assert await desk.is_open()


async def test_money_that_comes_after_the_codes_were_let_go_finds_new_ones_or_waits(desk: Desk) -> None:
    await desk.tell(Payment.PENDING)
    order = await desk.order()
    async with desk.pool.acquire() as conn, conn.transaction():
        await move_orders(conn, [order], OrderState.RELEASED, now=NOW, actor="test")
    await desk.tell(Payment.PAID, ref="another", quantity=2)
    assert await desk.tell(Payment.PAID) is OrderState.PARKED


async def test_the_same_reference_with_another_price_is_refused(desk: Desk) -> None:
    await desk.tell(Payment.PAID)
    with pytest.raises(ReferenceReused):
        await desk.tell(Payment.PAID, price=1999)
    assert await desk.free() == 2


async def test_an_order_in_another_currency_is_refused_with_what_to_do(desk: Desk) -> None:
    told = ChannelOrder(
        OrderRef("usd"),
        Payment.PAID,
        [OrderLine(LineRef("1"), ListingRef(desk.shop.listing_ref), 1, Money(2000, "USD"))],
        NOW,
    )
    with pytest.raises(InvalidInput, match="is in USD"):
        await desk.intake.take_in(desk.terms, told, "test")


async def test_what_is_not_ours_is_left_alone(desk: Desk) -> None:
    told = ChannelOrder(
        OrderRef("mug"),
        Payment.PAID,
        [OrderLine(LineRef("1"), ListingRef("a mug"), 1, Money(900, "EUR"))],
        NOW,
    )
    assert (await desk.intake.take_in(desk.terms, told, "test")).order_id is None
    assert await desk.pool.fetchval("SELECT count(*) FROM channel_order") == 0


async def test_a_refund_after_delivery_is_the_exact_negative_and_the_codes_stay_sold(desk: Desk) -> None:
    await desk.tell(Payment.PAID, quantity=2)
    await desk.closer.close(Closing(await desk.order(), desk.terms, "test", ""))
    assert await desk.tell(Payment.REFUNDED) is OrderState.REFUNDED
    assert await desk.tell(Payment.REFUNDED) is OrderState.REFUNDED
    sums = await desk.pool.fetch("SELECT account_id, sum(amount_minor) AS s FROM entry GROUP BY account_id")
    assert sums
    assert {row["s"] for row in sums} == {0}
    assert await desk.pool.fetchval("SELECT count(*) FROM journal_transaction WHERE kind = 'refund'") == 1
    assert await desk.free() == 1


async def test_an_order_that_the_channel_served_from_its_own_stock_gives_our_codes_back(desk: Desk) -> None:
    await desk.tell(Payment.PENDING, quantity=2)
    assert await desk.tell(Payment.PAID, quantity=2, fulfilled=True) is OrderState.CANCELLED
    assert await desk.tell(Payment.PAID, ref="never seen", fulfilled=True) is None
    async with desk.pool.acquire() as conn:
        order = await load_order(conn, (await desk.order()).order_id)
    assert order.state in ENDED
    assert await desk.pool.fetchval("SELECT count(*) FROM code WHERE origin_slot IS NOT NULL") == 2


async def test_while_a_delivery_is_under_way_a_cancellation_waits_for_its_outcome(desk: Desk) -> None:
    await desk.tell(Payment.PAID)
    async with desk.pool.acquire() as conn, conn.transaction():
        await move_orders(conn, [await desk.order()], OrderState.DELIVERING, now=NOW, actor="test")
    assert await desk.tell(Payment.CANCELLED) is OrderState.DELIVERING
    assert await desk.pool.fetchval("SELECT count(*) FROM departure") == 0
