"""Proves what `consignd ledger` shows and does with the books, and that a daemon seals them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest

from core.money.journal.periods import Period
from tests.database import TestServer, serve
from tests.scheduler.command_line import House, sell_one, start

_T = TypeVar("_T")
NOW = datetime.now(UTC)
THIS = str(Period.of(NOW))
LAST = str(Period.of(Period.of(NOW).start - timedelta(days=1)))


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server of their own: sealing waits for whoever writes anywhere on a server."""
    yield from serve(tmp_path_factory.mktemp("books") / "postgres")


def run(work: Coroutine[None, None, _T]) -> _T:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


def execute(house: House, *statements: str) -> None:
    async def tamper() -> None:
        conn = await asyncpg.connect(house.dsn)
        try:
            await conn.execute("SET session_replication_role = replica")
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()

    run(tamper())


def test_the_head_stands_for_what_was_sold_and_verifies(house: House) -> None:
    sell_one(house)
    (head,) = house.json("ledger", "head")["heads"]
    told = house.json("ledger", "verify", "--head", head["head"])
    assert (told["ok"], told["sealed"], told["unsealed"], told["heads"]) == (True, 1, 0, [head["head"]])
    shown = house.run("ledger", "verify")
    assert "nothing was changed: 1 sealed transactions" in shown.output
    assert house.run("ledger", "head").output.startswith(head["head"])


def test_a_changed_row_is_named_and_ends_with_one(house: House) -> None:
    sell_one(house)
    house.run("ledger", "head")
    execute(house, "UPDATE entry SET amount_minor = amount_minor * 2")
    found = house.run("ledger", "verify")
    assert found.exit_code == 1
    assert "changed" in found.output
    told = json.loads(house.run("ledger", "verify", "--json").stdout)
    assert (told["ok"], told["findings"][0]["wrong"]) == (False, "changed")


def test_a_head_that_is_not_in_the_chain_or_none_at_all_is_told(house: House) -> None:
    sell_one(house)
    house.run("ledger", "head")
    assert house.run("ledger", "verify", "--head", f"0:1:{'00' * 32}").exit_code == 1
    refused = house.run("ledger", "verify", "--head", "nonsense")
    assert (refused.exit_code, "lane:block:hash" in refused.output) == (2, True)


def test_balances_are_the_same_before_and_after_sealing(house: House) -> None:
    sell_one(house)
    before = house.json("ledger", "balances")
    house.run("ledger", "head")
    assert house.json("ledger", "balances") == before
    assert sum(row["balance_minor"] for row in before["balances"]) == 0


def test_a_month_is_closed_shown_and_opened_again(house: House) -> None:
    sell_one(house)
    early = house.run("ledger", "close", THIS, "--reason", "too early")
    assert (early.exit_code, "cannot be closed before" in early.output) == (2, True)
    closed = house.run("ledger", "close", LAST, "--reason", "books are done")
    assert (closed.exit_code, f"{LAST} is closed" in closed.output) == (0, True)
    assert house.run("ledger", "close", LAST, "--reason", "again").exit_code == 6
    (change,) = house.json("ledger", "periods")["changes"]
    assert (change["reason"], change["actor"].startswith("cli:")) == ("books are done", True)
    opened = house.run("ledger", "reopen", LAST, "--reason", "an invoice came late")
    assert opened.exit_code == 0
    assert house.run("ledger", "reopen", LAST, "--reason", "again").exit_code == 6
    assert "an invoice came late" in house.run("ledger", "periods").output


def test_a_trial_balance_balances(house: House) -> None:
    sell_one(house)
    told = house.json("ledger", "trial-balance", "--period", THIS)
    assert (told["balanced"], told["closed"], len(told["rows"]) > 3) == (True, False, True)
    shown = house.run("ledger", "trial-balance", "--period", THIS)
    assert (shown.exit_code, "EUR: debit" in shown.output) == (0, True)
    assert house.run("ledger", "trial-balance", "--period", "soon").exit_code == 2


def test_a_month_is_exported_to_a_file_that_beancount_reads(house: House, tmp_path: Path) -> None:
    sell_one(house)
    file = tmp_path / "month.beancount"
    chart = house.file("accounts.toml", '[accounts]\n"consignor/*/*" = "Liabilities:Owners:{name}"\n')
    arguments = ["ledger", "export", "--period", THIS, "--accounts", chart]
    done = house.run(*arguments, "--format", "beancount", "--output", str(file))
    assert done.exit_code == 0, done.output
    assert "Liabilities:Owners:Kaart" in file.read_text(encoding="utf-8")
    checked = subprocess.run(
        [Path(sys.executable).with_name("bean-check"), "--no-cache", file], capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")
    told = house.run(*arguments)
    assert told.stdout.splitlines()[0].startswith("transaction_id,entry_no,")
    assert "is open" in told.stderr
    assert house.run("ledger", "export", "--period", THIS, "--accounts", "absent.toml").exit_code == 2


def test_a_daemon_seals_what_was_sold_by_itself(house: House) -> None:
    sell_one(house)
    daemon = start(house, "--config", house.file("daemon.toml", "[web]\nport = 0\n"), "run")
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not run(sealed(house)):
            time.sleep(0.2)
        assert run(sealed(house)) == 1
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=30)


async def sealed(house: House) -> int:
    conn = await asyncpg.connect(house.dsn)
    try:
        count: int = await conn.fetchval("SELECT coalesce(sum(transactions), 0)::int FROM journal_block")
    finally:
        await conn.close()
    return count
