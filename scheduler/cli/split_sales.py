"""Shows how sales were split, what another plan would have done, and what is owed; books refunds in part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from config.plans import read_plan
from config.settings import Settings
from core.audit import note as note_audit
from core.errors import InvalidInput
from core.money.after_sale import AfterSale
from core.money.money import Money
from core.money.plans.lint import require_sound
from core.money.plans.rules import Plan
from core.money.posting import Posting
from core.orders.orders import load_order
from core.orders.owed import OwedSplit, owed_splits
from core.types import OrderId
from core.views.split_simulation import SplitReplay, SplitSimulation
from scheduler.buyer_terms import fact_terms
from scheduler.cli.explained import explained_order, show_line
from scheduler.cli.options import json_option, reason_option
from scheduler.cli.orders import find_order_id
from scheduler.cli.output import Cells, amount, bar, note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import Core, open_core, utc_now
from scheduler.split_plans import plan_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("explain")
@click.argument("order")
@json_option
@pass_session
def explain_split(session: Session, order: str, as_json: bool) -> None:
    """Show how an order's money was split: rule by rule, how much of what, why, and what is to vest.

    ORDER as `consignd orders` takes it.

    JSON: {"order_id", "lines": [{"plan", "plan_version", "chosen_by", "steps": [{"number", "rule", "party",
    "base", "base_minor", "amount_minor", "from_minor", "to_minor", "formula", "applied", "vests"}],
    "dues": [...], "agrees", "facts": {"buyer", "buyer_order_no", "referrers", "left_out": [text], "segments",
    "tax_minor", "tax_from", "costs": [{"consignor", "cost", "unit_cost_minor", "rate", "source", "at"}]},
    ...}], "journal": [...]}.
    """
    explained = session.drive(explained_order(session.settings(), order))
    if as_json:
        print_json(explained)
        return
    for line in explained.lines:
        show_line(line)


@click.command("simulate")
@click.argument("path", type=_FILE, metavar="PLAN")
@click.option("--since", type=click.DateTime(), required=True, help="From this moment on, in UTC.")
@json_option
@pass_session
def simulate_split(session: Session, path: Path, since: datetime, as_json: bool) -> None:
    """Split past sales again by the plan in the file PLAN: what each party got, and would have got.

    Nothing is written. What rules count over a period begins at nothing.

    JSON: {"plan", "since", "lines", "unsplit", "reasons": [text], "parties": [{"party", "party_name",
    "currency", "old_minor", "new_minor"}], "told": [[fact, lines]]}.
    """
    plan = plan_of(read_plan(path))
    require_sound(plan)
    found = session.drive(_simulate(session.settings(), plan, since.replace(tzinfo=UTC), as_json=as_json))
    if as_json:
        print_json(found)
        return
    table = Cells("party", "name", "got", "would get", "change", right=("got", "would get", "change"))
    for row in found.parties:
        old, new, change = (
            amount(minor, row.currency)
            for minor in (row.old_minor, row.new_minor, row.new_minor - row.old_minor)
        )
        table.add(row.party, row.party_name, old, new, change)
    table.show()
    for what, count in found.told:
        say(f"{what}: {count} lines")
    say(f"{found.lines} sold lines since {found.since:%Y-%m-%d %H:%M} UTC")
    if found.unsplit:
        note(
            f"warning: {found.unsplit} of them could not be split, and are in neither sum: {found.reasons[0]}"
        )


async def _simulate(settings: Settings, plan: Plan, since: datetime, *, as_json: bool) -> SplitSimulation:
    terms = {name: fact_terms(settings, name, [plan]) for name in settings.channels}
    replay = SplitReplay(plan, since, terms)
    async with open_core(settings) as core, core.pool.acquire() as conn:
        transaction = conn.transaction(isolation="repeatable_read", readonly=True)
        with bar("sales", as_json=as_json) as progress:
            async with transaction:
                task = None if progress is None else progress.add_task("sales", total=None)
                async for done, orders in replay.run(conn):
                    if progress is not None and task is not None:
                        progress.update(task, completed=done, total=orders)
    return replay.result()


@click.command("owed")
@json_option
@pass_session
def list_owed(session: Session, as_json: bool) -> None:
    """List delivered orders whose money could not be split yet, and why: mend plan or facts.

    JSON: {"owed": [{"order_id", "channel", "order_ref", "why", "since", "tries", "due_at"}]}.
    """
    found = session.drive(_owed(session.settings()))
    if as_json:
        print_json({"owed": found})
        return
    table = Cells("order", "channel", "reference", "since", "tries", "next", "why")
    for row in found:
        table.add(row.order_id, row.channel, row.order_ref, row.since, row.tries, row.due_at, row.why)
    table.show()


async def _owed(settings: Settings) -> Sequence[OwedSplit]:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await owed_splits(conn)


@click.command("refund")
@click.argument("order")
@click.argument("line_no", type=click.IntRange(1, 32_767), metavar="LINE")
@click.option("--units", type=click.IntRange(1), help="So many whole units.")
@click.option("--amount", "written", help="So much of the line's price, such as 4.99.")
@reason_option
@json_option
@pass_session
def refund_part(
    session: Session,
    order: str,
    line_no: int,
    units: int | None,
    written: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Book that a part of a line went back to the buyer, as the plan says for refunds. No channel is called.

    JSON: {"entries": [{"party", "party_name", "purpose", "amount_minor", "currency"}]}.
    """
    if (units is None) == (written is None):
        raise InvalidInput("say what went back: either --units or --amount")
    _show(session.drive(_refund(session.settings(), order, line_no, units, written, reason)), as_json=as_json)


