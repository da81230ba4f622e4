"""A closed month refuses entries, whoever posts them; it can be opened again, and that is kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from core.db.pool import Pool
from core.errors import Conflict, InvalidInput, Overloaded
from core.money.journal.periods import Period, close_period, open_date, reopen_period
from core.money.journal.trial import trial_balance
from core.views.journal import periods
from tests.factories import NOW
from tests.journal.books import post, sealing

OCTOBER = Period(2026, 10)
IN_OCTOBER = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)


async def close(pool: Pool, period: Period = OCTOBER, now: datetime = NOW) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await close_period(conn, period, actor="Fina", reason="books are done", now=now)


async def reopen(pool: Pool, period: Period = OCTOBER) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await reopen_period(conn, period, actor="Ada", reason="an invoice came late", now=NOW)


async def test_a_closed_month_refuses_entries_and_the_next_one_takes_them(pool: Pool) -> None:
    await post(pool, at=IN_OCTOBER)
    await close(pool)
    for moment in (IN_OCTOBER, datetime(2026, 1, 1, tzinfo=UTC)):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            await post(pool, at=moment)
        assert refused.value.constraint_name == "journal_period_open"
    await post(pool, at=OCTOBER.end)
    await sealing(pool).sweep()
    async with pool.acquire() as conn:
        balance = await trial_balance(conn, OCTOBER)
    assert (balance.closed, balance.balanced) == (True, True)


async def test_one_entry_of_a_group_that_is_dated_too_early_refuses_the_whole_group(pool: Pool) -> None:
    await close(pool)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="transaction 2 is dated before"):
        await pool.execute(
            "INSERT INTO journal_transaction (transaction_id, lane, kind, posted_at)"
            " SELECT n, 0, 'correction', $1::timestamptz - n * n * interval '5 days'"
            " FROM generate_series(1, 2) n",
            NOW - timedelta(days=5),
        )
    assert await pool.fetchval("SELECT count(*) FROM journal_transaction") == 0


async def test_what_is_being_written_is_waited_for_or_refused(pool: Pool) -> None:
    """Nobody slips an entry into a month by having begun before it was closed."""
    await post(pool)
    async with pool.acquire() as slow, slow.transaction():
        await post(slow, at=IN_OCTOBER)
        with pytest.raises(Overloaded):
            await close(pool)
    await close(pool)


async def test_who_began_before_a_month_was_closed_cannot_post_there_afterwards(pool: Pool) -> None:
    async def begin_early_and_post_late() -> None:
        async with pool.acquire() as slow, slow.transaction():
            await slow.execute("SELECT pg_current_xact_id()")
            await close(pool)
            await post(slow, at=IN_OCTOBER)

    await post(pool)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="dated before"):
        await begin_early_and_post_late()


async def test_of_two_who_close_the_same_month_one_is_told_that_it_is_closed(pool: Pool) -> None:
    answers = await asyncio.gather(*(close(pool) for _ in range(3)), return_exceptions=True)
    assert sorted(map(str, answers))[0] == "None"
    assert sum(isinstance(answer, Conflict) for answer in answers) == 2


async def test_a_month_that_is_not_over_for_an_hour_cannot_be_closed(pool: Pool) -> None:
    for now in (NOW, Period.of(NOW).end, Period.of(NOW).end + timedelta(minutes=59)):
        with pytest.raises(InvalidInput, match="2026-12-01 01:00"):
            await close(pool, Period.of(NOW), now)
    await close(pool, Period.of(NOW), Period.of(NOW).end + timedelta(hours=1))


async def test_a_month_that_was_opened_again_takes_entries_and_everything_is_kept(pool: Pool) -> None:
    await close(pool)
    await reopen(pool)
    await post(pool, at=IN_OCTOBER)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await post(pool, at=OCTOBER.start - timedelta(seconds=1))
    with pytest.raises(Conflict):
        await reopen(pool)
    await close(pool)
    audit = await pool.fetch("SELECT action, subject, actor, reason FROM audit ORDER BY audit_id")
    assert [tuple(row)[:3] for row in audit] == [
        ("ledger.close", "2026-10", "Fina"),
        ("ledger.reopen", "2026-10", "Ada"),
        ("ledger.close", "2026-10", "Fina"),
    ]
    async with pool.acquire() as conn:
        found = await periods(conn)
    assert (found.closed_until, len(found.changes)) == (OCTOBER.end, 3)


async def test_what_happened_in_a_closed_month_is_booked_on_the_first_open_day(pool: Pool) -> None:
    async with pool.acquire() as conn:
        assert await open_date(conn, IN_OCTOBER) == IN_OCTOBER
    await close(pool)
    async with pool.acquire() as conn:
        assert await open_date(conn, IN_OCTOBER) == OCTOBER.end
        assert await open_date(conn, NOW) == NOW


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-1", "26-10", "0000-01", "October", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="such as 2026-10"):
        Period.parse(text)


def test_a_year_ends_with_december() -> None:
    assert Period(2026, 12).end == Period(2027, 1).start
    assert str(Period.parse("2026-07")) == "2026-07"
