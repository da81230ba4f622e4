"""The campaigns shipped as examples give exactly the amounts and entries worked out by hand beside each sale.

Of every order the channel keeps 10 %, and of what it leaves a fifth is ours: of 100.00 that is 18.00.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

import config
from config.campaigns import read_campaign
from core.campaigns.campaign import Campaign
from core.campaigns.lint import lint
from core.coupons.series import CouponKind, Series
from core.db.pool import Pool
from core.wallets.programmes import Level
from scheduler.campaign_terms import campaign_of
from tests.campaigns.bench import CLUB, Bench
from tests.coupons.bench import open_coupons
from tests.factories import NOW

FOLDER = Path(config.__file__).parent / "examples" / "campaigns"
FILES = sorted(FOLDER.glob("*.toml"))
DAY = timedelta(days=1)


def example(name: str) -> Campaign:
    return campaign_of(read_campaign(FOLDER / f"{name}.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_passes_the_linter_and_is_named_like_its_file(path: Path) -> None:
    campaign = campaign_of(read_campaign(path))
    assert lint(campaign) == []
    assert campaign.name == path.stem


async def given(bench: Bench) -> list[int]:
    await bench.work()
    return [amount for *_, amount in await bench.grants()]


async def why_not(bench: Bench) -> list[str]:
    return [code for _, code, _ in await bench.refusals()]


async def test_percentage(bench: Bench) -> None:
    await bench.publish(example("percentage"))
    await bench.sell("ann", 4990)
    await bench.sell("bob", 25_000)
    # 5 % of 49.90 is 2.495, half up 2.50. 5 % of 250.00 is 12.50, at most 10.00.
    assert await given(bench) == [250, 1000]
    ann, bob = (await bench.buyer("ann")).name, (await bench.buyer("bob")).name
    assert await bench.balances() == {
        ("operator", "percentage", "rebate"): 1250,
        ("buyer", ann, "wallet"): -250,
        ("buyer", bob, "wallet"): -1000,
    }


async def test_spend_tiers(bench: Bench) -> None:
    await bench.publish(example("spend-tiers"))
    orders = [
        await bench.sell(ref, price) for ref, price in zip("abcd", (4999, 5000, 19_999, 20_000), strict=True)
    ]
    # 49.99 is below 50.00; 50.00 gets 5.00, 199.99 12.00, 200.00 30.00. Of 200.00 ours is 36.00, so 30.00 is
    # 83 % of the margin: that is told, and not refused.
    assert await given(bench) == [500, 1200, 3000]
    assert await why_not(bench) == ["minimum_order"]
    warnings = await bench.pool.fetch("SELECT warning FROM campaign_grant ORDER BY grant_id")
    assert [bool(row["warning"]) for row in warnings] == [True, True, True]
    assert warnings[2]["warning"] == (
        "rewards of 30.00 EUR for an order whose margin is 36.00 EUR: more than 30 % of it"
    )
    # One cent goes back of 200.00: all of the 30.00 comes back, 17.00 are left.
    await bench.refund(orders[3], 1)
    await bench.work()
    assert (await bench.balances())["operator", "spend-tiers", "rebate"] == 1700


async def test_count_tiers(bench: Bench) -> None:
    await bench.publish(example("count-tiers"))
    for _ in range(6):
        await bench.sell("ann", 2500)
    # The third: 8 % of 25.00 is 2.00. The fifth: 12 % is 3.00. The fourth is in no tier that gives, the
    # others in none at all.
    assert await given(bench) == [200, 300]
    assert await why_not(bench) == ["condition", "condition", "nothing", "condition"]
    assert (await bench.balances())["operator", "count-tiers", "rebate"] == 500


async def test_first_order(bench: Bench) -> None:
    await bench.publish(example("first-order"))
    await bench.sell("ann", 3000)
    await bench.sell("ann", 3000)
    await bench.sell("bob", 20_000)
    # 10 % of 30.00 is 3.00, once; 10 % of 200.00 is 20.00, at most 15.00.
    assert await given(bench) == [300, 1500]
    assert await why_not(bench) == ["condition"]


async def test_referral_on_both_sides(bench: Bench) -> None:
    await bench.publish(example("referral"))
    await bench.brought("ann", "Bea")
    order = await bench.sell("ann", 10_000)
    # 20.00 for Bea and 10.00 for the buyer, both held for 14 days. The margin is 18.00: 30.00 is 167 % of it,
    # above 150 % and below 400 %.
    assert await given(bench) == [2000, 1000]
    ann = (await bench.buyer("ann")).name
    assert await bench.balances() == {
        ("operator", "referral", "rebate"): 3000,
        ("referrer", "Bea", "held"): -2000,
        ("buyer", ann, "wallet_pending"): -1000,
    }
    await bench.refund(order, 1)
    await bench.work()
    # Even in part, a refund takes both back.
    assert await bench.balances() == {}


async def test_referral_is_doubled_in_its_window(bench: Bench) -> None:
    await bench.publish(example("referral"))
    await bench.brought("ann", "Bea")
    bench.now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    await bench.sell("ann", 10_000, placed_at=bench.now)
    # Twice 20.00 and twice 10.00: 60.00 of a margin of 18.00 is 333 %, below 400 %; 20.00 of 100.00 bought in
    # all is 20 %, below 35 %.
    assert await given(bench) == [4000, 2000]


async def test_limited_time_multiplier(bench: Bench) -> None:
    await bench.publish(example("multiplier"))
    await bench.pool.execute("UPDATE sku SET tags = ARRAY['steam']")
    await bench.sell("ann", 10_000)
    # Saturday the 21st: 2 % times 3 is 6.00; 1 % times 3 times 1.5 is 4.50.
    assert await given(bench) == [600, 450]
    bench.now = datetime(2026, 11, 24, tzinfo=UTC)
    await bench.sell("ann", 10_000, placed_at=bench.now)
    # Tuesday at midnight both windows are over: 2.00 and 1.00.
    assert (await given(bench))[2:] == [200, 100]


async def test_points(bench: Bench) -> None:
    await bench.publish(example("points"))
    await bench.sell("ann", 4960)
    # 49.60 spent is 49.6 points, rounded 50, and 50 for the first order. A point of the club is worth 0.01.
    assert await given(bench) == [50, 50]
    ann = (await bench.buyer("ann")).name
    assert await bench.balances() == {("operator", "points", "rebate"): 100, ("buyer", ann, "points"): -100}
    points = await bench.pool.fetch("SELECT points FROM campaign_grant ORDER BY grant_id")
    assert [row["points"] for row in points] == [50, 50]


async def test_points_that_came_back_leave_nothing(bench: Bench) -> None:
    await bench.publish(example("points"))
    order = await bench.sell("ann", 4960)
    await bench.work()
    await bench.refund(order, 1000)
    await bench.work()
    # 10.00 of 49.60 is 20.16 %: of 50 points 10.08, so 10 of each.
    assert (await bench.balances())["operator", "points", "rebate"] == 80
    await bench.refund(order)
    await bench.work()
    assert await bench.balances() == {}


async def test_points_of_a_member_by_his_level(bench: Bench) -> None:
    levels = (Level("member", 0, Fraction(100)), Level("gold", 60, Fraction(150)))
    bench.programmes = {"club": replace(CLUB, levels=levels)}
    await bench.publish(example("points"))
    await bench.sell("ann", 2000)
    await bench.work()
    await bench.sell("ann", 2000)
    # 20 and 50 for the first order make a golden member, whose 20.00 are 30 points.
    assert await given(bench) == [20, 50, 30]


async def test_cash_back(bench: Bench) -> None:
    await bench.publish(example("cash-back"))
    await bench.sell("ann", 10_000)
    # The channel leaves 90.00; 4 % is 3.60, in the wallet on the 28th, gone 90 days later.
    assert await given(bench) == [360]
    ann = (await bench.buyer("ann")).name
    assert await bench.balances() == {
        ("operator", "cash-back", "rebate"): 360,
        ("buyer", ann, "wallet_pending"): -360,
    }
    lot = await bench.pool.fetchrow("SELECT vests_at, expires_at FROM wallet_lot")
    assert lot is not None
    assert tuple(lot) == (NOW + 7 * DAY, NOW + 97 * DAY)


async def test_staged_full_return(bench: Bench) -> None:
    await bench.publish(example("staged-return"))
    order = await bench.sell("ann", 9999)
    # All of 99.99 in ten parts, the earlier the larger: nine of 10.00 and one of 9.99, 30 days apart.
    assert await given(bench) == [9999]
    parts = await bench.pool.fetch("SELECT amount, vests_at FROM campaign_part ORDER BY part_no")
    assert [row["amount"] for row in parts] == [1000] * 9 + [999]
    assert [row["vests_at"] for row in parts] == [NOW + 30 * n * DAY for n in range(1, 11)]
    # A third goes back, 33.33: as much of the return, from its end: 9.99, 10.00, 10.00 and
    # 3.34 of the seventh.
    await bench.refund(order, 3333)
    await bench.work()
    backs = await bench.pool.fetch("SELECT back FROM campaign_part ORDER BY part_no")
    assert [row["back"] for row in backs] == [0, 0, 0, 0, 0, 0, 334, 1000, 1000, 999]
    assert (await bench.balances())["operator", "staged-return", "rebate"] == 6666


async def test_profit_return_after_cost(bench: Bench) -> None:
    await bench.publish(example("profit-return"))
    await bench.sell("ann", 10_000)
    await bench.work()
    assert await why_not(bench) == ["cost_unknown"]
    await bench.pool.execute("UPDATE shelf SET unit_cost_minor = 7000, currency = 'EUR'")
    await bench.sell("ann", 10_000)
    # The channel leaves 90.00, the code cost 70.00: a quarter of 20.00 is 5.00.
    assert await given(bench) == [500]


async def test_random_return(bench: Bench) -> None:
    await bench.publish(example("random-return"))
    for n in range(12):
        await bench.sell(f"buyer {n}", 10_000)
    await bench.work()
    rows = await bench.pool.fetch("SELECT outcome_no, amount_minor FROM campaign_grant")
    # 1 % of 100.00, 5 % of it, or all of it, at most 20.00.
    assert len(rows) == 12
    assert {(row["outcome_no"], row["amount_minor"]) for row in rows} <= {(1, 100), (2, 500), (3, 2000)}


async def test_coupon(pool: Pool) -> None:
    thanks = Series("thanks", CouponKind.AMOUNT, "EUR", amount_minor=500, minimum_minor=2000, personal=True)
    coupons_of_series = await open_coupons(pool, thanks)
    bench = await Bench.open(pool)
    bench.coupons = coupons_of_series
    await bench.publish(example("coupon"))
    order = await bench.sell("ann", 3000)
    # One coupon, counted as 3.00; nothing is posted before it is redeemed.
    assert await given(bench) == [300]
    assert await bench.balances() == {}
    coupons = await bench.pool.fetch("SELECT source_ref FROM coupon")
    assert [row["source_ref"] for row in coupons] == [f"coupon/{order.order_id}/thanks#1"]
    await bench.refund(order, 1000)
    await bench.work()
    assert await bench.pool.fetchval("SELECT count(*) FROM coupon_revocation") == 0
    await bench.refund(order)
    await bench.work()
    assert await bench.pool.fetchval("SELECT count(*) FROM coupon_revocation") == 1
    assert await bench.pool.fetchval("SELECT spent_minor FROM campaign") == 0
