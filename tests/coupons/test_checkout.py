"""Tests that a coupon is used as often as it says and never more, however late or at once anyone asks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.coupons.judging import Basket, Discount, Refused, Why
from core.coupons.series import Series
from core.coupons.uses import Redeemed, UseState
from core.coupons.writing import new_code
from core.db.pool import Pool
from core.errors import InvalidInput, MoveRefused, ReferenceReused, UnknownChannel, UnknownCoupon
from tests.coupons.bench import FIVER, NOW, TENTH, Till, basket

LATER = NOW + timedelta(hours=1)


def why(answer: object) -> Why:
    assert isinstance(answer, Refused)
    return answer.why


async def held(till: Till, code: str, asked: Basket) -> Redeemed:
    answer = await till.redeem(code, asked)
    assert isinstance(answer, Redeemed), answer
    return answer


async def test_a_coupon_is_held_given_and_then_used_up(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon, asked = await till.issue("spring"), basket("shop", 2000, 999)
    use = await held(till, coupon.code.lower(), asked)
    assert (use.state, use.discount.amount_minor, use.lines_minor) == (UseState.RESERVED, 300, (200, 100))
    assert use.hold_until == NOW + TENTH.hold
    assert why(await till.redeem(coupon.code, basket("shop", 2000))) is Why.HELD
    assert (await till.confirm(asked.ref)).state is UseState.CONFIRMED
    assert why(await till.redeem(coupon.code, basket("shop", 2000))) is Why.USED_UP
    assert await till.taken_minor("spring") == 300


async def test_the_same_basket_gets_the_same_answer_for_ever(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon, asked = await till.issue("spring"), basket("shop", 2000)
    first = await held(till, coupon.code, asked)
    assert await till.redeem(coupon.code, asked, LATER) == first
    given = await till.confirm(asked.ref)
    assert await till.confirm(asked.ref, LATER) == given
    assert await till.redeem(coupon.code, asked) == given
    assert await pool.fetchval("SELECT count(*) FROM coupon_step") == 2
    assert await till.taken_minor("spring") == 200


async def test_a_basket_with_other_content_is_refused_until_it_is_released(pool: Pool) -> None:
    till = await Till.open(pool, TENTH, FIVER)
    coupon, other = await till.issue("spring"), await till.issue("fiver")
    asked = basket("shop", 2000, ref="b-1")
    await held(till, coupon.code, asked)
    for changed in (basket("shop", 2001, ref="b-1"), replace(asked, buyer_ref="u-2")):
        with pytest.raises(ReferenceReused, match="release it"):
            await till.redeem(coupon.code, changed)
    assert why(await till.redeem(other.code, asked)) is Why.ANOTHER_COUPON
    assert why(await till.check(other.code, asked)) is Why.ANOTHER_COUPON
    assert (await till.release("b-1")).state is UseState.RELEASED
    assert (await till.release("b-1")).state is UseState.RELEASED
    assert (await held(till, other.code, basket("shop", 4000, ref="b-1"))).discount.amount_minor == 500
    assert await till.taken_minor("spring") == 0


async def test_a_check_holds_nothing_and_says_what_a_hold_would(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon, asked = await till.issue("spring"), basket("shop", 2000)
    checked = await till.check(coupon.code, asked)
    use = await held(till, coupon.code, asked)
    assert isinstance(checked, Discount)
    assert (checked.total, checked.lines_minor) == (use.discount, use.lines_minor)
    # A basket does not stand in its own way; another one finds the coupon held.
    assert await till.check(coupon.code, asked) == checked
    assert why(await till.check(coupon.code, basket("shop", 2000))) is Why.HELD


async def test_what_is_no_coupon_of_ours_is_refused(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon, asked = await till.issue("spring"), basket("shop", 2000)
    for answer in (await till.redeem("HELLO", asked), await till.check("HELLO", asked)):
        assert why(answer) is Why.NOT_A_CODE
    assert why(await till.redeem(new_code(), asked)) is Why.UNKNOWN
    with pytest.raises(UnknownChannel, match="market"):
        await till.redeem(coupon.code, basket("market", 2000))
    for unknown in (till.confirm("nothing"), till.release("nothing"), till.give_back("nothing")):
        with pytest.raises(UnknownCoupon, match="nothing"):
            await unknown


async def test_a_personal_coupon_is_its_buyers_alone(pool: Pool) -> None:
    till = await Till.open(pool, replace(TENTH, personal=True))
    coupon = await till.issue("spring", await till.buyer("anna"))
    assert why(await till.redeem(coupon.code, basket("shop", 2000, buyer_ref="ben"))) is Why.NOT_YOURS
    assert why(await till.redeem(coupon.code, basket("shop", 2000, buyer_ref=None))) is Why.BUYER_UNNAMED
    await held(till, coupon.code, basket("shop", 2000, buyer_ref="anna"))


async def test_a_limit_for_each_buyer_counts_all_coupons_of_the_name(pool: Pool) -> None:
    till = await Till.open(pool, replace(TENTH, per_buyer=1))
    first, second = await till.issue("spring"), await till.issue("spring")
    asked = basket("shop", 2000, buyer_ref="anna")
    await held(till, first.code, asked)
    assert why(await till.redeem(second.code, basket("shop", 2000, buyer_ref="anna"))) is Why.BUYER_LIMIT
    await held(till, second.code, basket("shop", 2000, buyer_ref="ben"))
    await till.release(asked.ref)
    third = await till.issue("spring")
    await held(till, third.code, basket("shop", 2000, buyer_ref="anna"))


async def test_a_budget_is_never_overdrawn_and_comes_back_with_what_is_released(pool: Pool) -> None:
    till = await Till.open(pool, replace(TENTH, budget_minor=500))
    first, second = await till.issue("spring"), await till.issue("spring")
    asked = basket("shop", 3000)
    await held(till, first.code, asked)
    assert why(await till.redeem(second.code, basket("shop", 2100))) is Why.BUDGET_SPENT
    await till.release(asked.ref)
    await held(till, second.code, basket("shop", 5000))
    assert await till.taken_minor("spring") == 500


async def test_a_coupon_that_runs_out_or_is_taken_back_holds_no_more(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon, other, kept = [await till.issue("spring") for _ in range(3)]
    assert coupon.expires_at is not None
    await held(till, kept.code, basket("shop", 2000, ref="kept"))
    assert why(await till.redeem(coupon.code, basket("shop", 2000), coupon.expires_at)) is Why.EXPIRED
    async with pool.acquire() as conn, conn.transaction():
        for gone in (other, kept):
            assert await till.coupons.revoke(conn, gone.coupon_id, NOW, actor="anna", reason="leaked")
            assert not await till.coupons.revoke(conn, gone.coupon_id, NOW, actor="anna", reason="again")
        with pytest.raises(InvalidInput, match="say why"):
            await till.coupons.revoke(conn, other.coupon_id, NOW, actor="anna", reason=" ")
        with pytest.raises(UnknownCoupon, match="404"):
            await till.coupons.revoke(conn, 404, NOW, actor="anna", reason="none")
    assert why(await till.check(other.code, basket("shop", 2000))) is Why.REVOKED
    # The basket that held it keeps the price it was promised.
    assert (await till.confirm("kept")).state is UseState.CONFIRMED


async def test_a_hold_that_ran_out_is_the_next_baskets(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon, slow = await till.issue("spring"), basket("shop", 2000, ref="slow")
    await held(till, coupon.code, slow)
    assert isinstance(await till.check(coupon.code, basket("shop", 2000), NOW + TENTH.hold), Discount)
    taken = await till.redeem(coupon.code, basket("shop", 2000, ref="quick"), NOW + TENTH.hold)
    assert isinstance(taken, Redeemed)
    with pytest.raises(MoveRefused, match="used elsewhere"):
        await till.confirm("slow", NOW + TENTH.hold)
    await till.release("quick")
    # Free again: who paid late gets what he was promised.
    assert (await till.confirm("slow", LATER)).state is UseState.CONFIRMED
    assert await till.taken_minor("spring") == 200


async def test_moves_that_make_no_sense_are_refused(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon, asked = await till.issue("spring"), basket("shop", 2000)
    await held(till, coupon.code, asked)
    with pytest.raises(MoveRefused, match="never paid"):
        await till.give_back(asked.ref)
    await till.confirm(asked.ref)
    with pytest.raises(MoveRefused, match="is paid"):
        await till.release(asked.ref)
    for part in (("r-1", 201), ("r-1", -1)):
        with pytest.raises(InvalidInput, match="not part of what is left"):
            await till.give_back(asked.ref, part)
    await till.give_back(asked.ref)
    with pytest.raises(MoveRefused, match="refunded before"):
        await till.confirm(asked.ref)


@pytest.mark.parametrize(("comes_back", "state"), [(True, UseState.RETURNED), (False, UseState.KEPT)])
async def test_a_refund_gives_the_coupon_back_as_the_series_says(
    pool: Pool, comes_back: bool, state: UseState
) -> None:
    till = await Till.open(pool, replace(TENTH, comes_back=comes_back))
    coupon, asked = await till.issue("spring"), basket("shop", 2000)
    await held(till, coupon.code, asked)
    await till.confirm(asked.ref)
    part = await till.give_back(asked.ref, ("r-1", 50))
    assert (part.state, part.returned_minor) == (UseState.CONFIRMED, 50)
    assert await till.give_back(asked.ref, ("r-1", 50)) == part
    with pytest.raises(ReferenceReused, match="r-1"):
        await till.give_back(asked.ref, ("r-1", 51))
    whole = await till.give_back(asked.ref)
    assert (whole.state, whole.returned_minor) == (state, 200)
    assert await till.give_back(asked.ref) == whole
    assert await till.taken_minor("spring") == 0
    again = await till.redeem(coupon.code, basket("shop", 2000))
    assert isinstance(again, Redeemed) if comes_back else why(again) is Why.USED_UP


async def entries(pool: Pool) -> list[tuple[str, str, str, int]]:
    rows = await pool.fetch(
        "SELECT party, party_name, purpose, amount_minor FROM entry JOIN account USING (account_id)"
        " ORDER BY transaction_id, entry_no"
    )
    return [(row["party"], row["party_name"], row["purpose"], row["amount_minor"]) for row in rows]


async def test_what_we_bear_ourselves_is_no_entry(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon, asked = await till.issue("spring"), basket("shop", 2000)
    await held(till, coupon.code, asked)
    await till.confirm(asked.ref)
    await till.give_back(asked.ref)
    assert await entries(pool) == []


async def test_a_third_party_owes_us_what_its_coupon_took_off(pool: Pool) -> None:
    """20.00 at 10 % is 2.00; 0.50 of it comes back with some goods, the other 1.50 with the rest."""
    till = await Till.open(pool, replace(TENTH, borne_by="Brand"))
    coupon, asked = await till.issue("spring"), basket("shop", 2000)
    await held(till, coupon.code, asked)
    assert await entries(pool) == []
    for _ in range(2):
        await till.confirm(asked.ref)
    given = [("party", "Brand", "coupon", 200), ("operator", "spring", "coupon_borne", -200)]
    assert await entries(pool) == given
    await till.give_back(asked.ref, ("r-1", 50))
    part = [("party", "Brand", "coupon", -50), ("operator", "spring", "coupon_borne", 50)]
    assert await entries(pool) == given + part
    await till.give_back(asked.ref)
    rest = [("party", "Brand", "coupon", -150), ("operator", "spring", "coupon_borne", 150)]
    assert await entries(pool) == given + part + rest
    kinds = await pool.fetch("SELECT DISTINCT kind FROM journal_transaction")
    assert [row["kind"] for row in kinds] == ["coupon"]


async def race(till: Till, baskets: list[tuple[str, Basket]]) -> tuple[list[Redeemed], list[Refused]]:
    answers = await asyncio.gather(*(till.redeem(code, asked) for code, asked in baskets))
    won = [answer for answer in answers if isinstance(answer, Redeemed)]
    return won, [answer for answer in answers if isinstance(answer, Refused)]


@pytest.mark.parametrize("uses", [1, 3])
async def test_hundreds_at_once_never_get_more_than_the_uses_there_are(pool: Pool, uses: int) -> None:
    till = await Till.open(pool, replace(TENTH, uses=uses))
    coupon = await till.issue("spring")
    baskets = [(coupon.code, basket("shop", 2000, buyer_ref=f"u-{n % 7}")) for n in range(300)]
    won, lost = await race(till, baskets)
    assert len(won) == uses
    assert {answer.why for answer in lost} == {Why.HELD}
    assert await till.taken_minor("spring") == 200 * uses


async def test_hundreds_at_once_never_overdraw_a_budget_or_a_buyers_limit(pool: Pool) -> None:
    budget = replace(TENTH, name="budget", budget_minor=1050)
    each = replace(TENTH, name="each", per_buyer=2)
    till = await Till.open(pool, budget, each)
    bearers = [await till.issue("budget") for _ in range(60)]
    own = [await till.issue("each") for _ in range(60)]
    wanted = [(coupon.code, basket("shop", 2000, buyer_ref=None)) for coupon in bearers]
    wanted += [(coupon.code, basket("shop", 2000, buyer_ref=f"u-{n % 3}")) for n, coupon in enumerate(own)]
    won, lost = await race(till, wanted)
    by_series = [sum(use.series == name for use in won) for name in ("budget", "each")]
    assert by_series == [5, 6]
    assert {answer.why for answer in lost} == {Why.BUDGET_SPENT, Why.BUYER_LIMIT}
    assert await till.taken_minor("budget") == 1000


async def test_everything_at_once_on_few_coupons_ends_in_order(pool: Pool) -> None:
    """Holds, payments, refunds and releases of the same baskets race; then the counter fits the uses."""
    series = Series(
        "few", FIVER.kind, "EUR", amount_minor=100, uses=2, per_buyer=4, hold=timedelta(seconds=1)
    )
    till = await Till.open(pool, series)
    coupons = [await till.issue("few") for _ in range(4)]

    async def shop(number: int) -> None:
        ref, code = f"b-{number % 25}", coupons[number % 4].code
        now = NOW + timedelta(seconds=number % 5)
        try:
            await till.redeem(code, basket("shop", 1000, ref=ref, buyer_ref=f"u-{number % 6}"), now)
            if number % 3:
                await till.confirm(ref, now)
            else:
                await till.release(ref, now)
            if number % 4 == 1:
                await till.give_back(ref)
        except (MoveRefused, ReferenceReused, UnknownCoupon):
            return

    await asyncio.gather(*(shop(number) for number in range(300)))
    live = await pool.fetch(
        "SELECT coupon_id, count(*) AS uses FROM coupon_use"
        " WHERE state IN ('reserved', 'confirmed') GROUP BY coupon_id"
    )
    assert await pool.fetchval("SELECT count(*) FROM coupon_step WHERE state = 'confirmed'")
    assert all(row["uses"] <= 2 for row in live)
    assert await till.taken_minor("few") == 100 * sum(int(row["uses"]) for row in live)
