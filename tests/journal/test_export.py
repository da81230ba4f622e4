"""Accountants get the month whole, and their own tool reckons it to the same balances."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.db.pool import Pool
from core.errors import InvalidInput
from core.money.conversion import Conversion
from core.money.exchange import Item, exchange
from core.money.exchanging import Exchanges
from core.money.journal.chart import Account, Chart
from core.money.journal.export import Form, export
from core.money.journal.periods import Period
from core.money.money import Money
from tests.factories import NOW
from tests.journal.books import INCOME, PAYABLE, RECEIVABLE, post, sealing

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
NOVEMBER = Period(2026, 11)
HOSTILE = ("consignor", '=SUM(A1) "卡密\\商店"\n', "payable", "KWD")
YEN = ("channel", "shop", "receivable", "JPY")
YEN_PAYABLE = ("consignor", "ada & söhne", "payable", "JPY")


async def busy_month(pool: Pool) -> None:
    """Several currencies, months and odd names; half of it sealed."""
    await post(pool, at=NOW - timedelta(days=50))
    await post(pool, at=NOVEMBER.start)
    await post(pool, ((YEN, 700), (YEN_PAYABLE, -700)))
    await sealing(pool).sweep()
    await post(pool, ((("channel", "x", "receivable", "KWD"), 1234), (HOSTILE, -1234)))
    await post(pool, ((RECEIVABLE, -1750), (INCOME, 88), (PAYABLE, 1662)), at=NOW + timedelta(hours=1))
    owed = Item("channel", "eneba", "receivable", Money(1000, "EUR"))
    came = Item("operator", "", "bank", Money(1075, "USD"))
    told = Conversion("EUR", "USD", 10_837, 10_000, "ecb", NOW)
    async with pool.acquire() as conn, conn.transaction():
        await Exchanges(pool).post(conn, exchange([owed], came, told), NOW)
    await post(pool, at=NOVEMBER.end)


async def text_of(pool: Pool, form: Form, chart: Chart | None = None, period: Period = NOVEMBER) -> str:
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        lines = [line async for line in export(conn, period, form, chart or Chart())]
    return "".join(f"{line}\n" for line in lines)


def bean_check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "month.beancount"
    file.write_text(text, encoding="utf-8")
    return subprocess.run([BEAN_CHECK, "--no-cache", file], capture_output=True, text=True, check=False)


async def test_beancount_reckons_the_month_to_the_same_balances(pool: Pool, tmp_path: Path) -> None:
    await busy_month(pool)
    text = await text_of(pool, Form.BEANCOUNT)
    checked = bean_check(text, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert text.count(" balance ") >= 10
    assert "2026-12-01 balance Assets:Channels:Shop:Receivable  700 ~ 0 JPY" in text


async def test_beancount_finds_a_month_that_was_tampered_with(pool: Pool, tmp_path: Path) -> None:
    await busy_month(pool)
    text = await text_of(pool, Form.BEANCOUNT)
    assert bean_check(text.replace("1.234 KWD", "1.235 KWD", 1), tmp_path).returncode
    without = text.replace("  Assets:Channels:Shop:Receivable  700 JPY", "", 1)
    assert bean_check(without, tmp_path).returncode


async def test_a_month_is_exported_alike_each_time_and_whatever_is_sealed(pool: Pool) -> None:
    await busy_month(pool)
    before = [await text_of(pool, form) for form in Form]
    await sealing(pool).catch_up()
    assert [await text_of(pool, form) for form in Form] == before


async def test_an_empty_month_is_fit_to_be_read(pool: Pool, tmp_path: Path) -> None:
    assert bean_check(await text_of(pool, Form.BEANCOUNT), tmp_path).returncode == 0
    assert len((await text_of(pool, Form.CSV)).splitlines()) == 1


async def test_the_csv_holds_every_entry_of_the_month_in_order(pool: Pool) -> None:
    await busy_month(pool)
    text = await text_of(pool, Form.CSV)
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    order = [(row["posted_at"], int(row["transaction_id"]), int(row["entry_no"])) for row in rows]
    assert order == sorted(order)
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["currency"]] += int(row["amount_minor"])
        assert bool(row["debit"]) != bool(row["credit"])
    assert sums == {"EUR": 0, "JPY": 0, "KWD": 0, "USD": 0}
    entries = await pool.fetchval(
        "SELECT count(*) FROM entry JOIN journal_transaction USING (transaction_id)"
        " WHERE posted_at >= $1 AND posted_at < $2",
        NOVEMBER.start,
        NOVEMBER.end,
    )
    assert len(rows) == entries
    assert [row["debit"] for row in rows if row["debit"] and row["currency"] == "KWD"] == ["1.234"]


async def test_a_name_that_is_a_formula_is_text_in_the_csv(pool: Pool) -> None:
    await busy_month(pool)
    rows = csv.DictReader((await text_of(pool, Form.CSV)).splitlines(keepends=True))
    names = {row["party_name"] for row in rows}
    assert f"'{HOSTILE[1]}" in names


def named(*accounts: tuple[str, str, str], chart: Chart | None = None) -> list[str]:
    rows = [Account(n, *words, "EUR") for n, words in enumerate(accounts)]
    return list((chart or Chart()).names(rows).values())


def test_two_parties_whose_names_come_out_alike_are_told_apart_for_good() -> None:
    ada, other = ("consignor", "ada co", "payable"), ("consignor", "Ada-Co", "payable")
    one, two = named(ada, other)
    assert one == "Liabilities:Consignors:Ada-co:Payable"
    assert len({name.casefold() for name in (one, two)}) == 2 or one != two
    assert named(ada) == [one]
    assert named(ada, other, ("consignor", "eve", "payable"))[:2] == [one, two]


def test_a_chart_of_ones_own_names_accounts_first(tmp_path: Path) -> None:
    chart = Chart.parse('[accounts]\n"consignor/a/b/*" = "Liabilities:Creditors:{name}"\n', "map.toml")
    assert named(("consignor", "a/b", "payable"), chart=chart) == ["Liabilities:Creditors:A-b"]
    assert named(("operator", "", "commission"), chart=chart) == ["Income:Commission"]


@pytest.mark.parametrize(
    "text",
    [
        "[accounts",
        "[account]\n",
        'accounts = "x"',
        '[accounts]\n"consignor" = "Assets:X"',
        '[accounts]\n"a/b/c" = 5',
        '[accounts]\n"a/b/c" = "Debts:X"',
        '[accounts]\n"a/b/c" = "Assets"',
        '[accounts]\n"a/b/c" = "Assets:{colour}"',
        '[accounts]\n"a/b/c" = "Assets:lower case"',
    ],
)
def test_a_chart_that_cannot_be_followed_is_refused_by_its_place(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"map\.toml"):
        Chart.parse(text, "map.toml")


def test_the_zone_of_a_month_is_utc() -> None:
    assert Period.of(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == NOVEMBER
