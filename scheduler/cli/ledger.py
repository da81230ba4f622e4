"""Shows what stands on the accounts, and why an order's money was split as it was."""

from __future__ import annotations

import click

from config.settings import Settings
from core.views.ledger import Balance, ExplainedOrder, balances
from scheduler.cli.explained import explained_order, show_line
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, amount, print_json
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
    explained = session.drive(explained_order(session.settings(), order))
    if as_json:
        print_json(explained)
        return
    for line in explained.lines:
        show_line(line)
    _show_journal(explained)


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
