"""However many orders are decided at once, each gets what it would have got alone."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from core.campaigns.campaign import Budget, Campaign, Guards, Limits, Pays
from core.db.pool import Pool, open_pool
from core.money.plans.rules import Cap, Condition, Moment, Party, Per, Tier, TierBy, TierMode, Tiers, Vesting
from core.orders.orders import Order
from core.wallets.programmes import Level, Programme
from tests.campaigns.bench import Bench
from tests.campaigns.made import NO_GUARDS, PAYABLE, campaign, reward
from tests.database import TestServer

CLUB = Programme(
    "club",
    "EUR",
    Fraction(1),
    Fraction(1),
    levels=(Level("member", 0, Fraction(100)), Level("gold", 60, Fraction(300))),
)
TIERS = Tiers(TierBy.TURNOVER, TierMode.MARGINAL, (Tier(0), Tier(3000, rate_ppm=100_000)), Per.MONTH)
LATER = Vesting(Moment.HOLD, hold_days=7, parts=2, every_days=7)
WHAT_IS_KEPT = (
    "SELECT name, order_id, reward, buyer_id, beneficiary, amount_minor, points, base_minor, line_nos,"
    " warning FROM campaign_grant ORDER BY grant_id",
    "SELECT name, order_id, reward, part_no, amount, back, vests_at, vested_at"
    " FROM campaign_part JOIN campaign_grant USING (grant_id) ORDER BY 1, 2, 3, 4",
    "SELECT name, order_id, reward, code, reason FROM campaign_refusal ORDER BY 1, 2, 3",
    "SELECT name, spent_minor FROM campaign ORDER BY 1",
    "SELECT * FROM campaign_spend ORDER BY name, day",
    "SELECT * FROM campaign_use ORDER BY name, kind, mark",
    "SELECT * FROM campaign_counter ORDER BY name, reward, beneficiary, period_start",
    "SELECT * FROM campaign_counted ORDER BY order_id, name, reward",
    "SELECT source_ref, buyer_id, programme, units, amount_minor, vests_at, expires_at"
    " FROM wallet_lot ORDER BY lot_id",
    "SELECT party, party_name, purpose, sum(amount_minor)::bigint FROM entry JOIN account USING (account_id)"
    " WHERE party <> 'consignor' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT kind, count(*) FROM journal_transaction GROUP BY 1 ORDER BY 1",
)


def campaigns() -> tuple[Campaign, ...]:
    """Everything that one decision leaves to the next."""
    limits = Limits(grants_per_account=3, amount_per_account_minor=900, grants_per_device=4)
    return (
        campaign(
            reward("first", rate_ppm=100_000, when=Condition(orders_to=1)),
            reward("capped", rate_ppm=100_000, cap=Cap(350, Per.MONTH)),
            reward("tiers", tiers=TIERS, vest=LATER),
            name="money",
            budget=Budget(2500, per_day_minor=2000),
            limits=limits,
        ),
        campaign(
            reward("stars", rate_ppm=15_000, pays=Pays.parse("points:club")),
            reward("brought", rate_ppm=50_000, party=Party.parse("referrer-1"), pays=PAYABLE, vest=LATER),
            name="other",
            budget_minor=1500,
            guards=Guards(margin_warn_ppm=300_000, margin_stop_ppm=1_000_000, lifetime_ppm=150_000),
        ),
        campaign(
            reward("none", rate_ppm=10_000, pays=Pays.parse("coupon:gone")), name="unpaid", guards=NO_GUARDS
        ),
    )


Step = tuple[str | None, int, tuple[int, int | None] | None]
# Who buys at which price, and how much of which earlier order goes back.
STEP = st.tuples(
    st.sampled_from(["ann", "bob", "cat", None]),
    st.sampled_from([700, 2000, 3100]),
    st.one_of(st.none(), st.tuples(st.integers(0, 5), st.sampled_from([None, 150]))),
)


async def kept(server: TestServer, steps: list[Step], limit: int) -> list[str]:
    name = await server.create()
    pool = await open_pool(server.dsn_of(name), min_size=1, max_size=8, application_name="test")
    try:
        return await _kept(pool, steps, limit)
    finally:
        pool.terminate()
        await server.drop(name)


async def _kept(pool: Pool, steps: list[Step], limit: int) -> list[str]:
    bench = await Bench.open(pool)
    bench.programmes = {"club": CLUB}
    for each in campaigns():
        await bench.publish(each)
    # Met in one order, so that their numbers are the same however many orders are looked at together.
    for name in ("ann", "bob", "cat"):
        await bench.buyer(name)
    await bench.brought("ann", "Bea")
    orders: list[Order] = []
    refunded: set[int] = set()
    for buyer, price_minor, back in steps:
        orders.append(await bench.sell(buyer, price_minor))
        if back is not None and back[0] < len(orders) and back[0] not in refunded:
            refunded.add(back[0])
            await bench.refund(orders[back[0]], back[1])
        bench.now += timedelta(minutes=1)
    await bench.work(limit)
    return [
        str(tuple(row)).replace(bench.shop.channel, "shop")
        for query in WHAT_IS_KEPT
        for row in await pool.fetch(query)
    ]


@settings(max_examples=5, phases=[Phase.explicit, Phase.generate])
@example(
    steps=[
        ("cat", 3100, None),
        (None, 700, None),
        ("cat", 2000, (4, 150)),
        ("ann", 3100, (3, 150)),
        ("ann", 700, (4, None)),
        ("bob", 2000, None),
        ("cat", 3100, (2, 150)),
        ("cat", 2000, (3, None)),
        ("cat", 700, (2, None)),
    ],
    limit=200,
)
@given(steps=st.lists(STEP, min_size=3, max_size=9), limit=st.sampled_from([2, 5, 200]))
async def test_what_is_kept_is_the_same_one_by_one_and_all_at_once(
    database_server: TestServer,
    steps: list[Step],
    limit: int,
) -> None:
    assert await kept(database_server, steps, limit) == await kept(database_server, steps, 1)
