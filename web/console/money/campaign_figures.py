"""Decides how a campaign's report becomes a picture: what days sold, the period before, costs. Pure.

Places are per cent of the picture, which the page stretches as inline SVG; amounts are its titles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from core.views.campaign_report import CampaignReport, ReportDay
from web.console.drawing import amount

_GAP = 0.2
_ROOM = 4.0
# A picture of more columns than this shows nothing: days are then summed up.
_MOST_COLUMNS = 120


@dataclass(frozen=True, slots=True)
class _Column:
    """Some days that are drawn as one."""

    name: str
    cost_minor: int
    turnover_minor: int
    before_minor: int


def campaign_chart(report: CampaignReport, label: str = "") -> str:
    """The picture as SVG: columns of what was sold, a line of the period before, and costs as columns within.

    Classes for the page's style: `now`, `before` and `back`, as in the other pictures. Empty without a day.
    """
    columns = _columns(report.days)
    if not columns:
        return ""
    highest = max(max(each.turnover_minor, each.before_minor, each.cost_minor) for each in columns) or 1
    scale, width = (100 - _ROOM) / highest, 100 / len(columns)
    bars, points = [], []
    for place, each in enumerate(columns):
        x, wide = place * width + width * _GAP / 2, width * (1 - _GAP)
        title = _title(each, report.currency)
        bars.append(_bar("now", x, wide, each.turnover_minor * scale, title))
        bars.append(_bar("back", x + wide / 4, wide / 2, each.cost_minor * scale, title))
        points.append(f"{place * width + width / 2:.2f},{100 - each.before_minor * scale:.2f}")
    line = f'<polyline class="before" fill="none" points="{" ".join(points)}"/>'
    told = escape(label or report.name, quote=True)
    return (
        '<svg class="bars campaign" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" '
        f'preserveAspectRatio="none" role="img" aria-label="{told}">{"".join(filter(None, bars))}{line}</svg>'
    )


def _bar(kind: str, x: float, width: float, height: float, title: str) -> str:
    if height <= 0:
        return ""
    place = f'x="{x:.2f}" y="{100 - height:.2f}" width="{width:.2f}" height="{height:.2f}"'
    return f'<rect class="{kind}" {place}><title>{title}</title></rect>'


def _title(column: _Column, currency: str) -> str:
    sold, before, cost = (
        amount(minor, currency) for minor in (column.turnover_minor, column.before_minor, column.cost_minor)
    )
    return escape(f"{column.name}: {sold} ({before}), -{cost}")


def _columns(days: Sequence[ReportDay]) -> list[_Column]:
    together = -(-len(days) // _MOST_COLUMNS) or 1
    return [_column(days[at : at + together]) for at in range(0, len(days), together)]


def _column(days: Sequence[ReportDay]) -> _Column:
    first, last = days[0].day, days[-1].day
    return _Column(
        name=str(first) if first == last else f"{first} - {last}",
        cost_minor=sum(day.granted_minor - day.returned_minor for day in days),
        turnover_minor=sum(day.turnover_minor for day in days),
        before_minor=sum(day.before_minor for day in days),
    )
