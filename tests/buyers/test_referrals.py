"""Tests who counts as having brought a buyer, for how long, and who is never paid for himself."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.buyers.buyers import Buyer, find_buyer, known_buyers
from core.buyers.marks import MarkKey, note_marks
from core.buyers.people import join, part
from core.buyers.referrals import (
    attribute,
    end_referral,
    in_own_ring,
    known_party,
    referrers_of,
    standing_referral,
)
from core.db.pool import Pool
from core.errors import InvalidInput, ReferralRefused
from core.types import MarkKind, ToldMark
from tests.buyers.people import A_YEAR, FOR_EVER, add_people, refer, told, write_referrals
from tests.factories import NOW, add_channel

DAY = timedelta(days=1)
KEY = MarkKey(b"k" * 32)


async def referrers(pool: Pool, buyer: Buyer, days: int = 0) -> tuple[str, ...]:
    async with pool.acquire() as conn:
        return (await referrers_of(conn, [buyer.buyer_id], NOW + days * DAY))[buyer.buyer_id]


async def ring(pool: Pool, buyer: Buyer, referrer: str) -> str | None:
    async with pool.acquire() as conn:
        return await in_own_ring(conn, buyer, referrer, NOW)


async def test_two_levels_count_and_never_a_third(pool: Pool) -> None:
    ann, bob, cid, dan = await add_people(pool, "ann", "bob", "cid", "dan")
    for buyer, referrer in ((ann, "bob"), (bob, "cid"), (cid, "dan")):
        await refer(pool, buyer, referrer)
    assert await referrers(pool, ann) == ("bob", "cid")
    assert await referrers(pool, cid) == ("dan",)
    assert await referrers(pool, dan) == ()
    async with pool.acquire() as conn:
        assert await referrers_of(conn, []) == {}


async def test_the_first_who_is_told_holds_for_his_time_and_then_another_may(pool: Pool) -> None:
    (ann,) = await add_people(pool, "ann")
    await refer(pool, ann, "bob", NOW, A_YEAR)
    with pytest.raises(ReferralRefused, match=r"brought by bob on 2026-11-21 .* holds until 2027-11-21"):
        await refer(pool, ann, "cid", NOW + 364 * DAY, A_YEAR)
    await refer(pool, ann, "bob", NOW + 10 * DAY, A_YEAR)
    assert await pool.fetchval("SELECT count(*) FROM referral") == 1
    assert await referrers(pool, ann, 364) == ("bob",)
    assert await referrers(pool, ann, 365) == ()
    await refer(pool, ann, "cid", NOW + 365 * DAY, A_YEAR)
    assert await referrers(pool, ann, 366) == ("cid",)
    assert await referrers(pool, ann, -1) == ()


async def test_who_is_told_later_of_an_earlier_day_does_not_come_first(pool: Pool) -> None:
    (ann,) = await add_people(pool, "ann")
    await refer(pool, ann, "bob")
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(ReferralRefused):
            await attribute(conn, ann, "cid", told(NOW - DAY), FOR_EVER, NOW + DAY)


async def test_what_is_told_of_a_day_before_what_is_written_is_not_said_to_hold(pool: Pool) -> None:
    (ann,) = await add_people(pool, "ann")
    await refer(pool, ann, "bob", NOW, A_YEAR)
    async with pool.acquire() as conn, conn.transaction():
        assert await end_referral(conn, ann, told(), NOW + 10 * DAY)
    now = NOW + 20 * DAY
    async with pool.acquire() as conn:
        for day, why in ((-5, "from 2026-11-21 12:00 UTC on"), (5, "brought by bob on 2026-11-21")):
            async with conn.transaction():
                with pytest.raises(ReferralRefused, match=why):
                    await attribute(conn, ann, "cid", told(NOW + day * DAY), FOR_EVER, now)
        assert await standing_referral(conn, ann, now) is None
        # After the end nobody holds, and nothing is written: that day may be told of, and holds.
        async with conn.transaction():
            held = await attribute(conn, ann, "cid", told(NOW + 15 * DAY), FOR_EVER, now)
        assert await standing_referral(conn, ann, now) == held
    assert (await referrers(pool, ann, 5), await referrers(pool, ann, 12)) == (("bob",), ())


async def test_nobody_comes_back_by_a_day_on_which_another_held_whose_time_is_over(pool: Pool) -> None:
    (ann,) = await add_people(pool, "ann")
    await refer(pool, ann, "bob", NOW, A_YEAR)
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(ReferralRefused, match="brought by bob"):
            await attribute(conn, ann, "cid", told(NOW + 30 * DAY), A_YEAR, NOW + 400 * DAY)
        held = await attribute(conn, ann, "cid", told(NOW + 390 * DAY), A_YEAR, NOW + 400 * DAY)
        assert await standing_referral(conn, ann, NOW + 400 * DAY) == held


async def test_a_mistake_is_mended_by_a_later_row_and_an_end_is_one_too(pool: Pool) -> None:
    (ann,) = await add_people(pool, "ann")
    await refer(pool, ann, "bob")
    await refer(pool, ann, "cid", NOW + DAY, replaces=True)
    assert (await referrers(pool, ann), await referrers(pool, ann, 1)) == (("bob",), ("cid",))
    async with pool.acquire() as conn, conn.transaction():
        assert await end_referral(conn, ann, told(), NOW + 2 * DAY)
        assert not await end_referral(conn, ann, told(), NOW + 3 * DAY)
        assert await standing_referral(conn, ann, NOW + 3 * DAY) is None
    assert (await referrers(pool, ann, 1), await referrers(pool, ann, 2)) == (("cid",), ())


async def test_many_who_claim_the_same_buyer_at_once_leave_one(pool: Pool) -> None:
    (ann,) = await add_people(pool, "ann")
    claims = (refer(pool, ann, f"friend {n}") for n in range(8))
    answers = await asyncio.gather(*claims, return_exceptions=True)
    assert sum(answer is None for answer in answers) == 1
    assert sum(isinstance(answer, ReferralRefused) for answer in answers) == 7


async def test_nobody_is_told_to_have_brought_himself_however_long_the_way(pool: Pool) -> None:
    ann, bob, cid = await add_people(pool, "ann", "bob", "cid")
    with pytest.raises(ReferralRefused, match="the same person"):
        await refer(pool, ann, "ann")
    await refer(pool, ann, "bob")
    with pytest.raises(ReferralRefused, match="directly"):
        await refer(pool, bob, "ann")
    await refer(pool, bob, "cid")
    with pytest.raises(ReferralRefused, match="over 2 steps"):
        await refer(pool, cid, "ann")


async def test_two_names_of_one_person_cannot_bring_each_other(pool: Pool) -> None:
    ann, bob, cid = await add_people(pool, "ann", "bob", "cid")
    await refer(pool, ann, "bob")
    assert await ring(pool, ann, "bob") is None
    async with pool.acquire() as conn, conn.transaction():
        assert await join(conn, ann, cid, actor="a", reason="r", now=NOW) == ann
        assert await join(conn, cid, bob, actor="a", reason="r", now=NOW) == ann
        with pytest.raises(InvalidInput, match="one person already"):
            await join(conn, bob, ann, actor="a", reason="r", now=NOW)
    assert "the same person" in (await ring(pool, ann, "bob") or "")
    async with pool.acquire() as conn, conn.transaction():
        await part(conn, bob, actor="a", reason="r", now=NOW)
        with pytest.raises(InvalidInput, match="not joined"):
            await part(conn, bob, actor="a", reason="r", now=NOW)
    assert await ring(pool, ann, "bob") is None


async def test_joined_people_keep_who_brought_the_first_of_them(pool: Pool) -> None:
    ann, bob, cid, dan = await add_people(pool, "ann", "bob", "cid", "dan")
    await refer(pool, bob, "cid", NOW)
    await refer(pool, ann, "dan", NOW + DAY)
    async with pool.acquire() as conn, conn.transaction():
        await join(conn, ann, bob, actor="a", reason="r", now=NOW)
        await join(conn, dan, cid, actor="a", reason="r", now=NOW)
    assert await referrers(pool, ann, 2) == ("dan",)
    assert await referrers(pool, bob, 0) == ("dan",)


async def test_a_channels_reference_leads_to_the_person(pool: Pool) -> None:
    shop = await add_channel(pool, "shop")
    async with pool.acquire() as conn, conn.transaction():
        both = await known_buyers(conn, [(shop, "1"), (shop, "2")], NOW)
        await join(conn, both[shop, "1"], both[shop, "2"], actor="a", reason="r", now=NOW)
        again = await known_buyers(conn, [(shop, "1"), (shop, "2")], NOW)
        assert again[shop, "2"] == again[shop, "1"] == both[shop, "1"]
        assert (await find_buyer(conn, "shop/2")).name == "shop/2"


async def test_marks_that_both_left_tell_on_a_referrer(pool: Pool) -> None:
    ann, bob, cid = await add_people(pool, "ann", "bob", "cid")
    marks = [ToldMark(MarkKind.DEVICE, "d-1"), ToldMark(MarkKind.ADDRESS, "Main St. 1")]
    async with pool.acquire() as conn, conn.transaction():
        await note_marks(conn, KEY, ann, marks, NOW)
        await note_marks(conn, KEY, bob, [*marks, ToldMark(MarkKind.ACCOUNT, "b@x")], NOW)
        await note_marks(conn, KEY, cid, [ToldMark(MarkKind.ACCOUNT, "d-1")], NOW)
    assert await ring(pool, ann, "bob") == (
        "bob and ann have left the same address and the same device: it is likely one person"
    )
    assert await ring(pool, ann, "cid") is None
    assert await ring(pool, ann, "a stranger") is None


@pytest.mark.parametrize("name", ["", " ann", "x" * 201, "a\nb"])
async def test_a_name_that_nobody_could_be_paid_under_is_refused(pool: Pool, name: str) -> None:
    async with pool.acquire() as conn:
        with pytest.raises(InvalidInput, match="write a name"):
            await known_party(conn, name, NOW)


def walk(brought: dict[int, int], one: int, other: int) -> bool:
    """Whether ways of "was brought by" lead from one to another, tried step by step."""
    here, tried = one, 0
    while here in brought and tried <= len(brought):
        here, tried = brought[here], tried + 1
        if here == other:
            return True
    return False


PEOPLE = 9


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    brought=st.dictionaries(st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1)),
    joined=st.lists(st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1)), max_size=3),
)
async def test_a_ring_is_found_exactly_where_trying_every_way_finds_one(
    pool: Pool, brought: dict[int, int], joined: list[tuple[int, int]]
) -> None:
    brought = {buyer: referrer for buyer, referrer in brought.items() if buyer != referrer}
    first = int(await pool.fetchval("SELECT count(*) FROM buyer"))
    people = await add_people(pool, *(f"person {first + n}" for n in range(PEOPLE)))
    await write_referrals(pool, [(people[buyer], people[by]) for buyer, by in brought.items()])
    person = list(range(PEOPLE))
    for one, other in joined:
        if person[one] != person[other]:
            async with pool.acquire() as conn, conn.transaction():
                await join(conn, people[one], people[other], actor="a", reason="r", now=NOW)
            kept, gone = person[one], person[other]
            person = [kept if each == gone else each for each in person]
    # Of a person's names the one that was brought first counts; all were told at once, in this order.
    by_person: dict[int, int] = {}
    for buyer, by in brought.items():
        by_person.setdefault(person[buyer], person[by])
    for buyer in range(PEOPLE):
        for referrer in range(PEOPLE):
            same = person[buyer] == person[referrer]
            expected = same or walk(by_person, person[referrer], person[buyer])
            found = await ring(pool, people[buyer], people[referrer].name)
            assert (found is not None) == expected, (buyer, referrer, brought, joined, found)
