"""Who joins which group, and when one is complete or has failed: pure decisions, drawn and by example."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PlanRefused
from core.group_buying.offers import GroupOffer
from core.group_buying.rules import (
    Candidate,
    Group,
    Join,
    Open,
    Outcome,
    Refuse,
    Sitting,
    outcome,
    place,
)
from core.types import BuyerId
from tests.factories import NOW

DAY = timedelta(hours=24)
TRIO = GroupOffer("trio", 3, DAY)


def group(number: int = 1, ref: str = "one", *, size: int = 3, at_least: int | None = None) -> Group:
    return Group(number, ref, "trio", size, at_least, NOW, NOW + DAY)


def who(buyer: int = 1, pieces: int = 1, wanted: str | None = None, had: int = 0) -> Candidate:
    return Candidate(frozenset({BuyerId(buyer)}), pieces, wanted, had)


def sit(*buyers: int) -> list[Sitting]:
    return [Sitting(number, BuyerId(buyer)) for number, buyer in enumerate(buyers, start=1)]


@pytest.mark.parametrize(
    ("size", "hours", "at_least", "limit", "at_once"),
    [
        (1, 24, None, 1, None),
        (6, 24, None, 1, None),
        (3, 23, None, 1, None),
        (3, 73, None, 1, None),
        (3, 24, 4, 1, None),
        (3, 24, 0, 1, None),
        (3, 24, None, 0, None),
        (3, 24, None, 1, 0),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(
    size: int, hours: int, at_least: int | None, limit: int, at_once: int | None
) -> None:
    with pytest.raises(PlanRefused, match="group offer trio"):
        GroupOffer("trio", size, timedelta(hours=hours), at_least, limit, at_once)


def test_the_first_buyer_opens_a_group_under_the_shops_name() -> None:
    assert place(TRIO, who(wanted="friends-1"), [], (), NOW) == Open("friends-1")
    assert place(TRIO, who(), [], (), NOW) == Open(None)


@pytest.mark.parametrize("ref", ["", " x", "a b", "-a", "ü", "x" * 65, "a/b"])
def test_a_name_that_could_not_stand_in_an_address_opens_a_group_under_one_of_ours(ref: str) -> None:
    assert place(TRIO, who(wanted=ref), [], (), NOW) == Open(None)


def test_a_buyer_joins_the_group_he_names_and_otherwise_the_oldest() -> None:
    open_groups = [(group(1, "old"), sit(7)), (group(2, "new"), sit(8))]
    assert place(TRIO, who(), open_groups, (), NOW) == Join(1, 2)
    assert place(TRIO, who(wanted="new"), open_groups, {"new"}, NOW) == Join(2, 2)
    # The one he named is over: he is not sent home for that.
    assert place(TRIO, who(wanted="gone"), open_groups, {"gone"}, NOW) == Join(1, 2)


def test_a_seat_that_was_left_is_taken_again() -> None:
    left = [Sitting(1, BuyerId(7)), Sitting(3, BuyerId(8))]
    assert place(TRIO, who(), [(group(), left)], (), NOW) == Join(1, 2)


def test_nobody_sits_twice_in_a_group_under_whatever_name() -> None:
    twice = GroupOffer("trio", 3, DAY, limit_per_buyer=3)
    same = Candidate(frozenset({BuyerId(1), BuyerId(7)}), 1, None, 1)
    assert place(twice, same, [(group(), sit(7))], (), NOW) == Open(None)


def test_more_than_a_buyer_may_have_is_refused() -> None:
    assert isinstance(place(TRIO, who(pieces=2), [], (), NOW), Refuse)
    refused = place(TRIO, who(had=1), [], (), NOW)
    assert isinstance(refused, Refuse)
    assert "above the 1" in refused.why


def test_where_as_many_groups_are_open_as_may_be_a_buyer_joins_one_of_them() -> None:
    few = GroupOffer("trio", 3, DAY, limit_per_buyer=2, groups_at_once=1)
    assert place(few, who(wanted="another"), [(group(), sit(7))], (), NOW) == Join(1, 2)
    refused = place(few, who(7, had=1), [(group(), sit(7))], (), NOW)
    assert isinstance(refused, Refuse)
    assert "as many as may be" in refused.why


def test_nobody_joins_a_group_whose_time_is_over() -> None:
    assert place(TRIO, who(), [(group(), sit(7))], (), NOW + DAY) == Open(None)


def test_a_group_is_complete_when_full_and_otherwise_judged_at_its_end() -> None:
    before, after = NOW + DAY - timedelta(seconds=1), NOW + DAY
    assert outcome(group(), 3, before) is Outcome.FULL
    assert outcome(group(), 2, before) is None
    assert outcome(group(), 2, after) is Outcome.FAILED
    assert outcome(group(at_least=2), 2, after) is Outcome.BY_RULE
    assert outcome(group(at_least=2), 1, after) is Outcome.FAILED
    assert outcome(group(), 3, after) is Outcome.FULL


@given(
    buyers=st.lists(st.tuples(st.integers(1, 6), st.sampled_from([None, "a", "b", "?!"])), max_size=30),
    size=st.integers(2, 5),
    limit=st.integers(1, 3),
    at_once=st.one_of(st.none(), st.integers(1, 3)),
)
def test_however_buyers_come_no_group_overflows_and_no_limit_is_passed(
    buyers: Sequence[tuple[int, str | None]], size: int, limit: int, at_once: int | None
) -> None:
    offer = GroupOffer("trio", size, DAY, limit_per_buyer=limit, groups_at_once=at_once)
    tables: list[tuple[Group, list[Sitting]]] = []
    refs: set[str] = set()
    had: dict[int, int] = {}
    for number, (buyer, wanted) in enumerate(buyers):
        candidate = who(buyer, 1, wanted, had.get(buyer, 0))
        choice = place(offer, candidate, tables, refs, NOW)
        if isinstance(choice, Refuse):
            assert had.get(buyer, 0) >= limit or at_once is not None
            continue
        if isinstance(choice, Open):
            ref = choice.ref or f"ours-{number}"
            assert ref not in refs
            refs.add(ref)
            tables.append((group(number, ref, size=size), []))
            choice = Join(number, 1)
        table, sitting = next(each for each in tables if each[0].group_id == choice.group_id)
        assert choice.seat_no not in {each.seat_no for each in sitting}
        assert BuyerId(buyer) not in {each.buyer_id for each in sitting}
        sitting.append(Sitting(choice.seat_no, BuyerId(buyer)))
        had[buyer] = had.get(buyer, 0) + 1
        if outcome(table, len(sitting), NOW) is Outcome.FULL:
            tables.remove((table, sitting))
        assert at_once is None or len(tables) <= at_once
    assert all(count <= limit for count in had.values())
