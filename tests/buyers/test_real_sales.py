"""Each example plan split a real sale in a database, with entries worked out by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.buyers.fact_terms import FactTerms, TaxRule
from core.buyers.people import join
from core.buyers.segments import Segment, publish_segments, set_listed
from core.db.pool import Pool
from core.money.after_sale import AfterSale
from core.money.ledger import Ledger
from core.money.money import Money
from tests.buyers.desk import DAY, Desk, kept, open_desk
from tests.buyers.people import refer
from tests.factories import NOW


async def owner(desk: Desk) -> str:
    name: str = await desk.pool.fetchval("SELECT name FROM consignor")
    return f"consignor {name}"


async def wait(desk: Desk, days: int) -> None:
    await AfterSale(desk.pool, Ledger(desk.pool)).settle_due(NOW + timedelta(days=days))


async def test_two_levels_of_referral(pool: Pool) -> None:
    desk = await open_desk(pool, "referral")
    await refer(pool, await desk.buyer("bob"), "cid")
    order = await desk.sell(10_000, referrer=(await desk.buyer("bob")).name, times=3)
    consignor, bob = await owner(desk), f"referrer {desk.terms.name}/bob"
    # 6 % of 100.00; 12 % and 4 % of 100.00; 5 % of 94.00; the rest.
    whole = kept(10_000, 600) | {"operator commission": -470, f"{consignor} payable": -7_330}
    assert await desk.entries(order) == whole | {f"{bob} held": -1_200, "referrer cid held": -400}
    await wait(desk, 14)
    assert await desk.entries(order) == whole | {f"{bob} payable": -1_200, "referrer cid payable": -400}
    async with pool.acquire() as conn, conn.transaction():
        await Ledger(pool).reverse_order(conn, order.order_id, NOW + 15 * DAY)
    assert await desk.entries(order) == {}


async def test_a_buyer_whom_nobody_brought_leaves_both_shares_to_the_consignor(pool: Pool) -> None:
    desk = await open_desk(pool, "referral")
    order = await desk.sell(10_000)
    consignor = await owner(desk)
    assert await desk.entries(order) == kept(10_000, 600) | {
        "operator commission": -470,
        f"{consignor} payable": -8_930,
    }


async def test_a_share_of_the_profit_over_a_cost_in_another_currency(pool: Pool) -> None:
    desk = await open_desk(pool, "consignor-profit")
    await pool.execute("UPDATE shelf SET unit_cost_minor = 1080, currency = 'USD'")
    await pool.execute(
        "INSERT INTO rate (base, quote, numerator, denominator, source, valid_at, entered_by, entered_at)"
        " VALUES ('EUR', 'USD', 108, 100, 'bank', $1, 'test', $1)",
        NOW - DAY,
    )
    order = await desk.sell(2_000)
    consignor = await owner(desk)
    # 12 % of 20.00 is 2.40; the code cost 10.80 USD, 10.00 EUR; 30 % of 20.00 - 2.40 - 10.00 is 2.28.
    assert await desk.entries(order) == kept(2_000, 240) | {
        "operator commission": -228,
        f"{consignor} payable": -1_532,
    }


@pytest.mark.parametrize("promoted", [True, False])
async def test_pay_per_conversion(pool: Pool, promoted: bool) -> None:
    desk = await open_desk(pool, "conversion")
    buyer, consignor = await desk.buyer(), await owner(desk)
    async with pool.acquire() as conn, conn.transaction():
        await publish_segments(conn, [Segment("promoted", lists=("ads",))], NOW)
        if promoted:
            await set_listed(conn, "ads", [buyer.buyer_id], NOW - DAY, actor="test")
    order = await desk.sell(2_000)
    if promoted:
        # 6 % + 0.25 is 1.45, and 3 % is 0.60; 5 % of 17.95 is 0.8975.
        assert await desk.entries(order) == kept(2_000, 205) | {
            "party promoter held": -150,
            "operator commission": -90,
            f"{consignor} payable": -1_555,
        }
    else:
        # 5 % of 18.55 is 0.9275.
        assert await desk.entries(order) == kept(2_000, 145) | {
            "operator commission": -93,
            f"{consignor} payable": -1_762,
        }


async def test_rebates_count_a_persons_orders_over_all_channels(pool: Pool) -> None:
    desk = await open_desk(pool, "rebates")
    other, consignor, shop = await desk.second_channel(), await owner(desk), f"buyer {desk.terms.name}/ann"
    first = await desk.sell(2_000)
    # 6 % is 1.20; a first order 10 %, 2.00; staged 6 %, 1.20; 10 % of the 15.60 that remain; the rest.
    assert await desk.entries(first) == kept(2_000, 120) | {
        f"{shop} rebate": -200,
        f"{shop} held": -120,
        "operator commission": -156,
        f"{consignor} payable": -1_404,
    }
    async with pool.acquire() as conn, conn.transaction():
        await join(conn, await desk.buyer(), await other.buyer("x-1"), actor="test", reason="same", now=NOW)
    await other.sell(2_000, buyer="x-1")
    third = await other.sell(2_000, buyer="x-1")
    # The third: 8 %, 1.60; 10 % of 16.00. It is the person's, under the name he is known by.
    assert await other.entries(third) == kept(2_000, 120) | {
        f"{shop} rebate": -160,
        f"{shop} held": -120,
        "operator commission": -160,
        f"{consignor} payable": -1_440,
    }


async def test_tax_by_the_settings_and_as_the_channel_tells_it(pool: Pool) -> None:
    rules = (TaxRule(70_000, tags=("books",)), TaxRule(190_000, origin="consignd.toml:9"))
    desk = await open_desk(pool, "taxed", facts=FactTerms(tax=rules))
    consignor = await owner(desk)
    # 10 % of 119.00; 19 % on 100.00; 5 % of 100.00.
    assert await desk.entries(await desk.sell(11_900)) == kept(11_900, 1_190) | {
        "budget tax set_aside": -1_900,
        "operator commission": -500,
        f"{consignor} payable": -8_310,
    }
    # Three at 3.33 with 1.00 of tax: 0.34, 0.33, 0.33. A unit: 0.33 of commission; 5 % of 2.99 is 0.1495,
    # and of 3.00 it is 0.15.
    assert await desk.entries(await desk.sell(333, 3, tax_minor=100)) == kept(999, 99) | {
        "budget tax set_aside": -100,
        "operator commission": -45,
        f"{consignor} payable": -755,
    }


async def test_a_voucher_pays_as_it_is_redeemed(pool: Pool) -> None:
    desk = await open_desk(pool, "redemption", "CNY")
    consignor = await owner(desk)
    order = await desk.sell(10_000)
    assert await desk.entries(order) == {"channel receivable": 10_000, f"{consignor} held": -10_000}
    async with pool.acquire() as conn, conn.transaction():
        after = AfterSale(pool, Ledger(pool))
        await after.redeem(conn, order.order_id, 1, Money(4_000, "CNY"), NOW + DAY, actor="test")
    # 5 %, 60 % and 3 % of 40.00; the rest vests.
    assert await desk.entries(order) == kept(10_000, 200) | {
        "party shop payable": -2_400,
        "operator commission": -120,
        f"{consignor} payable": -7_280,
    }


# Commission, other entries by hand ("C" is the consignor), and the consignor's own.
SIMPLE = [
    # 5 % + 0.20 for PSN; 5 % of 18.80.
    ("gamivo", "EUR", 2_000, ["psn"], 120, {"operator commission": -94, "C payable": -1_786}),
    # 10 % of the first of a quarter; 4 % of 18.00.
    ("kinguin", "EUR", 2_000, [], 200, {"operator commission": -72, "C payable": -1_728}),
    # 12 % and 0.60; 2 % held; 5 % of 87.40.
    (
        "marketplace",
        "CNY",
        10_000,
        [],
        1_260,
        {"operator commission": -437, "C held": -200, "C payable": -8_103},
    ),
    # 5 %; 6 % set aside; 8 % of 95.00.
    (
        "traffic",
        "CNY",
        10_000,
        [],
        500,
        {"budget traffic set_aside": -600, "operator commission": -760, "C payable": -8_140},
    ),
    # 12 % + 0.25; the code's price; what is left.
    ("consignor-fixed", "EUR", 2_000, [], 265, {"C payable": -1_500, "operator commission": -235}),
    # 12 %; 85 % of 17.60, a week later.
    ("consignor-percentage", "EUR", 2_000, [], 240, {"C held": -1_496, "operator commission": -264}),
]


@pytest.mark.parametrize(("plan", "currency", "price", "tags", "commission", "others"), SIMPLE)
async def test_plans_that_ask_for_no_more_than_the_order_tells(
    pool: Pool, plan: str, currency: str, price: int, tags: list[str], commission: int, others: dict[str, int]
) -> None:
    desk = await open_desk(pool, plan, currency)
    await pool.execute("UPDATE sku SET tags = $1", tags)
    consignor = await owner(desk)
    named = {name.replace("C ", f"{consignor} "): minor for name, minor in others.items()}
    assert await desk.entries(await desk.sell(price)) == kept(price, commission) | named
