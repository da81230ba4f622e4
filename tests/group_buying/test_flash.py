"""Flash sales on a real database: what is shown within the quota, and what one buyer may take."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.flash.limits import is_dearer, window_at
from core.money.money import Money
from core.offers.outbox import Outbox
from core.offers.price.rule import PriceRule
from core.offers.pricing.repricing import Repricing
from core.offers.stock.rules import StockPolicy
from core.orders.refunds import owed_refunds
from core.types import LineRef, ListingRef, OrderLine, OrderState, Payment
from core.views.flash import flash_preview, flash_sales
from scheduler.composition import utc_now
from tests.factories import NOW
from tests.group_buying.flash_bench import HOUR, open_flash, window

S = OrderState


async def test_no_more_is_shown_than_the_quota_leaves(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=3)) as room:
        plan = await room.plan()
        assert (plan.wanted_quantity, plan.price_minor) == (3, 2500)
        last = plan.steps[-1]
        assert (last.rule, last.source) == ("flash", "price.windows [night]")
        assert "0 of 3 sold" in last.why
        await room.buy("A", "ann", quantity=2)
        assert (await room.plan()).wanted_quantity == 1
        await room.buy("B", "bob")
        over = await room.plan()
        # What is left in stock, at the usual price: the sale is over with its quota.
        assert (over.wanted_quantity, "flash" in {step.rule for step in over.steps}) == (5, False)
        assert over.price_minor != 2500


async def test_where_less_is_in_stock_the_quota_raises_nothing(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=50), codes=4) as room:
        assert (await room.plan()).wanted_quantity == 4


async def test_a_sale_that_begins_or_ends_moves_what_is_shown_though_its_price_is_the_usual_one(
    dsn: str, tmp_path: Path
) -> None:
    usual = 2223
    start = utc_now()
    sale = window(quota=2, since=start + HOUR, price=usual)
    async with open_flash(dsn, tmp_path, sale) as room:
        pool, channel_id = room.bench.core.pool, room.stall.terms.channel_id
        clock = [start]
        outbox = Outbox(pool, {channel_id: room.stall.terms}, StockPolicy(), lambda: clock[0])
        shown = []
        for at in (start, start + HOUR, start + 2 * HOUR, start + 5 * HOUR):
            clock[0] = at
            await Repricing(pool, room.stall.terms).all(at)
            await outbox.rehearse(channel_id, 10)
            shown.append(await pool.fetchval("SELECT wanted_quantity FROM offer"))
        assert shown == [8, 2, 2, 8]


async def test_a_paid_order_above_the_limit_is_held_and_its_money_goes_back(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(per_buyer=2)) as room:
        assert await room.buy("A", "ann", quantity=2) is S.ACCEPTED
        assert await room.buy("B", "ann") is S.HELD
        assert await room.buy("C", "bob", quantity=3) is S.HELD
        assert await room.buy("D", "cid") is S.ACCEPTED
        # Told again, the same answer.
        assert await room.buy("B", "ann") is S.HELD
        await room.deliver()
        assert await room.states("A", "B", "C", "D") == [S.DELIVERED, S.CANCELLED, S.CANCELLED, S.DELIVERED]
        assert sorted(room.stall.connector.cancelled) == ["B", "C"]


async def test_a_channel_that_asks_is_told_no(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(per_buyer=1), by_sku=True) as room:
        assert await room.buy("A", "ann", payment=Payment.PENDING) is S.RESERVED
        assert await room.buy("B", "ann", payment=Payment.PENDING) is S.REFUSED
        # It is paid all the same: then the money goes back.
        assert await room.buy("B", "ann") is S.HELD
        await room.deliver()
        assert await room.states("A", "B") == [S.RESERVED, S.CANCELLED]


async def test_what_was_given_back_counts_no_more(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(per_buyer=1)) as room:
        await room.buy("A", "ann")
        await room.buy("A", "ann", payment=Payment.CANCELLED)
        assert await room.buy("B", "ann") is S.ACCEPTED


async def test_outside_of_the_sale_nobody_is_counted(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(per_buyer=1, since=utc_now() + HOUR)) as room:
        assert await room.buy("A", "ann", quantity=3) is S.ACCEPTED
        assert await room.bench.core.pool.fetchval("SELECT count(*) FROM flash_claim") == 0
        # What was placed in it is judged by it, whenever it is told.
        later = utc_now() + 2 * HOUR
        assert await room.buy("B", "ann", quantity=3, placed_at=later) is S.HELD


async def test_where_nobody_says_who_buys_nothing_is_counted(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(per_buyer=1)) as room:
        assert await room.buy("A", None, quantity=3) is S.ACCEPTED


async def test_orders_of_one_buyer_that_race_stay_within_the_limit(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(per_buyer=2)) as room:
        states = await asyncio.gather(*(room.buy(f"order-{n}", "ann") for n in range(8)))
        assert (states.count(S.ACCEPTED), states.count(S.HELD)) == (2, 6)


async def test_short_of_codes_above_the_limit_it_is_sent_back_and_not_served_later(
    dsn: str, tmp_path: Path
) -> None:
    async with open_flash(dsn, tmp_path, window(per_buyer=1), codes=1) as room:
        await room.buy("A", "ann")
        assert await room.buy("B", "ann") is S.PARKED
        await room.bench.import_codes(1, seed=3)
        await room.deliver(refunds=False)
        assert (await room.states("B")) == [S.CANCELLED]
        async with room.bench.core.pool.acquire() as conn:
            assert [each.order_ref for each in await owed_refunds(conn)] == ["B"]


async def test_a_report_tells_what_is_sold_and_left_and_a_preview_what_will_be_shown(
    dsn: str, tmp_path: Path
) -> None:
    async with open_flash(dsn, tmp_path, window(quota=3, per_buyer=2)) as room:
        await room.buy("A", "ann", quantity=2)
        terms = {room.stall.terms.channel_id: room.stall.terms}
        async with room.bench.core.pool.acquire() as conn:
            (sale,) = await flash_sales(conn, terms, utc_now())
            assert (sale.state, sale.sale.sold, sale.left, sale.sale.per_buyer) == ("on", 2, 1, 2)
            (preview,) = await flash_preview(conn, terms, utc_now(), "night")
            with pytest.raises(InvalidInput, match="no flash sale is called"):
                await flash_preview(conn, terms, utc_now(), "day")
        now, over = preview.moments
        assert (now.shown_minor, now.at_most, over.what, over.at_most) == (2500, 1, "the sale is over", None)
        assert (preview.remark, over.shown_minor != 2500) == (None, True)


async def test_a_preview_says_where_the_floor_lifts_the_price(dsn: str, tmp_path: Path) -> None:
    sale = window(quota=3, since=utc_now() + HOUR, price=1)
    async with open_flash(dsn, tmp_path, sale) as room:
        await room.bench.core.pool.execute("UPDATE shelf SET unit_cost_minor = 1500, currency = 'EUR'")
        terms = {room.stall.terms.channel_id: room.stall.terms}
        async with room.bench.core.pool.acquire() as conn:
            (preview,) = await flash_preview(conn, terms, utc_now(), "night")
        assert preview.floor_minor is not None
        assert preview.moments[1].shown_minor == preview.floor_minor > 1
        assert preview.remark is not None
        assert "floor" in preview.remark


@given(
    price=st.integers(1, 5000),
    paid=st.integers(0, 5000),
    minutes=st.integers(-10, 200),
)
@settings(max_examples=60)
def test_only_what_was_sold_in_a_sale_at_its_price_is_counted(price: int, paid: int, minutes: int) -> None:
    sale = window(since=NOW, price=price, per_buyer=1)
    line = OrderLine(LineRef("1"), ListingRef("L"), 1, Money(paid, "EUR"))
    at = NOW + timedelta(minutes=minutes)
    found = window_at(PriceRule(windows=(sale,)), at)
    assert (found is sale) == (0 <= minutes < 180)
    assert is_dearer(sale, line) == (paid > price)
