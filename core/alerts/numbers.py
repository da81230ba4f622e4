"""Decides how a measured number is written for people: with its unit, in English or Chinese. Pure."""

from __future__ import annotations

from core.alerts.rules import Metric

_SECONDS = {
    "en": ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")),
    "zh": ((86_400.0, "天"), (3_600.0, "小时"), (60.0, "分钟"), (1.0, "秒")),
}
_DAYS = {"en": " days", "zh": " 天"}


def amount(metric: Metric, value: float, language: str) -> str:
    """A value of a metric: 12, 7.5 %, 3 days, 5 min."""
    if metric.endswith("_percent"):
        return f"{plain(value)} %"
    if metric.endswith("_days"):
        return plain(value) + _DAYS[language]
    if metric.endswith("_seconds"):
        return span(value, language)
    return plain(value)


def plain(value: float) -> str:
    """A number with one decimal where it has one."""
    rounded = round(value, 1)
    return f"{rounded:.0f}" if rounded == round(rounded) else f"{rounded:.1f}"


def span(seconds: float, language: str) -> str:
    """A time in its largest fitting unit."""
    units = _SECONDS[language]
    size, name = next((unit for unit in units if seconds >= unit[0]), units[-1])
    return f"{plain(seconds / size)} {name}"
