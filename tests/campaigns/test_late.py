"""What fails about one order holds up no other: it is kept, shown, and tried again until it is done."""

from __future__ import annotations

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from core.alerts.readings.looking import View
from core.alerts.readings.taking import take_readings
from core.alerts.rules import Measure, Metric
from core.campaigns.campaign import Guards, Pays
from core.campaigns.late import Work, keep_late
from core.coupons.series import CouponKind, Series
from core.db.pool import Pool
from core.money.money import Money
from core.types import OrderId
from core.views.money_campaigns import LateView, campaign_detail, late_orders
from core.wallets.wallets import LotId, Wallets
from tests.campaigns.bench import Bench
from tests.campaigns.made import campaign, reward
from tests.coupons.bench import open_coupons

TENTH = reward(rate_ppm=100_000)
FROM_20 = Guards(None, None, None, minimum_order_minor=2000)
THANKS = Series("thanks", CouponKind.AMOUNT, "EUR", amount_minor=500, minimum_minor=0, personal=True)


async def shown(bench: Bench, name: str = "spring") -> tuple[LateView, ...]:
    async with bench.pool.acquire() as conn:
        return (await campaign_detail(conn, name, bench.now)).late


async def test_a_clawback_that_fails_waits_and_the_others_go_on(pool: Pool) -> None:
    coupons = await open_coupons(pool, THANKS)
    bench = await Bench.open(pool)
    bench.coupons = coupons
    thanks = reward("thanks", fixed_minor=100, pays=Pays.parse("coupon:thanks"))
    await bench.publish(campaign(thanks, name="thanks", guards=FROM_20))
    await bench.publish(campaign(TENTH))
    first, second = await bench.sell("ann", 2000), await bench.sell("bob", 1000)
    await bench.work()
    bench.coupons = None
    await bench.refund(first)
    await bench.refund(second)
    await bench.sell("cat", 1500)
    with capture_logs() as logs:
        await bench.work()
        bench.now += timedelta(minutes=1)
        await bench.work()
    # Nothing of the first order was taken back, not even its money: it stands or falls as one.
    assert [amount for *_, amount in await bench.grants()] == [200, 100, 100, 150]
    assert (await bench.balances())["operator", "spring", "rebate"] == 200 + 150
    (late,) = await shown(bench)
    assert (late.order_id, late.work, late.tries) == (first.order_id, "take_back", 2)
    assert "no coupons are issued here" in late.error
    assert late.next_at == bench.now + timedelta(minutes=2)
    assert [each["event"] for each in logs].count("campaign.late") == 1
    bench.coupons = coupons
    bench.now = late.next_at
    await bench.work()
    assert await shown(bench) == ()
    assert (await bench.balances())["operator", "spring", "rebate"] == 150
    assert await pool.fetchval("SELECT count(*) FROM coupon_revocation") == 1


async def test_what_somebody_took_back_by_hand_stops_no_batch(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    first, second = await bench.sell("ann", 2000), await bench.sell("bob", 1000)
    await bench.work()
    lot_id: int = await bench.pool.fetchval("SELECT min(lot_id) FROM wallet_lot")
    async with bench.pool.acquire() as conn, conn.transaction():
        wallets = Wallets(bench.pool)
        await wallets.take_back(conn, LotId(lot_id), Money(150, "EUR"), bench.now, reason="by hand")
    await bench.refund(first)
    await bench.refund(second)
    await bench.work()
    (late,) = await shown(bench)
    assert (late.order_id, late.channel) == (first.order_id, bench.shop.channel)
    assert "can be taken back" in late.error
    assert await bench.pool.fetchval("SELECT sum(amount_minor)::bigint FROM campaign_grant_back") == 100


async def break_off(bench: Bench, order_id: OrderId) -> None:
    """A row that no rule of ours lets be written, as a fault in the data would have it."""
    await bench.pool.execute(
        f"ALTER TABLE campaign_grant ADD CONSTRAINT of_a_test CHECK (order_id <> {int(order_id)}) NOT VALID"
    )


@pytest.mark.parametrize("limit", [1, 200])
async def test_an_order_that_cannot_be_decided_waits_and_gets_what_it_is_due_later(
    bench: Bench, limit: int
) -> None:
    await bench.publish(campaign(TENTH))
    orders = [await bench.sell(name, 2000) for name in ("ann", "bob", "cat")]
    await break_off(bench, orders[1].order_id)
    await bench.work(limit)
    assert [order_id for _, order_id, *_ in await bench.grants()] == [orders[0].order_id, orders[2].order_id]
    (late,) = await shown(bench)
    assert (late.work, late.error.partition(":")[0]) == ("give", "CheckViolationError")
    await bench.refund(orders[1], 1000)
    await bench.work(limit)
    await bench.pool.execute("ALTER TABLE campaign_grant DROP CONSTRAINT of_a_test")
    bench.now = late.next_at
    await bench.work(limit)
    assert await shown(bench) == ()
    # It got its 2.00, and half of it came back with the refund that came meanwhile.
    assert (await bench.balances())["operator", "spring", "rebate"] == 200 + 200 + 100


async def test_orders_that_wait_long_are_a_reading_for_alerts_until_they_are_done(bench: Bench) -> None:
    measure = Measure(Metric.REWARDS_LATE, after=timedelta(hours=1))
    await bench.publish(campaign(TENTH))
    order = await bench.sell("ann", 2000)
    await break_off(bench, order.order_id)
    await bench.work()
    seen = []
    async with bench.pool.acquire() as conn:
        for later in (timedelta(0), timedelta(minutes=59), timedelta(hours=1)):
            seen += await take_readings(conn, measure, View(bench.now + later))
    assert [(each.subject.name, each.value) for each in seen] == [
        (bench.shop.channel, value) for value in (0, 0, 1)
    ]
    ref = await bench.pool.fetchval("SELECT order_ref FROM channel_order WHERE order_id = $1", order.order_id)
    assert (seen[-1].facts["first_ref"], seen[-1].facts["after_minutes"]) == (ref, 60)
    assert "CheckViolationError" in str(seen[-1].facts["why"])
    await bench.pool.execute("ALTER TABLE campaign_grant DROP CONSTRAINT of_a_test")
    bench.now += timedelta(hours=1)
    await bench.work()
    async with bench.pool.acquire() as conn:
        (done,) = await take_readings(conn, measure, View(bench.now + timedelta(hours=1)))
    assert done.value == 0


async def test_an_order_that_fails_twice_over_counts_once(bench: Bench) -> None:
    order = await bench.sell("ann", 2000)
    async with bench.pool.acquire() as conn, conn.transaction():
        for work in (Work.TAKE_BACK, Work.GIVE):
            await keep_late(conn, OrderId(order.order_id), work, ValueError(work.value), bench.now)
        (found,) = await take_readings(
            conn, Measure(Metric.REWARDS_LATE, after=timedelta(0)), View(bench.now)
        )
        assert [each.work for each in await late_orders(conn)] == ["give", "take_back"]
    assert found.value == 1
