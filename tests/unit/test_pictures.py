"""Pictures stay inside their frames and say what they show, whatever the numbers."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.offers.history.selling import bucket_seconds
from core.offers.price.plan import PriceStep
from core.offers.stock.wants import Step
from core.views.lag import ChannelLag, LagBucket
from core.views.prices import ChangeView, CompetitorView
from tests.factories import NOW
from web.console.pictures import (
    Rung,
    Why,
    histogram,
    part_gauge,
    price_curve,
    price_ladder,
    quantity_ladder,
    rival_strip,
    seconds,
    stored_ladders,
)

PRICES = st.integers(0, 10**9)
# Rounding to hundredths of a per cent, and the least width that can be seen.
SLACK = 0.7


def inside(rung: Rung) -> bool:
    return rung.x >= 0 and rung.width > 0 and rung.x + rung.width <= 100 + SLACK


@given(st.lists(PRICES, max_size=12))
def test_a_ladder_stays_in_its_frame_and_ends_at_the_price(amounts: list[int]) -> None:
    rungs = price_ladder([PriceStep(f"s{n}", minor, "why", "rule") for n, minor in enumerate(amounts)], "EUR")
    assert len(rungs) == len(amounts)
    assert all(inside(rung) for rung in rungs)
    for rung, before, after in zip(rungs[1:], amounts, amounts[1:], strict=False):
        assert (rung.change == "") == (before == after)
        assert rung.change.startswith("+") == (after > before)


def test_a_ladder_names_each_rule_and_draws_only_what_changes() -> None:
    steps = [Step("sellable", 20, "codes", "stock"), Step("share", 15, "75 %", "channels.a.share")]
    first, last = quantity_ladder(steps)
    assert (first.text, first.tone, last.change, last.given) == ("20", "whole", "−5", "channels.a.share")
    near = price_ladder([PriceStep("a", 2000, ""), PriceStep("b", 2040, ""), PriceStep("c", 2030, "")], "EUR")
    assert near[1].tone == "up"
    assert near[1].width > 50, "forty cents fill the picture where nothing else moved"


def test_what_was_written_down_is_drawn_alike() -> None:
    why: Why = {
        "quantity": [{"rule": "sellable", "quantity": 3, "why": "codes"}],
        "price": [{"rule": "base", "amount_minor": 2000, "why": "wanted", "source": "price.base"}],
    }
    [quantity], [price] = stored_ladders(why, "EUR")
    assert (quantity.text, quantity.given, price.text, price.given) == ("3", "", "20.00 EUR", "price.base")
    assert stored_ladders(None, "EUR") == ([], [])


@given(st.lists(st.tuples(PRICES, st.integers(1, 10**6)), max_size=20))
def test_a_curve_runs_from_left_to_right_inside_its_frame(told: list[tuple[int, int]]) -> None:
    ages = sorted(age for _, age in told)
    changes = [
        ChangeView(NOW - timedelta(seconds=age), None, minor, minor)
        for age, (minor, _) in zip(ages, told, strict=True)
    ]
    curve = price_curve(changes, "EUR", NOW)
    assert (curve is None) == (not told)
    if curve is not None:
        points = [tuple(map(float, point.split(","))) for point in curve.points.split(" ")]
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert all(0 <= value <= 100 for point in points for value in point)


@given(st.dictionaries(st.integers(-3, 90), st.integers(1, 10**6), max_size=30))
def test_a_histogram_holds_every_bucket_and_its_quantiles(counts: dict[int, int]) -> None:
    buckets = tuple(LagBucket(bucket_seconds(place), counts[place]) for place in sorted(counts))
    middle = buckets[len(buckets) // 2].up_to_seconds if buckets else None
    shape = histogram(ChannelLag("a", sum(counts.values()), middle, middle, middle, middle, buckets, 0, None))
    assert len(shape.columns) == len(buckets)
    assert all(column.x >= 0 and column.x + column.width <= 100 for column in shape.columns)
    assert all(column.height > 0 and column.y >= 0 for column in shape.columns)
    assert len(shape.marks) == (3 if buckets else 0)
    assert all(0 <= mark.x <= 100 for mark in shape.marks)


@given(st.floats(0, 1e9, allow_nan=False))
def test_a_gauge_is_red_before_its_line_is_reached(used: float) -> None:
    gauge = part_gauge(used)
    assert 0 <= gauge.width <= 100
    assert (gauge.width >= gauge.line) == (used >= 1) or abs(used - 1) < 0.001
    assert gauge.tone == ("bad" if used >= 0.9 else gauge.tone)


def test_rivals_in_another_currency_are_not_put_on_the_same_scale() -> None:
    rivals = [
        CompetitorView("卖家", 2000, "EUR", None, False, NOW),
        CompetitorView("other", 100, "USD", 3, False, NOW),
    ]
    ticks = rival_strip(rivals, 2100, "EUR")
    assert [(tick.own, tick.text) for tick in ticks] == [
        (False, "卖家: 20.00 EUR"),
        (True, "this listing: 21.00 EUR"),
    ]
    assert ticks[0].x < ticks[1].x
    assert rival_strip([], None, "EUR") == []


def test_short_times_are_written_as_people_read_them() -> None:
    assert [seconds(value) for value in (None, 0.08, 2.54, 240, 90_000)] == [
        "–",
        "80 ms",
        "2.5 s",
        "4 min",
        "25 h",
    ]
