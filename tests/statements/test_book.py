"""What a channel told is posted exactly once, and whatever differs stands where people see it."""

from __future__ import annotations

import asyncio
import random

import pytest

from core.db.pool import Pool
from core.errors import Conflict, InvalidInput, UnknownDiscrepancy
from core.money.statements.book import StatementBook
from core.money.statements.terms import Resolution
from tests.statements.bench import Desk


async def test_a_sale_told_as_price_and_fee_leaves_nothing_due(pool: Pool) -> None:
    """Eneba's own case: 19.99 at 6 % + 0.25 is a SALE of 19.99, and a FEE of 1.45 that names no order."""
    desk = await Desk.open(pool)
    await desk.sell("o-1", 1999, 145)
    await desk.tell("t-1", "sale", 1999, "o-1")
    await desk.tell("t-2", "fee", -145)
    report = await desk.match()
    assert (report.dues, report.lines, report.matched, report.opened) == (2, 2, 2, 0)
    assert await desk.balances() == {"balance": 1854, "commission": 145, "recharged": -145}
    await desk.reckon()
    await desk.tell("t-3", "withdrawal", -1800)
    await desk.match()
    assert await desk.balances() == {
        "balance": 54,
        "commission": 145,
        "recharged": -145,
        "operator bank": 1800,
    }
    kinds = await pool.fetch("SELECT kind FROM journal_transaction ORDER BY transaction_id")
    assert sorted(row["kind"] for row in kinds) == ["clearing", "clearing", "payout", "sale"]
    await desk.reckon()


async def test_costs_that_only_the_channel_knows_are_booked_under_their_own_names(pool: Pool) -> None:
    desk = await Desk.open(pool)
    for number, kind in enumerate(("edit_fee", "release_fee", "unfulfilled_fee")):
        await desk.tell(f"t-{number}", kind, -5 - number)
    assert (await desk.match()).opened == 0
    assert await desk.balances() == {
        "balance": -18,
        "edit_fees": 5,
        "release_fees": 6,
        "unfulfilled_fees": 7,
    }
    await desk.reckon()


