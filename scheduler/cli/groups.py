"""Shows groups that buy together, ends them on a person's word, and settles refunds no channel can make."""

from __future__ import annotations

import click

from core.group_buying.ending import close_group
from core.orders.refunds import OwedRefund, owed_refunds, settle_by_hand
from core.types import OrderId
from core.views.groups import GroupDetail, GroupView, group_detail
from core.views.groups import groups as read_groups
from scheduler.cli.options import ListGroup, json_option, reason_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_channels, open_core, utc_now

_HOUR_SECONDS = 3600


@click.group("groups", cls=ListGroup)
def groups() -> None:
    """Show groups that buy together, and end them. Without a command it lists those that go on."""


@groups.command("list")
@click.option("--offer", help="Of this group offer alone.")
@click.option("--all", "everything", is_flag=True, help="Those that have ended, too.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
@pass_session
def list_groups(session: Session, offer: str | None, everything: bool, limit: int, as_json: bool) -> None:
    """List groups, those that go on first.

    JSON: {"groups": [{"ref", "offer", "size", "at_least", "taken", "seats_left", "state", "opened_at",
    "ends_at", "seconds_left", "ended_at", "why"}]}.
    """
    found = session.drive(_list(session, offer, everything, limit))
    if as_json:
        print_json({"groups": found})
        return
    table = Cells(
        "group", "offer", "buyers", "state", "hours left", "ends", "why", right=["buyers", "hours left"]
    )
    for each in found:
        hours = f"{each.seconds_left / _HOUR_SECONDS:.1f}" if each.state == "open" else ""
        buyers = f"{each.taken} of {each.size}"
        table.add(each.ref, each.offer, buyers, each.state, hours, each.ended_at or each.ends_at, each.why)
    table.show()


async def _list(session: Session, offer: str | None, everything: bool, limit: int) -> tuple[GroupView, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await read_groups(conn, utc_now(), offer=offer, only_open=not everything, limit=limit)


@groups.command("show")
@click.argument("ref")
@json_option
@pass_session
def show(session: Session, ref: str, as_json: bool) -> None:
    """Show a group and its orders, those that left too. JSON: {"group": {...}, "members": [...]}."""
    detail = session.drive(_show(session, ref))
    if as_json:
        print_json(detail)
        return
    shown = detail.group
    short = f", completed by rule with {shown.at_least}" if shown.at_least is not None else ""
    say(f"group {shown.ref} of {shown.offer}: {shown.taken} of {shown.size} buyers{short}")
    say(f"{shown.state}{f': {shown.why}' if shown.why else f', until {shown.ends_at:%Y-%m-%d %H:%M} UTC'}")
    table = Cells(
        "seat",
        "is",
        "channel",
        "order",
        "order is",
        "buyer",
        "pieces",
        "since",
        "why",
        right=["seat", "pieces"],
    )
    for each in detail.members:
        table.add(
            each.seat_no, each.state, each.channel, each.order_ref, each.order_state, each.buyer, each.pieces,
            each.moved_at, each.why,
        )  # fmt: skip
    table.show()


async def _show(session: Session, ref: str) -> GroupDetail:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await group_detail(conn, ref, utc_now())


@groups.command("close")
@click.argument("ref")
@click.option(
    "--complete/--refund", "complete", required=True, default=None, help="What becomes of its buyers."
)
@reason_option
@json_option
@pass_session
def close(session: Session, ref: str, complete: bool, reason: str, as_json: bool) -> None:
    """End a group before its time: complete it with those it has, or give their money back.

    The daemon delivers, or gives back, at once. JSON: {"ref", "completed", "buyers"}.
    """
    buyers = session.drive(_close(session, ref, complete, reason))
    if as_json:
        print_json({"ref": ref, "completed": complete, "buyers": buyers})
    else:
        say(f"group {ref}: {'completed' if complete else 'money goes back'} for {buyers} buyers")


async def _close(session: Session, ref: str, complete: bool, reason: str) -> int:
    async with open_core(session.settings()) as core, open_channels(core) as channels:
        terms = channels.terms()
        async with core.pool.acquire() as conn, conn.transaction():
            return await close_group(
                conn, terms, ref, complete=complete, actor=session.actor, reason=reason, now=utc_now()
            )


@groups.command("refunds")
@json_option
@pass_session
def list_refunds(session: Session, as_json: bool) -> None:
    """List money that a person has to give back, since the channel would not or cannot.

    JSON: {"refunds": [{"order_id", "channel", "order_ref", "decided_at", "why", "currency",
    "amount_minor"}]}.
    """
    owed = session.drive(_owed(session))
    if as_json:
        print_json({"refunds": owed})
        return
    table = Cells("order", "channel", "reference", "amount", "since", "why", right=["amount"])
    for each in owed:
        sum_owed = amount(each.amount_minor, each.currency)
        table.add(each.order_id, each.channel, each.order_ref, sum_owed, each.decided_at, each.why)
    table.show()


async def _owed(session: Session) -> tuple[OwedRefund, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await owed_refunds(conn)


@groups.command("refunded")
@click.argument("order_id", type=click.IntRange(1, 2**63 - 1))
@reason_option
@json_option
@pass_session
def refunded(session: Session, order_id: int, reason: str, as_json: bool) -> None:
    """Say that an order's money was given back at the channel; the reason says how. JSON: {"order_id"}."""
    session.drive(_refunded(session, OrderId(order_id), reason))
    if as_json:
        print_json({"order_id": order_id})
    else:
        say(f"order {order_id}: nothing is owed any more")


async def _refunded(session: Session, order_id: OrderId, reason: str) -> None:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        await settle_by_hand(conn, order_id, utc_now(), actor=session.actor, how=reason)
