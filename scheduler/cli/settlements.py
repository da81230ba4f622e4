"""Draws settlements up and shows them: what payees are owed, what runs found, entry by entry why."""

from __future__ import annotations

from datetime import datetime

import click

from core.errors import InvalidInput
from core.money.settlement.drawing import Drawn, SettlementRuns
from core.money.settlement.reading import (
    SettlementDetail,
    SettlementLine,
    SettlementView,
    settlement_detail,
    settlement_lines,
)
from core.money.settlement.reading import settlements as read_settlements
from core.money.settlement.terms import Payee
from core.views.settlements import PayeeView, RunView, payees, runs
from scheduler.cli.options import ListGroup, json_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.settlement_terms import settlement_terms

STATES = ("draft", "approved", "paid", "withdrawn")
_LINES_SHOWN = 100
_DAY_SIGNS = len("2026-11-01")
number = click.argument("settlement_id", type=click.IntRange(1, 2**63 - 1))
by_option = click.option("--by", help="Who does it, as an API token is named; otherwise cli: and your name.")
payee_option = click.option("--payee", help="Of this payee alone, such as consignor/Ada.")
limit_option = click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)


@click.group("settlements", cls=ListGroup)
def settlements() -> None:
    """Settle what consignors, referrers and others are owed. Without a command it lists."""


@settlements.command("list")
@payee_option
@click.option("--state", type=click.Choice(STATES))
@limit_option
@json_option
@pass_session
def list_settlements(
    session: Session, payee: str | None, state: str | None, limit: int, as_json: bool
) -> None:
    """List settlements, newest first. JSON: [{"settlement_id", "party", "state", "due_minor" ...}]."""
    found = session.drive(_list(session, payee, state, limit))
    if as_json:
        print_json(found)
        return
    money = ["lines", "reserve", "due", "closing"]
    table = Cells("id", "payee", "until", "entries", *money, "state", "approvals", "by", right=money)
    for each in found:
        minors = (each.lines_minor, each.reserve_minor, each.due_minor, each.closing_minor)
        shown = [amount(minor, each.currency) for minor in minors]
        table.add(
            each.settlement_id, f"{each.party}/{each.party_name}", each.until, each.entries, *shown,
            each.state, f"{each.approvals} of {each.approvals_needed}", each.drawn_by,
        )  # fmt: skip
    table.show()


async def _list(
    session: Session, payee: str | None, state: str | None, limit: int
) -> tuple[SettlementView, ...]:
    asked = None if payee is None else Payee.parse(payee)
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await read_settlements(
            conn,
            party=None if asked is None else asked.party,
            party_name=None if asked is None else asked.name,
            state=state,
            limit=limit,
        )


@settlements.command("payees")
@json_option
@pass_session
def list_payees(session: Session, as_json: bool) -> None:
    """List what everybody is owed: payable, of that in settlements that are not paid; held; in reserve.

    JSON: [{"party", "party_name", "currency", "payable_minor", "unpaid_minor", "held_minor" ...}].
    """
    found = session.drive(_payees(session))
    if as_json:
        print_json(found)
        return
    money = ["payable", "in settlements", "open", "held", "reserve"]
    table = Cells("payee", *money, right=money)
    for each in found:
        minors = (
            each.payable_minor, each.unpaid_minor, each.open_minor, each.held_minor, each.reserve_minor
        )  # fmt: skip
        table.add(f"{each.party}/{each.party_name}", *(amount(minor, each.currency) for minor in minors))
    table.show()


