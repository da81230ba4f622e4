"""A flash sale's quota: what counts of it, what comes too late, and what is none of its business."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.flash.takes import Verdict, verdict_of
from core.offers.pricing.repricing import Repricing
from core.types import OrderState, Payment
from core.views.flash import flash_sales
from scheduler.composition import utc_now
from tests.group_buying.flash_bench import HOUR, FlashBench, open_flash, window

S = OrderState
USUAL = 2222
DEARER = 2600


async def sold(room: FlashBench) -> int:
    """As the operator reads it."""
    terms = {room.stall.terms.channel_id: room.stall.terms}
    async with room.bench.core.pool.acquire() as conn:
        (sale,) = await flash_sales(conn, terms, utc_now())
    return sale.sale.sold


async def push(room: FlashBench) -> None:
    """Tell the channel what it is to show, and hear that it does."""
    channel_id = room.stall.terms.channel_id
    await room.outbox.collect(channel_id)
    claim = await room.outbox.claim(channel_id, 10)
    await room.outbox.settle(claim.plans, [], [])


async def test_what_was_refunded_can_be_sold_again(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=2)) as room:
        await room.buy("A", "ann")
        await room.buy("B", "bob")
        await room.deliver()
        assert (await sold(room), (await room.plan()).price_minor) == (2, USUAL)
        assert await room.buy("A", "ann", payment=Payment.REFUNDED) is S.REFUNDED
        plan = await room.plan()
        assert (await sold(room), plan.wanted_quantity, plan.price_minor) == (1, 1, 2500)
        assert await room.buy("C", "cid") is S.ACCEPTED
        assert await room.buy("D", "dan") is S.HELD
        assert await sold(room) == 2


async def test_a_refund_leaves_no_mark_and_is_shown_all_the_same(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=3)) as room:
        await room.buy("A", "ann", quantity=2)
        await room.deliver()
        await push(room)
        shown = "SELECT published_quantity FROM offer"
        assert await room.bench.core.pool.fetchval(shown) == 1
        repricing = Repricing(room.bench.core.pool, room.stall.terms)
        assert (await repricing.all(utc_now())).differing == 0
        await room.buy("A", "ann", quantity=2, payment=Payment.REFUNDED)
        assert (await repricing.all(utc_now())).differing == 1
        await push(room)
        assert await room.bench.core.pool.fetchval(shown) == 3
        assert (await repricing.all(utc_now())).differing == 0


async def test_what_was_cancelled_counts_for_nothing_and_what_is_reserved_does(
    dsn: str, tmp_path: Path
) -> None:
    async with open_flash(dsn, tmp_path, window(quota=3)) as room:
        assert await room.buy("A", "ann", payment=Payment.PENDING) is S.RESERVED
        assert await room.buy("B", "bob") is S.ACCEPTED
        assert await sold(room) == 2
        assert await room.buy("B", "bob", payment=Payment.CANCELLED) is S.CANCELLED
        assert await sold(room) == 1


async def test_what_was_refused_for_want_of_codes_counts_for_nothing(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=3), codes=1) as room:
        assert await room.buy("A", "ann", quantity=2, payment=Payment.PENDING) is S.REFUSED
        assert await sold(room) == 0


async def test_a_paid_order_beyond_the_quota_is_held_and_its_money_goes_back(
    dsn: str, tmp_path: Path
) -> None:
    async with open_flash(dsn, tmp_path, window(quota=2)) as room:
        assert await room.buy("A", "ann") is S.ACCEPTED
        # Not even a part of it: one is left.
        assert await room.buy("B", "bob", quantity=2) is S.HELD
        assert await room.buy("C", "cid") is S.ACCEPTED
        assert await room.buy("D", None) is S.HELD
        # Told again, the same answer.
        assert [await room.buy("B", "bob", quantity=2), await room.buy("C", "cid")] == [S.HELD, S.ACCEPTED]
        pool = room.bench.core.pool
        due = await pool.fetch("SELECT order_ref, told, why FROM refund_due ORDER BY order_ref")
        assert [row["order_ref"] for row in due] == ["B", "D"]
        assert {row["told"] for row in due} == {"the sale was over: all that it had was sold"}
        assert due[0]["why"] == "flash sale night: its quota of 2 does not have 2 left"
        await room.deliver()
        assert await room.states("A", "B", "C", "D") == [S.DELIVERED, S.CANCELLED, S.DELIVERED, S.CANCELLED]
        assert sorted(room.stall.connector.cancelled) == ["B", "D"]


async def test_a_channel_that_asks_is_refused_what_the_quota_does_not_have(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=1), by_sku=True) as room:
        assert await room.buy("A", "ann", payment=Payment.PENDING) is S.RESERVED
        assert await room.buy("B", None, payment=Payment.PENDING) is S.REFUSED
        assert await sold(room) == 1


async def test_orders_that_race_for_the_last_pieces_stay_within_the_quota(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=3)) as room:
        states = await asyncio.gather(*(room.buy(f"order-{n}", f"buyer-{n}") for n in range(8)))
        assert (states.count(S.ACCEPTED), states.count(S.HELD)) == (3, 5)
        assert await sold(room) == 3


async def test_who_pays_the_usual_price_after_the_last_piece_is_no_part_of_the_sale(
    dsn: str, tmp_path: Path
) -> None:
    async with open_flash(dsn, tmp_path, window(quota=2)) as room:
        # While something is left whatever is shown is the sale's, also where the floor lifted its price.
        assert await room.buy("A", "ann", price_minor=DEARER) is S.ACCEPTED
        assert await room.buy("B", "bob") is S.ACCEPTED
        assert await room.buy("C", "cid", price_minor=DEARER) is S.ACCEPTED
        assert await room.buy("D", "dan") is S.HELD
        assert await sold(room) == 2
        # Then B's piece is free again, and C, who was none of the sale, does not take it.
        await room.buy("B", "bob", payment=Payment.CANCELLED)
        await room.buy("C", "cid", price_minor=DEARER)
        assert await sold(room) == 1


async def test_where_the_usual_price_is_the_sales_orders_after_the_channel_was_told_go_on(
    dsn: str, tmp_path: Path
) -> None:
    async with open_flash(dsn, tmp_path, window(quota=1, price=USUAL)) as room:
        await push(room)
        assert await room.buy("A", "ann", price_minor=USUAL) is S.ACCEPTED
        placed_at = utc_now()
        assert await room.buy("B", "bob", price_minor=USUAL) is S.HELD
        await push(room)
        assert await room.buy("C", "cid", price_minor=USUAL) is S.ACCEPTED
        # Bought before the channel was told, and heard of later.
        assert await room.buy("D", "dan", price_minor=USUAL, placed_at=placed_at) is S.HELD
        assert await sold(room) == 1


async def test_what_the_channel_has_not_acknowledged_it_does_not_show(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=1, price=USUAL)) as room:
        await push(room)
        await room.buy("A", "ann", price_minor=USUAL)
        await room.outbox.collect(room.stall.terms.channel_id)
        await room.outbox.claim(room.stall.terms.channel_id, 10)
        assert await room.buy("B", "bob", price_minor=USUAL) is S.HELD


@pytest.mark.parametrize("taken", [True, False])
async def test_a_late_payment_gets_what_is_left_and_nothing_that_others_took(
    dsn: str, tmp_path: Path, taken: bool
) -> None:
    async with open_flash(dsn, tmp_path, window(quota=1)) as room:
        await room.buy("A", "ann", payment=Payment.PENDING, hold_until=utc_now() - timedelta(seconds=1))
        await room.deliver()
        assert (await room.states("A"), await sold(room)) == ([S.RELEASED], 0)
        if taken:
            assert await room.buy("B", "bob") is S.ACCEPTED
        late = S.HELD if taken else S.ACCEPTED
        assert [await room.buy("A", "ann"), await room.buy("A", "ann")] == [late, late]
        assert await sold(room) == 1


@pytest.mark.parametrize("late", [True, False])
async def test_an_order_that_was_never_written_keeps_its_pieces_for_an_hour(
    dsn: str, tmp_path: Path, late: bool
) -> None:
    async with open_flash(dsn, tmp_path, window(quota=1)) as room:
        # Between its claim and the order somebody pulled the plug.
        await room.bench.core.pool.execute(
            "INSERT INTO flash_take"
            " SELECT listing_id, 'night', $1, channel_id, 'A', 1, 'sold', $2 FROM listing",
            room.sale.from_at,
            utc_now() - (2 * HOUR if late else timedelta(0)),
        )
        assert await sold(room) == (0 if late else 1)
        assert await room.buy("B", "bob") is (S.ACCEPTED if late else S.HELD)
        assert await room.buy("A", "ann") is (S.HELD if late else S.ACCEPTED)
        assert await sold(room) == 1


async def test_who_may_not_take_it_leaves_it_to_others(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=2, per_buyer=1)) as room:
        assert await room.buy("A", "ann") is S.ACCEPTED
        assert await room.buy("B", "ann") is S.HELD
        assert await room.buy("C", "cid") is S.ACCEPTED
        assert await sold(room) == 2


async def test_outside_of_the_sale_nothing_is_taken_of_it(dsn: str, tmp_path: Path) -> None:
    async with open_flash(dsn, tmp_path, window(quota=1, since=utc_now() + HOUR)) as room:
        assert await room.buy("A", "ann", quantity=3) is S.ACCEPTED
        assert await sold(room) == 0
        # What was placed in it is judged by it, whenever it is told.
        assert await room.buy("B", "bob", quantity=2, placed_at=utc_now() + 2 * HOUR) is S.HELD


@given(
    quota=st.integers(1, 5),
    sold_before=st.integers(0, 6),
    pieces=st.integers(1, 3),
    dearer=st.booleans(),
    shown_anew=st.booleans(),
)
def test_a_quota_is_never_passed_and_nobody_is_refused_but_who_bought_in_the_sale(
    quota: int, sold_before: int, pieces: int, dearer: bool, shown_anew: bool
) -> None:
    found = verdict_of(quota, sold_before, pieces, dearer=dearer, shown_anew=shown_anew)
    assert (found is Verdict.SOLD) == (sold_before + pieces <= quota)
    if found is Verdict.OVER:
        assert not dearer
        assert sold_before < quota or not shown_anew
    if found is Verdict.BESIDE:
        assert dearer or sold_before >= quota
