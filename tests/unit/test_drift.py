"""What a difference between told and shown is called, and what is done about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PlanRefused
from core.offers.drift.judging import (
    Action,
    Compared,
    DriftRule,
    Face,
    Kind,
    Lately,
    Policy,
    What,
    judge,
)
from core.types import ListingId, ListingRef

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOLD = Compared(
    listing_id=ListingId(1),
    listing_ref=ListingRef("L1"),
    published=Face(5, 2500, True),
    before=Face(9, 2400, True),
    observed=Face(5, 2500, True),
)


def shown(quantity: int | None = 5, price_minor: int | None = 2500, *, on: bool = True) -> Compared:
    return replace(TOLD, observed=Face(quantity, price_minor, on))


def found(compared: Compared, rule: DriftRule | None = None) -> list[tuple[What, Kind, Action]]:
    return [(f.what, f.kind, f.action) for f in judge(compared, rule or DriftRule(), NOW)]


def test_what_shows_as_it_was_told_is_no_drift() -> None:
    assert judge(TOLD, DriftRule(), NOW) == []


@pytest.mark.parametrize(
    ("compared", "expected"),
    [
        (shown(3), (What.QUANTITY, Kind.EDITED, Action.REPAIR)),
        (shown(9), (What.QUANTITY, Kind.LOST, Action.REPAIR)),
        (shown(price_minor=2600), (What.PRICE, Kind.EDITED, Action.REPAIR)),
        (shown(price_minor=2400), (What.PRICE, Kind.LOST, Action.REPAIR)),
        (shown(on=False), (What.SWITCH, Kind.EDITED, Action.REPAIR)),
        (replace(TOLD, observed=None), (What.LISTING, Kind.VANISHED, Action.REPAIR)),
        (replace(shown(3), held=2), (What.QUANTITY, Kind.SOLD, Action.LEAVE)),
        (replace(shown(4), sold=2), (What.QUANTITY, Kind.SOLD, Action.LEAVE)),
        (replace(shown(on=False), held=3, sold=2), (What.SWITCH, Kind.SOLD, Action.LEAVE)),
    ],
)
def test_each_difference_has_its_name(compared: Compared, expected: tuple[What, Kind, Action]) -> None:
    assert found(compared) == [expected]


def test_more_than_was_sold_is_not_explained_by_sales() -> None:
    assert found(replace(shown(2), held=1, sold=1)) == [(What.QUANTITY, Kind.EDITED, Action.REPAIR)]
    assert found(replace(shown(6), held=3)) == [(What.QUANTITY, Kind.EDITED, Action.REPAIR)]


def test_what_the_channel_cannot_show_finer_is_never_fought() -> None:
    rule = DriftRule(price_step_minor=10)
    assert found(shown(price_minor=2509), rule) == [(What.PRICE, Kind.ROUNDED, Action.LEAVE)]
    assert found(shown(price_minor=2510), rule) == [(What.PRICE, Kind.EDITED, Action.REPAIR)]


def test_the_policy_of_a_kind_is_followed() -> None:
    rule = DriftRule({(What.PRICE, Kind.EDITED): Policy.ADOPT, (What.QUANTITY, Kind.EDITED): Policy.ASK})
    assert found(shown(3, 2600), rule) == [
        (What.QUANTITY, Kind.EDITED, Action.HOLD),
        (What.PRICE, Kind.EDITED, Action.ADOPT),
    ]
    [quantity, price] = judge(shown(3, 2600), rule, NOW)
    assert (quantity.asks, price.asks) == (True, False)


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("kind", list(Kind))
def test_what_shows_too_much_is_repaired_whatever_the_policy_says(policy: Policy, kind: Kind) -> None:
    rule = DriftRule({(what, kind): policy for what in What})
    assert [f.action for f in judge(shown(7), rule, NOW)] == [Action.REPAIR]
    off = replace(TOLD, published=Face(0, 2500, False))
    assert [f.action for f in judge(off, rule, NOW)] == [Action.REPAIR]


def test_there_is_nothing_to_keep_of_a_listing_that_vanished() -> None:
    rule = DriftRule({(What.LISTING, Kind.VANISHED): Policy.ASK})
    [finding] = judge(replace(TOLD, observed=None), rule, NOW)
    assert (finding.action, finding.asks) == (Action.LEAVE, True)
    off = replace(TOLD, observed=None, published=Face(0, 2500, False))
    assert judge(off, rule, NOW) == []


def test_somebody_who_sets_it_back_again_and_again_is_not_raced() -> None:
    """Each repair waits twice as long as the one before, and a person is asked from the first fight on."""
    rule = DriftRule(fight_after=3, first_wait=timedelta(minutes=1), longest_wait=timedelta(hours=1))
    now, repairs, last_at, gaps = NOW, 0, NOW, []
    for _ in range(24 * 60):
        now += timedelta(minutes=1)
        compared = replace(shown(price_minor=2600), lately={What.PRICE: Lately(repairs, last_at)})
        [finding] = judge(compared, rule, now)
        assert finding.asks is (repairs >= 3)
        if finding.action is Action.REPAIR:
            gaps.append((now - last_at) // timedelta(minutes=1))
            repairs, last_at = repairs + 1, now
    assert gaps[:10] == [1, 1, 1, 1, 2, 4, 8, 16, 32, 60]
    assert len(gaps) < 40


def test_a_fight_over_too_large_a_quantity_is_never_left() -> None:
    rule = DriftRule(fight_after=1)
    compared = replace(shown(50), lately={What.QUANTITY: Lately(1000, NOW)})
    [finding] = judge(compared, rule, NOW)
    assert (finding.action, finding.asks) == (Action.REPAIR, True)


@pytest.mark.parametrize("broken", [{"price_step_minor": 0}, {"fight_after": 0}])
def test_a_rule_that_makes_no_sense_is_refused(broken: dict[str, int]) -> None:
    with pytest.raises(PlanRefused):
        DriftRule(**broken)  # type: ignore[arg-type]


FACES = st.builds(Face, st.integers(0, 20), st.one_of(st.none(), st.integers(1, 5000)), st.booleans())
RULES = st.builds(
    DriftRule,
    st.dictionaries(st.tuples(st.sampled_from(What), st.sampled_from(Kind)), st.sampled_from(Policy)),
    st.integers(1, 50),
    st.integers(1, 5),
)
CASES = st.builds(
    Compared,
    listing_id=st.just(ListingId(1)),
    listing_ref=st.just(ListingRef("L1")),
    published=FACES,
    before=FACES,
    observed=st.one_of(st.none(), FACES),
    held=st.integers(0, 5),
    sold=st.integers(0, 5),
    lately=st.dictionaries(
        st.sampled_from(What), st.builds(Lately, st.integers(0, 9), st.just(NOW)), max_size=4
    ),
)


@given(CASES, RULES)
def test_what_promises_too_much_is_always_told_again(compared: Compared, rule: DriftRule) -> None:
    observed, published = compared.observed, compared.published
    findings = judge(compared, rule, NOW)
    if observed is None or not observed.on:
        assert all(f.what in (What.SWITCH, What.LISTING) for f in findings)
        return
    promised = (published.quantity or 0) if published.on else 0
    if (observed.quantity or 0) > promised or not published.on:
        assert Action.REPAIR in {f.action for f in findings}
