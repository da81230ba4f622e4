"""Decides how decisions and measurements become pictures: ladders, histograms, gauges, curves, strips. Pure.

Widths and places are per cent of the picture, which the page stretches; what is to be read stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.offers.price.plan import PriceStep
from core.offers.stock.wants import Step
from core.views.alerts import AlertView
from core.views.lag import ChannelLag
from core.views.prices import ChangeView, CompetitorView
from web.console.drawing import amount, count

Writer = Callable[[int | None], str]
Why = Mapping[str, Sequence[Mapping[str, str | int]]]

# Below this part of the largest amount a ladder starts at zero; above, only the part that differs is drawn.
_FROM_ZERO_BELOW = 0.5
_ROOM_BELOW = 0.6
_BUCKETS_PER_DOUBLING = 4
_GAUGE_END = 1.25
_NEAR, _CLOSE = 0.6, 0.9


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of a ladder: where its bar begins, how long it is, what it says, which rule it follows."""

    name: str
    text: str
    change: str
    tone: str
    x: float
    width: float
    why: str
    given: str


def price_ladder(steps: Sequence[PriceStep], currency: str) -> list[Rung]:
    """The steps from target to price."""
    told = [(step.name, step.amount_minor, step.why, step.given) for step in steps]
    return _ladder(told, lambda minor: amount(minor, currency))


def quantity_ladder(steps: Sequence[Step]) -> list[Rung]:
    """The steps from what may be sold to what is shown."""
    return _ladder([(step.rule, step.quantity, step.why, step.source) for step in steps], count)


def stored_ladders(why: Why | None, currency: str) -> tuple[list[Rung], list[Rung]]:
    """Both, quantity and price, from what was written down when the offer was worked out."""
    told = why or {}
    quantity, price = (
        [
            (str(step["rule"]), int(step[value]), str(step["why"]), str(step.get("source", "")))
            for step in told.get(name, ())
        ]
        for name, value in (("quantity", "quantity"), ("price", "amount_minor"))
    )
    return _ladder(quantity, count), _ladder(price, lambda minor: amount(minor, currency))


def _ladder(told: Sequence[tuple[str, int, str, str]], write: Writer) -> list[Rung]:
    values = [value for _, value, _, _ in told]
    low, high = min(values, default=0), max(values, default=0)
    start = 0.0 if low < high * _FROM_ZERO_BELOW else max(0.0, low - _ROOM_BELOW * (high - low))
    start = 0.0 if low == high else start
    scale = 100 / ((high - start) or 1)
    rungs, before = [], None
    for place, (name, value, why, given) in enumerate(told):
        whole = before is None or place == len(told) - 1
        moved = 0 if before is None else value - before
        left = start if whole or before is None else min(value, before)
        size = (value if whole or before is None else max(value, before)) - left
        rungs.append(
            Rung(
                name=name,
                text=write(value),
                change=f"{'+' if moved > 0 else '−'}{write(abs(moved))}" if moved else "",
                tone="whole" if whole else "up" if moved > 0 else "down" if moved < 0 else "same",
                x=round((left - start) * scale, 2),
                width=round(max(size * scale, 0.6), 2),
                why=why,
                given=given,
            )
        )
        before = value
    return rungs


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a histogram, with what it says."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line through a picture, such as a quantile or a limit, with its name."""

    x: float
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """A distribution over a scale on which each doubling is as wide."""

    columns: tuple[Column, ...]
    marks: tuple[Mark, ...]
    first: str
    last: str


