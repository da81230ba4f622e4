"""Tests that points are earned at a level, redeemed to the last minor unit, expire, and are told as owed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from core.db.pool import Pool
from core.errors import InvalidInput, MoveRefused, ReferenceReused
from core.money.money import Money
from core.views.wallets import liability, points_of
from core.wallets.programmes import Level, Measure, Programme, Task, earned_for, level_of, year_before
from tests.wallets.purse import DAY, Purse, open_purse

SILVER, GOLD = Level("silver", 1000, Fraction(125)), Level("gold", 5000, Fraction(150))
STARS = Programme(
    name="stars",
    currency="EUR",
    per_unit=Fraction(1),
    value=Fraction(1, 2),
    expires_after=365 * DAY,
    levels=(Level("member", 0, Fraction(100)), SILVER, GOLD),
    tasks={"review": Task("review", 20, 2), "invite": Task("invite", 75, 1)},
    smallest_redemption=200,
)
PROGRAMMES = {"stars": STARS}


async def open_card(pool: Pool, name: str = "u-1", programme: Programme = STARS) -> Purse:
    return await open_purse(pool, name, {programme.name: programme}, programme.currency)


# A year of one member, worked out by hand. 1 point per EUR, half a cent each; silver from 1,000 points
# (125 %), gold from 5,000 (150 %).
#   820.40 EUR as member         820.40 -> 820 points, 4.10 EUR
#   two reviews                  2 x 20 -> 40 points, 2 x 0.10
#   150.00 EUR as member         150 points; 860 + 150 = 1,010: silver from now on; 0.75
#   79.99 EUR as silver          79.99 x 1.25 = 99.98 -> 99 points, worth 49.5 cents, half up: 0.50
#   3,300.00 EUR as silver       4,125 points; 1,109 + 4,125 = 5,234: gold; 20.625 EUR -> 20.63
#   10.01 EUR as gold            10.01 x 1.5 = 15.015 -> 15 points, 7.5 cents -> 0.08
YEAR = [
    ("820.40", "member", 820, 410),
    ("review", "member", 20, 10),
    ("review", "member", 20, 10),
    ("150.00", "member", 150, 75),
    ("79.99", "silver", 99, 50),
    ("3300.00", "silver", 4125, 2063),
    ("10.01", "gold", 15, 8),
]


async def test_a_year_of_one_member_worked_out_by_hand(pool: Pool) -> None:
    card = await open_card(pool)
    for number, (what, level, points, _) in enumerate(YEAR):
        assert await card.level() == level
        if what == "review":
            await card.task("review", f"review {number}")
            continue
        earned = await card.earned_for(what)
        assert earned == points
        await card.earn(earned)
    total = sum(minor for *_, minor in YEAR)
    assert await card.points_left() == 5249
    assert await card.ledger() == {("operator", "rebate"): total, ("buyer", "points"): -total}
    # 900 points: the first lot (4.10), both reviews (0.20), and 40 of 150, which leave 110 worth 0.55.
    redeemed = await card.redeem(900)
    assert redeemed.amount == Money(410 + 20 + 20, "EUR")
    assert await card.standing() == (450, 0, 0)
    # The rest expires a year after it was earned: all of its money is income then.
    await card.sweep(365 * DAY)
    assert (await card.ledger())["operator", "breakage"] == -(total - 450)
    assert await card.points_left() == 0
    assert (await card.balanced()).ok


def test_points_of_purchases_are_whole_and_rounded_down() -> None:
    figures = [("9.99", 100, 9), ("0.99", 100, 0), ("0.80", 125, 1), ("100.00", 0, 0), ("-5.00", 100, 0)]
    for spent, percent, points in figures:
        assert earned_for(STARS, Money.parse(spent, "EUR"), Level("x", 0, Fraction(percent))) == points
    yen = Programme("yen", "JPY", Fraction(1, 100), Fraction(1))
    assert earned_for(yen, Money(1999, "JPY"), yen.levels[0]) == 19
    dinar = Programme("dinar", "KWD", Fraction(10), Fraction(1, 3))
    assert earned_for(dinar, Money.parse("1.999", "KWD"), dinar.levels[0]) == 19
    with pytest.raises(InvalidInput, match="counts EUR"):
        earned_for(STARS, Money(100, "USD"), STARS.levels[0])


def test_a_level_begins_at_its_first_point_and_the_year_ends_on_the_day() -> None:
    assert [level_of(STARS, points).name for points in (-5, 0, 999, 1000, 4999, 5000, 10**9)] == [
        "member",
        "member",
        "member",
        "silver",
        "silver",
        "gold",
        "gold",
    ]
    assert year_before(datetime(2028, 2, 29, 7, tzinfo=UTC)) == datetime(2027, 2, 28, 7, tzinfo=UTC)
    assert year_before(datetime(2026, 11, 1, tzinfo=UTC)) == datetime(2025, 11, 1, tzinfo=UTC)


async def test_a_level_forgets_what_was_taken_back_and_what_is_older_than_a_year(pool: Pool) -> None:
    card = await open_card(pool)
    lot = await card.earn(1000)

    assert await card.level() == "silver"
    await card.take_points(lot, 1)
    assert await card.level() == "member"
    await card.earn(1)
    assert await card.level() == "silver"
    card.now += timedelta(days=365, seconds=-1)
    assert await card.level() == "silver"
    card.now += timedelta(seconds=1)
    assert await card.level() == "member"


async def test_a_level_by_turnover_counts_what_was_delivered_and_not_refunded(pool: Pool) -> None:
    by_turnover = Programme(
        "stars", "EUR", Fraction(1), Fraction(1), levels=STARS.levels, measure=Measure.TURNOVER
    )
    card = await open_card(pool, programme=by_turnover)
    channel_id = await pool.fetchval("SELECT channel_id FROM channel WHERE name = 'shop'")
    for number, (currency, states, days) in enumerate(
        [
            ("EUR", ["delivered"], 10),
            ("EUR", ["delivered", "refunded"], 10),
            ("USD", ["delivered"], 10),
            ("EUR", ["delivered"], 366),
            ("EUR", [], 1),
        ],
        1,
    ):
        await _order(pool, number, channel_id, currency, states, card.now - days * DAY)
    assert await card.level() == "member"  # 600 cents, once
    await _order(pool, 9, channel_id, "EUR", ["delivered"], card.now)
    assert await card.level() == "silver"


async def _order(
    pool: Pool, order_id: int, channel_id: int, currency: str, states: list[str], at: datetime
) -> None:
    await pool.execute(
        "INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash,"
        " currency, buyer_ref, placed_at, created_at)"
        " VALUES ($1, 0, $2, $3, 'accepted', '', $4, 'u-1', $5, $5)",
        order_id,
        channel_id,
        str(order_id),
        currency,
        at,
    )
    await pool.execute(
        "INSERT INTO order_line (order_id, line_no, lane, line_ref, listing_id, sku_id, quantity,"
        " unit_price_minor, valid_until) VALUES ($1, 1, 0, '1', 1, 1, 2, 300, $2)",
        order_id,
        at,
    )
    before = "accepted"
    for number, state in enumerate(states, 1):
        await pool.execute(
            "INSERT INTO order_move VALUES ($1, $2, $3, $4, $5, 'test')", order_id, number, before, state, at
        )
        before = state


async def test_a_lot_gives_away_exactly_its_money_in_whatever_pieces(pool: Pool) -> None:
    thirds = Programme("thirds", "EUR", Fraction(1), Fraction(1, 3))
    card = await open_card(pool, programme=thirds)
    lot = await card.earn(10, programme="thirds")  # 3.33 cents: 3
    amounts = []
    for points in (4, 3, 2):
        amounts.append((await card.redeem(points, programme="thirds")).amount.amount_minor)
    assert (await card.take_points(lot, 1)).left.amount_minor + sum(amounts) == 3
    assert (await card.ledger())["operator", "rebate"] == sum(amounts)
    assert ("buyer", "points") not in await card.ledger()


async def test_points_that_are_worth_nothing_are_kept_and_not_redeemed(pool: Pool) -> None:
    crumbs = Programme("crumbs", "EUR", Fraction(1), Fraction(1, 100))
    card = await open_card(pool, programme=crumbs)
    await card.earn(40, programme="crumbs")
    assert await card.ledger() == {}
    with pytest.raises(MoveRefused, match="worth nothing"):
        await card.redeem(40, programme="crumbs")
    assert await card.points_left("crumbs") == 40
    await card.earn(60, programme="crumbs")
    assert (await card.redeem(100, programme="crumbs")).amount == Money(1, "EUR")
    assert (await card.balanced()).ok


async def test_redeeming_is_done_once_for_each_reference(pool: Pool) -> None:
    card, other = await open_card(pool), await open_card(pool, "u-2")
    await card.earn(1000)
    await other.earn(1000)
    first = await card.redeem(300, "r-1")
    again = await card.redeem(300, "r-1")
    assert (again.again, again.lot_id, again.amount) == (True, first.lot_id, Money(150, "EUR"))
    for who, points in ((card, 400), (other, 300)):
        with pytest.raises(ReferenceReused, match="'r-1' has spent something else"):
            await who.redeem(points, "r-1")
    # The same words name an order at the checkout: money and points do not get in each other's way.
    await card.spend(150, "r-1")
    assert await card.standing() == (0, 0, 0)
    tries = await asyncio.gather(*(card.redeem(400) for _ in range(4)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in tries) == ["MoveRefused"] * 3 + ["Redeemed"]


async def test_points_taken_back_after_they_were_redeemed_are_owed_in_money(pool: Pool) -> None:
    card = await open_card(pool)
    lot = await card.earn(500)
    await card.redeem(400)
    told = await card.take_points(lot, 300)
    assert (told.left_points, told.claimed_points, told.left, told.claimed) == (
        100,
        200,
        Money(50, "EUR"),
        Money(100, "EUR"),
    )
    assert await card.standing() == (200, 0, 100)
    await card.earn(1000)
    assert await card.standing() == (200, 0, 100)  # points are not set off
    await card.redeem(1000)
    assert await card.standing() == (600, 0, 0)  # but what they are redeemed for is
    assert (await card.balanced()).ok


async def test_pending_points_cannot_be_redeemed_and_expire_a_year_after_they_vest(pool: Pool) -> None:
    card = await open_card(pool)
    await card.earn(300, vests=14 * DAY)
    with pytest.raises(MoveRefused, match="can spend 0 points of stars, not 300"):
        await card.redeem(300)
    assert (await card.ledger())["buyer", "points_pending"] == -150
    await card.sweep(14 * DAY)
    assert (await card.ledger())["buyer", "points"] == -150
    await card.sweep(365 * DAY - timedelta(seconds=1))
    assert await card.points_left() == 300
    await card.sweep(timedelta(seconds=1))
    assert await card.points_left() == 0


async def test_a_task_counts_so_often_a_day_and_its_reference_once(pool: Pool) -> None:
    card, other = await open_card(pool), await open_card(pool, "u-2")
    first = await card.task("review", "product 1")
    assert await card.task("review", "product 1") == first
    await card.task("review", "product 2")
    with pytest.raises(MoveRefused, match="did review 2 times today"):
        await card.task("review", "product 3")
    assert await card.task("review", "product 1") == first
    await other.task("review", "product 1")
    await card.task("invite", "product 1")
    card.now += timedelta(hours=12)  # midnight
    await card.task("review", "product 3")
    assert (await card.points_left(), await other.points_left()) == (20 * 3 + 75, 20)


async def test_many_who_report_one_task_at_once_do_not_pass_its_limit(pool: Pool) -> None:
    card = await open_card(pool)
    tries = await asyncio.gather(
        *(card.task("review", f"product {n}") for n in range(8)), return_exceptions=True
    )
    assert sum(isinstance(each, MoveRefused) for each in tries) == 6
    assert await card.points_left() == 40


REFUSED: dict[str, tuple[Callable[[Purse], Awaitable[object]], type[Exception], str]] = {
    "unknown programme": (lambda c: c.earn(5, programme="moons"), InvalidInput, "name one of stars"),
    "unknown task": (lambda c: c.task("dance", "1"), InvalidInput, "those are review, invite"),
    "nothing earned": (lambda c: c.earn(0), InvalidInput, "more than nothing"),
    "negative": (lambda c: c.earn(-3), InvalidInput, "more than nothing"),
    "nothing redeemed": (lambda c: c.redeem(0), InvalidInput, "more than nothing"),
    "too few": (lambda c: c.redeem(199), MoveRefused, "redeem 200 or more"),
    "not there": (lambda c: c.redeem(200), MoveRefused, "can spend 0 points"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_makes_no_sense_is_refused(pool: Pool, case: str) -> None:
    card = await open_card(pool)
    step, error, said = REFUSED[case]
    with pytest.raises(error, match=said):
        await step(card)
    assert await card.ledger() == {}


async def test_lots_of_money_and_of_points_are_taken_back_as_what_they_are(pool: Pool) -> None:
    card = await open_card(pool)
    money, points = await card.credit(100), await card.earn(100)
    with pytest.raises(InvalidInput, match=r"of points \(stars\)"):
        await card.take_back(points, 5)
    with pytest.raises(InvalidInput, match="is of money"):
        await card.take_points(money, 5)
    with pytest.raises(InvalidInput, match="one or more"):
        await card.take_points(points, 0)


async def test_what_all_points_are_worth_is_told_by_programme_and_month(pool: Pool) -> None:
    keeps = Programme("keeps", "EUR", Fraction(1), Fraction(2))
    programmes = {"stars": STARS, "keeps": keeps}
    card, other = await open_purse(pool, "u-1", programmes), await open_purse(pool, "u-2", programmes)
    await card.earn(400)
    await other.earn(100)
    other.now += 30 * DAY
    await other.earn(7)
    await card.earn(10, programme="keeps")
    await card.redeem(200)
    async with pool.acquire() as conn:
        rows = await liability(conn)
        only = await liability(conn, "keeps")
        view = await points_of(conn, card.buyer, "stars")
    assert [(row.programme, row.month, row.points, row.amount_minor, row.buyers) for row in rows] == [
        ("keeps", None, 10, 20, 1),
        ("stars", "2027-11", 300, 150, 2),
        ("stars", "2027-12", 7, 4, 1),
    ]
    assert only == rows[:1]
    assert [(each.programme, each.usable, each.worth_minor) for each in view.standings] == [
        ("stars", 200, 100)
    ]
    assert [(lot.points, lot.points_left, lot.state) for lot in view.lots] == [(400, 200, "usable")]


async def test_money_that_was_points_is_taken_back_as_points(pool: Pool) -> None:
    card = await open_purse(pool, "u-1", {"stars": Programme("stars", "EUR", Fraction(1), Fraction(1))})
    earned = await card.earn(100)
    redeemed = await card.redeem(60)
    with pytest.raises(MoveRefused, match="was redeemed from points: take back the points"):
        await card.take_back(redeemed.lot_id, 60)
    told = await card.take_points(earned, 100)
    assert (told.left_points, told.claimed_points) == (40, 60)
    assert await card.standing() == (60, 0, 60)
    assert (await card.balanced()).ok
