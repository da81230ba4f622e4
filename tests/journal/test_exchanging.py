"""A settlement in another currency stands in the journal with its rates, and the chain covers them."""

from __future__ import annotations

from core.db.pool import Pool
from core.money.conversion import Conversion
from core.money.exchange import Item, exchange
from core.money.exchanging import Exchanges
from core.money.journal.verifying import verify
from core.money.money import Money
from tests.factories import NOW
from tests.journal.books import sealing, tamper

SETTLED = Conversion("EUR", "USD", 10_837, 10_000, "ecb", NOW)
BOOKED = Conversion("EUR", "USD", 10_500, 10_000, "ecb", NOW)


async def test_an_exchange_is_posted_with_its_rates_and_sealed_with_them(pool: Pool) -> None:
    owed = Item("channel", "eneba", "receivable", Money(10_000, "EUR"))
    came = Item("operator", "", "bank", Money(10_750, "USD"))
    async with pool.acquire() as conn, conn.transaction():
        transaction_id = await Exchanges(pool).post(conn, exchange([owed], came, SETTLED, BOOKED), NOW)
    rows = await pool.fetch("SELECT * FROM journal_rate ORDER BY role")
    assert [(row["transaction_id"], row["role"], row["numerator"], row["source"]) for row in rows] == [
        (transaction_id, "booked", 10_500, "ecb"),
        (transaction_id, "settled", 10_837, "ecb"),
    ]
    sums = await pool.fetch(
        "SELECT currency, sum(amount_minor) AS total FROM entry JOIN account USING (account_id) GROUP BY 1"
    )
    assert {row["currency"]: row["total"] for row in sums} == {"EUR": 0, "USD": 0}
    await sealing(pool).sweep()
    assert (await verify(pool)).ok
    await tamper(pool, "UPDATE journal_rate SET numerator = numerator + 1 WHERE role = 'settled'")
    assert (await verify(pool)).findings[0].transaction_id == transaction_id
