"""Tests that coupons follow their orders, and that buyers are reminded of each once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from core.alerts.readings.looking import View
from core.alerts.readings.taking import take_readings
from core.alerts.rules import Fact, Measure, Metric
from core.coupons.series import Series
from core.coupons.sweeping import Swept
from core.coupons.uses import Redeemed
from core.db.pool import Pool
from tests.coupons.bench import NOW, TENTH, Till, basket

LATE = NOW + TENTH.hold


async def hold(till: Till, ref: str) -> None:
    coupon = await till.issue("spring")
    assert isinstance(await till.redeem(coupon.code, basket("shop", 2000, ref=ref)), Redeemed)


async def order(till: Till, ref: str, first: str, *moves: str) -> int:
    """The shop's order as intake and deliveries would have left it."""
    order_id: int = await till.pool.fetchval("SELECT coalesce(max(order_id), 0) + 1 FROM channel_order")
    await till.pool.execute(
        "INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash,"
        " currency, placed_at, created_at) VALUES ($1, 0, $2, $3, $4, '', 'EUR', $5, $5)",
        order_id,
        till.channel_id,
        ref,
        first,
        NOW,
    )
    await move(till, order_id, first, *moves)
    return order_id


async def move(till: Till, order_id: int, *states: str) -> None:
    for before, after in pairwise(states):
        await till.pool.execute(
            "INSERT INTO order_move (order_id, move_no, from_state, to_state, moved_at, actor)"
            " SELECT $1, (SELECT count(*) + 1 FROM order_move WHERE order_id = $1), $2, $3, $4, 'test'",
            order_id,
            before,
            after,
            NOW,
        )


async def state(till: Till, ref: str) -> str:
    found: str = await till.pool.fetchval("SELECT state FROM coupon_use WHERE basket_ref = $1", ref)
    return found


async def sweep(till: Till, now: datetime = NOW) -> Swept:
    return await till.coupons.sweep.run(now)


@pytest.mark.parametrize(
    ("moves", "now", "became"),
    [
        (("accepted",), NOW, "confirmed"),
        (("parked",), NOW, "confirmed"),
        (("held",), NOW, "confirmed"),
        (("reserved", "accepted", "delivering", "delivered"), NOW, "confirmed"),
        (("reserved",), LATE, "reserved"),
        (("reserved", "released"), NOW, "released"),
        (("refused",), NOW, "released"),
        (("cancelled",), NOW, "released"),
    ],
)
async def test_a_held_coupon_follows_its_order(
    pool: Pool, moves: tuple[str, ...], now: datetime, became: str
) -> None:
    till = await Till.open(pool, TENTH)
    await hold(till, "b-1")
    await order(till, "b-1", *moves)
    for _ in range(2):
        swept = await sweep(till, now)
        assert swept.failed == ()
        assert await state(till, "b-1") == became


