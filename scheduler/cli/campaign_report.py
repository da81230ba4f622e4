"""Shows what a campaign cost and what it brought, against the period of the same length before it."""

from __future__ import annotations

from pathlib import Path

import click

from core.views.campaign_report import CampaignReport, PeriodSales, Rate, ReportDay, read_campaign_report
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, amount, plain, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from web.console.money.campaign_figures import campaign_chart


@click.command("report")
@click.argument("name")
@click.option(
    "--days", type=click.IntRange(1, 365), default=30, show_default=True, help="To buy again within."
)
@click.option(
    "--chart", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture there, as SVG."
)
@json_option
@pass_session
def campaign_report(session: Session, name: str, days: int, chart: Path | None, as_json: bool) -> None:
    """Report what campaign NAME cost, and sales, conversion and repurchase against the period before it.

    Extra is the difference to a period of the same length before, which other things move, too. Return is
    extra margin less cost, for each unit of cost. Figures on fewer than 30 cases are called thin.

    JSON: the report; amounts are minor units, shares are thousandths.
    """
    report = session.drive(_read(session, name, days))
    if chart is not None:
        chart.write_text(campaign_chart(report), encoding="utf-8")
    if as_json:
        print_json(_fields(report))
        return
    until = "now" if report.running else f"{report.until:%Y-%m-%d}"
    say(f"{report.name}: {report.starts_at:%Y-%m-%d} to {until}, against {report.before_from:%Y-%m-%d} on")
    table = Cells("", "in it", "before", "extra", right=["in it", "before", "extra"])
    for row in _sales(report):
        table.add(*row)
    table.show()
    for text in _figures(report):
        say(text)


async def _read(session: Session, name: str, days: int) -> CampaignReport:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await read_campaign_report(conn, name, utc_now(), again_days=days)


def _sales(report: CampaignReport) -> list[tuple[str, str, str, str]]:
    now, before, currency = report.during, report.before, report.currency

    def money(minor: int | None) -> str:
        return amount(minor, currency)

    return [
        ("orders", *_counts(now.orders, before.orders)),
        ("buyers", *_counts(now.buyers, before.buyers)),
        (
            "turnover",
            money(now.turnover_minor),
            money(before.turnover_minor),
            money(report.extra_turnover_minor),
        ),
        ("margin", money(now.margin_minor), money(before.margin_minor), money(report.extra_margin_minor)),
    ]


def _counts(now: int, before: int) -> tuple[str, str, str]:
    return str(now), str(before), f"{now - before:+}"


def _figures(report: CampaignReport) -> list[str]:
    granted, back, cost = (
        amount(minor, report.currency)
        for minor in (report.granted_minor, report.returned_minor, report.cost_minor)
    )
    told = [f"cost: {cost} (granted {granted}, taken back {back})"]
    told.append(f"conversion: {_share(report.conversion)} of orders that it looked at got something")
    told += [f"redeemed of {each.pays}: {_share(each.used)}" for each in report.redemptions]
    rewarded, others = _share(report.rewarded_again), _share(report.others_again)
    told.append(
        f"bought again in {report.again_days} days: {rewarded} of the rewarded, {others} of the others"
    )
    back_permille = report.return_permille
    if back_permille is None:
        told.append("return on cost: not known, as costs of codes, or the cost itself, are none")
    else:
        known = (report.costs_known_permille or 0) / 10
        told.append(
            f"return on cost: {back_permille / 10:.1f} %, by the costs known of {known:.0f} % of turnover"
        )
    if report.thin:
        told.append(f"thin, on fewer than 30 cases: {', '.join(report.thin)}")
    return told


def _share(rate: Rate) -> str:
    permille = rate.permille
    return "none" if permille is None else f"{permille / 10:.1f} % ({rate.part} of {rate.whole})"


def _fields(report: CampaignReport) -> dict[str, object]:
    """The report with what is reckoned from it; days as ISO dates."""
    told = plain(report)
    assert isinstance(told, dict), "a dataclass is told as an object"
    return {
        **told,
        "days": [_day(day) for day in report.days],
        "during": _period(report.during),
        "before": _period(report.before),
        "cost_minor": report.cost_minor,
        "extra_turnover_minor": report.extra_turnover_minor,
        "extra_margin_minor": report.extra_margin_minor,
        "return_permille": report.return_permille,
        "conversion_permille": report.conversion.permille,
        "thin": report.thin,
    }


def _period(sales: PeriodSales) -> dict[str, object]:
    told = plain(sales)
    assert isinstance(told, dict), "a dataclass is told as an object"
    return {**told, "margin_minor": sales.margin_minor}


def _day(day: ReportDay) -> dict[str, object]:
    told = plain(day)
    assert isinstance(told, dict), "a dataclass is told as an object"
    return {**told, "day": day.day.isoformat()}