async def _refund(
    settings: Settings, written: str, line_no: int, units: int | None, part: str | None, reason: str
) -> list[Posting]:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        order_id = await find_order_id(conn, written)
        after, now = AfterSale(core.pool, core.ledger), utc_now()
        subject = (
            f"order {order_id} line {line_no}: {units} units" if part is None else f"order {order_id}: {part}"
        )
        await note_audit(conn, at=now, actor="cli", action="refund part", subject=subject, reason=reason)
        if units is not None:
            return await after.refund_units(conn, order_id, line_no, units, now, actor="cli", reason=reason)
        money = Money.parse(part or "", (await load_order(conn, order_id)).currency)
        return await after.refund_amount(conn, order_id, line_no, money, now, actor="cli", reason=reason)


@click.command("redeem")
@click.argument("order")
@click.argument("line_no", type=click.IntRange(1, 32_767), metavar="LINE")
@click.argument("written", metavar="AMOUNT")
@json_option
@pass_session
def redeem_coupon(session: Session, order: str, line_no: int, written: str, as_json: bool) -> None:
    """Note that AMOUNT of each unit of a line was redeemed, in all so far; what depends on it is posted.

    JSON: {"entries": [{"party", "party_name", "purpose", "amount_minor", "currency"}]}.
    """
    _show(session.drive(_redeem(session.settings(), order, line_no, written)), as_json=as_json)


async def _redeem(settings: Settings, written: str, line_no: int, redeemed: str) -> list[Posting]:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        order_id: OrderId = await find_order_id(conn, written)
        money = Money.parse(redeemed, (await load_order(conn, order_id)).currency)
        return await _after(core).redeem(conn, order_id, line_no, money, utc_now(), actor="cli")


def _after(core: Core) -> AfterSale:
    return AfterSale(core.pool, core.ledger)


def _show(entries: Sequence[Posting], *, as_json: bool) -> None:
    if as_json:
        print_json({"entries": entries})
        return
    table = Cells("account", "amount", right=("amount",), title="entries (debit positive)")
    for entry in entries:
        account = " ".join(word for word in (entry.party, entry.party_name, entry.purpose) if word)
        table.add(account, amount(entry.amount_minor, entry.currency))
    table.show()
