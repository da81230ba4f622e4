"""Proves what is stored of alerts: raised once, ended once, whatever restarts and however many look."""

from __future__ import annotations

import asyncio
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.alerts.incidents import IncidentBook, Swept, acknowledge
from core.alerts.quiet import QuietHours
from core.alerts.rules import Measure, Metric, Route, Rule, Scope, Severity
from core.db.pool import Pool, open_pool
from core.errors import InvalidInput, StaleVersion, UnknownIncident
from tests.alerts.watching import EN, LOW, STOCK, ZH, notices, rule, sweep, watch
from tests.database import TestServer
from tests.factories import NOW, Shop, add_codes, add_shop

CRITICAL = Severity.CRITICAL
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'doomed' AND wait_event_type = 'Lock'"
)


async def set_stock(pool: Pool, shop: Shop, codes: int) -> None:
    """As many free codes as said, by new shelves and by withdrawing whole ones."""
    await pool.execute(
        "INSERT INTO departure (lane, shelf_id, slot, kind, departed_at, actor)"
        " SELECT lane, shelf_id, slot, 'withdrawn', $1, 'test' FROM code JOIN shelf USING (lane, shelf_id)"
        " WHERE sku_id = $2 ON CONFLICT DO NOTHING",
        NOW,
        shop.sku_id,
    )
    if codes:
        # A shelf is known by its expiry; any will do that has not been.
        days = 1000 + int(await pool.fetchval("SELECT count(*) FROM shelf"))
        await add_codes(pool, shop.sku_id, codes, expires_at=NOW + timedelta(days=days))


