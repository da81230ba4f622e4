"""Proves that an alert begins once, ends once, and holds its breath as long as it is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.hysteresis import Change, Standing, judge
from core.alerts.rules import Measure, Metric, Reading, Route, Rule, Scope, Severity, Side, Subject, side_of
from core.errors import InvalidInput
from core.offers.history.restock import MOST_DAYS, days_of_cover, restock
from tests.alerts.watching import LOW, reading, rule
from tests.factories import NOW

CARD = Subject("sku", "CARD")


def changes(watched: Rule, values: Sequence[float | None], seconds: float = 10) -> list[Change | None]:
    """What each of some readings of one SKU comes to; None in the values: nothing was measured."""
    standings: dict[Subject, Standing] = {}
    found: list[Change | None] = []
    for step, value in enumerate(values):
        readings = [] if value is None else [reading(value)]
        transitions = judge(watched, standings, readings, NOW + timedelta(seconds=step * seconds))
        assert len(transitions) <= 1
        found.append(transitions[0].change if transitions else None)
        for transition in transitions:
            if transition.change in (Change.WAITING, Change.RAISED, Change.STANDING):
                raised = transition.change is not Change.WAITING
                standings[CARD] = Standing(transition.since, raised)
            else:
                standings.pop(CARD, None)
    return found


def test_an_alert_is_raised_at_the_line_and_ends_at_the_other() -> None:
    assert changes(LOW, [10, 9, 5, 15, 19, 20, 15, 9]) == [
        None,
        Change.RAISED,
        Change.STANDING,
        Change.STANDING,
        Change.STANDING,
        Change.RECOVERED,
        None,
        Change.RAISED,
    ]


def test_too_much_is_bad_where_it_is() -> None:
    slow = Rule("slow", Measure(Metric.PUBLISH_LAG_SECONDS), cross=60, clear=30)
    assert changes(slow, [60, 61, 45, 30]) == [None, Change.RAISED, Change.STANDING, Change.RECOVERED]


def test_a_line_must_be_crossed_for_as_long_as_the_rule_asks() -> None:
    held = rule(hold_seconds=20)
    assert changes(held, [5, 5, 5]) == [Change.WAITING, Change.WAITING, Change.RAISED]
    assert changes(held, [5, 5, 12, 5, 5, 5]) == [
        Change.WAITING,
        Change.WAITING,
        Change.CALMED,
        Change.WAITING,
        Change.WAITING,
        Change.RAISED,
    ]


def test_what_is_not_measured_any_more_is_gone_or_was_never_told() -> None:
    assert changes(LOW, [5, None, None, 5]) == [Change.RAISED, Change.GONE, None, Change.RAISED]
    assert changes(rule(hold_seconds=60), [5, None, 5]) == [Change.WAITING, Change.CALMED, Change.WAITING]


def test_a_clock_that_goes_back_raises_nothing_early() -> None:
    held = rule(hold_seconds=60)
    (waiting,) = judge(held, {CARD: Standing(NOW, False)}, [reading(1)], NOW - timedelta(hours=1))
    assert waiting.change is Change.WAITING


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 40)), max_size=40),
    st.floats(0, 40),
    st.floats(0, 40),
    st.sampled_from([0.0, 10.0, 25.0]),
    st.sampled_from([Metric.STOCK, Metric.DRIFT]),
)
def test_no_alert_is_raised_twice_without_an_end_between(
    values: list[float | None], one: float, other: float, hold: float, metric: Metric
) -> None:
    low, high = sorted((one, other))
    cross, clear = (low, high) if side_of(metric) is Side.BELOW else (high, low)
    watched = Rule("r", Measure(metric), cross=cross, clear=clear, hold=timedelta(seconds=hold))
    raised = False
    for value, change in zip(values, changes(watched, values), strict=True):
        if change is Change.RAISED:
            assert not raised
            assert value is not None
            assert watched.crossed(value)
        if change in (Change.RECOVERED, Change.GONE):
            assert raised
            assert value is None or watched.cleared(value)
        raised = (raised or change is Change.RAISED) and change not in (Change.RECOVERED, Change.GONE)
        if raised and value is not None:
            assert not watched.cleared(value)
        if value is not None and hold == 0 and watched.crossed(value):
            assert raised


@pytest.mark.parametrize(("metric", "cross", "clear"), [(Metric.STOCK, 10, 9), (Metric.DRIFT, 5, 6)])
def test_a_line_to_clear_on_the_wrong_side_is_refused(metric: Metric, cross: float, clear: float) -> None:
    with pytest.raises(InvalidInput, match="wrong side"):
        Rule("r", Measure(metric), cross=cross, clear=clear)


@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        (Scope(), True),
        (Scope(skus=frozenset({"CARD", "OTHER"})), True),
        (Scope(skus=frozenset({"OTHER"})), False),
        (Scope(channels=frozenset({"eneba", "shop"})), True),
        (Scope(channels=frozenset({"kinguin"})), False),
        (Scope(tags=frozenset({"steam"})), True),
        (Scope(tags=frozenset({"steam", "hot"})), False),
        (Scope(tags=frozenset({"steam"}), channels=frozenset({"kinguin"})), False),
    ],
)
def test_a_rule_holds_for_those_it_names(scope: Scope, covers: bool) -> None:
    given = reading(1, channels=frozenset({"eneba"}), tags=frozenset({"steam", "eu"}))
    assert scope.covers(given) is covers
    assert bool(judge(Rule("r", LOW.measure, 10, 10, scope=scope), {}, [given], NOW)) is covers


def test_a_subject_that_leaves_a_rule_s_scope_ends_its_alert() -> None:
    narrow = Rule("r", LOW.measure, 10, 10, scope=Scope(skus=frozenset({"OTHER"})))
    (gone,) = judge(narrow, {CARD: Standing(NOW, True)}, [reading(1)], NOW)
    assert gone.change is Change.GONE


def test_a_subject_measured_twice_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="measured twice"):
        judge(LOW, {}, [reading(1), reading(2)], NOW)


def test_a_route_hears_what_it_wants_unless_the_rule_names_its_routes() -> None:
    phone = Route("phone", severities=frozenset({Severity.CRITICAL}))
    assert not phone.wants(LOW)
    assert phone.wants(rule(severity=Severity.CRITICAL))
    assert phone.wants(Rule("r", LOW.measure, 1, 1, routes=frozenset({"phone"})))
    assert not phone.wants(
        Rule("r", LOW.measure, 1, 1, severity=Severity.CRITICAL, routes=frozenset({"mail"}))
    )


@given(st.integers(0, 10_000), st.floats(0.01, 500), st.floats(0, 60), st.floats(0, 365))
def test_what_a_restocking_hint_asks_for_is_enough_and_not_too_much(
    available: int, per_day: float, lead: float, cover: float
) -> None:
    order = restock(available, per_day, lead, cover)
    assert order is not None
    left = max(available - per_day * lead, 0)
    assert left + order >= per_day * cover - 1e-6
    assert order == 0 or left + order - 1 < per_day * cover


def test_nothing_is_ordered_of_what_does_not_sell() -> None:
    assert restock(0, 0.0, 7, 30) is None
    assert days_of_cover(5, 0.0) == MOST_DAYS
    assert days_of_cover(0, 0.0) == 0
    assert days_of_cover(10, 2.5) == 4
    assert restock(10, 2.0, 5, 30) == 60
    assert restock(100, 2.0, 5, 30) == 0


def test_a_reading_names_its_subject_in_a_word_that_can_be_read_back() -> None:
    for subject in (Subject("sku", "A:B 中"), Subject("house", ""), Subject("pair", "EUR/USD")):
        assert Subject.parse(str(subject)) == subject
    assert isinstance(reading(1), Reading)