async def test_a_basket_without_an_order_is_given_up_when_its_time_is_over(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    await hold(till, "b-1")
    assert await sweep(till, LATE - timedelta(seconds=1)) == Swept()
    assert await sweep(till, LATE) == Swept(released=1)
    assert await till.taken_minor("spring") == 0


async def test_an_order_that_is_cancelled_after_it_was_paid_gives_the_coupon_back(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    await hold(till, "b-1")
    order_id = await order(till, "b-1", "accepted")
    assert await sweep(till) == Swept(confirmed=1)
    await move(till, order_id, "accepted", "cancelled")
    assert await sweep(till) == Swept(returned=1)
    assert await state(till, "b-1") == "returned"


async def test_a_refund_that_comes_long_after_gives_the_coupon_back(pool: Pool) -> None:
    till = await Till.open(pool, replace(TENTH, comes_back=False))
    await hold(till, "b-1")
    order_id = await order(till, "b-1", "accepted", "delivering", "delivered")
    await sweep(till)
    await sweep(till)
    assert await pool.fetchval("SELECT delivered FROM coupon_use")
    await move(till, order_id, "delivered", "refunded")
    await pool.execute("INSERT INTO split_plan (name, version, rules) VALUES ('p', 1, '[]')")
    await pool.execute(
        "INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id,"
        " reverses_id, posted_at) SELECT 77, 0, 'refund', $1, 1, plan_id, 76, $2 FROM split_plan",
        order_id,
        NOW,
    )
    assert await sweep(till, NOW + timedelta(days=300)) == Swept(returned=1)
    assert await state(till, "b-1") == "kept"
    assert await sweep(till, NOW + timedelta(days=300)) == Swept()


async def reminders(pool: Pool) -> list[tuple[int, int]]:
    rows = await pool.fetch("SELECT coupon_id, days_before FROM coupon_reminder ORDER BY reminder_id")
    return [(int(row["coupon_id"]), int(row["days_before"])) for row in rows]


REMINDED = replace(TENTH, remind_days=(7, 1))


async def test_a_buyer_is_reminded_on_each_day_once_whoever_sweeps(pool: Pool) -> None:
    till = await Till.open(pool, REMINDED)
    coupon = await till.issue("spring", await till.buyer("anna"))
    assert coupon.expires_at is not None
    end = coupon.expires_at
    await sweep(till, end - timedelta(days=7, seconds=1))
    assert await reminders(pool) == []
    await asyncio.gather(*(sweep(till, end - timedelta(days=7)) for _ in range(20)))
    assert await reminders(pool) == [(coupon.coupon_id, 7)]
    await sweep(till, end - timedelta(days=2))
    await asyncio.gather(*(sweep(till, end - timedelta(hours=3)) for _ in range(20)))
    await sweep(till, end)
    assert await reminders(pool) == [(coupon.coupon_id, 7), (coupon.coupon_id, 1)]


async def test_who_slept_over_a_day_reminds_of_the_nearest_alone(pool: Pool) -> None:
    till = await Till.open(pool, REMINDED)
    coupon = await till.issue("spring", await till.buyer("anna"))
    assert coupon.expires_at is not None
    await sweep(till, coupon.expires_at - timedelta(hours=1))
    await sweep(till, coupon.expires_at - timedelta(minutes=30))
    assert await reminders(pool) == [(coupon.coupon_id, 1)]


async def test_nobody_is_reminded_of_what_is_gone_or_just_came(pool: Pool) -> None:
    week = Series("week", TENTH.kind, "EUR", rate_ppm=1, valid_for=timedelta(days=5), remind_days=(7,))
    ever = replace(REMINDED, name="ever", valid_for=None)
    till = await Till.open(pool, REMINDED, week, ever)
    anna = await till.buyer("anna")
    used, revoked = await till.issue("spring", anna), await till.issue("spring", anna)
    for series, buyer in (("spring", None), ("week", anna), ("ever", anna)):
        await till.issue(series, buyer)
    await till.redeem(used.code, basket("shop", 2000, ref="b-1"))
    await till.confirm("b-1")
    async with pool.acquire() as conn, conn.transaction():
        await till.coupons.revoke(conn, revoked.coupon_id, NOW, actor="anna", reason="leaked")
    for days in (1, 23, 29, 31):
        await sweep(till, NOW + timedelta(days=days))
    assert await reminders(pool) == []


async def test_unused_coupons_of_which_somebody_was_to_be_reminded_are_a_reading_for_alerts(
    pool: Pool,
) -> None:
    till = await Till.open(pool, REMINDED, replace(TENTH, name="silent"))
    anna = await till.buyer("anna")
    kept, used, revoked = [await till.issue("spring", anna) for _ in range(3)]
    await till.issue("silent", anna)
    end = kept.expires_at
    assert end is not None

    async def expiring(at: datetime) -> dict[str, tuple[float, Fact]]:
        async with pool.acquire() as conn:
            found = await take_readings(conn, Measure(Metric.COUPONS_EXPIRING), View(at))
        assert {each.subject.kind for each in found} == {"series"}
        return {each.subject.name: (each.value, each.facts["first_at"]) for each in found}

    well = (0.0, None)
    week_before = end - timedelta(days=7)
    assert await expiring(week_before) == {"silent": well, "spring": well}
    await sweep(till, week_before)
    first_at = end.isoformat(timespec="minutes")
    assert await expiring(week_before) == {"silent": well, "spring": (3.0, first_at)}
    await till.redeem(used.code, basket("shop", 2000, ref="b-1"))
    assert (await expiring(week_before))["spring"] == (2.0, first_at)
    await till.release("b-1")
    assert (await expiring(week_before))["spring"] == (3.0, first_at)
    async with pool.acquire() as conn, conn.transaction():
        await till.coupons.revoke(conn, revoked.coupon_id, NOW, actor="anna", reason="leaked")
    assert (await expiring(week_before))["spring"] == (2.0, first_at)
    assert await expiring(end) == {"silent": well, "spring": well}
