"""Makes what tests of alerts need: rules, readings, routes, and SKUs whose stock can be set."""

from __future__ import annotations

from datetime import timedelta

from core.alerts.incidents import IncidentBook, Swept, Watch
from core.alerts.rules import Measure, Metric, Reading, Route, Rule, Severity, Subject
from core.db.pool import Pool
from tests.factories import NOW

STOCK = Measure(Metric.STOCK)
LAG = Measure(Metric.PUBLISH_LAG_SECONDS)
LOW = Rule("low", STOCK, cross=10, clear=20)
EN = Route("en", most_messages=1000)
ZH = Route("zh", "zh", most_messages=1000)


def rule(
    name: str = "low",
    cross: float = 10,
    clear: float = 20,
    hold_seconds: float = 0,
    severity: Severity = Severity.WARNING,
    measure: Measure = STOCK,
) -> Rule:
    """A rule over stock."""
    hold = timedelta(seconds=hold_seconds)
    return Rule(name, measure, cross=cross, clear=clear, hold=hold, severity=severity)


def reading(
    value: float,
    name: str = "CARD",
    channels: frozenset[str] = frozenset(),
    tags: frozenset[str] = frozenset(),
) -> Reading:
    """A reading of a SKU."""
    return Reading(Subject("sku", name), value, {}, channels, tags)


def watch(*rules: Rule, routes: tuple[Route, ...] = (EN,), sweep_seconds: float = 1.0) -> Watch:
    """What is watched in a test."""
    return Watch(rules or (LOW,), {route.name: route for route in routes}, sweep_seconds=sweep_seconds)


async def sweep(pool: Pool, watched: Watch, after_seconds: float = 0) -> Swept:
    """One look, so many seconds after the test's own noon."""
    swept = await IncidentBook(pool, watched).sweep(NOW + timedelta(seconds=after_seconds))
    assert swept is not None, "nobody else looks"
    return swept


async def notices(pool: Pool) -> list[tuple[str, str]]:
    """What was to be told, in its order: kind and route."""
    rows = await pool.fetch("SELECT kind, route FROM alert_notice ORDER BY notice_id")
    return [(row["kind"], row["route"]) for row in rows]
