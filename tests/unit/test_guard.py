"""The guard against the channels' own sums: no sequence of outcomes reaches a line while offers obey it.

The model: a buyer orders only what is on sale, one after the other; each order ends in the channel's eyes
before the next begins; the channel judges when something fails. The sums are the sandbox's own, or written
down here independently of ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.eneba.connector import Eneba
from connectors.sandbox.eneba_health import PROVISION, RESERVATION, AuctionHealth, HealthRules
from core.errors import PlanRefused
from core.offers.closures.guard import GuardRule, Tally, channel_sum, explain, part_of_line, rule
from core.types import Asked, Formula, PenaltyLine

START = datetime(2026, 11, 21, tzinfo=UTC)
LINES = tuple(penalty.line for penalty in Eneba.traits.penalties if penalty.line is not None)
# As its pages describe Driffle: shares and failures in a row within an hour.
DRIFFLE = (
    PenaltyLine(Asked.RESERVE, Formula.SHARE, 0.4, 3600),
    PenaltyLine(Asked.PROVIDE, Formula.SHARE, 0.2, 3600),
    PenaltyLine(Asked.PROVIDE, Formula.STREAK, 3, 3600),
)


def test_the_sums_are_those_of_the_channels() -> None:
    assert channel_sum(Formula.LOG_RATIO, Tally(1, 0)) == 0.0
    assert channel_sum(Formula.LOG_RATIO, Tally(2, 1)) == math.inf
    assert channel_sum(Formula.LOG_RATIO, Tally(4, 16)) == pytest.approx(0.5)
    assert channel_sum(Formula.SHARE, Tally(2, 3)) == pytest.approx(0.4)
    assert channel_sum(Formula.SHARE, Tally()) == 0.0
    assert channel_sum(Formula.STREAK, Tally(5, 9, streak=2)) == 2.0
    assert part_of_line(LINES[0], Tally(4, 16)) == pytest.approx(1.25)


def test_every_line_of_eneba_is_known_to_the_guard() -> None:
    assert {(line.asked, line.formula, line.at) for line in LINES} == {
        (Asked.RESERVE, Formula.LOG_RATIO, 0.4),
        (Asked.PROVIDE, Formula.LOG_RATIO, 0.2),
        (Asked.PROVIDE, Formula.STREAK, 3),
    }


def test_nothing_is_closed_while_nothing_failed() -> None:
    for line in (*LINES, *DRIFFLE):
        assert not rule(GuardRule(spare_failures=3), line, Tally(0, 0), None, START).closed


def test_it_closes_one_failure_before_the_line_and_opens_well_below_it() -> None:
    line, guard = LINES[0], GuardRule(margin=0.0, least_closed=timedelta(minutes=5))
    # log 2 / log 5 is above 0.4, log 2 / log 6 is below.
    assert rule(guard, line, Tally(1, 5), None, START).closed
    assert not rule(guard, line, Tally(1, 6), None, START).closed
    later = START + timedelta(minutes=6)
    assert rule(guard, line, Tally(0, 0), START, START + timedelta(minutes=4)).closed
    assert not rule(guard, line, Tally(0, 0), START, later).closed
    wary = GuardRule(margin=0.1)
    # 0.37 of 0.4: what would not close it yet does not open it either.
    assert not rule(wary, line, Tally(1, 7), None, START).closed
    assert rule(wary, line, Tally(1, 7), START, later).closed


def test_the_reason_says_what_was_counted() -> None:
    assert explain(LINES[0], Tally(1, 4)) == (
        "1 of 5 reserve failed in the last 60 minutes; one more makes 0.50, "
        "the channel acts at 0.4 (log ratio)"
    )
    assert "2 provide failed in a row; the channel acts at 3" in explain(LINES[2], Tally(2, 9, 2))


@pytest.mark.parametrize("broken", [{"margin": 0.5}, {"margin": -0.1}, {"spare_failures": -1}])
def test_a_guard_that_makes_no_sense_is_refused(broken: dict[str, float]) -> None:
    with pytest.raises(PlanRefused):
        GuardRule(**broken)  # type: ignore[arg-type]


@dataclass(slots=True)
class Books:
    """What we noted, and what we closed by it."""

    guard: GuardRule
    noted: list[tuple[datetime, Asked, bool]] = field(default_factory=list)
    closed: dict[PenaltyLine, datetime] = field(default_factory=dict)

    def watch(self, now: datetime) -> bool:
        """Whether offers may be on now."""
        for line in self.guard.lines:
            closed_at = self.closed.get(line)
            if rule(self.guard, line, self._tally(line, now), closed_at, now).closed:
                self.closed.setdefault(line, now)
            else:
                self.closed.pop(line, None)
        return not self.closed

    def _tally(self, line: PenaltyLine, now: datetime) -> Tally:
        since = now - timedelta(seconds=line.window_seconds or 10**9)
        done = [ok for at, asked, ok in self.noted if asked is line.asked and at > since]
        streak = next((n for n, ok in enumerate(reversed(done)) if ok), len(done))
        return Tally(done.count(False), done.count(True), streak)


@dataclass(frozen=True, slots=True)
class Order:
    """A buyer who comes after some seconds, and how we serve him."""

    after_seconds: float
    reserved: bool
    provided: bool


# Bad days, good days and all between: failures come in runs.
ORDERS = st.lists(
    st.builds(
        Order,
        st.floats(0, 1200),
        st.sampled_from([True, True, True, False]),
        st.sampled_from([True, True, True, False]),
    ),
    max_size=80,
)
GUARDS = st.builds(
    lambda margin, spare, least: GuardRule(LINES, margin, spare, timedelta(seconds=least)),
    st.floats(0, 0.4),
    st.integers(0, 2),
    st.integers(0, 900),
)


def play(orders: list[Order], books: Books, note: Callable[[float, Asked, bool], None]) -> int:
    """Let buyers come one after the other; how many found the offer on sale."""
    seconds, served = 0.0, 0
    for order in orders:
        seconds += order.after_seconds
        now = START + timedelta(seconds=seconds)
        if not books.watch(now):
            continue
        served += 1
        note(seconds, Asked.RESERVE, order.reserved)
        books.noted.append((now, Asked.RESERVE, order.reserved))
        if order.reserved:
            note(seconds, Asked.PROVIDE, order.provided)
            books.noted.append((now, Asked.PROVIDE, order.provided))
    return served


@given(ORDERS, GUARDS)
@settings(deadline=None, max_examples=300)
def test_eneba_never_hides_an_auction_that_the_guard_watches(orders: list[Order], guard: GuardRule) -> None:
    clock = [0.0]
    health = AuctionHealth(HealthRules(), lambda: clock[0])

    def note(seconds: float, asked: Asked, ok: bool) -> None:
        clock[0] = seconds
        health.note(RESERVATION if asked is Asked.RESERVE else PROVISION, completed=ok)
        assert not health.hidden
        assert not health.to_be_disabled

    play(orders, Books(guard), note)


def test_without_the_guard_the_same_sandbox_hides_it() -> None:
    health = AuctionHealth(HealthRules(), lambda: 0.0)
    for _ in range(2):
        health.note(PROVISION, completed=False)
    assert health.hidden


@given(ORDERS)
@settings(deadline=None, max_examples=300)
def test_driffles_shares_and_streaks_are_crossed_by_a_first_failure_at_most(orders: list[Order]) -> None:
    """A share is crossed by the first failure where little was sold: that one nobody can foresee."""
    past: list[tuple[float, Asked, bool]] = []

    def note(seconds: float, asked: Asked, ok: bool) -> None:
        past.append((seconds, asked, ok))
        mine = [o for at, a, o in past if a is asked and at > seconds - 3600]
        if ok or mine.count(False) == 1:
            return
        assert mine.count(False) / len(mine) < (0.4 if asked is Asked.RESERVE else 0.2)
        assert asked is Asked.RESERVE or mine[-3:] != [False] * 3

    play(orders, Books(GuardRule(DRIFFLE)), note)


def test_a_window_that_has_passed_brings_offers_back() -> None:
    books = Books(GuardRule(LINES[:2]))
    books.noted.append((START, Asked.PROVIDE, False))
    assert not books.watch(START)
    assert not books.watch(START + timedelta(minutes=59))
    assert books.watch(START + timedelta(minutes=61))
