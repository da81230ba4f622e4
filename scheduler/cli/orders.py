"""Shows orders and their lives, lets held ones through or ends them, and replaces invalid codes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click

from config.settings import Settings
from core.codes.allocator import Place
from core.db.pool import Connection
from core.errors import InvalidInput, UnknownOrder
from core.orders.orders import Order, load_order
from core.orders.replacement import Replacements
from core.types import OrderId, OrderRef, OrderState
from core.views.ledger import JournalEntry
from core.views.orders import (
    CodePlace,
    OrderDetail,
    OrderFilter,
    OrderPage,
    OrderSummary,
    order_detail,
    order_page,
)
from scheduler.cli.options import ListGroup, json_option, read_place, reason_option
from scheduler.cli.output import Cells, amount, note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_channels, open_core, utc_now
from web.decisions import Decisions, Ended

_LARGEST_ID = 2**63 - 1
# A search looks at some thousand orders a page.
_PAGES_AT_MOST = 100


@click.group("orders", cls=ListGroup)
def orders() -> None:
    """Show orders, decide about those that wait, and replace invalid codes.

    Without a command it lists: `consignd orders --state parked`. ORDER is our number, the channel's own
    reference, or CHANNEL/REFERENCE.
    """


@orders.command("list")
@click.option("--state", type=click.Choice([state.value for state in OrderState]))
@click.option("--channel")
@click.option("--sku", "sku_ref")
@click.option("--ref", "order_ref", help="The channel's own reference.")
@click.option("--before", type=click.IntRange(1, _LARGEST_ID), help="Go on with orders older than this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
@pass_session
def list_orders(
    session: Session,
    state: str | None,
    channel: str | None,
    sku_ref: str | None,
    order_ref: str | None,
    before: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List orders, newest first. JSON: {"orders": [...], "next_before"}."""
    wanted = OrderFilter(
        OrderState(state) if state else None, channel, sku_ref, OrderRef(order_ref) if order_ref else None
    )
    page = session.drive(_list(session.settings(), wanted, before, limit))
    if as_json:
        print_json(page)
        return
    _show_page(page)
    if page.next_before is not None:
        note(f"older ones follow: --before {page.next_before}")


async def _list(settings: Settings, wanted: OrderFilter, before: int | None, limit: int) -> OrderPage:
    """As many as are asked for, where a page of a search may hold few or none."""
    found: list[OrderSummary] = []
    async with open_core(settings) as core, core.pool.acquire() as conn:
        for _ in range(_PAGES_AT_MOST):
            page = await order_page(conn, wanted, before=before, limit=limit - len(found))
            found += page.orders
            before = page.next_before
            if before is None or len(found) >= limit:
                break
    return OrderPage(tuple(found), None if before is None else OrderId(before))


def _show_page(page: OrderPage) -> None:
    table = Cells(
        "order",
        "channel",
        "reference",
        "state",
        "since",
        "SKUs",
        "pieces",
        "gross",
        right=["pieces", "gross"],
    )
    for order in page.orders:
        gross = amount(order.gross_minor, order.currency)
        skus = ", ".join(order.skus)
        table.add(
            order.order_id,
            order.channel,
            order.order_ref,
            order.state,
            order.state_since,
            skus,
            order.pieces,
            gross,
        )
    table.show()


@orders.command("show")
@click.argument("order")
@json_option
@pass_session
def show_order(session: Session, order: str, as_json: bool) -> None:
    """Show one order: lines, moves, where its codes stand, its journal.

    JSON: {"order", "lines", "moves", "codes", "journal", ...}; codes are named by place, never shown.
    """
    detail = session.drive(_show(session.settings(), order))
    if as_json:
        print_json(detail)
    else:
        _show_detail(detail)


async def _show(settings: Settings, written: str) -> OrderDetail:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await order_detail(conn, await find_order_id(conn, written))


async def find_order_id(conn: Connection, written: str) -> OrderId:
    """The order that a person means: by our number, by CHANNEL/REFERENCE, or by a reference alone."""
    if written.isascii() and written.isdigit() and int(written) <= _LARGEST_ID:
        found = await order_page(conn, OrderFilter(order_ref=OrderRef(written)), limit=2)
        order_id = OrderId(int(written))
        try:
            await load_order(conn, order_id)
        except UnknownOrder:
            if not found.orders:
                raise
        else:
            return order_id
    else:
        found = await order_page(conn, OrderFilter(order_ref=OrderRef(written)), limit=2)
        channel, _, ref = written.partition("/")
        if not found.orders and ref:
            found = await order_page(conn, OrderFilter(channel=channel, order_ref=OrderRef(ref)), limit=2)
    if not found.orders:
        raise UnknownOrder(f"order {written}: no such order; `consignd orders` lists them")
    if len(found.orders) > 1:
        where = " and ".join(f"{order.channel}/{order.order_ref}" for order in found.orders)
        raise InvalidInput(f"order {written}: stands for {where}; write one of them")
    return found.orders[0].order_id


