"""`consignd campaigns` and the API: look, publish, explain, stop, audit; the daemon gives by itself."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import config
from core.campaigns.late import Work, keep_late
from core.db.pool import open_pool
from core.types import OrderId
from tests.campaigns.bench import Bench
from tests.scheduler.command_line import House, invoke, sell_one, start
from tests.scheduler.conftest import house
from tests.web.bench import Room
from tests.web.conftest import room
from web.access import Role

__all__ = ["house", "room"]

EXAMPLES = sorted((Path(config.__file__).parent / "examples" / "campaigns").glob("*.toml"))
SPRING = """name = "spring"
currency = "EUR"
starts_at = 2020-01-01T00:00:00Z
ends_at = 2099-01-01T00:00:00Z
earlier_orders = true

[budget]
total = "100.00"

[[rewards]]
name = "back"
party = "buyer"
pays = "wallet"
rate_percent = "2"
"""


def test_the_examples_have_nothing_wrong() -> None:
    result = invoke("campaigns", "lint", *map(str, EXAMPLES))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("nothing is wrong with cash-back, ")


def test_what_is_wrong_is_told_by_line(tmp_path: Path) -> None:
    path = tmp_path / "spring.toml"
    path.write_text(SPRING.replace('"buyer"', '"referrer-3"').replace("wallet", "payable"), encoding="utf-8")
    result = invoke("campaigns", "lint", str(path))
    assert result.exit_code == 3
    assert f"{path}:10: rewards[0] (back): a third level of referral is refused" in result.stderr
    assert not json.loads(invoke("campaigns", "lint", str(path), "--json").stdout)["ok"]


def test_a_campaign_is_published_shown_explained_and_stopped(house: House) -> None:
    order_id = sell_one(house)
    path = house.file("spring.toml", SPRING)
    environ = {"CONSIGND_CONFIG": str(house.folder / "shop.toml")}
    result = house.run("campaigns", "publish", path, "--reason", "november", environ=environ)
    assert (result.exit_code, result.stdout) == (0, "spring version 1 is published\n")
    again = house.run("campaigns", "publish", path, "--reason", "november", environ=environ)
    assert again.stdout == "spring version 1 says the same already\n"
    (told,) = house.json("campaigns")["campaigns"]
    assert (told["name"], told["version"], told["budget_minor"]) == ("spring", 1, 10_000)
    (outside,) = house.json("campaigns", "explain", str(order_id))["outside"]
    assert outside == {"campaign": "spring", "reason": "it has not been looked at yet"}
    assert house.run("campaigns", "stop", "spring", "--reason", "enough").exit_code == 0
    assert house.run("campaigns", "stop", "spring", "--reason", "enough").exit_code == 6
    assert house.json("campaigns", "show", "spring")["campaign"]["stopped_why"] == "enough"
    for command in (["list"], ["show", "spring"], ["explain", str(order_id)]):
        result = house.run("campaigns", *command)
        assert result.exit_code == 0, result.output
    assert "again at" not in house.run("campaigns").stdout
    asyncio.run(_fail(house, order_id))
    (late,) = house.json("campaigns")["late"]
    assert (late["order_id"], late["work"], late["tries"]) == (order_id, "give", 1)
    for command in ([], ["show", "spring"]):
        assert "ValueError: a test's" in house.run("campaigns", *command).stdout
    assert house.run("campaigns", "audit", "spring").exit_code == 2


def test_the_daemon_gives_by_itself(house: House) -> None:
    order_id = sell_one(house)
    path = house.file("spring.toml", SPRING)
    config_file = str(house.folder / "shop.toml")
    environ = {"CONSIGND_CONFIG": config_file, "CONSIGND_WEB__PORT": "0"}
    assert house.run("campaigns", "publish", path, "--reason", "x", environ=environ).exit_code == 0
    daemon = start(house, "run", environ=environ)
    try:
        assert asyncio.run(_answered(house, order_id))
    finally:
        daemon.terminate()
        daemon.communicate(timeout=60)
    told = house.json("campaigns", "explain", str(order_id))
    assert [(each["code"], each["reason"]) for each in told["refusals"]] == [
        ("condition", "the channel does not tell who the buyer is")
    ]


async def _fail(house: House, order_id: int) -> None:
    pool = await open_pool(house.dsn, min_size=1, max_size=1, application_name="test")
    try:
        async with pool.acquire() as conn, conn.transaction():
            await keep_late(conn, OrderId(order_id), Work.GIVE, ValueError("a test's"), datetime.now(UTC))
    finally:
        pool.terminate()


async def _answered(house: House, order_id: int) -> bool:
    pool = await open_pool(house.dsn, min_size=1, max_size=1, application_name="test")
    try:
        for _ in range(300):
            if await pool.fetchval("SELECT count(*) FROM campaign_refusal WHERE order_id = $1", order_id):
                return True
            await asyncio.sleep(0.2)
        return False
    finally:
        pool.terminate()


async def test_finance_publishes_and_stops_over_the_api_and_others_may_not(room: Room) -> None:
    body = {"campaign": SPRING, "reason": "november"}
    assert (await room.call("POST", "/campaigns", Role.OPERATOR, body)).status == 403
    wrong = await room.call("POST", "/campaigns/lint", Role.FINANCE, {"campaign": "name = 1"})
    assert (wrong.status, wrong.json()["ok"]) == (200, False)
    refused = await room.call("POST", "/campaigns", Role.FINANCE, {**body, "campaign": "name = 1"})
    assert refused.status == 422
    done = await room.call("POST", "/campaigns", Role.FINANCE, body)
    assert (done.status, done.json()["version"], done.json()["new"]) == (200, 1, True)
    listed = (await room.call("GET", "/campaigns", Role.FINANCE)).json()
    assert ([each["name"] for each in listed["campaigns"]], listed["late"]) == (["spring"], [])
    order_id = await room.sell("o1")
    bench = Bench(room.pool, None, None, now=room.services.now())  # type: ignore[arg-type]
    await bench.work()
    told = (await room.call("GET", f"/orders/{order_id}/campaigns", Role.FINANCE)).json()
    assert len(told["grants"]) + len(told["refusals"]) == 1
    detail = await room.call("GET", "/campaigns/spring", Role.ADMIN)
    assert detail.json()["campaign"]["version"] == 1
    assert (await room.call("GET", "/campaigns/none", Role.ADMIN)).status in (404, 422)
    stop = await room.call("POST", "/campaigns/spring/stop", Role.FINANCE, {"reason": "enough"})
    assert stop.status == 200
    assert (await room.call("POST", "/campaigns/spring/stop", Role.ADMIN, {"reason": "x"})).status == 409
    assert (await room.call("GET", "/campaigns/spring/audit", Role.FINANCE)).status == 422


def test_what_the_settings_do_not_name_is_refused_when_it_is_published(house: House) -> None:
    sell_one(house)
    path = house.file("spring.toml", SPRING.replace('"wallet"', '"points:club"'))
    environ = {"CONSIGND_CONFIG": str(house.folder / "shop.toml")}
    result = house.run("campaigns", "publish", path, "--reason", "november", environ=environ)
    assert result.exit_code == 3
    assert "no programme of points is named club: write [points.club] in the settings" in result.stderr
    assert house.run("campaigns", environ=environ).exit_code == 0
