"""What payees were paid, on the console's page of who has what, is what the ledger moved for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from aiohttp import ClientSession, CookieJar

from core.db.pool import Pool
from core.money.journal.periods import Period
from core.money.rates import NewRate, add_rates
from core.money.settlement.terms import Payee, PayeeTerms
from core.views.money_standing import paid
from tests.factories import NOW
from tests.settlement.house import ADA, BOB, owe, runs, settle, terms
from tests.web.bench import Room, until
from tests.web.test_console import Browser
from web.access import Role

BEFORE = NOW - timedelta(days=40)
WANTED = terms(
    PayeeTerms(approvals=1, reserve_ppm=100_000, reserve_days=60), bob=PayeeTerms(approvals=1, paid_in="USD")
)


@pytest.fixture
async def finance(room: Room) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(room, http)
        await browser.sign_in(Role.FINANCE)
        yield browser


async def pay(pool: Pool, payee: Payee, owed_minor: int, at: datetime) -> None:
    """So much comes to be owed, and is settled and paid at a moment."""
    await owe(pool, payee, owed_minor, at=at - timedelta(hours=1))
    drawn: list[int] = []

    async def found() -> bool:
        for each in await runs(pool, WANTED, at).run([payee], at, actor="clerk"):
            drawn.extend(() if each.settlement_id is None else (each.settlement_id,))
        return bool(drawn)

    await until(found)
    await settle(pool, drawn[0], WANTED, at)


async def booked(pool: Pool, month: Period | None) -> dict[tuple[str, str], int]:
    """What payments took off payees' accounts, by the entries themselves."""
    rows = await pool.fetch(
        "SELECT party_name, account.currency, sum(entry.amount_minor)::bigint AS amount_minor"
        " FROM settlement_payment payment"
        " JOIN journal_transaction posted"
        "   ON posted.transaction_id IN (payment.transaction_id, payment.fx_transaction_id)"
        " JOIN entry ON entry.transaction_id = posted.transaction_id JOIN account USING (account_id)"
        " WHERE purpose IN ('payable', 'reserve')"
        " AND ($1::timestamptz IS NULL OR posted_at >= $1 AND posted_at < $2) GROUP BY 1, 2",
        None if month is None else month.start,
        None if month is None else month.end,
    )
    return {(row["party_name"], row["currency"]): row["amount_minor"] for row in rows}


def told(page: str, key: str) -> str:
    """The cell of a payee's row that says what was paid."""
    row = page.partition(f'data-key="{key}"')[2].partition("</tr>")[0]
    cell = row.partition('data-label="Paid">')[2].partition("</td>")[0]
    return re.sub(r"<[^>]*>", "", cell).strip()


async def test_what_was_paid_is_what_payments_moved_by_month_and_in_all(finance: Browser) -> None:
    pool = finance.room.pool
    async with pool.acquire() as conn:
        for at in (BEFORE, NOW):
            rate = NewRate("EUR", "USD", Fraction(11, 10), at)
            await add_rates(conn, [rate], source="bank", actor="test", now=NOW)
    await pay(pool, ADA, 10_000, BEFORE)
    await pay(pool, ADA, 500, NOW)
    await pay(pool, BOB, 2_000, NOW)
    await owe(pool, ADA, 77)
    months = {None: (9450, 2000), Period.of(BEFORE): (9000, 0), Period.of(NOW): (450, 2000)}
    for month, (ada, bob) in months.items():
        async with pool.acquire() as conn:
            found = {(each.party_name, each.currency): each.amount_minor for each in await paid(conn, month)}
        wanted = {("Ada", "EUR"): ada, ("Bob", "EUR"): bob}
        assert found == await booked(pool, month) == {key: minor for key, minor in wanted.items() if minor}
        page = (await finance.open(f"/console/money?month={month or ''}")).body.decode()
        assert told(page, "EUR-consignor-Ada") == f"{ada / 100:,.2f} EUR"
        if bob:
            assert told(page, "EUR-referrer-Bob") == "20.00 EUR"
    sums = page.partition('class="num paid"')[2].partition("</td>")[0]
    assert "24.50 EUR" in sums
    alone = (await finance.open("/console/money?party=referrer")).body.decode()
    assert "20.00 EUR" in alone.partition('class="num paid"')[2].partition("</td>")[0]