def _show_detail(detail: OrderDetail) -> None:
    order = detail.order
    say(f"order {order.order_id}, {order.order_ref} on {order.channel}: {order.state}")
    lines = Cells("line", "listing", "SKU", "quantity", "price", right=["quantity", "price"])
    for line in detail.lines:
        price = amount(line.unit_price_minor, order.currency)
        lines.add(line.line_no, line.listing_ref, line.sku_ref, line.quantity, price)
    lines.show()
    say("")
    moves = Cells("at", "to", "by", "why")
    for move in detail.moves:
        moves.add(move.moved_at, move.to_state, move.actor, move.reason)
    moves.show()
    if detail.codes:
        say("")
        _show_codes(detail.codes)
    if detail.journal:
        say("")
        _show_journal(detail.journal)


def _show_codes(found: Sequence[CodePlace]) -> None:
    table = Cells("code", "line", "consignor", "left", "why", "instead of", "replaced by")
    for code in found:
        table.add(
            code.place,
            code.line_no,
            code.consignor,
            code.departed,
            code.departed_reason,
            code.instead_of,
            code.replaced_by,
        )
    table.show()


def _show_journal(found: Sequence[JournalEntry]) -> None:
    table = Cells("posted", "kind", "line", "party", "name", "purpose", "amount", right=["amount"])
    for entry in found:
        table.add(
            entry.posted_at,
            entry.kind,
            entry.line_no,
            entry.party,
            entry.party_name,
            entry.purpose,
            amount(entry.amount_minor, entry.currency),
        )
    table.show()


@orders.command("replace")
@click.argument("order")
@click.argument("place", type=read_place, metavar="PLACE")
@reason_option
@json_option
@pass_session
def replace_code(session: Session, order: str, place: Place, reason: str, as_json: bool) -> None:
    """Give a delivered order another code for the invalid one at PLACE, which is quarantined.

    The buyer gets the new code from you: `consignd codes reveal` shows it.

    JSON: {"order_id", "bad", "place"}.
    """
    order_id, new = session.drive(_replace(session, order, place, reason))
    if as_json:
        print_json({"order_id": order_id, "bad": place, "place": new})
    else:
        say(f"order {order_id}: {new} replaces {place}, which is quarantined")


async def _replace(session: Session, written: str, bad: Place, reason: str) -> tuple[OrderId, Place]:
    async with open_core(session.settings()) as core:
        async with core.pool.acquire() as conn:
            order_id = await find_order_id(conn, written)
        replacements = Replacements(core.pool, core.allocator, utc_now)
        return order_id, await replacements.replace(order_id, bad, actor=session.actor, reason=reason)


@orders.command("approve")
@click.argument("order")
@reason_option
@json_option
@pass_session
def approve_order(session: Session, order: str, reason: str, as_json: bool) -> None:
    """Let a held order through: its codes go out. JSON: {"order_id", "state"}."""
    approved = session.drive(_approve(session, order, reason))
    if as_json:
        print_json({"order_id": approved.order_id, "state": approved.state})
    else:
        say(f"order {approved.order_id} is {approved.state}: its codes go out")


async def _approve(session: Session, written: str, reason: str) -> Order:
    async with _decisions(session, written) as (decisions, order_id):
        return await decisions.approve(order_id, actor=session.actor, reason=reason)


@orders.command("cancel")
@click.argument("order")
@reason_option
@json_option
@pass_session
def cancel_order(session: Session, order: str, reason: str, as_json: bool) -> None:
    """End an order that is held, parked, reserved or accepted, at its channel first where that is possible.

    Where the channel cannot be told to give the money back, it says so: refund the buyer there.

    JSON: {"order_id", "state", "given_back", "told"}.
    """
    ended = session.drive(_cancel(session, order, reason))
    if as_json:
        print_json(ended)
    else:
        say(ended.told)


async def _cancel(session: Session, written: str, reason: str) -> Ended:
    async with _decisions(session, written) as (decisions, order_id):
        return await decisions.cancel(order_id, actor=session.actor, reason=reason)


@asynccontextmanager
async def _decisions(session: Session, written: str) -> AsyncIterator[tuple[Decisions, OrderId]]:
    async with open_core(session.settings()) as core, open_channels(core) as channels:
        async with core.pool.acquire() as conn:
            order_id = await find_order_id(conn, written)
        yield Decisions(core.pool, core.intake, channels.by_name, utc_now), order_id
