"""Shows that a buffer sized by risk holds the stated chance, and is the smallest that does."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from math import exp

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.offers.history.selling import Lag
from core.offers.stock.risk import LARGEST_BUFFER, buffer_for, smallest_buffer
from core.offers.stock.rules import RiskBuffer, StockRule
from core.offers.stock.wants import ListingStock, wanted
from tests.unit.stock_listings import listing

chances = st.sampled_from([0.5, 0.05, 0.001, 1e-6])
sizes = st.sampled_from([1.0, 1.2, 2.5, 7.0])


@st.composite
def lags(draw: st.DrawFn) -> Lag:
    seconds = sorted(draw(st.lists(st.floats(0.01, 60), min_size=1, max_size=5, unique=True)))
    parts = draw(st.lists(st.integers(1, 9), min_size=len(seconds), max_size=len(seconds)))
    return Lag(tuple(seconds), tuple(part / sum(parts) for part in parts))


def chance_above(units: int, orders: float, size: float) -> float:
    """By Panjer's recursion over the number of units, which knows nothing of throws; exact fractions."""
    success, mean = Fraction(1) / Fraction(size), Fraction(orders)
    mass = [Fraction(1)]
    for n in range(1, units + 1):
        sized = ((1 - success) ** (j - 1) * success * j * mass[n - j] for j in range(1, n + 1))
        mass.append(mean / n * sum(sized))
    return 1 - float(sum(mass)) * exp(-orders)


def mixed_chance_above(units: int, per_second: float, size: float, lag: Lag) -> float:
    return sum(
        weight * chance_above(units, per_second / size * seconds, size)
        for seconds, weight in zip(lag.seconds, lag.weights, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(st.floats(0.001, 0.3), sizes, lags(), chances)
def test_it_is_the_smallest_buffer_that_holds_the_chance(
    per_second: float, size: float, lag: Lag, chance: float
) -> None:
    found = smallest_buffer(per_second, size, lag, chance)
    assert mixed_chance_above(found, per_second, size, lag) <= chance * (1 + 1e-6) + 1e-12
    if found:
        assert mixed_chance_above(found - 1, per_second, size, lag) > chance * (1 - 1e-6) - 1e-12


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 5), sizes, lags(), chances)
@example(3.0, 1.2, Lag((1.0, 59.0), (0.5, 0.5)), 0.5)
@example(3.0, 1.2, Lag((1.0, 52.0), (0.5, 0.5)), 0.5)
def test_what_is_remembered_is_rounded_to_the_safe_side_and_not_far(
    per_second: float, size: float, lag: Lag, chance: float
) -> None:
    exact = smallest_buffer(per_second, size, lag, chance)
    assert exact <= buffer_for(per_second, size, lag, chance)
    assert buffer_for(per_second, size, lag, chance) <= smallest_buffer(
        per_second * 1.101, size * 1.101, lag, chance
    )


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 5), sizes, lags(), chances, st.floats(1, 4))
def test_faster_sales_longer_lags_and_rarer_oversells_never_need_less(
    per_second: float, size: float, lag: Lag, chance: float, times: float
) -> None:
    least = smallest_buffer(per_second, size, lag, chance)
    assert smallest_buffer(per_second * times, size, lag, chance) >= least
    longer = Lag(tuple(seconds * times for seconds in lag.seconds), lag.weights)
    assert smallest_buffer(per_second, size, longer, chance) >= least
    assert smallest_buffer(per_second, size, lag, chance / times) >= least


def test_played_out_many_times_more_is_sold_as_rarely_as_stated() -> None:
    dice = random.Random(7)
    lag, size, per_second, chance = Lag((1.0, 20.0, 90.0), (0.7, 0.25, 0.05)), 1.6, 0.08, 0.01
    kept = smallest_buffer(per_second, size, lag, chance)

    def sold() -> int:
        (seconds,) = dice.choices(lag.seconds, lag.weights)
        units, at = 0, dice.expovariate(per_second / size)
        while at < seconds:
            units += 1
            while dice.random() > 1 / size:
                units += 1
            at += dice.expovariate(per_second / size)
        return units

    played = [sold() for _ in range(40_000)]
    # Four standard deviations of so many throws.
    assert sum(units > kept for units in played) / len(played) < chance + 4 * (chance / len(played)) ** 0.5
    assert (
        sum(units > kept - 1 for units in played) / len(played) > chance - 4 * (chance / len(played)) ** 0.5
    )


def test_who_sells_nothing_keeps_nothing_back() -> None:
    assert buffer_for(0.0, 1.0, Lag((60.0,), (1.0,)), 1e-9) == 0
    assert smallest_buffer(0.0, 5.0, Lag((60.0,), (1.0,)), 1e-9) == 0


@pytest.mark.parametrize(("per_second", "seconds"), [(50.0, 600.0), (900.0, 1000.0)])
def test_very_fast_sales_neither_underflow_nor_overflow(per_second: float, seconds: float) -> None:
    mean = per_second * seconds
    found = smallest_buffer(per_second, 1.0, Lag((seconds,), (1.0,)), 0.001)
    assert mean + 2 * mean**0.5 < found < mean + 4 * mean**0.5


def test_absurd_sales_end_at_the_largest_buffer() -> None:
    assert smallest_buffer(1e9, 3.0, Lag((60.0,), (1.0,)), 0.001) == LARGEST_BUFFER


def test_a_distribution_of_many_values_is_taken_coarser_but_never_shorter() -> None:
    many = Lag(tuple(n / 10 for n in range(1, 501)), (1 / 500,) * 500)
    exact = smallest_buffer(0.2, 1.0, many, 0.001)
    assert exact <= buffer_for(0.2, 1.0, many, 0.001) <= exact + 1


def test_a_lag_that_was_never_measured_is_assumed_and_the_explanation_says_so() -> None:
    rule = StockRule(buffer=RiskBuffer(0.001, 60), place="channels.a.stock")
    fast = listing(1, 100, rule)
    assert wanted(fast).quantity == 100
    step = wanted(_selling(fast, 0.05)).steps[-1]
    assert (step.rule, step.quantity) == (
        "buffer",
        100 - smallest_buffer(0.05, 1.0, Lag((60.0,), (1.0,)), 0.001),
    )
    assert "60 s, assumed until the lag is measured (channels.a.stock.buffer: lag_seconds)" in step.why


def test_a_measured_lag_is_named_with_its_middle_and_its_end() -> None:
    measured = _selling(
        listing(1, 100, StockRule(buffer=RiskBuffer(0.001))), 0.05, Lag((2.0, 9.0), (0.9, 0.1))
    )
    why = wanted(measured).steps[-1].why
    assert "the measured lag (median 2 s, 99 % below 9 s)" in why
    assert "4.32e+03 sold elsewhere a day" in why


def test_a_share_that_leaves_enough_to_the_others_needs_no_buffer_on_top() -> None:
    rule = StockRule(share_ppm=500_000, buffer=RiskBuffer(0.001))
    assert wanted(_selling(listing(1, 100, rule), 0.05)).quantity == 50


def _selling(each: ListingStock, per_second: float, lag: Lag | None = None) -> ListingStock:
    return replace(each, elsewhere_per_second=per_second, lag=lag or Lag())
