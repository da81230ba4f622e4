"""Shows what channels tell otherwise than we do, and lets people take it on and settle it."""

from __future__ import annotations

import click

from core.money.money import Money
from core.money.statements.settling import DiscrepancyDesk
from core.money.statements.terms import DiscrepancyKind, Resolution
from core.views.statements import (
    DiscrepancyDetail,
    DiscrepancyFilter,
    DiscrepancyPage,
    State,
    discrepancy_detail,
    discrepancy_page,
)
from scheduler.cli.options import ListGroup, json_option, reason_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now

_DAY_SECONDS = 86_400
_STATES: dict[str, State | None] = {"open": "open", "resolved": "resolved", "all": None}
_number = click.argument("discrepancy_id", type=click.IntRange(1, 2**63 - 1))


@click.group("discrepancies", cls=ListGroup)
def discrepancies() -> None:
    """Show and settle what channels tell otherwise than we do. Without a command it lists."""


@discrepancies.command("list")
@click.option("--state", type=click.Choice(tuple(_STATES)), default="open", show_default=True)
@click.option("--channel", help="Of this channel alone.")
@click.option("--kind", type=click.Choice([kind.value for kind in DiscrepancyKind]), help="Of this kind.")
@click.option("--owner", help="Of this owner.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
@pass_session
def list_discrepancies(
    session: Session,
    state: str,
    channel: str | None,
    kind: str | None,
    owner: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List discrepancies, newest first. Differences are theirs less ours.

    JSON: {"discrepancies": [...], "sums": [...], "next_before"}.
    """
    wanted = DiscrepancyFilter(_STATES[state], channel, kind, owner)
    page = session.drive(_list(session, wanted, limit))
    if as_json:
        print_json(page)
        return
    numbers = ["ours", "theirs", "left", "days"]
    table = Cells("id", "channel", "kind", "order", "line", *numbers, "owner", "state", right=numbers)
    for found in page.discrepancies:
        amounts = (found.ours_minor, found.theirs_minor, found.left_minor)
        shown = [amount(each, found.currency) for each in amounts]
        days, state_told = int(found.age_seconds // _DAY_SECONDS), found.resolution or found.state
        table.add(
            found.discrepancy_id, found.channel, found.kind, found.order_ref, found.line_ref, *shown, days,
            found.owner, state_told,
        )  # fmt: skip
    table.show()
    for total in page.sums:
        left = amount(total.left_minor, total.currency)
        say(f"{total.channel}: {total.open} open, {total.unowned} without an owner, together {left}")


async def _list(session: Session, wanted: DiscrepancyFilter, limit: int) -> DiscrepancyPage:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await discrepancy_page(conn, wanted, utc_now(), limit=limit)


@discrepancies.command("show")
@_number
@json_option
@pass_session
def show(session: Session, discrepancy_id: int, as_json: bool) -> None:
    """Show a discrepancy and its steps. JSON: {"discrepancy": {...}, "events": [...]}."""
    detail = session.drive(_show(session, discrepancy_id))
    if as_json:
        print_json(detail)
        return
    found = detail.discrepancy
    ours, theirs = amount(found.ours_minor, found.currency), amount(found.theirs_minor, found.currency)
    order = f", order {found.order_ref}" if found.order_ref else ""
    say(f"{found.kind} at {found.channel}{order}: ours {ours}, theirs {theirs}")
    say(f"{found.state}, {amount(found.left_minor, found.currency)} left, owner {found.owner or 'nobody'}")
    table = Cells("at", "what", "amount", "transaction", "who", "why", right=["amount"])
    for event in detail.events:
        size = amount(event.amount_minor, found.currency)
        table.add(event.at, event.what, size, event.transaction_id, event.actor, event.reason)
    table.show()


async def _show(session: Session, discrepancy_id: int) -> DiscrepancyDetail:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await discrepancy_detail(conn, discrepancy_id, utc_now())


@discrepancies.command("assign")
@_number
@click.argument("owner")
@reason_option
@json_option
@pass_session
def assign(session: Session, discrepancy_id: int, owner: str, reason: str, as_json: bool) -> None:
    """Say whose business a discrepancy is. JSON: {"discrepancy_id", "owner"}."""
    session.drive(_assign(session, discrepancy_id, owner, reason))
    if as_json:
        print_json({"discrepancy_id": discrepancy_id, "owner": owner})
    else:
        say(f"discrepancy {discrepancy_id} is {owner}'s")


async def _assign(session: Session, discrepancy_id: int, owner: str, reason: str) -> None:
    async with open_core(session.settings()) as core:
        desk = DiscrepancyDesk(core.pool, utc_now)
        await desk.assign(discrepancy_id, owner, actor=session.actor, reason=reason)


@discrepancies.command("note")
@_number
@reason_option
@json_option
@pass_session
def note(session: Session, discrepancy_id: int, reason: str, as_json: bool) -> None:
    """Write down what was found out; it stays open. JSON: {"discrepancy_id"}."""
    session.drive(_note(session, discrepancy_id, reason))
    if as_json:
        print_json({"discrepancy_id": discrepancy_id})
    else:
        say(f"noted on discrepancy {discrepancy_id}")


async def _note(session: Session, discrepancy_id: int, reason: str) -> None:
    async with open_core(session.settings()) as core:
        desk = DiscrepancyDesk(core.pool, utc_now)
        await desk.note(discrepancy_id, actor=session.actor, reason=reason)


@discrepancies.command("resolve")
@_number
@click.option(
    "--as",
    "resolution",
    type=click.Choice([Resolution.FEE.value, Resolution.WRITE_OFF.value, Resolution.BANK.value]),
    help="A fee we accept, the operator's loss or gain, or money from or to our bank account.",
)
@click.option("--pair", "pair_id", type=click.IntRange(1), help="Its other side: both end, without an entry.")
@reason_option
@json_option
@pass_session
def resolve(
    session: Session,
    discrepancy_id: int,
    resolution: str | None,
    pair_id: int | None,
    reason: str,
    as_json: bool,
) -> None:
    """Settle a discrepancy by an entry, or against another one of the channel.

    A refund seen only there is settled by refunding the order here: the next round matches both.
    JSON: {"discrepancy_id", "settled_minor", "currency"}.
    """
    if (resolution is None) == (pair_id is None):
        raise click.UsageError("say where the money goes: either --as or --pair")
    size = session.drive(_resolve(session, discrepancy_id, resolution, pair_id, reason))
    if as_json:
        shape = {"discrepancy_id": discrepancy_id, "settled_minor": size.amount_minor}
        print_json({**shape, "currency": size.currency})
    else:
        say(f"discrepancy {discrepancy_id}: {size} settled")


async def _resolve(
    session: Session, discrepancy_id: int, resolution: str | None, pair_id: int | None, reason: str
) -> Money:
    async with open_core(session.settings()) as core:
        desk = DiscrepancyDesk(core.pool, utc_now)
        if resolution is not None:
            chosen = Resolution(resolution)
            return await desk.resolve(discrepancy_id, chosen, actor=session.actor, reason=reason)
        assert pair_id is not None, "one of the two was asked for"
        return await desk.pair(discrepancy_id, pair_id, actor=session.actor, reason=reason)