def histogram(lag: ChannelLag) -> Histogram:
    """How the lags of a channel are spread, with median, 90th and 99th percentile."""
    places = {_place(bucket.up_to_seconds): bucket for bucket in lag.buckets}
    if not places:
        return Histogram((), (), "", "")
    first, last = min(places) - 1, max(places) + 1
    width, most = 100 / (last - first), max(bucket.samples for bucket in lag.buckets)
    columns = [
        Column(
            x=round((place - 1 - first) * width, 2),
            y=round(100 - max(2.0, 100 * bucket.samples / most), 2),
            width=round(width * 0.86, 2),
            height=round(max(2.0, 100 * bucket.samples / most), 2),
            text=f"up to {seconds(bucket.up_to_seconds)}: {bucket.samples:,}",
        )
        for place, bucket in sorted(places.items())
    ]
    named = (("50 %", lag.median_seconds), ("90 %", lag.p90_seconds), ("99 %", lag.p99_seconds))
    marks = [
        Mark(round(min(100.0, max(0.0, (_exact(value) - first) * width)), 2), name, seconds(value))
        for name, value in named
        if value
    ]
    ends = (0.001 * 2 ** (place / _BUCKETS_PER_DOUBLING) for place in (first, last))
    return Histogram(tuple(columns), tuple(marks), *(seconds(end) for end in ends))


def seconds(value: float | None) -> str:
    """A short time as people read it: 80 ms, 2.5 s, 4 min."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 100:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.0f} h"


def _exact(value: float) -> float:
    return _BUCKETS_PER_DOUBLING * math.log2(value / 0.001)


def _place(value: float) -> int:
    return round(_exact(value))


@dataclass(frozen=True, slots=True)
class Gauge:
    """How far a value has come towards its line: the bar, the line, and a colour."""

    width: float
    line: float
    tone: str
    clear: float | None = None


def part_gauge(used: float) -> Gauge:
    """How much of a marketplace's line is used up: 1.0 is where it acts."""
    tone = "good" if used < _NEAR else "warn" if used < _CLOSE else "bad"
    return Gauge(round(100 * min(used, _GAUGE_END) / _GAUGE_END, 2), round(100 / _GAUGE_END, 2), tone)


def alert_gauge(alert: AlertView) -> Gauge:
    """An alert's value beside the line it crossed and the line where it ends."""
    most = _GAUGE_END * max(alert.last_value, alert.cross, alert.clear, 1e-9)
    tones = {"critical": "bad", "warning": "warn", "info": "busy"}
    return Gauge(
        width=round(100 * max(alert.last_value, 0.0) / most, 2),
        line=round(100 * alert.cross / most, 2),
        tone=tones[alert.severity.value],
        clear=round(100 * alert.clear / most, 2),
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """A price over time as a stepped line, with its ends in words."""

    points: str
    low: str
    high: str
    since: datetime | None


def price_curve(changes: Sequence[ChangeView], currency: str, now: datetime) -> Curve | None:
    """The changes, newest first, as a line; None where there is nothing to draw."""
    if not changes:
        return None
    oldest_first = list(reversed(changes))
    since = oldest_first[0].changed_at
    span = max((now - since).total_seconds(), 1.0)
    prices = [change.price_minor for change in oldest_first]
    low, high = min(prices), max(prices)
    points: list[tuple[float, float]] = []
    for change in oldest_first:
        x = 100 * (change.changed_at - since).total_seconds() / span
        y = 90 - 80 * (change.price_minor - low) / ((high - low) or 1) if high > low else 50.0
        points += [(x, points[-1][1])] if points else []
        points.append((x, y))
    points.append((100.0, points[-1][1]))
    text = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return Curve(text, amount(low, currency), amount(high, currency), since)


@dataclass(frozen=True, slots=True)
class Tick:
    """A seller's place between the lowest and the highest price."""

    x: float
    own: bool
    text: str


def rival_strip(rivals: Sequence[CompetitorView], ours_minor: int | None, currency: str) -> list[Tick]:
    """Where others stand, and where we do."""
    ticks = [(rival.price_minor, rival.own, rival.seller) for rival in rivals if rival.currency == currency]
    if ours_minor is not None:
        ticks.append((ours_minor, True, "this listing"))
    if not ticks:
        return []
    low, high = min(ticks)[0], max(ticks)[0]
    return [
        Tick(
            x=round(3 + 94 * (minor - low) / (high - low), 2) if high > low else 50.0,
            own=own,
            text=f"{name}: {amount(minor, currency)}",
        )
        for minor, own, name in ticks
    ]
