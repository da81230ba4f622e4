"""`consignd settlements` draws up, has approved, pays and states what payees are owed."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from core.db.pool import Pool, open_pool
from scheduler.loops.settle import SettlementSweep
from tests.factories import NOW
from tests.scheduler.command_line import SHOP, House, sell_one
from tests.settlement.house import ADA, DAY, owe, runs, terms
from tests.settlement.test_drawing import WEEKLY

SETTLED = '[settlement]\napprovals = 1\n[settlement.payees."consignor/Kaart"]\nlanguage = "zh"\n'


@pytest.fixture
def house(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.chdir(tmp_path)
    yield House(dsn, tmp_path)
    structlog.reset_defaults()


def test_a_sale_is_settled_from_the_run_to_the_statement(house: House) -> None:
    sell_one(house, shop=SETTLED + SHOP)
    config = ("--config", str(house.folder / "shop.toml"))
    [owed] = house.json(*config, "settlements", "payees")
    assert (owed["party_name"], owed["payable_minor"]) == ("Kaart", 1648)
    arguments = (*config, "settlements", "run", "--payee", "consignor/Kaart", "--by", "clerk")
    [would] = house.json(*arguments, "--dry-run")
    assert (would["outcome"], would["owed"], would["settlement_id"]) == ("drawn", "16.48 EUR", None)
    [drawn] = house.json(*arguments)
    assert (drawn["outcome"], drawn["owed"], drawn["entries"]) == ("drawn", "16.48 EUR", 1)
    number = str(drawn["settlement_id"])
    own = house.run(*config, "settlements", "approve", number, "--by", "clerk", "--reason", "mine")
    assert (own.exit_code != 0, "drawn up by clerk" in own.stderr) == (True, True)
    early = house.run(*config, "settlements", "pay", number, "--ref", "SEPA 7", "--by", "chief")
    assert "1 more approval is needed first" in early.stderr
    told = house.json(*config, "settlements", "approve", number, "--by", "chief", "--reason", "fine")
    assert told["state"] == "approved"
    paid = house.json(*config, "settlements", "pay", number, "--ref", "SEPA 7", "--by", "chief")
    assert paid["paid"] == "16.48 EUR"
    [listed] = house.json(*config, "settlements")
    assert (listed["state"], listed["due_minor"], listed["drawn_by"]) == ("paid", 1648, "clerk")
    assert "paid 16.48 EUR" in house.run(*config, "settlements", "show", number).stdout
    assert "SEPA 7" in house.run(*config, "settlements", "statement", number, "--format", "html").stdout
    out = house.folder / "kaart.csv"
    done = house.run(*config, "settlements", "statement", number, "--format", "csv", "--out", str(out))
    assert (done.exit_code, "kaart.csv" in done.stderr) == (0, True)
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    assert ["期末余额", "16.48 EUR"] in rows
    assert not [cell for row in rows for cell in row if "SOLD-0" in cell]
    for form, begin in (("pdf", b"%PDF"), ("xlsx", b"PK")):
        path = house.folder / f"kaart.{form}"
        house.run(*config, "settlements", "statement", number, "--format", form, "--out", str(path))
        assert path.read_bytes().startswith(begin)
    correction = ("correct", number, "--reason", "late fee", "--json", "--", "-1.00", "EUR")
    assert house.run(*config, "settlements", *correction).exit_code == 0
    [claim] = house.json(*arguments)
    assert (claim["outcome"], claim["settlement_id"]) == ("claim", None)
    assert [run["outcome"] for run in house.json(*config, "settlements", "runs")] == ["claim", "drawn"]
    assert house.run(*config, "check").exit_code == 0


def test_what_is_wrong_is_said_with_what_to_write(house: House) -> None:
    sell_one(house)
    config = ("--config", str(house.folder / "shop.toml"))
    for arguments, said in (
        (("run", "--payee", "Kaart"), "consignor/Ada"),
        (("run", "--payee", "referrer/Nobody"), "nothing was ever owed"),
        (("run", "--until", "yesterday"), "2026-11-01"),
        (("run", "--until", "2999-01-01"), "still to come"),
        (("show", "77"), "settlement 77 is not known"),
        (("statement", "77", "--format", "csv", "--out", "77.csv"), "settlement 77 is not known"),
        (("withdraw", "77", "--reason", "x"), "settlement 77 is not known"),
    ):
        result = house.run(*config, "settlements", *arguments)
        assert (result.exit_code != 0, said in result.stderr) == (True, True), (arguments, result.output)
    assert not list(house.folder.glob("*77.csv*"))


async def test_the_sweep_runs_what_is_due_and_goes_on_after_the_database_was_away(dsn: str) -> None:
    pool: Pool = await open_pool(dsn, min_size=1, max_size=4, application_name="test")
    await owe(pool, ADA, 1000, at=NOW - 20 * DAY)
    sweeps = [SettlementSweep(runs(pool, terms(WEEKLY))) for _ in range(3)]
    await asyncio.gather(*(sweep.tick() for sweep in sweeps))
    assert await pool.fetchval("SELECT count(*) FROM settlement") == 1
    assert await pool.fetchval("SELECT drawn_by FROM settlement") == "daemon"
    pool.terminate()
    await sweeps[0].tick()
