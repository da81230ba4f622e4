"""A settlement is agreed to by somebody else, paid by entries, and then stays as it is, whoever tries."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import asyncpg
import pytest

from core.alerts.readings.looking import View
from core.alerts.readings.taking import take_readings
from core.alerts.rules import Measure, Metric
from core.db.pool import Pool
from core.errors import (
    AnotherNeeded,
    Conflict,
    InvalidInput,
    RateTooOld,
    SettlementFixed,
    UnknownSettlement,
)
from core.money.journal.periods import Period, close_period
from core.money.money import Money
from core.money.rates import NewRate, add_rates
from core.money.settlement.reading import settlement_detail, settlement_lines
from core.money.settlement.states import MOVES, Payment, State
from core.money.settlement.terms import PayeeTerms
from tests.factories import NOW
from tests.journal.books import tamper
from tests.settlement.house import (
    ADA,
    BOB,
    CHIEF,
    CLERK,
    DAY,
    HOUR,
    OWNER,
    accounts,
    balance,
    desk,
    draw,
    drawn_id,
    owe,
    settle,
    terms,
    tie,
)

NOBODY_ASKED = terms(PayeeTerms(approvals=0))


async def told(pool: Pool, base: str, quote: str, rate: str, at: datetime = NOW) -> None:
    async with pool.acquire() as conn, conn.transaction():
        new = NewRate(base, quote, Fraction(rate), at)
        await add_rates(conn, [new], source="bank", actor="test", now=max(at, NOW))


async def state_of(pool: Pool, settlement_id: int) -> str:
    found: str = await pool.fetchval("SELECT state FROM settlement WHERE settlement_id = $1", settlement_id)
    return found


def test_the_schema_holds_to_the_same_moves() -> None:
    sql = Path("core/db/migrations/0024_settlement.sql").read_text()
    allowed = set(re.findall(r"'([a-z]+>[a-z]+)'", sql))
    assert allowed == {f"{state}>{to}" for state, nexts in MOVES.items() for to in nexts}


async def test_who_drew_it_up_cannot_approve_it_and_nobody_can_twice(pool: Pool) -> None:
    wanted = terms(PayeeTerms(approvals=2))
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool, wanted=wanted)
    here = desk(pool, wanted)
    with pytest.raises(AnotherNeeded, match="drawn up by clerk"):
        await here.approve(number, actor=CLERK, reason="mine")
    assert await here.approve(number, actor=CHIEF, reason="fine") is State.DRAFT
    with pytest.raises(AnotherNeeded, match="approved by chief before"):
        await here.approve(number, actor=CHIEF, reason="fine")
    with pytest.raises(SettlementFixed, match="1 more approval is needed"):
        await here.pay(number, Payment(NOW, "SEPA"), actor=CHIEF)
    assert await here.approve(number, actor=OWNER, reason="fine") is State.APPROVED
    async with pool.acquire() as conn:
        detail = await settlement_detail(conn, number)
    assert [each.approver for each in detail.approvals] == [CHIEF, OWNER]
    assert [(each.to_state, each.actor) for each in detail.moves] == [("draft", CLERK), ("approved", OWNER)]


async def test_two_who_approve_at_once_count_once_each(pool: Pool) -> None:
    wanted = terms(PayeeTerms(approvals=2))
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool, wanted=wanted)
    asked = [CHIEF, OWNER, CHIEF, OWNER, CLERK]
    done = await asyncio.gather(
        *(desk(pool, wanted).approve(number, actor=each, reason="ok") for each in asked),
        return_exceptions=True,
    )
    assert sorted(each for each in done if isinstance(each, State)) == ["approved", "draft"]
    assert await state_of(pool, number) == "approved"


async def test_the_schema_refuses_ones_own_approval_and_missing_ones(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="cannot approve"):
        await pool.execute("INSERT INTO settlement_approval VALUES ($1, $2, now(), 'mine')", number, CLERK)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="approvals are missing"):
        await pool.execute("UPDATE settlement SET state = 'approved' WHERE settlement_id = $1", number)


async def test_a_payment_is_entries_that_bring_what_was_owed_to_zero(pool: Pool) -> None:
    await owe(pool, ADA, 1662)
    number = await drawn_id(pool)
    await settle(pool, number)
    assert await accounts(pool) == {
        ("channel", "receivable", "EUR"): 1662,
        ("operator", "bank", "EUR"): -1662,
    }
    async with pool.acquire() as conn:
        detail = await settlement_detail(conn, number)
    assert detail.payment is not None
    assert (detail.payment.payment_ref, detail.payment.paid_on, detail.payment.actor) == (
        "SEPA 1",
        NOW,
        CHIEF,
    )
    kind = await pool.fetchval(
        "SELECT kind FROM journal_transaction WHERE transaction_id = $1", detail.payment.transaction_id
    )
    assert kind == "settlement"
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE action = 'settlement.pay'") == 1
    await tie(pool)


async def test_many_who_pay_at_once_pay_once(pool: Pool) -> None:
    await owe(pool, ADA, 1662)
    number = await drawn_id(pool, wanted=NOBODY_ASKED)
    asked = (desk(pool).pay(number, Payment(NOW, f"SEPA {n}"), actor=CHIEF) for n in range(6))
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, Money) for each in done) == 1
    assert sum(isinstance(each, SettlementFixed) for each in done) == 5
    assert await balance(pool, ADA) == 0
    await tie(pool)


async def test_moves_that_are_not_allowed_say_what_to_do(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool, wanted=NOBODY_ASKED)
    here = desk(pool)
    with pytest.raises(SettlementFixed, match="nobody needs to approve"):
        await here.approve(number, actor=CHIEF, reason="ok")
    with pytest.raises(InvalidInput, match="reference"):
        await here.pay(number, Payment(NOW, " "), actor=CHIEF)
    with pytest.raises(InvalidInput, match="still to come"):
        await here.pay(number, Payment(NOW + DAY, "SEPA"), actor=CHIEF)
    with pytest.raises(InvalidInput, match=r"10\.00 EUR is due"):
        await here.pay(number, Payment(NOW, "SEPA", Money(999, "EUR")), actor=CHIEF)
    with pytest.raises(InvalidInput, match="say why"):
        await here.withdraw(number, actor=CHIEF, reason="")
    await here.pay(number, Payment(NOW, "SEPA"), actor=CHIEF)
    with pytest.raises(SettlementFixed, match="correct"):
        await here.withdraw(number, actor=CHIEF, reason="oh")
    with pytest.raises(UnknownSettlement, match="settlement 99"):
        await here.pay(99, Payment(NOW, "SEPA"), actor=CHIEF)


async def test_what_is_withdrawn_is_open_again_for_the_next(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    first = await drawn_id(pool)
    await desk(pool).withdraw(first, actor=CHIEF, reason="wrong month")
    second = await drawn_id(pool)
    assert second != first
    with pytest.raises(SettlementFixed, match="the next one"):
        await desk(pool).approve(first, actor=CHIEF, reason="ok")
    await settle(pool, second)
    await tie(pool)


async def test_a_correction_is_an_entry_of_the_next_one_that_names_what_it_corrects(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    first = await drawn_id(pool)
    await settle(pool, first)
    await desk(pool, now=NOW - HOUR).correct(first, Money(-150, "EUR"), actor=CHIEF, reason="fee forgotten")
    with pytest.raises(InvalidInput, match="corrects nothing"):
        await desk(pool).correct(first, Money(100, "USD"), actor=CHIEF, reason="x")
    await owe(pool, ADA, 500)
    second = await drawn_id(pool)
    async with pool.acquire() as conn:
        lines = await settlement_lines(conn, second)
        before = await settlement_detail(conn, first)
    assert [(line.amount_minor, line.corrects_id, line.why) for line in lines] == [
        (500, None, None),
        (-150, first, "fee forgotten"),
    ]
    assert before.settlement.lines_minor == 1000
    await tie(pool)


async def test_a_payment_in_a_closed_month_is_refused_with_what_to_do(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool, wanted=NOBODY_ASKED)
    async with pool.acquire() as conn, conn.transaction():
        await close_period(conn, Period(2026, 10), actor="test", reason="done", now=NOW)
    october = datetime(2026, 10, 31, tzinfo=UTC)
    with pytest.raises(Conflict, match="closed until 2026-11-01"):
        await desk(pool).pay(number, Payment(october, "SEPA"), actor=CHIEF)
    await desk(pool).pay(number, Payment(NOW, "SEPA"), actor=CHIEF)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE settlement SET state = 'draft'",
        "UPDATE settlement SET state = 'withdrawn'",
        "UPDATE settlement SET lines_minor = 1, closing_minor = 1, reserve_minor = 0",
        "UPDATE settlement SET language = 'zh'",
        "DELETE FROM settlement",
        "TRUNCATE settlement CASCADE",
        "UPDATE settlement_payment SET payment_ref = 'other'",
        "DELETE FROM settlement_payment",
        "UPDATE settlement_approval SET approver = 'nobody'",
        "DELETE FROM settlement_approval",
        "DELETE FROM settlement_move",
        "UPDATE settlement_run SET until = now()",
        "UPDATE settlement_outcome SET amount_minor = 0",
        "UPDATE payable_entry SET settlement_id = NULL",
        "UPDATE payable_entry SET owed_minor = 1",
        "UPDATE payable_entry SET settlement_id = settlement_id",
        "UPDATE payable_entry SET settlement_id = (SELECT max(settlement_id) FROM settlement)"
        " WHERE settlement_id IS NULL",
        "DELETE FROM payable_entry",
        "TRUNCATE payable_entry",
        "INSERT INTO payable_entry SELECT transaction_id, 2, account_id, 5, kind, NULL, NULL, posted_at,"
        " false, settlement_id FROM payable_entry WHERE settlement_id IS NOT NULL AND NOT pays",
        "UPDATE settlement_reserve SET amount_minor = 1",
        "UPDATE settlement_reserve SET due_at = now()",
        "DELETE FROM settlement_reserve",
    ],
)
async def test_nothing_of_a_paid_settlement_can_be_changed_by_hand(pool: Pool, statement: str) -> None:
    wanted = terms(PayeeTerms(reserve_ppm=100_000, reserve_days=30))
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool, wanted=wanted)
    await settle(pool, number, wanted)
    await owe(pool, ADA, 10)
    await pool.fetchval("SELECT collect_payable(100)")
    before = await everything(pool)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await pool.execute(statement)
    assert await everything(pool) == before


async def everything(pool: Pool) -> list[str]:
    tables = (
        "settlement",
        "settlement_payment",
        "settlement_approval",
        "settlement_reserve",
        "payable_entry",
    )
    return [
        str(await pool.fetchval(f"SELECT jsonb_agg(t ORDER BY t::text) FROM {table} t")) for table in tables
    ]


async def test_a_state_that_was_forced_is_found_by_the_statement(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool)
    await tamper(pool, f"UPDATE payable_entry SET owed_minor = 999 WHERE settlement_id = {number}")
    with pytest.raises(AssertionError):
        await tie(pool)


@pytest.mark.parametrize(
    ("owed_minor", "currency", "paid_in", "drawn_rate", "paid_rate", "left_minor", "gain_minor"),
    [
        # 100.00 EUR: 105.00 USD when drawn up, 108.37 when paid: 3.37 USD more than it was worth.
        (10000, "EUR", "USD", "1.05", "1.0837", 10837, -337),
        # 100.00 EUR: 108.37 USD when drawn up, 105.00 when paid.
        (10000, "EUR", "USD", "1.0837", "1.05", 10500, 337),
        # 100.00 EUR: 16,000 JPY when drawn up, 16,255 when paid (162.55): no decimals.
        (10000, "EUR", "JPY", "160", "162.55", 16255, -255),
        # 12,345 JPY: 25.183800 KWD rounds to 25.184; at 0.002 it is 24.690: three decimals.
        (12345, "JPY", "KWD", "0.00204", "0.002", 24690, 494),
        # 1.234 KWD at 3.25 is 4.0105 USD, rounds to 4.01; at 3.3 it is 4.0722, rounds to 4.07.
        (1234, "KWD", "USD", "3.25", "3.3", 407, -6),
    ],
)
async def test_another_currency_is_paid_by_the_rate_of_the_day_and_the_rest_is_a_gain_or_loss(
    pool: Pool,
    owed_minor: int,
    currency: str,
    paid_in: str,
    drawn_rate: str,
    paid_rate: str,
    left_minor: int,
    gain_minor: int,
) -> None:
    wanted = terms(PayeeTerms(approvals=0, paid_in=paid_in))
    await told(pool, currency, paid_in, drawn_rate, NOW - HOUR)
    await owe(pool, ADA, owed_minor, currency=currency)
    number = await drawn_id(pool, wanted=wanted)
    later = NOW + DAY
    await told(pool, currency, paid_in, paid_rate, later)
    left = await desk(pool, wanted, later).pay(number, Payment(later, "SWIFT"), actor=CHIEF)
    assert left == Money(left_minor, paid_in)
    found = await accounts(pool, (currency, paid_in))
    assert found["operator", "bank", paid_in] == -left_minor
    purpose = "exchange_gain" if gain_minor > 0 else "exchange_loss"
    assert found["operator", purpose, paid_in] == -gain_minor
    assert await balance(pool, ADA, currency=currency) == 0
    async with pool.acquire() as conn:
        payment = (await settlement_detail(conn, number)).payment
    assert payment is not None
    assert (payment.gain_minor, payment.base, payment.rate_source, payment.rate_at) == (
        gain_minor,
        currency,
        "bank",
        later,
    )
    assert payment.numerator is not None
    assert payment.denominator is not None
    assert Fraction(payment.numerator, payment.denominator) == Fraction(paid_rate)
    await tie(pool)


async def test_what_the_bank_kept_beyond_the_rate_is_a_fee(pool: Pool) -> None:
    wanted = terms(PayeeTerms(approvals=0, paid_in="USD", reserve_ppm=100_000, reserve_days=10))
    await told(pool, "EUR", "USD", "1.1")
    await owe(pool, ADA, 10000)
    number = await drawn_id(pool, wanted=wanted)
    payment = Payment(NOW, "SWIFT", Money(10000, "USD"))
    left = await desk(pool, wanted).pay(number, payment, actor=CHIEF)
    assert left == Money(10000, "USD")  # 90.00 EUR are 99.00 USD
    found = await accounts(pool, ("USD", "EUR"))
    assert found["operator", "exchange_fee", "USD"] == 100
    assert found["consignor", "reserve", "EUR"] == -1000
    assert await balance(pool, ADA) == 0
    await tie(pool)


async def test_without_a_young_rate_nothing_is_paid_and_the_error_says_what_to_do(pool: Pool) -> None:
    wanted = terms(PayeeTerms(approvals=0, paid_in="USD"))
    await owe(pool, ADA, 10000)
    number = await drawn_id(pool, wanted=wanted)
    here = desk(pool, wanted)
    with pytest.raises(RateTooOld, match=r"no rate is known.*consignd rates set EUR USD"):
        await here.pay(number, Payment(NOW, "SWIFT"), actor=CHIEF)
    await told(pool, "EUR", "USD", "1.1", NOW - 5 * DAY)
    with pytest.raises(RateTooOld, match=r"2026-11-16.*4 days old at most"):
        await here.pay(number, Payment(NOW, "SWIFT"), actor=CHIEF)
    assert await state_of(pool, number) == "approved"
    await told(pool, "EUR", "USD", "1.1")
    with pytest.raises(InvalidInput, match="paid in USD"):
        await here.pay(number, Payment(NOW, "SWIFT", Money(5, "EUR")), actor=CHIEF)
    assert await here.pay(number, Payment(NOW, "SWIFT"), actor=CHIEF) == Money(11000, "USD")


async def test_what_is_owed_in_the_payees_own_currency_needs_no_rate(pool: Pool) -> None:
    wanted = terms(PayeeTerms(approvals=0), bob=PayeeTerms(approvals=0, paid_in="EUR"))
    await owe(pool, BOB, 700)
    [drawn] = await draw(pool, BOB, wanted=wanted)
    assert drawn.settlement_id is not None
    left = await desk(pool, wanted).pay(drawn.settlement_id, Payment(NOW, "SEPA"), actor=CHIEF)
    assert left == Money(700, "EUR")


async def test_one_that_nobody_pays_rings(pool: Pool) -> None:
    rule = Measure(Metric.SETTLEMENTS_WAITING, after=3 * DAY)
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool)
    async with pool.acquire() as conn:
        [calm] = await take_readings(conn, rule, View(NOW + 2 * DAY))
        [rung] = await take_readings(conn, rule, View(NOW + 4 * DAY))
    assert (calm.value, rung.value, rung.facts["first_id"]) == (0, 1, number)
    await settle(pool, number)
    async with pool.acquire() as conn:
        [over] = await take_readings(conn, rule, View(NOW + 4 * DAY))
    assert over.value == 0
