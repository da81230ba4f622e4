"""Shows what channels cost and bring, side by side."""

from __future__ import annotations

import click

from core.views.channel_figures import ChannelFigures, channel_figures
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, amount, print_json
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now


@click.command("figures")
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="Back to then.")
@json_option
@pass_session
def show_figures(session: Session, days: int, as_json: bool) -> None:
    """Show turnover, fees, proceeds, complaints, and how fast the stock sells.

    JSON: {"channels": [{"channel", "currency", "turnover_minor", "cost_percent", ...}]}.
    """
    found = session.drive(_figures(session, days))
    if as_json:
        print_json({"channels": found})
        return
    numbers = ["turnover", "fees", "cost", "proceeds", "deliveries", "complaints", "stock a year"]
    table = Cells("channel", *numbers, right=numbers)
    for row in found:
        turnover, fees = amount(row.turnover_minor, row.currency), amount(row.fees_minor, row.currency)
        proceeds = amount(row.proceeds_minor, row.currency)
        cost, complaints = _percent(row.cost_percent), _percent(row.complaint_percent)
        pace = "" if row.turnover_per_year is None else f"{row.turnover_per_year:.1f} x"
        table.add(row.channel, turnover, fees, cost, proceeds, row.deliveries, complaints, pace)
    table.show()


async def _figures(session: Session, days: int) -> tuple[ChannelFigures, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await channel_figures(conn, utc_now(), days)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} %"
