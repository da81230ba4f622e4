"""Shows what stands on the accounts, and why an order's money was split as it was."""

from __future__ import annotations

import click

from config.settings import Settings
from core.views.ledger import Balance, ExplainedLine, ExplainedOrder, balances, explain_order
from scheduler.cli.options import json_option
from scheduler.cli.orders import find_order_id
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core


@click.group("ledger")
def ledger() -> None:
    """Show balances, verify and close the books, and explain how an order's money was split."""


@ledger.command("balances")
@json_option
@pass_session
def list_balances(session: Session, as_json: bool) -> None:
    """Show every account: debit positive, credit negative.

    JSON: {"balances": [{"party", "party_name", "purpose", "currency", "balance_minor", "entries"}]}.
    """
    found = session.drive(_balances(session.settings()))
    if as_json:
        print_json({"balances": found})
        return
    table = Cells("party", "name", "purpose", "balance", "entries", right=["balance", "entries"])
    for row in found:
        table.add(
            row.party, row.party_name, row.purpose, amount(row.balance_minor, row.currency), row.entries
        )
    table.show()


async def _balances(settings: Settings) -> tuple[Balance, ...]:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await balances(conn)


@ledger.command("explain")
@click.argument("order")
@json_option
@pass_session
def explain(session: Session, order: str, as_json: bool) -> None:
    """Reckon an order's split again, step by step; ORDER as `consignd orders` takes it.

    JSON: {"order_id", "lines": [{"plan", "steps": [...], "agrees", ...}], "journal": [...]}.
    """
    explained = session.drive(_explain(session.settings(), order))
    if as_json:
        print_json(explained)
        return
    for line in explained.lines:
        _show_line(line)
    _show_journal(explained)


async def _explain(settings: Settings, written: str) -> ExplainedOrder:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await explain_order(conn, await find_order_id(conn, written))


def _show_line(line: ExplainedLine) -> None:
    gross, price = amount(line.gross_minor, line.currency), amount(line.unit_price_minor, line.currency)
    say(f"line {line.line_no}: {line.quantity} at {price} is {gross}, by {line.plan} v{line.plan_version}")
    table = Cells("rule", "base", "formula", "amount", right=["base", "amount"])
    for step in line.steps:
        base, part = amount(step.base_minor, line.currency), amount(step.amount_minor, line.currency)
        table.add(step.rule, base, step.formula, part)
    table.show()
    agrees = "the entries say the same" if line.agrees else "THE ENTRIES DIFFER: run `consignd check`"
    say(f"{agrees}\n")


def _show_journal(explained: ExplainedOrder) -> None:
    table = Cells("transaction", "kind", "line", "party", "name", "purpose", "amount", right=["amount"])
    for entry in explained.journal:
        table.add(
            entry.transaction_id,
            entry.kind,
            entry.line_no,
            entry.party,
            entry.party_name,
            entry.purpose,
            amount(entry.amount_minor, entry.currency),
        )
    table.show()
