"""Campaigns become versions that stay, draws are bound before and told after, and each order is explained."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from core.campaigns.auditing import audit
from core.campaigns.campaign import Budget, Outcome
from core.campaigns.explaining import explain_rewards
from core.campaigns.publishing import stop
from core.errors import InvalidInput, MoveRefused, PlanRefused, UnknownOrder
from core.types import OrderId
from core.views.invariants import check
from tests.campaigns.bench import SEAL, Bench
from tests.campaigns.made import campaign, reward
from tests.factories import NOW

DAY = timedelta(days=1)
TENTH = reward(rate_ppm=100_000)
LUCKY = replace(reward("lucky"), outcomes=(Outcome(1, rate_ppm=10_000), Outcome(2, rate_ppm=50_000)))


async def test_other_content_is_the_next_version_and_the_same_is_none(bench: Bench) -> None:
    first = await bench.publish(campaign(TENTH))
    again = await bench.publish(campaign(TENTH))
    other = await bench.publish(campaign(reward(rate_ppm=50_000)))
    assert [(each.campaign.version, each.new) for each in (first, again, other)] == [
        (1, True),
        (1, False),
        (2, True),
    ]
    assert await bench.pool.fetchval("SELECT count(*) FROM audit WHERE action = 'publish'") == 2


async def test_an_order_falls_under_the_newest_version_before_its_delivery(bench: Bench) -> None:
    await bench.publish(campaign(TENTH), at=NOW - DAY)
    await bench.sell("ann", 2000)
    bench.now = NOW + 2 * DAY
    await bench.publish(campaign(reward(rate_ppm=50_000)), at=NOW + DAY)
    await bench.sell("bob", 2000)
    await bench.work()
    assert [amount for *_, amount in await bench.grants()] == [200, 100]


async def test_what_makes_no_sense_is_not_published(bench: Bench) -> None:
    with pytest.raises(PlanRefused, match="campaign spring, it has 0 rewards"):
        await bench.publish(campaign())
    with pytest.raises(InvalidInput, match="over before it is published"):
        await bench.publish(campaign(TENTH), at=NOW + 31 * DAY)
    await bench.publish(campaign(TENTH))
    with pytest.raises(InvalidInput, match="another name"):
        await bench.publish(campaign(TENTH, currency="USD"))
    await bench.sell("ann", 2000)
    await bench.work()
    with pytest.raises(MoveRefused, match="has given more already"):
        await bench.publish(campaign(TENTH, budget=Budget(199)))
    await bench.publish(campaign(TENTH, budget=Budget(200)))


async def test_only_what_there_is_is_stopped_and_only_once(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    async with bench.pool.acquire() as conn:
        for name, error in (("none", InvalidInput), ("spring", None), ("spring", MoveRefused)):
            if error is None:
                async with conn.transaction():
                    await stop(conn, name, actor="test", reason="enough", now=NOW)
                continue
            with pytest.raises(error):
                async with conn.transaction():
                    await stop(conn, name, actor="test", reason="enough", now=NOW)


async def test_a_seed_is_bound_before_and_told_after_and_every_draw_holds(bench: Bench) -> None:
    published = await bench.publish(campaign(LUCKY))
    for n in range(8):
        await bench.sell(f"buyer {n}", 1000)
    await bench.work()
    async with bench.pool.acquire() as conn:
        with pytest.raises(MoveRefused, match="its seed is told when it is over"):
            await audit(conn, SEAL, "spring", NOW)
        found = await audit(conn, SEAL, "spring", NOW + 31 * DAY)
        (version,) = found.versions
        assert found.ok
        assert version.seed_hash == published.seed_hash
        assert hashlib.sha256(bytes.fromhex(version.seed)).hexdigest() == published.seed_hash
        assert (version.draws, sum(each.times for each in version.outcomes)) == (8, 8)
        assert [(each.weight, each.of_weight) for each in version.outcomes] == [(1, 3), (2, 3)]


async def test_a_draw_that_was_tampered_with_is_found(bench: Bench) -> None:
    await bench.publish(campaign(LUCKY))
    await bench.sell("ann", 1000)
    await bench.work()
    await bench.pool.execute(
        "ALTER TABLE campaign_grant DISABLE TRIGGER ALL;"
        " UPDATE campaign_grant SET outcome_no = 3 - outcome_no"
    )
    async with bench.pool.acquire() as conn:
        found = await audit(conn, SEAL, "spring", NOW + 31 * DAY)
    assert not found.ok
    assert [drawn.agrees for drawn in found.versions[0].differing] == [False]


async def test_what_draws_nothing_has_nothing_to_audit(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    async with bench.pool.acquire() as conn:
        for name, told in (("spring", "draws nothing"), ("none", "no campaign is named")):
            with pytest.raises(InvalidInput, match=told):
                await audit(conn, SEAL, name, NOW)


async def test_an_order_says_of_every_campaign_what_came_of_it(bench: Bench) -> None:
    order = await bench.sell("ann", 2000)
    over = NOW - timedelta(hours=2)
    made = (
        campaign(TENTH, name="before", starts_at=NOW - 9 * DAY, ends_at=over),
        campaign(TENTH, name="after", starts_at=NOW + DAY),
        campaign(TENTH, name="stopped"),
        campaign(TENTH, name="given"),
        campaign(TENTH, name="little", budget_minor=10),
    )
    for each in made:
        await bench.publish(each)
    await bench.publish(campaign(TENTH, name="later"), at=NOW + DAY)
    async with bench.pool.acquire() as conn, conn.transaction():
        await stop(conn, "stopped", actor="test", reason="enough", now=NOW)
    await bench.work()
    await bench.publish(campaign(TENTH, name="waiting"))
    await bench.refund(order, 1000)
    await bench.work()
    async with bench.pool.acquire() as conn:
        told = await explain_rewards(conn, order.order_id)
    ((grant),) = told.grants
    assert (grant.campaign, grant.amount_minor, grant.base_minor, grant.back_minor) == (
        "given",
        200,
        2000,
        100,
    )
    assert [(part.amount, part.back) for part in grant.parts] == [(200, 100)]
    assert [(each.campaign, each.code) for each in told.refusals] == [("little", "budget")]
    reasons = {each.campaign: each.reason for each in told.outside}
    assert {name: reason.rsplit(" at ", 1)[0] for name, reason in reasons.items()} == {
        "after": "sold before it began",
        "before": "sold after it ended",
        "later": "delivered before it was published",
        "stopped": "delivered after it was stopped",
        "waiting": "it has not been looked",
    }


async def test_an_order_that_there_is_not_is_said_so(bench: Bench) -> None:
    async with bench.pool.acquire() as conn:
        with pytest.raises(UnknownOrder):
            await explain_rewards(conn, OrderId(77))


async def test_the_check_of_the_house_holds_campaigns_against_their_lots_and_sums(bench: Bench) -> None:
    await bench.publish(campaign(TENTH, LUCKY))
    order = await bench.sell("ann", 2000)
    await bench.sell("bob", 3000)
    await bench.work()
    await bench.refund(order, 700)
    await bench.work()

    async def broken() -> list[str]:
        report = await check(bench.pool, bound_permille=1000, now=NOW, vault=None)
        (found,) = [each for each in report.invariants if each.name == "balanced"]
        return list(found.detail)

    assert await broken() == []
    await bench.pool.execute("UPDATE campaign SET spent_minor = spent_minor + 1")
    await bench.pool.execute("UPDATE campaign_part SET amount = amount + 1 WHERE grant_id = 1")
    told = " ".join(await broken())
    assert "campaign spring is kept as having spent" in told
    assert "grant 1 of campaign spring is of 200, and its parts of 201" in told
    assert "part 1 of grant 1 is of 201, and lot 1 of 200" in told
