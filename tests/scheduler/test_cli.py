"""Proves what commands understand, how they refuse, and with what number they end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest

from scheduler.cli.exits import Exit
from tests.scheduler.command_line import SHOP, SHOP_SECRETS, House, invoke


def refused(house: House, *arguments: str) -> tuple[int, str]:
    """How a command ends that must fail, and the one line it says."""
    result = house.run(*arguments)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    # The first command in a data directory also logs that it made the keys.
    lines = [line for line in result.stderr.splitlines() if '"keys.generated"' not in line]
    assert len(lines) == 1, result.stderr
    return result.exit_code, lines[0]


def test_the_help_names_every_exit_code() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for code in Exit:
        assert f"{code.value:>3}  {code.meaning}" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["import"],
        ["stock", "withdraw", "X", "--consignor", "K"],
        ["codes", "trace", "12"],
        ["codes", "trace", "1.2.99999999999999999999"],
        ["codes", "reveal", "0.1.1"],
        ["orders", "--state", "lost"],
        ["check", "--jason"],
    ],
)
def test_what_is_not_understood_ends_with_two(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == Exit.USAGE
    assert result.stdout == ""


def test_an_unknown_sku_is_one_line_that_says_what_to_do(house: House) -> None:
    code, line = refused(house, "stock", "show", "NO-SUCH", "--json")
    assert code == Exit.USAGE
    assert "`consignd stock add NO-SUCH`" in line


def test_a_database_that_does_not_answer_ends_with_four_and_hides_its_password(house: House) -> None:
    result = house.run(
        "check", environ={"CONSIGND_DATABASE_URL": "postgresql://u:hunter2hunter2@127.0.0.1:9/x"}
    )
    assert result.exit_code == Exit.DATABASE
    assert "127.0.0.1 port 9" in result.stderr
    assert "hunter2" not in result.output


def test_settings_that_are_refused_end_with_three_and_name_the_line(house: House) -> None:
    config = house.file("bad.toml", "[web]\nprot = 1\n")
    code, line = refused(house, "--config", config, "stock")
    assert code == Exit.SETTINGS
    assert f"{config}:2: web.prot: unknown key; did you mean port?" in line


def test_a_wrong_key_ends_with_five(house: House) -> None:
    assert house.run("check").exit_code == 0
    (house.folder / "data" / "sealing-keys").unlink()
    code, line = refused(house, "stock", "--json")
    assert code == Exit.KEY
    assert "still wrap" in line


def test_a_trace_is_shown_to_those_who_ask_for_it(house: House) -> None:
    result = house.run("--log-level", "debug", "stock", "show", "NO-SUCH")
    assert result.exit_code == Exit.USAGE
    assert "Traceback" in result.stderr


def test_migrate_brings_an_empty_database_up_once(empty_dsn: str, house: House) -> None:
    fresh = House(empty_dsn, house.folder)
    first = fresh.json("migrate")
    assert first["version"] == len(first["applied"]) > 0
    assert fresh.json("migrate") == {"version": first["version"], "applied": []}


def test_check_holds_on_a_fresh_database_and_tells_every_invariant(house: House) -> None:
    report = house.json("check", "--strict")
    assert report["ok"] is True
    assert {"one-buyer", "conservation", "balanced", "sealed"} <= report["invariants"].keys()
    assert all(
        found == {"ok": True, "violations": 0, "detail": []} for found in report["invariants"].values()
    )


async def _break(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute("ALTER TABLE code DROP CONSTRAINT code_fingerprint_once")
    await conn.close()


def test_check_ends_with_one_when_a_promise_is_broken(house: House) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_break(house.dsn))
    result = house.run("check", "--json")
    assert result.exit_code == Exit.VIOLATED
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert report["invariants"]["one-buyer"]["violations"] == 1
    assert house.run("check").exit_code == Exit.VIOLATED


def test_config_check_shows_origins_and_no_secret(house: House) -> None:
    config = house.file("shop.toml", SHOP)
    result = house.run("config", "check", config)
    assert result.exit_code == 0
    assert f"{config}:11" in result.stdout
    shown = house.json("config", "check", config)
    assert shown["ok"] is True
    assert shown["problems"] == []
    by_path = {row["path"]: row for row in shown["settings"]}
    assert by_path["channels.shop.options.consumer_secret"]["value_text"] == "********"
    assert by_path["web.port"] == {"path": "web.port", "value_text": "8080", "origin": "default"}
    for secret in SHOP_SECRETS:
        assert secret not in result.output
        assert secret not in json.dumps(shown)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('connector = "woocommerce"', 'connector = "wocommerce"', "is not installed; installed:"),
        ('orders_from = "2026-01-01T00:00:00Z"', "", ".options.orders_from: missing"),
        ('currency = "EUR"\n\n[channels.shop.options]', 'currency = "USD"\n\n[channels.shop.options]', "USD"),
        ('base = "after_channel", rate_percent = "5"', 'rate_percent = "95"', "keep them within 100 %"),
    ],
)
def test_config_check_refuses_what_run_would_refuse_and_says_where(
    house: House, before: str, after: str, said: str
) -> None:
    assert before in SHOP
    config = house.file("shop.toml", SHOP.replace(before, after))
    result = house.run("config", "check", config, "--json")
    assert result.exit_code == Exit.SETTINGS
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem["source"] == config
    assert problem["line"] > 0
    assert said in problem["text"] or said in f"{problem['path']}: {problem['text']}"


def test_config_check_tells_of_settings_that_cannot_even_be_read(house: House) -> None:
    result = house.run("config", "check", str(house.folder / "missing.toml"), "--json")
    assert result.exit_code == Exit.SETTINGS
    assert json.loads(result.stdout)["settings"] == []


def test_the_installed_connectors_are_listed_with_their_abilities() -> None:
    result = invoke("connectors", "--json")
    found = {row["name"]: row for row in json.loads(result.stdout)["connectors"]}
    assert {"eneba", "kinguin", "woocommerce"} <= found.keys()
    assert found["kinguin"]["contract"] == "uploaded"
    assert "deliver codes" in found["kinguin"]["abilities"]
    assert {"name": "client_secret", "required": True, "secret": True} in found["kinguin"]["options"]
    assert all(row["error"] is None for row in found.values() if row["name"] in ("eneba", "kinguin"))


def test_a_new_connector_is_written_once(tmp_path: Path) -> None:
    folder = str(tmp_path / "acme")
    result = invoke("connectors", "new", "acme", "--in", folder, "--json")
    assert all(Path(file).is_file() for file in json.loads(result.stdout)["files"])
    again = invoke("connectors", "new", "acme", "--in", folder)
    assert again.exit_code == Exit.USAGE
    assert "not overwritten" in again.stderr


def test_a_channel_that_does_not_answer_ends_with_seven(house: House) -> None:
    config = house.file("shop.toml", SHOP)
    result = house.run("--config", config, "channels", "test", "shop")
    assert result.exit_code == Exit.CHANNEL
    assert result.stdout == ""
    for secret in SHOP_SECRETS:
        assert secret not in result.output