async def open_incidents(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM incident WHERE closed_at IS NULL")
    return count


async def test_a_notice_when_it_is_crossed_and_one_when_it_is_over(pool: Pool) -> None:
    shop = await add_shop(pool, codes=9)
    watched = watch(LOW, routes=(EN, ZH))
    assert (await sweep(pool, watched)).raised == 1
    for seconds in range(5, 50, 5):
        assert await sweep(pool, watched, seconds) == Swept()
    await set_stock(pool, shop, 15)
    assert (await sweep(pool, watched, 60)).recovered == 0
    await set_stock(pool, shop, 25)
    assert (await sweep(pool, watched, 70)).recovered == 1
    assert await notices(pool) == [
        ("raised", "en"),
        ("raised", "zh"),
        ("recovered", "en"),
        ("recovered", "zh"),
    ]
    row = await pool.fetchrow("SELECT first_value, last_value, closed_why, facts FROM incident")
    assert row is not None
    assert (row["first_value"], row["last_value"], row["closed_why"]) == (9, 25, "recovered")
    assert row["facts"]["codes"] == 15


async def test_a_line_has_to_be_crossed_for_a_while_whoever_looks(pool: Pool) -> None:
    await add_shop(pool, codes=9)
    watched = watch(rule(hold_seconds=30))
    assert (await sweep(pool, watched, 0)).raised == 0
    assert (await sweep(pool, watched, 20)).raised == 0
    assert (await sweep(pool, watched, 31)).raised == 1
    crossed_at = await pool.fetchval("SELECT crossed_at FROM incident")
    assert crossed_at == NOW
    assert await pool.fetchval("SELECT count(*) FROM alert_pending") == 0


async def test_what_was_low_for_a_moment_is_never_told(pool: Pool) -> None:
    shop = await add_shop(pool, codes=9)
    watched = watch(rule(hold_seconds=30))
    await sweep(pool, watched, 0)
    await set_stock(pool, shop, 12)
    await sweep(pool, watched, 10)
    await set_stock(pool, shop, 9)
    await sweep(pool, watched, 20)
    assert (await sweep(pool, watched, 40)).raised == 0
    assert (await sweep(pool, watched, 50)).raised == 1


async def test_only_one_of_many_daemons_looks_at_a_time(pool: Pool) -> None:
    for _ in range(10):
        await add_shop(pool, codes=1)
    watched = watch(LOW)
    swept = await asyncio.gather(*(IncidentBook(pool, watched).sweep(NOW) for _ in range(8)))
    assert sum(each.raised for each in swept if each) == 10
    assert len(await notices(pool)) == 10


async def test_a_sweep_that_dies_leaves_nothing_half_done(pool: Pool, dsn: str) -> None:
    shop = await add_shop(pool, codes=1)
    async with pool.acquire() as blocker, blocker.transaction():
        # The sweep's last statement waits here, and its connection is cut.
        await blocker.execute("LOCK TABLE alert_notice IN ACCESS EXCLUSIVE MODE")
        doomed_pool = await open_pool(dsn, min_size=1, max_size=1, application_name="doomed")
        doomed = asyncio.create_task(IncidentBook(doomed_pool, watch(LOW)).sweep(NOW))
        async with asyncio.timeout(10):
            while not await blocker.fetchval(WAITING):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        doomed_pool.terminate()
        with pytest.raises(Exception):  # noqa: B017
            await doomed
    assert await open_incidents(pool) == 0
    async with asyncio.timeout(10):
        while (swept := await IncidentBook(pool, watch(LOW)).sweep(NOW)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert swept.raised == 1
    assert await notices(pool) == [("raised", "en")]
    assert shop.sku_id


async def test_the_schema_refuses_a_second_alert_before_the_first_has_ended(pool: Pool) -> None:
    await add_shop(pool, codes=1)
    await sweep(pool, watch(LOW))
    with pytest.raises(Exception, match="incident_open_once"):
        await pool.execute(
            "INSERT INTO incident (rule, metric, subject, severity, cross_line, clear_line, first_value,"
            " last_value, facts, crossed_at, opened_at, seen_at)"
            " SELECT rule, metric, subject, severity, 1, 1, 1, 1, '{}', now(), now(), now() FROM incident"
        )


async def test_a_measure_is_not_taken_before_it_is_due(pool: Pool) -> None:
    await add_shop(pool, codes=1)
    watched = watch(LOW, sweep_seconds=60)
    assert (await sweep(pool, watch(rule(name="other", cross=0), sweep_seconds=60))).raised == 0
    assert (await sweep(pool, watched, 30)).raised == 0
    assert (await sweep(pool, watched, 56)).raised == 1


async def test_what_cannot_be_measured_ends_nothing_and_hides_nothing_else(
    pool: Pool,
) -> None:
    shop = await add_shop(pool, codes=1)
    refused = Rule("refused", Measure(Metric.PRICES_HELD), 0, 0)
    await pool.execute(
        "INSERT INTO price_hold (listing_id, price_minor, currency, why, asked_at)"
        " VALUES ($1, 100, 'EUR', 'a jump', now())",
        shop.listing_id,
    )
    assert (await sweep(pool, watch(refused))).raised == 1
    await pool.execute("ALTER TABLE price_hold RENAME TO hidden")
    swept = await sweep(pool, watch(refused, LOW), 10)
    assert (swept.raised, swept.recovered) == (1, 0)
    assert len(swept.unmeasured) == 1
    assert swept.unmeasured[0].startswith("prices_held: UndefinedTableError")
    assert await open_incidents(pool) == 2


async def test_an_alert_of_a_rule_that_is_gone_ends_without_a_word_when_all_daemons_agree(pool: Pool) -> None:
    await add_shop(pool, codes=1)
    await sweep(pool, watch(LOW))
    await sweep(pool, watch(rule(name="other", cross=0)), 600)
    assert await open_incidents(pool) == 1
    await sweep(pool, watch(rule(name="other", cross=0)), 4300)
    assert await pool.fetchval("SELECT closed_why FROM incident") == "withdrawn"
    assert await notices(pool) == [("raised", "en")]


async def test_reminders_come_only_if_asked_and_stop_when_somebody_has_seen_it(pool: Pool) -> None:
    await add_shop(pool, codes=1)
    asked = Rule("low", STOCK, 10, 20, remind_every=timedelta(hours=1))
    for hours in range(4):
        await sweep(pool, watch(asked), hours * 3600)
        await sweep(pool, watch(asked), hours * 3600 + 1800)
    assert await notices(pool) == [("raised", "en"), *[("reminder", "en")] * 3]
    incident_id: int = await pool.fetchval("SELECT incident_id FROM incident")
    async with pool.acquire() as conn, conn.transaction():
        await acknowledge(conn, incident_id, actor="mei", reason="ordered more", now=NOW)
    await sweep(pool, watch(asked), 10 * 3600)
    assert len(await notices(pool)) == 4
    assert await pool.fetchval("SELECT actor || ': ' || reason FROM audit") == "mei: ordered more"


async def test_an_alert_is_acknowledged_once_while_it_is_open(pool: Pool) -> None:
    shop = await add_shop(pool, codes=1)
    await sweep(pool, watch(LOW))
    incident_id: int = await pool.fetchval("SELECT incident_id FROM incident")

    async def seen(number: int, reason: str = "seen") -> None:
        async with pool.acquire() as conn, conn.transaction():
            await acknowledge(conn, number, actor="mei", reason=reason, now=NOW)

    with pytest.raises(UnknownIncident, match="no such alert"):
        await seen(incident_id + 1)
    with pytest.raises(InvalidInput, match="say why"):
        await seen(incident_id, " ")
    await seen(incident_id)
    with pytest.raises(StaleVersion, match="acknowledged by mei already"):
        await seen(incident_id)
    await set_stock(pool, shop, 30)
    await sweep(pool, watch(LOW), 60)
    with pytest.raises(StaleVersion, match="is over since"):
        await seen(incident_id)


async def test_at_night_only_what_is_critical_is_told_and_the_rest_in_the_morning(pool: Pool) -> None:
    await add_shop(pool, codes=1)
    # The tests' noon is eight in the evening in Shanghai.
    night = QuietHours(time(19), time(7), ZoneInfo("Asia/Shanghai"))
    asleep = Route("asleep", quiet=night)
    loud = rule(name="loud", severity=CRITICAL)
    own_night = Rule("own", STOCK, 10, 20, quiet=QuietHours(time(0), time(1), ZoneInfo("UTC")))
    await sweep(pool, watch(LOW, loud, own_night, routes=(asleep, EN)))
    rows = await pool.fetch("SELECT rule, route, due_at FROM alert_notice JOIN incident USING (incident_id)")
    due = {(row["rule"], row["route"]): row["due_at"] - NOW for row in rows}
    assert due == {
        ("low", "asleep"): timedelta(hours=11),
        ("low", "en"): timedelta(0),
        ("loud", "asleep"): timedelta(0),
        ("loud", "en"): timedelta(0),
        ("own", "asleep"): timedelta(hours=11),
        ("own", "en"): timedelta(0),
    }


async def test_the_end_is_told_to_those_who_heard_of_the_beginning(pool: Pool) -> None:
    shop = await add_shop(pool, codes=1)
    late = Route("late")
    await sweep(pool, watch(LOW, routes=(EN, ZH)))
    await set_stock(pool, shop, 30)
    await sweep(pool, watch(LOW, routes=(ZH, late)), 60)
    assert await notices(pool) == [("raised", "en"), ("raised", "zh"), ("recovered", "zh")]


async def test_a_rule_for_one_sku_leaves_the_others_alone(pool: Pool) -> None:
    one, _ = await add_shop(pool, codes=1), await add_shop(pool, codes=1)
    sku_ref = str(await pool.fetchval("SELECT sku_ref FROM sku WHERE sku_id = $1", one.sku_id))
    for scope in (Scope(skus=frozenset({sku_ref})), Scope(channels=frozenset({one.channel}))):
        await sweep(pool, watch(Rule(f"for {scope}", STOCK, 10, 20, scope=scope)), 3600 * len(str(scope)))
    subjects = await pool.fetch("SELECT subject FROM incident")
    assert [row["subject"] for row in subjects] == [f"sku:{sku_ref}"] * 2


STEPS = st.one_of(
    st.tuples(st.just("stock"), st.integers(0, 30)),
    st.tuples(st.just("look"), st.integers(0, 40)),
    st.tuples(st.just("race"), st.integers(2, 4)),
    st.tuples(st.just("restart"), st.just(0)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=14), st.sampled_from([0.0, 30.0]))
def test_no_alert_is_told_twice_without_an_end_between(
    database_server: TestServer, steps: list[tuple[str, int]], hold_seconds: float
) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        told = runner.run(_live(database_server, steps, rule(hold_seconds=hold_seconds)))
    for subject in {subject for subject, _ in told}:
        kinds = [kind for about, kind in told if about == subject]
        assert kinds == [("raised", "recovered")[n % 2] for n in range(len(kinds))]


async def _live(server: TestServer, steps: list[tuple[str, int]], watched: Rule) -> list[tuple[str, str]]:
    """Stock that goes up and down under daemons that look, race and restart; what was told, in its order."""
    name = await server.create()
    pool = await open_pool(server.dsn_of(name), min_size=1, max_size=8, application_name="test")
    try:
        shop, now = await add_shop(pool, codes=15), NOW
        await add_shop(pool, codes=3)
        for step, number in steps:
            match step:
                case "stock":
                    await set_stock(pool, shop, number)
                case "look":
                    now += timedelta(seconds=number)
                    await IncidentBook(pool, watch(watched)).sweep(now)
                case "race":
                    now += timedelta(seconds=5)
                    books = [IncidentBook(pool, watch(watched)) for _ in range(number)]
                    await asyncio.gather(*(book.sweep(now) for book in books))
                case _:
                    pool.terminate()
                    dsn = server.dsn_of(name)
                    pool = await open_pool(dsn, min_size=1, max_size=8, application_name="test")
        rows = await pool.fetch(
            "SELECT subject, kind FROM alert_notice JOIN incident USING (incident_id) ORDER BY notice_id"
        )
        return [(row["subject"], row["kind"]) for row in rows]
    finally:
        pool.terminate()
        await server.drop(name)