async def test_a_line_a_piece_a_grouped_line_and_a_net_line_are_all_the_same_sale(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("pieces", 3998, 290, quantity=2)
    await desk.sell("net", 2000, 250)
    for number in (1, 2):
        await desk.tell(f"s-{number}", "sale", 1999, "pieces")
        await desk.tell(f"f-{number}", "fee", -145)
    await desk.tell("n-1", "sale", 1750, "net")
    assert (await desk.match()).opened == 0
    for number in range(3):
        await desk.sell(f"grouped-{number}", 1000 + number, 100)
    await desk.tell("g-1", "sale", 3003)
    await desk.tell("g-2", "fee", -300)
    assert (await desk.match()).opened == 0
    assert await pool.fetchval("SELECT count(*) FROM due WHERE left_minor <> 0") == 0
    await desk.reckon()


async def test_a_rounding_is_booked_and_what_is_more_is_not_rounding(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("o-1", 2000, 250)
    await desk.sell("o-2", 2000, 250)
    await desk.tell("t-1", "sale", 2001, "o-1")
    await desk.tell("t-2", "sale", 2002, "o-2")
    await desk.match()
    assert (await desk.balances())["rounding"] == -1
    assert await desk.open_kinds() == {"overpaid": 2}
    await desk.reckon()


async def test_a_partial_payment_is_taken_and_its_rest_is_missing_only_when_it_is_late(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("o-1", 2000, 0, days_ago=20)
    await desk.tell("t-1", "sale", 1500, "o-1", days_ago=19)
    await desk.tell("t-2", "edit_fee", -1, days_ago=10)
    await desk.match()
    assert await desk.open_kinds() == {}, "the channel has told nothing yet of the time after it was late"
    await desk.tell("t-3", "edit_fee", -1)
    await desk.match()
    assert await desk.open_kinds() == {"missing_sale": -500}
    await desk.reckon()
    await desk.tell("t-4", "sale", 300, "o-1")
    await desk.match()
    assert await desk.open_kinds() == {"missing_sale": -200}
    await desk.tell("t-5", "sale", 200, "o-1")
    await desk.match()
    assert await desk.open_kinds() == {}
    assert "discrepancy" not in await desk.balances()
    row = await pool.fetchrow("SELECT * FROM discrepancy")
    assert row is not None
    assert (row["state"], row["resolution"], row["reason"]) == (
        "resolved",
        "matched",
        "the channel told it late",
    )
    await desk.reckon()


async def test_what_a_channel_tells_before_we_post_it_is_matched_afterwards(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.tell("t-1", "sale", 1999, "o-1")
    await desk.match()
    assert await desk.open_kinds() == {"unknown_sale": 1999}
    await desk.reckon()
    await desk.sell("o-1", 1999, 145)
    report = await desk.match()
    assert (report.settled, await desk.open_kinds()) == (1, {})
    await desk.reckon()


async def test_a_refund_seen_only_there_waits_for_ours(pool: Pool) -> None:
    desk = await Desk.open(pool)
    sale = await desk.sell("o-1", 1999, 145)
    for ref, kind, amount, order in (
        ("1", "sale", 1999, "o-1"),
        ("2", "fee", -145, None),
        ("3", "refund", -1999, "o-1"),
        ("4", "fee", 145, None),
    ):
        await desk.tell(ref, kind, amount, order)
    await desk.match()
    assert await desk.open_kinds() == {"refund_there_only": -1999, "unexpected_fee": 145}
    await desk.reckon()
    await desk.take_back(sale, 1999, 145)
    await desk.match()
    assert await desk.open_kinds() == {}
    assert await desk.balances() == {}
    await desk.reckon()


async def test_doubled_foreign_and_unnamed_money_never_disappears(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("o-1", 1999, 145)
    for ref, kind, amount, order in (
        ("1", "sale", 1999, "o-1"),
        ("2", "sale", 1999, "o-1"),
        ("3", "sale", 500, "not ours"),
        ("4", "other", 77, None),
        ("5", "adjustment", -30, None),
    ):
        await desk.tell(ref, kind, amount, order)
    await desk.match()
    assert await desk.open_kinds() == {
        "doubled": 1999,
        "unknown_sale": 500,
        "unknown_kind": 77,
        "adjustment": -30,
    }
    assert (await desk.balances())["discrepancy"] == -(1999 + 500 + 77 - 30)
    await desk.reckon()


async def test_a_sale_taken_back_before_the_channel_told_of_either_is_nothing(pool: Pool) -> None:
    desk = await Desk.open(pool)
    sale = await desk.sell("o-1", 1999, 145, days_ago=20)
    await desk.take_back(sale, 1999, 145, days_ago=19)
    await desk.tell("old", "edit_fee", -1, days_ago=30)
    await desk.tell("new", "edit_fee", -1)
    assert (await desk.match()).opened == 0
    await desk.reckon()


async def test_telling_and_matching_again_changes_nothing(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("o-1", 1999, 145)
    assert await desk.tell("t-1", "sale", 1999, "o-1") == 1
    await desk.match()
    before = await pool.fetchval("SELECT count(*) FROM entry")
    assert await desk.tell("t-1", "sale", 1999, "o-1") == 0
    await desk.match()
    await desk.match(everything=True)
    assert await pool.fetchval("SELECT count(*) FROM entry") == before
    await desk.reckon()


async def test_several_daemons_judge_each_line_once(pool: Pool) -> None:
    desk = await Desk.open(pool)
    for number in range(30):
        await desk.sell(f"o-{number}", 1999, 145)
        await desk.tell(f"s-{number}", "sale", 1999, f"o-{number}")
        await desk.tell(f"f-{number}", "fee", -145)
    books = [StatementBook(pool, lambda: desk.now) for _ in range(4)]
    reports = await asyncio.gather(*(book.match(desk.terms) for book in books))
    assert sum(report.lines for report in reports) == 60
    assert await desk.open_kinds() == {}
    await desk.reckon()


async def test_a_channel_with_order_numbers_of_its_own_is_matched_by_amount(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("c0ffee-uuid", 1999, 145)
    await desk.tell("t-1", "sale", 1999, "o-000001")
    await desk.match()
    assert await desk.open_kinds() == {"unknown_sale": 1999}
    desk.terms = type(desk.terms)(desk.terms.channel_id, desk.terms.channel, own_order_refs=True)
    await desk.match(everything=True)
    assert await desk.open_kinds() == {}
    await desk.reckon()


async def opened(desk: Desk, kind: str, amount: int, ref: str = "x") -> int:
    await desk.tell(ref, kind, amount, None)
    await desk.match()
    number: int = await desk.pool.fetchval("SELECT max(discrepancy_id) FROM discrepancy")
    return number


@pytest.mark.parametrize(
    ("resolution", "purpose"),
    [
        (Resolution.FEE, "commission"),
        (Resolution.WRITE_OFF, "operator loss"),
        (Resolution.BANK, "operator bank"),
    ],
)
async def test_a_person_settles_a_discrepancy_with_a_reason(
    pool: Pool, resolution: Resolution, purpose: str
) -> None:
    desk = await Desk.open(pool)
    number = await opened(desk, "fee", -50)
    await desk.people().assign(number, "Ada", actor="boss", reason="she knows the fees")
    left = await desk.people().resolve(number, resolution, actor="Ada", reason="campaign of November")
    assert left.amount_minor == -50
    assert await desk.balances() == {"balance": -50, purpose: 50}
    row = await pool.fetchrow("SELECT * FROM discrepancy")
    assert row is not None
    assert (row["owner"], row["state"], row["reason"], row["left_minor"]) == (
        "Ada",
        "resolved",
        "campaign of November",
        0,
    )
    assert await pool.fetchval("SELECT count(*) FROM audit") == 2
    with pytest.raises(Conflict, match="settled already"):
        await desk.people().resolve(number, resolution, actor="Ada", reason="again")
    await desk.reckon()


async def test_what_a_person_wrote_off_is_not_due_any_more(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("o-1", 2000, 0, days_ago=20)
    await desk.tell("old", "edit_fee", -1, days_ago=21)
    await desk.tell("new", "edit_fee", -1)
    await desk.match()
    number: int = await pool.fetchval("SELECT discrepancy_id FROM discrepancy")
    await desk.people().resolve(number, Resolution.WRITE_OFF, actor="Ada", reason="they are bankrupt")
    await desk.reckon()
    await desk.tell("late", "sale", 2000, "o-1")
    await desk.match()
    assert await desk.open_kinds() == {"doubled": 2000}
    await desk.reckon()


async def test_two_discrepancies_settle_each_other_as_far_as_they_go(pool: Pool) -> None:
    desk = await Desk.open(pool)
    plus = await opened(desk, "other", 100, "a")
    minus = await opened(desk, "adjustment", -60, "b")
    paired = await desk.people().pair(plus, minus, actor="Ada", reason="they corrected it")
    assert paired.amount_minor == 60
    assert await desk.open_kinds() == {"unknown_kind": 40}
    await desk.reckon()
    other = await opened(desk, "other", 5, "c")
    with pytest.raises(InvalidInput, match="both are above zero"):
        await desk.people().pair(plus, other, actor="Ada", reason="why not")
    with pytest.raises(InvalidInput, match="cannot be its own"):
        await desk.people().pair(plus, plus, actor="Ada", reason="why not")


async def test_settling_wants_a_reason_and_something_to_settle(pool: Pool) -> None:
    desk = await Desk.open(pool)
    number = await opened(desk, "other", 100)
    with pytest.raises(InvalidInput, match="say why"):
        await desk.people().resolve(number, Resolution.FEE, actor="Ada", reason=" ")
    with pytest.raises(InvalidInput, match="name it as its pair"):
        await desk.people().resolve(number, Resolution.PAIR, actor="Ada", reason="x")
    with pytest.raises(UnknownDiscrepancy, match="999 is not known"):
        await desk.people().resolve(999, Resolution.FEE, actor="Ada", reason="x")
    assert await desk.open_kinds() == {"unknown_kind": 100}


async def test_the_check_of_the_database_names_what_was_tampered_with(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await opened(desk, "other", 100)
    await desk.tell("lost", "sale", 5)
    for statement, said in (
        ("DELETE FROM line_waiting", "line lost of channel"),
        ("UPDATE discrepancy SET left_minor = 50", "discrepancies of 50 EUR are open, its account says 100"),
    ):
        await pool.execute(statement)
        assert any(said in found for found in await desk.broken())


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_comes_ours_and_the_discrepancies_are_theirs_at_any_moment(
    pool: Pool, seed: int
) -> None:
    """Late, partial, doubled, grouped, missing and foreign lines in any mix and order."""
    draw, desk = random.Random(seed), await Desk.open(pool)
    await desk.tell("first", "edit_fee", -1, days_ago=40)
    told = 0
    for number in range(25):
        quantity, unit, fee = draw.choice((1, 1, 2, 3)), draw.randrange(100, 3000), draw.randrange(0, 90)
        days = draw.uniform(0, 35)
        sale = await desk.sell(
            f"o-{number}", unit * quantity, fee * quantity, quantity=quantity, days_ago=days
        )
        if draw.random() < 0.2:
            await desk.take_back(sale, unit * quantity, fee * quantity, days_ago=days / 2)
        for kind, amount, ref in _lines(draw, f"o-{number}", quantity, unit, fee):
            told += 1
            await desk.tell(f"t-{told}", kind, amount, ref, days_ago=draw.uniform(0, days))
        if draw.random() < 0.3:
            # Everything: sales are dated back here, where a round looks at the last hour's.
            await desk.match(everything=True)
            await desk.reckon()
    await desk.tell("last", "withdrawal", -draw.randrange(1, 5000))
    await desk.match(everything=True)
    await desk.reckon()
    for row in await pool.fetch("SELECT discrepancy_id FROM discrepancy WHERE state = 'open' LIMIT 5"):
        chosen = draw.choice((Resolution.FEE, Resolution.WRITE_OFF, Resolution.BANK))
        await desk.people().resolve(row["discrepancy_id"], chosen, actor="Ada", reason="looked into")
        await desk.reckon()


def _lines(
    draw: random.Random, ref: str, quantity: int, unit: int, fee: int
) -> list[tuple[str, int, str | None]]:
    gross, fees = unit * quantity, fee * quantity
    named: str | None = ref if draw.random() < 0.8 else None
    match draw.randrange(8):
        case 0:
            return []
        case 1:
            return [("sale", unit, named)] * quantity + [("fee", -fee, None)] * quantity
        case 2:
            return [("sale", gross - fees, named)]
        case 3:
            return [("sale", gross, named), ("sale", gross, named), ("fee", -fees - 1, None)]
        case 4:
            return [("sale", max(gross // 2, 1), ref), ("fee", -fees, None)]
        case 5:
            return [("sale", gross + draw.randrange(-2, 5), named), ("refund", -gross, named)]
        case 6:
            return [("sale", draw.randrange(1, 4000), "foreign"), ("other", draw.randrange(-50, 50), None)]
        case _:
            return [("sale", gross, named), ("fee", -fees, named), ("fee", fees, None)]
