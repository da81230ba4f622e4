"""Proves that what is to be told arrives: through failures, lost answers, restarts and many daemons."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from prometheus_client import CollectorRegistry

from config.logging import configure_logging
from core.alerts.incidents import IncidentBook
from core.alerts.notices import MOST_ATTEMPTS, NoticeBox, Outcome, pause_after, revive
from core.alerts.rules import Route
from core.db.pool import Pool
from scheduler.loops.alert import AlertDesk, AlertMetrics
from scheduler.notify import Messenger
from tests.alerts.test_incidents import set_stock
from tests.alerts.watching import LOW, watch
from tests.alerts.webhook import SECRET, Webhook, open_webhook
from tests.factories import NOW, add_shop

HOOK = Route("hook", most_messages=100)
CONSOLE = "https://consignd.example.com/console"
ENOUGH_SECONDS = 60.0


@pytest.fixture
async def hook() -> AsyncIterator[Webhook]:
    async with open_webhook() as opened:
        yield opened


def box_of(pool: Pool, name: str = "one", route: Route = HOOK) -> NoticeBox:
    return NoticeBox(pool, {route.name: route}, name, CONSOLE)


def desk_of(pool: Pool, hook: Webhook, name: str = "one", route: Route = HOOK) -> AlertDesk:
    book = IncidentBook(pool, watch(LOW, routes=(route,), sweep_seconds=0.001))
    messenger = Messenger({route.name: hook.route()})
    return AlertDesk(book, box_of(pool, name, route), messenger, AlertMetrics(CollectorRegistry()))


async def turn(desk: AlertDesk) -> None:
    """Look, tell, and wait until it is told."""
    await desk.look()
    await desk.send()
    await desk.sent()


async def make_due(pool: Pool) -> None:
    """Let the time pass until everything is to be tried again, and every claim has run out."""
    await pool.execute(
        "UPDATE alert_message SET due_at = now() - interval '1 second' WHERE state = 'waiting'"
    )
    await pool.execute(
        "UPDATE alert_message SET claimed_until = now() - interval '1 s' WHERE state = 'sending'"
    )


async def states(pool: Pool) -> list[str]:
    rows = await pool.fetch("SELECT state FROM alert_message ORDER BY message_id")
    return [row["state"] for row in rows]


async def test_an_alert_arrives_once_and_so_does_its_end(pool: Pool, hook: Webhook) -> None:
    shop = await add_shop(pool, codes=9)
    desk = desk_of(pool, hook)
    for _ in range(3):
        await turn(desk)
    sku_ref = await pool.fetchval("SELECT sku_ref FROM sku")
    assert [each["title"] for each in hook.taken] == [f"[warning] {sku_ref}: codes left 9, below 10"]
    incident_id = await pool.fetchval("SELECT incident_id FROM incident")
    assert f"look: {CONSOLE}/alerts/{incident_id}" in hook.taken[0]["message"]
    await set_stock(pool, shop, 30)
    for _ in range(2):
        await turn(desk)
    assert [each["title"] for each in hook.taken[1:]] == [f"[over] {sku_ref}: codes left 30, well again"]
    assert await states(pool) == ["sent", "sent"]


async def test_a_chinese_route_is_told_in_chinese(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=9)
    await turn(desk_of(pool, hook, route=Route("hook", "zh")))
    assert hook.taken[0]["title"].startswith("【警告】")
    assert "剩余库存 9，低于 10" in hook.taken[0]["message"]


async def test_a_service_that_says_no_is_asked_again(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=9)
    hook.script.extend(["fail", "fail"])
    desk = desk_of(pool, hook)
    await turn(desk)
    await turn(desk)
    assert len(hook.came) == 1, "not at once"
    await make_due(pool)
    await turn(desk)
    await make_due(pool)
    await turn(desk)
    assert await states(pool) == ["sent"]
    assert len(hook.came) == 3
    assert "Sent again" not in hook.taken[0]["message"]


@pytest.mark.parametrize("how", ["hang", "cut"])
async def test_when_the_answer_is_lost_it_is_sent_again_and_says_so(
    pool: Pool, hook: Webhook, how: str
) -> None:
    await add_shop(pool, codes=9)
    hook.script.append("hang" if how == "hang" else "cut")
    desk = desk_of(pool, hook)
    await turn(desk)
    assert await states(pool) == ["waiting"]
    await make_due(pool)
    await turn(desk)
    assert await states(pool) == ["sent"]
    first, second = hook.taken
    assert second["title"] == first["title"]
    assert second["message"] == first["message"] + (
        "\n(Sent again: whether it arrived the first time is not known.)"
    )


async def test_what_nobody_takes_is_given_up_and_can_be_sent_by_a_person(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=9)
    hook.script.extend(["fail"] * MOST_ATTEMPTS)
    desk = desk_of(pool, hook)
    for _ in range(MOST_ATTEMPTS + 2):
        await turn(desk)
        await make_due(pool)
    assert len(hook.came) == MOST_ATTEMPTS
    assert await states(pool) == ["dead"]
    async with pool.acquire() as conn, conn.transaction():
        assert await revive(conn, [999], actor="mei", reason="try", now=NOW) == []
        assert len(await revive(conn, None, actor="mei", reason="back", now=NOW - timedelta(days=9))) == 1
    await turn(desk)
    assert await states(pool) == ["sent"]
    assert len(hook.taken) == 1


async def test_a_sender_that_died_is_followed_when_its_claim_has_run_out(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=9)
    dying, following = box_of(pool, "dying"), box_of(pool, "following")
    await desk_of(pool, hook).look()
    await dying.write()
    claimed = await dying.claim(ENOUGH_SECONDS)
    assert claimed is not None
    assert not claimed.repeated
    assert await following.claim(ENOUGH_SECONDS) is None
    await make_due(pool)
    again = await following.claim(ENOUGH_SECONDS)
    assert again is not None
    assert (again.message_id, again.repeated) == (claimed.message_id, True)
    assert "Sent again" in again.text.body
    # The first was only slow: what it says now must not undo what the other is doing.
    assert not await dying.settle(claimed, Outcome.FAILED, "late")
    assert await following.settle(again, Outcome.SENT)
    assert await states(pool) == ["sent"]
    assert await dying.claim(ENOUGH_SECONDS) is None


async def test_many_daemons_tell_everything_once(pool: Pool, hook: Webhook) -> None:
    for _ in range(20):
        await add_shop(pool, codes=1)
    desks = [desk_of(pool, hook, f"daemon {number}") for number in range(4)]
    for _ in range(3):
        await asyncio.gather(*(turn(desk) for desk in desks))
    assert len(hook.taken) == 20
    assert len({each["title"] for each in hook.taken}) == 20


async def test_a_storm_arrives_as_one_digest(pool: Pool, hook: Webhook) -> None:
    for _ in range(30):
        await add_shop(pool, codes=1)
    desk = desk_of(pool, hook, route=Route("hook"))
    await turn(desk)
    await turn(desk)
    (only,) = hook.taken
    assert only["title"] == "[warning] 30 new alerts, 0 over"
    assert only["message"].splitlines()[-2] == "and 10 more"
    assert await pool.fetchval("SELECT count(*) FROM alert_notice WHERE message_id IS NULL") == 0


async def test_notices_wait_for_the_end_of_quiet_hours(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=1)
    await desk_of(pool, hook).look()
    await pool.execute("UPDATE alert_notice SET due_at = now() + interval '1 hour'")
    box = box_of(pool)
    assert await box.write() == 0
    await pool.execute("UPDATE alert_notice SET due_at = now()")
    assert await box.write() == 1


async def test_messages_for_a_route_that_is_gone_are_given_up_after_a_day(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=1)
    await desk_of(pool, hook).look()
    await box_of(pool).write()
    other = box_of(pool, route=Route("other"))
    await other.write()
    assert await other.claim(ENOUGH_SECONDS) is None
    assert await states(pool) == ["waiting"]
    await pool.execute("UPDATE alert_message SET due_at = now() - interval '25 hours'")
    await other.write()
    assert await states(pool) == ["dead"]
    assert (await other.backlog()).dead == 1


async def test_a_daemon_that_stops_while_it_sends_loses_nothing(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=1)
    hook.script.append("hang")
    desk = desk_of(pool, hook)
    await desk.look()
    timetable = AsyncIOScheduler(timezone="UTC")
    timetable.start()
    async with desk.on(timetable, 3600.0):
        async with asyncio.timeout(10):
            while not hook.came:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    timetable.shutdown(wait=False)
    assert await states(pool) == ["waiting"], "it waited for the answer that did not come, and wrote it down"
    await make_due(pool)
    await turn(desk_of(pool, hook, "two"))
    assert await states(pool) == ["sent"]


async def test_a_daemon_looks_and_tells_by_itself(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=1)
    timetable = AsyncIOScheduler(timezone="UTC")
    timetable.start()
    async with desk_of(pool, hook).on(timetable, 0.1), asyncio.timeout(10):
        while not hook.taken:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    timetable.shutdown(wait=False)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at the level that tells most."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_secret_of_a_route_is_logged_or_stored(pool: Pool, hook: Webhook, log: io.StringIO) -> None:
    await add_shop(pool, codes=1)
    hook.script.extend(["fail", "hang", "cut"])
    desk = desk_of(pool, hook)
    for _ in range(4):
        await turn(desk)
        await make_due(pool)
    assert len(hook.came) == 4
    assert "alert.not_sent" in log.getvalue()
    stored = await pool.fetchval("SELECT string_agg(m::text, ' ') FROM alert_message m")
    assert SECRET not in log.getvalue()
    assert SECRET not in stored


async def test_an_error_tells_what_the_service_said(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=1)
    hook.script.append("fail")
    await turn(desk_of(pool, hook))
    error = await pool.fetchval("SELECT error FROM alert_message")
    assert "500" in error


async def test_a_service_that_is_not_there_keeps_the_others_going(pool: Pool, hook: Webhook) -> None:
    await add_shop(pool, codes=1)
    gone = Route("gone")
    book = IncidentBook(pool, watch(LOW, routes=(gone, HOOK)))
    dead_end = hook.route().model_copy(
        update={"url": type(hook.route().url)("json://127.0.0.1:9/x?cto=1&rto=1")}
    )
    box = NoticeBox(pool, {"gone": gone, "hook": HOOK}, "one", None)
    messenger = Messenger({"gone": dead_end, "hook": hook.route()})
    await turn(AlertDesk(book, box, messenger, AlertMetrics(CollectorRegistry())))
    assert await states(pool) == ["waiting", "sent"]


def test_pauses_grow_to_an_hour() -> None:
    pauses = [pause_after(attempts).total_seconds() for attempts in range(1, MOST_ATTEMPTS + 1)]
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