async def _payees(session: Session) -> tuple[PayeeView, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await payees(conn)


@settlements.command("runs")
@payee_option
@limit_option
@json_option
@pass_session
def list_runs(session: Session, payee: str | None, limit: int, as_json: bool) -> None:
    """List what runs found: drawn up, too small and carried over, or a claim since refunds were more.

    JSON: [{"run_id", "party", "until", "outcome", "amount_minor", "settlement_id" ...}].
    """
    found = session.drive(_runs(session, payee, limit))
    if as_json:
        print_json(found)
        return
    table = Cells("run", "payee", "until", "cycle", "outcome", "amount", "settlement", "by", right=["amount"])
    for each in found:
        table.add(
            each.run_id, f"{each.party}/{each.party_name}", each.until, each.cycle, each.outcome,
            amount(each.amount_minor, each.currency), each.settlement_id, each.actor,
        )  # fmt: skip
    table.show()


async def _runs(session: Session, payee: str | None, limit: int) -> tuple[RunView, ...]:
    asked = None if payee is None else Payee.parse(payee)
    party, name = (None, None) if asked is None else (asked.party, asked.name)
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await runs(conn, party=party, party_name=name, limit=limit)


@settlements.command("run")
@click.option(
    "--payee", "names", multiple=True, help="Only this one, such as consignor/Ada; may be repeated."
)
@click.option("--until", help="Of before this day or moment, such as 2026-11-01 (UTC); otherwise now.")
@click.option("--due", is_flag=True, help="Run the cycles that have ended, as the daemon does every minute.")
@click.option("--dry-run", is_flag=True, help="Say what it would do, and do nothing.")
@by_option
@json_option
@pass_session
def run(
    session: Session,
    names: tuple[str, ...],
    until: str | None,
    due: bool,
    dry_run: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Draw up settlements of what is owed and not settled, of everybody or some.

    JSON: [{"payee", "until", "outcome", "owed", "entries", "settlement_id"}].
    """
    if due and (names or until or dry_run):
        raise click.UsageError("--due runs what has ended, for everybody: leave the others out")
    wanted = [Payee.parse(name) for name in names]
    at = None if until is None else read_moment(until)
    found = session.drive(_run(session, wanted, at, due, dry_run, by or session.actor))
    if as_json:
        print_json([_told(each) for each in found])
        return
    table = Cells("payee", "until", "outcome", "amount", "entries", "settlement", right=["amount"])
    for each in found:
        table.add(each.payee, each.until, each.outcome, each.owed, each.entries, each.settlement_id)
    table.show()


async def _run(
    session: Session, wanted: list[Payee], until: datetime | None, due: bool, dry_run: bool, actor: str
) -> list[Drawn]:
    settings = session.settings()
    async with open_core(settings) as core:
        here = SettlementRuns(core.pool, settlement_terms(settings), utc_now)
        if due:
            return await here.run_due(actor)
        return await here.run(wanted, until or utc_now(), actor=actor, dry_run=dry_run)


def _told(drawn: Drawn) -> dict[str, object]:
    return {
        "payee": str(drawn.payee),
        "until": drawn.until,
        "outcome": drawn.outcome.value,
        "owed": str(drawn.owed),
        "entries": drawn.entries,
        "settlement_id": drawn.settlement_id,
    }


@settlements.command("show")
@number
@json_option
@pass_session
def show(session: Session, settlement_id: int, as_json: bool) -> None:
    """Show a settlement, its moves and its first entries. JSON: {"detail": {...}, "lines": [...]}."""
    detail, lines = session.drive(_show(session, settlement_id))
    if as_json:
        print_json({"detail": detail, "lines": lines})
        return
    each = detail.settlement
    say(f"settlement {settlement_id} of {each.party}/{each.party_name}: {each.state}, until {each.until}")
    due, kept = amount(each.due_minor, each.currency), amount(each.reserve_minor, each.currency)
    say(f"{due} to pay, {kept} in reserve")
    if detail.payment is not None:
        paid = detail.payment
        say(f"paid {amount(paid.amount_minor, paid.currency)} on {paid.paid_on}, {paid.payment_ref}")
    table = Cells("at", "kind", "channel", "order", "amount", right=["amount"])
    for line in lines:
        table.add(
            line.posted_at, line.kind, line.channel, line.order_ref, amount(line.amount_minor, each.currency)
        )
    table.show()
    if each.entries > len(lines):
        how = f"`consignd settlements statement {settlement_id} --format csv`"
        say(f"and {each.entries - len(lines)} more: {how}")
    moves = Cells("at", "became", "who", "why")
    for move in detail.moves:
        moves.add(move.moved_at, move.to_state, move.actor, move.reason)
    moves.show()


async def _show(session: Session, settlement_id: int) -> tuple[SettlementDetail, tuple[SettlementLine, ...]]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        detail = await settlement_detail(conn, settlement_id)
        return detail, await settlement_lines(conn, settlement_id, limit=_LINES_SHOWN)


def read_moment(text: str) -> datetime:
    """A moment with its time zone, or the first one of a day in UTC."""
    try:
        day = len(text) == _DAY_SIGNS
        moment = datetime.fromisoformat(f"{text}T00:00:00+00:00" if day else text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(f"{text!r}: write a day or a moment, such as 2026-11-01 or 2026-11-01T12:00:00Z")
    return moment
