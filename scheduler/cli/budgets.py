"""Shows what sales set aside for a purpose, and books what is spent of it or given back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click

from config.settings import Settings
from core.db.pool import Connection
from core.money.budgets import Budgets, BudgetView, Use, UseView, Why, list_budgets, list_uses
from core.money.money import Money
from scheduler.cli.options import ListGroup, json_option, reason_option
from scheduler.cli.output import Cells, amount, plain, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now

_NUMBERS = ("set aside", "spent", "given back", "left", "spent beyond it")


@click.group("budgets", cls=ListGroup)
def budgets() -> None:
    """Show and spend what split plans set aside, such as budget:traffic. Without a command it lists."""


@budgets.command("list")
@json_option
@pass_session
def show_budgets(session: Session, as_json: bool) -> None:
    """List budgets: what sales set aside, what became of it, what is left.

    JSON: {"budgets": [{"budget", "currency", "set_aside_minor", "spent_minor", "released_minor",
    "left_minor", "beyond_minor"}]}.
    """
    found = session.drive(_list(session.settings()))
    if as_json:
        print_json({"budgets": found})
        return
    table = Cells("budget", *_NUMBERS, right=_NUMBERS)
    for row in found:
        sums = (row.set_aside_minor, row.spent_minor, row.released_minor, row.left_minor, row.beyond_minor)
        table.add(row.budget, *(amount(each, row.currency) for each in sums))
    table.show()


async def _list(settings: Settings) -> tuple[BudgetView, ...]:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await list_budgets(conn)


@budgets.command("show")
@click.argument("budget")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
@pass_session
def show_uses(session: Session, budget: str, limit: int, as_json: bool) -> None:
    """Show what was taken from a budget, newest first, by whom and why.

    JSON: {"uses": [{"use_id", "ref", "kind", "currency", "amount_minor", "covered_minor", "channel",
    "transaction_id", "actor", "reason", "used_at"}]}.
    """
    found = session.drive(_uses(session.settings(), budget, limit))
    if as_json:
        print_json({"uses": found})
        return
    table = Cells("at", "what", "reference", "amount", "of it covered", "paid from", "by", "why")
    for use in found:
        sums = (amount(each, use.currency) for each in (use.amount_minor, use.covered_minor))
        paid_from = use.channel or ("bank" if use.kind == "spent" else "")
        table.add(use.used_at, use.kind, use.ref, *sums, paid_from, use.actor, use.reason)
    table.show()


async def _uses(settings: Settings, budget: str, limit: int) -> tuple[UseView, ...]:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await list_uses(conn, budget, limit)


@budgets.command("spend")
@click.argument("budget")
@click.argument("money", metavar="AMOUNT")
@click.option("--currency", required=True, help="Its currency.")
@click.option("--ref", required=True, help="What it is called, such as an invoice's number: booked once.")
@click.option("--channel", help="Off whose balance it went; without it, from our bank.")
@reason_option
@json_option
@pass_session
def spend_budget(
    session: Session,
    budget: str,
    money: str,
    currency: str,
    ref: str,
    channel: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Book what was paid for a budget's purpose; what it does not cover is the operator's cost.

    The same again changes nothing. JSON: {"amount", "covered", "transaction_id"}.
    """
    why, paid = Why(ref, session.actor, reason), Money.parse(money, currency)
    _told(
        session, lambda book, conn: book.spend(conn, budget, paid, channel, why, utc_now()), "spent", as_json
    )


@budgets.command("release")
@click.argument("budget")
@click.argument("money", metavar="AMOUNT")
@click.option("--currency", required=True, help="Its currency.")
@click.option("--ref", required=True, help="What it is called: booked once.")
@reason_option
@json_option
@pass_session
def release_budget(
    session: Session, budget: str, money: str, currency: str, ref: str, reason: str, as_json: bool
) -> None:
    """Give back to the operator what is not needed. JSON: {"amount", "covered", "transaction_id"}."""
    why, back = Why(ref, session.actor, reason), Money.parse(money, currency)
    _told(session, lambda book, conn: book.release(conn, budget, back, why, utc_now()), "released", as_json)


def _told(
    session: Session, take: Callable[[Budgets, Connection], Awaitable[Use]], verb: str, as_json: bool
) -> None:
    use = session.drive(_take(session.settings(), take))
    if as_json:
        print_json(plain(use))
    else:
        say(f"{verb} {use.amount}, of which the budget held {use.covered}")


async def _take(settings: Settings, take: Callable[[Budgets, Connection], Awaitable[Use]]) -> Use:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        return await take(Budgets(core.pool), conn)
