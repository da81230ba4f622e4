"""`consignd check` holds settlements against the books: tampered with, each way is told by its number."""

from __future__ import annotations

import pytest

from core.db.pool import Pool
from core.money.money import Money
from core.money.settlement.states import Payment
from core.money.settlement.terms import PayeeTerms
from core.views.invariants import Invariant
from tests.factories import NOW
from tests.journal.books import tamper
from tests.settlement.house import (
    ADA,
    BOB,
    CHIEF,
    CLERK,
    DAY,
    balanced,
    desk,
    draw,
    drawn_id,
    owe,
    runs,
    settle,
    terms,
)

WANTED = terms(PayeeTerms(approvals=1, reserve_ppm=100_000, reserve_days=2))


async def a_year_of_settling(pool: Pool) -> tuple[int, int, int]:
    """A paid settlement with a reserve, an approved one and a withdrawn one; something is open, too."""
    await owe(pool, ADA, 10_000)
    await owe(pool, ADA, -500)
    paid = await drawn_id(pool, wanted=WANTED)
    await settle(pool, paid, WANTED)
    await owe(pool, BOB, 700)
    withdrawn = await drawn_id(pool, BOB, WANTED)
    await desk(pool, WANTED).withdraw(withdrawn, actor=CHIEF, reason="not yet")
    await owe(pool, BOB, 300)
    waiting = await drawn_id(pool, BOB, WANTED)
    await desk(pool, WANTED).correct(paid, Money(50, "EUR"), actor=CHIEF, reason="a fee forgotten")
    return paid, withdrawn, waiting


async def test_settlements_of_all_sorts_tie(pool: Pool) -> None:
    await a_year_of_settling(pool)
    assert await balanced(pool) == Invariant("balanced", 0, ())
    await runs(pool, WANTED, NOW + 3 * DAY).release_reserves()
    # Not collected yet, and then collected: it ties both ways.
    assert (await balanced(pool)).ok
    await draw(pool, until=NOW + 3 * DAY, wanted=WANTED, now=NOW + 3 * DAY)
    assert (await balanced(pool)).ok


async def test_a_payment_in_another_currency_ties(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO rate (base, quote, numerator, denominator, source, valid_at, entered_by, entered_at)"
        " VALUES ('EUR', 'USD', 11, 10, 'test', $1, 'test', $1)",
        NOW,
    )
    wanted = terms(PayeeTerms(approvals=1, paid_in="USD", reserve_ppm=100_000, reserve_days=2))
    await owe(pool, ADA, 10_000)
    number = await drawn_id(pool, wanted=wanted)
    here = desk(pool, wanted)
    await here.approve(number, actor=CHIEF, reason="fine")
    paid = await here.pay(number, Payment(NOW, "SWIFT 1"), actor=CLERK)
    assert paid == Money(9900, "USD")
    assert (await balanced(pool)).ok


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            "UPDATE payable_entry SET settlement_id = NULL WHERE owed_minor = -500",
            "settlement {paid} is of 2 entries worth 9500, and 1 worth 10000 stand in it",
        ),
        (
            "UPDATE payable_entry SET settlement_id = {paid} WHERE settlement_id = {waiting}",
            "settlement {paid} has entries of other accounts than its own",
        ),
        (
            "UPDATE payable_entry SET settlement_id = {withdrawn} WHERE settlement_id = {waiting}",
            "settlement {withdrawn} is withdrawn, and 2 entries still stand in it",
        ),
        (
            "UPDATE settlement SET lines_minor = 9501, closing_minor = 9501 WHERE settlement_id = {paid}",
            "settlement {paid} is of 2 entries worth 9501, and 2 worth 9500 stand in it",
        ),
        (
            "UPDATE payable_entry SET owed_minor = 9999 WHERE owed_minor = 10000",
            "is of 10000, and is collected as 9999",
        ),
        (
            "DELETE FROM payable_entry WHERE owed_minor = -500",
            "is owed to a payee, and will never be settled",
        ),
        (
            "DELETE FROM payable_entry WHERE pays",
            "settlement {paid} is paid, and entries of payments take 0 of its 9500",
        ),
        (
            "UPDATE settlement_payment SET transaction_id = 77",
            "which no payment names",
        ),
        (
            "DELETE FROM settlement_payment",
            "settlement {paid} is paid, and no payment of it is known",
        ),
        (
            "UPDATE settlement SET state = 'approved' WHERE settlement_id = {paid}",
            "settlement {paid} is approved, and entries of payments take 9500 of its 9500",
        ),
        (
            "UPDATE settlement SET state = 'withdrawn' WHERE settlement_id = {waiting}",
            "payable of referrer Bob: open and in settlements it comes to 0 EUR, its account to 1000",
        ),
        (
            "UPDATE settlement_reserve SET amount_minor = 949",
            "settlement {paid} keeps 950 in reserve, and 949 is kept of it",
        ),
        (
            "UPDATE settlement_reserve SET transaction_id = 77",
            "reserve of consignor Ada: open and in settlements it comes to 0 EUR, its account to 950",
        ),
    ],
)
async def test_what_was_tampered_with_is_told(pool: Pool, harm: str, said: str) -> None:
    paid, withdrawn, waiting = await a_year_of_settling(pool)
    numbers = {"paid": paid, "withdrawn": withdrawn, "waiting": waiting}
    await tamper(pool, harm.format(**numbers))
    found = await balanced(pool)
    assert not found.ok
    assert any(said.format(**numbers) in line for line in found.detail), found.detail
