"""What is made of the sums that a sweep keeps: velocities, lags, and the sale a lag begins with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.offers.history.selling import (
    QUICK_SECONDS,
    SLOW_SECONDS,
    Lag,
    Selling,
    bucket_seconds,
    faded,
    first_sales,
    peak,
    velocity,
)
from core.types import ChannelId, SkuId
from tests.factories import NOW


def steady(per_second: float, seconds: int, half_life: float) -> float:
    """The fading sum after a steady sale, counted every minute."""
    units = 0.0
    for _ in range(seconds // 60):
        units = faded(units, 60, half_life) + per_second * 60
    return units


@pytest.mark.parametrize("hours", [2, 24, 24 * 60])
def test_a_steady_sale_is_measured_as_what_it_is_however_long_it_was_watched(hours: int) -> None:
    seconds = hours * 3600
    quick, slow = (steady(0.01, seconds, half_life) for half_life in (QUICK_SECONDS, SLOW_SECONDS))
    assert velocity(slow, 0.0, seconds) == pytest.approx(0.01, rel=0.05)
    assert peak(quick, slow, 0.0, seconds) == pytest.approx(0.01, rel=0.05)


def test_a_burst_shows_within_minutes_and_is_forgotten_within_hours() -> None:
    calm = steady(0.001, 60 * 86_400, SLOW_SECONDS)
    quick = faded(steady(0.001, 86_400, QUICK_SECONDS), 600, QUICK_SECONDS) + steady(0.1, 600, QUICK_SECONDS)
    watched = 60 * 86_400.0
    assert peak(quick, calm + 60, 0.0, watched) > 0.045
    assert velocity(calm + 60, 0.0, watched) < 0.0012
    assert peak(quick, calm + 60, 3 * 3600.0, watched) < 0.0012


def test_what_never_sold_has_no_velocity() -> None:
    assert velocity(0.0, 0.0, 0.0) == peak(0.0, 0.0, 0.0, 0.0) == 0.0


def test_a_first_sale_is_no_flood() -> None:
    assert velocity(1.0, 0.0, 0.001) <= 1 / 3000


def test_the_velocity_elsewhere_leaves_out_the_channel_itself() -> None:
    selling = Selling({ChannelId(1): 0.25, ChannelId(2): 0.5}, peak_per_second={ChannelId(1): 2.0})
    assert selling.elsewhere(ChannelId(1)) == 0.5
    assert selling.elsewhere(ChannelId(2)) == 2.0, "at its peak"
    assert selling.elsewhere(ChannelId(3)) == 2.5
    assert selling.total() == 0.75


def test_a_lag_that_was_never_measured_has_no_quantile() -> None:
    assert Lag().quantile(0.99) is None


def test_a_quantile_is_the_shortest_lag_that_the_share_does_not_exceed() -> None:
    lag = Lag((1.0, 2.0, 8.0), (0.5, 0.4, 0.1))
    assert [lag.quantile(q) for q in (0.0, 0.5, 0.6, 0.9, 0.95, 1.0)] == [1.0, 1.0, 2.0, 2.0, 8.0, 8.0]


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_of_any_distribution_rise_and_reach_the_longest(counts: list[int], q: float) -> None:
    lag = Lag(
        tuple(bucket_seconds(bucket) for bucket in range(len(counts))),
        tuple(count / sum(counts) for count in counts),
    )
    found, longest = lag.quantile(q), lag.quantile(1.0)
    assert found is not None
    assert found <= lag.seconds[-1] == longest


def test_a_lag_begins_with_the_oldest_sale_and_knows_the_oldest_on_another_listing() -> None:
    at = [NOW + timedelta(seconds=n) for n in range(4)]
    found = first_sales([(1, 11, at[2]), (1, 10, at[1]), (1, 10, at[0]), (2, 20, at[3])])
    first, only = found[SkuId(1)], found[SkuId(2)]
    assert (first.at, first.listing_id, first.elsewhere_at) == (at[0], 10, at[2])
    assert (only.at, only.listing_id, only.elsewhere_at) == (at[3], 20, None)
