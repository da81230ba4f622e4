"""What is owed goes into one settlement, once; what comes late falls into the next, and nothing is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.db.pool import Pool
from core.errors import InvalidInput
from core.money.settlement.reading import find_settlement, settlement_detail, settlement_lines
from core.money.settlement.states import Payment
from core.money.settlement.terms import Cycle, CycleKind, Outcome, Payee, PayeeTerms
from core.views.settlements import payees
from core.views.settlements import runs as run_list
from tests.factories import NOW
from tests.settlement.house import (
    ADA,
    BOB,
    CHIEF,
    CLERK,
    DAY,
    HOUR,
    balance,
    desk,
    draw,
    drawn_id,
    owe,
    owe_in,
    runs,
    settle,
    terms,
    tie,
)

WEEKLY = PayeeTerms(cycle=Cycle(CycleKind.WEEKLY, 0))


@pytest.mark.parametrize(
    ("cycle", "end"),
    [
        (Cycle(CycleKind.WEEKLY, 5), datetime(2026, 11, 21, tzinfo=UTC)),  # a Saturday, at noon
        (Cycle(CycleKind.WEEKLY, 6), datetime(2026, 11, 15, tzinfo=UTC)),
        (Cycle(CycleKind.MONTHLY, 1), datetime(2026, 11, 1, tzinfo=UTC)),
        (Cycle(CycleKind.MONTHLY, 21), datetime(2026, 11, 21, tzinfo=UTC)),
        (Cycle(CycleKind.MONTHLY, 22), datetime(2026, 10, 22, tzinfo=UTC)),
        (Cycle(CycleKind.MONTHLY, 31), datetime(2026, 10, 31, tzinfo=UTC)),
        (Cycle(), None),
    ],
)
def test_a_cycle_ends_at_the_first_moment_of_its_day(cycle: Cycle, end: datetime | None) -> None:
    assert cycle.last_end(NOW) == end


def test_the_thirty_first_is_the_last_day_of_a_shorter_month() -> None:
    cycle = Cycle(CycleKind.MONTHLY, 31)
    assert cycle.last_end(datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2026, 2, 28, tzinfo=UTC)
    assert cycle.last_end(datetime(2026, 4, 30, 1, tzinfo=UTC)) == datetime(2026, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minimum", "currency", "minor"),
    [("20", "EUR", 2000), ("20", "JPY", 20), ("20.5", "JPY", 21), ("20", "KWD", 20000), ("0", "EUR", 0)],
)
def test_a_minimum_is_of_whatever_currency_is_owed(minimum: str, currency: str, minor: int) -> None:
    assert PayeeTerms(minimum=Decimal(minimum)).minimum_minor(currency) == minor


@pytest.mark.parametrize("text", ["Ada", "consignor/", "channel/eneba", "/Ada", ""])
def test_who_is_no_payee_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="consignor/Ada"):
        Payee.parse(text)


async def test_what_is_owed_is_drawn_up_with_its_entries(pool: Pool) -> None:
    first = await owe(pool, ADA, 1662)
    second = await owe(pool, ADA, -200, at=NOW - HOUR)
    [drawn] = await draw(pool, ADA)
    assert (drawn.outcome, drawn.owed.amount_minor, drawn.entries) == (Outcome.DRAWN, 1462, 2)
    assert drawn.settlement_id is not None
    async with pool.acquire() as conn:
        detail = await settlement_detail(conn, drawn.settlement_id)
        lines = await settlement_lines(conn, drawn.settlement_id)
    shown = detail.settlement
    assert (shown.state, shown.lines_minor, shown.closing_minor, shown.drawn_by) == (
        "draft",
        1462,
        1462,
        CLERK,
    )
    assert [(line.transaction_id, line.amount_minor) for line in lines] == [(first, 1662), (second, -200)]
    assert [(each.kind, each.credited_minor, each.charged_minor) for each in detail.sums] == [
        ("correction", 1662, -200)
    ]
    assert [move.actor for move in detail.moves] == [CLERK]
    await tie(pool)


async def test_nothing_is_settled_twice_and_what_is_dated_later_waits(pool: Pool) -> None:
    await owe(pool, ADA, 1000, at=NOW - DAY)
    await owe(pool, ADA, 500, at=NOW - HOUR)
    [first] = await draw(pool, ADA, until=NOW - 2 * HOUR)
    [second] = await draw(pool, ADA)
    assert [first.owed.amount_minor, second.owed.amount_minor] == [1000, 500]
    assert await draw(pool, ADA) == []
    await tie(pool)


async def test_each_currency_and_each_payee_has_a_settlement_of_its_own(pool: Pool) -> None:
    for payee, minor, currency in [(ADA, 100, "EUR"), (ADA, 200, "USD"), (BOB, 300, "EUR")]:
        await owe(pool, payee, minor, currency=currency)
    await owe(pool, Payee("buyer", "Cy"), 900)
    found = await draw(pool)
    assert {(each.payee, each.owed.currency): each.owed.amount_minor for each in found} == {
        (ADA, "EUR"): 100,
        (ADA, "USD"): 200,
        (BOB, "EUR"): 300,
    }
    await tie(pool)


async def test_below_the_minimum_is_carried_over_until_it_is_enough(pool: Pool) -> None:
    wanted = terms(PayeeTerms(minimum=Decimal(10)))
    await owe(pool, ADA, 999)
    [small] = await draw(pool, ADA, wanted=wanted)
    assert (small.outcome, small.settlement_id) == (Outcome.SMALL, None)
    await owe(pool, ADA, 1)
    [enough] = await draw(pool, ADA, wanted=wanted)
    assert (enough.outcome, enough.owed.amount_minor, enough.entries) == (Outcome.DRAWN, 1000, 2)


async def test_refunds_above_sales_are_a_claim_that_later_sales_make_up_for(pool: Pool) -> None:
    await owe(pool, ADA, -300)
    [claim] = await draw(pool, ADA)
    assert (claim.outcome, claim.owed.amount_minor) == (Outcome.CLAIM, -300)
    await owe(pool, ADA, 1000)
    [made_up] = await draw(pool, ADA)
    assert (made_up.outcome, made_up.owed.amount_minor) == (Outcome.DRAWN, 700)
    async with pool.acquire() as conn:
        assert [each.outcome for each in await run_list(conn)] == ["drawn", "claim"]


async def test_a_cycle_is_run_once_however_many_daemons_come(pool: Pool) -> None:
    await owe(pool, ADA, 1000, at=NOW - 20 * DAY)
    await owe(pool, BOB, 500, at=NOW - 20 * DAY)
    wanted = terms(WEEKLY, bob=PayeeTerms())
    daemons = [runs(pool, wanted) for _ in range(6)]
    found = await asyncio.gather(*(each.run_due("daemon") for each in daemons))
    assert [drawn.payee for each in found for drawn in each] == [ADA]
    await owe(pool, ADA, 70, at=NOW - 20 * DAY)
    assert await runs(pool, wanted).run_due("daemon") == []
    [next_week] = await runs(pool, wanted, NOW + 7 * DAY).run_due("daemon")
    assert (next_week.owed.amount_minor, next_week.until) == (70, datetime(2026, 11, 23, tzinfo=UTC))
    await tie(pool)


async def test_a_cycle_that_finds_nothing_is_not_looked_at_again(pool: Pool) -> None:
    await owe(pool, ADA, 1000, at=NOW - HOUR)
    assert await runs(pool, terms(WEEKLY)).run_due("daemon") == []
    await owe(pool, ADA, 5, at=NOW - 20 * DAY)
    assert await runs(pool, terms(WEEKLY)).run_due("daemon") == []


async def test_what_is_committed_late_falls_into_the_next_settlement(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    async with pool.acquire() as slow, slow.transaction():
        await owe_in(slow, ADA, 70)
        # Written after it and committed before it: behind the horizon as well, so it waits, too.
        await owe(pool, ADA, 5)
        [first] = await draw(pool, ADA)
    [second] = await draw(pool, ADA)
    assert (first.owed.amount_minor, second.owed.amount_minor) == (1000, 75)
    await tie(pool)


async def test_runs_that_meet_settle_each_entry_once(pool: Pool) -> None:
    for minor in range(1, 41):
        await owe(pool, ADA if minor % 2 else BOB, minor)
    found = await asyncio.gather(*(draw(pool) for _ in range(8)))
    assert sum(each.owed.amount_minor for drawn in found for each in drawn) == sum(range(1, 41))
    await tie(pool)


async def test_a_dry_run_says_what_it_would_do_and_leaves_everything(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    [would] = await runs(pool).run([ADA], NOW, actor=CLERK, dry_run=True)
    assert (would.owed.amount_minor, would.outcome, would.settlement_id) == (1000, Outcome.DRAWN, None)
    assert await pool.fetchval("SELECT count(*) FROM settlement_run") == 0
    [drawn] = await draw(pool, ADA)
    # The first of all: looking gave no numbers away.
    assert (drawn.owed.amount_minor, drawn.settlement_id) == (1000, 1)


async def test_moments_to_come_and_strangers_are_refused(pool: Pool) -> None:
    with pytest.raises(InvalidInput, match="still to come"):
        await draw(pool, until=NOW + HOUR)
    with pytest.raises(InvalidInput, match="consignor/Ada: nothing was ever owed"):
        await draw(pool, ADA)


async def test_a_settlement_opens_with_what_the_one_before_closed_with(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    first = await drawn_id(pool)
    await owe(pool, ADA, 200)
    second = await drawn_id(pool)
    await settle(pool, first)
    await owe(pool, ADA, 30)
    third = await drawn_id(pool)
    await desk(pool).withdraw(second, actor=CHIEF, reason="by mistake")
    fourth = await drawn_id(pool)
    async with pool.acquire() as conn:
        shown = [await find_settlement(conn, number) for number in (first, second, third, fourth)]
    sums = [
        (s.opening_minor, s.paid_since_minor, s.freed_since_minor, s.lines_minor, s.closing_minor)
        for s in shown
    ]
    assert sums == [
        (0, 0, 0, 1000, 1000),
        (1000, 0, 0, 200, 1200),
        (1200, -1000, 0, 30, 230),
        (230, 0, -200, 200, 230),
    ]
    assert await balance(pool, ADA) == 230
    await tie(pool)


async def test_what_is_held_is_shown_beside_what_is_payable(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    await owe(pool, ADA, 400, purpose="held")
    number = await drawn_id(pool)
    async with pool.acquire() as conn:
        detail = await settlement_detail(conn, number)
        [standing] = await payees(conn)
    assert detail.settlement.held_minor == 400
    assert [(part.payable_on, part.amount_minor) for part in detail.held] == [(None, 400)]
    assert (standing.payable_minor, standing.held_minor, standing.unpaid_minor) == (1000, 400, 1000)
    assert standing.open_minor == 0


async def test_a_reserve_is_kept_back_released_once_and_never_kept_again(pool: Pool) -> None:
    wanted = terms(PayeeTerms(approvals=0, reserve_ppm=100_000, reserve_days=30))
    await owe(pool, ADA, 1005)
    first = await drawn_id(pool, wanted=wanted)
    here = desk(pool, wanted)
    left = await here.pay(first, Payment(NOW, "SEPA 1"), actor=CHIEF)
    assert left.amount_minor == 904  # 10 % of 1005 is 100.5, rounded up
    assert (await balance(pool, ADA), await balance(pool, ADA, "reserve")) == (0, 101)
    assert await draw(pool, ADA, wanted=wanted, now=NOW + 29 * DAY) == []
    later = NOW + 31 * DAY
    released = await asyncio.gather(*(runs(pool, wanted, later).release_reserves() for _ in range(4)))
    assert sum(released) == 1
    [second] = await draw(pool, ADA, until=later, wanted=wanted, now=later)
    assert (second.owed.amount_minor, await balance(pool, ADA, "reserve")) == (101, 0)
    async with pool.acquire() as conn:
        shown = await find_settlement(conn, second.settlement_id or 0)
    assert (shown.reserve_minor, shown.due_minor, shown.paid_since_minor) == (0, 101, -1005)
    await tie(pool)
