"""Closes months and opens them again, shows trial balances, and hands months to accountants."""

from __future__ import annotations

from pathlib import Path

import click

from config.settings import Settings
from core.errors import UnreadableFile
from core.money.journal.chart import Chart
from core.money.journal.export import Form, export
from core.money.journal.periods import Period, close_period, reopen_period
from core.money.journal.sealing import Sealing
from core.money.journal.trial import TrialBalance, trial_balance
from core.views.journal import ChainState, Periods, chain_state, periods
from scheduler.cli.exits import Exit
from scheduler.cli.options import json_option, reason_option
from scheduler.cli.output import Cells, amount, note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now


@click.command("close")
@click.argument("period")
@reason_option
@json_option
@pass_session
def close(session: Session, period: str, reason: str, as_json: bool) -> None:
    """Close a month, such as 2026-10, and all before it: nothing can be posted there any more.

    JSON: {"period", "balanced", "heads": ["lane:block:hash"]}.
    """
    month = Period.parse(period)
    balance, state = session.drive(_close(session.settings(), session.actor, month, reason))
    heads = [each.head for each in state.heads]
    if as_json:
        print_json({"period": str(month), "balanced": balance.balanced, "heads": heads})
        return
    _show_sums(balance)
    say(f"{month} is closed; its trial balance {'balances' if balance.balanced else 'DOES NOT BALANCE'}")
    for head in heads:
        say(f"head {head}")


async def _close(
    settings: Settings, actor: str, period: Period, reason: str
) -> tuple[TrialBalance, ChainState]:
    async with open_core(settings) as core:
        async with core.pool.acquire() as conn, conn.transaction():
            await close_period(conn, period, actor=actor, reason=reason, now=utc_now())
        # All of the month is committed now: the head that is printed stands for it.
        await Sealing(core.pool, utc_now).catch_up()
        async with core.pool.acquire() as conn:
            return await trial_balance(conn, period), await chain_state(conn)


@click.command("reopen")
@click.argument("period")
@reason_option
@pass_session
def reopen(session: Session, period: str, reason: str) -> None:
    """Open a closed month again, and all after it; it is audited, and the chain keeps what is posted when."""
    month = Period.parse(period)
    session.drive(_reopen(session.settings(), session.actor, month, reason))
    say(f"{month} is open again, and so are the months after it")


async def _reopen(settings: Settings, actor: str, period: Period, reason: str) -> None:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        await reopen_period(conn, period, actor=actor, reason=reason, now=utc_now())


@click.command("periods")
@json_option
@pass_session
def list_periods(session: Session, as_json: bool) -> None:
    """Show until when the journal is closed, and who closed and opened what.

    JSON: {"closed_until", "changes": [{"change_no", "closed_until", "at", "actor", "reason"}]}.
    """
    found = session.drive(_periods(session.settings()))
    if as_json:
        print_json(found)
        return
    table = Cells("closed until", "since", "by", "reason")
    for change in found.changes:
        table.add(change.closed_until, change.at, change.actor, change.reason)
    table.show()


async def _periods(settings: Settings) -> Periods:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await periods(conn)


@click.command("trial-balance")
@click.option("--period", required=True, help="A month, such as 2026-10.")
@json_option
@click.pass_context
@pass_session
def show_trial_balance(session: Session, ctx: click.Context, period: str, as_json: bool) -> None:
    """Show what stood on each account before a month, what was posted, and what stood after.

    Ends with 1 if it does not balance.

    JSON: {"period", "closed", "balanced", "sums": [{"currency", "opening_minor", ...}], "rows": [...]}.
    """
    balance = session.drive(_trial_balance(session.settings(), Period.parse(period)))
    if as_json:
        print_json(balance)
    else:
        _show_rows(balance)
        _show_sums(balance)
        say(f"{balance.period} is {'closed' if balance.closed else 'open: more may come'}")
    ctx.exit(Exit.OK if balance.balanced else Exit.VIOLATED)


async def _trial_balance(settings: Settings, period: Period) -> TrialBalance:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await trial_balance(conn, period)


@click.command("export")
@click.option("--period", required=True, help="A month, such as 2026-10.")
@click.option("--format", "form", type=click.Choice([form.value for form in Form]), default=Form.CSV.value)
@click.option(
    "--accounts", "chart_file", type=click.Path(path_type=Path), help="TOML that names the accounts."
)
@click.option("--output", type=click.Path(path_type=Path), help="Where to write; otherwise standard output.")
@pass_session
def export_period(
    session: Session, period: str, form: str, chart_file: Path | None, output: Path | None
) -> None:
    """Hand a month to accountants, as CSV or beancount. A closed month gives the same text every time."""
    month, chart = Period.parse(period), _chart(chart_file)
    closed = session.drive(_export(session.settings(), month, Form(form), chart, output))
    if not closed:
        note(f"{month} is open: more may come; `consignd ledger close {month}` ends that")


def _chart(file: Path | None) -> Chart:
    if file is None:
        return Chart()
    try:
        return Chart.parse(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"{file}: {error}") from None


async def _export(settings: Settings, period: Period, form: Form, chart: Chart, output: Path | None) -> bool:
    """Whether the month is closed."""
    async with (
        open_core(settings) as core,
        core.pool.acquire() as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        with click.open_file("-" if output is None else str(output), "w", encoding="utf-8") as told:
            async for line in export(conn, period, form, chart):
                told.write(line + "\n")
        return (await trial_balance(conn, period)).closed


def _show_rows(balance: TrialBalance) -> None:
    numbers = ["opening", "debit", "credit", "closing"]
    table = Cells("party", "name", "purpose", *numbers, right=numbers)
    for row in balance.rows:
        sums = (row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor)
        cells = [amount(each, row.currency) for each in sums]
        table.add(row.party, row.party_name, row.purpose, *cells)
    table.show()


def _show_sums(balance: TrialBalance) -> None:
    for each in balance.sums:
        debit, credit = amount(each.debit_minor, each.currency), amount(each.credit_minor, each.currency)
        word = "balances" if each.balanced else "DOES NOT BALANCE: run `consignd check`"
        say(f"{each.currency}: debit {debit}, credit {credit}; {word}")
