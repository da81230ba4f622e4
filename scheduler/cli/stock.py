"""Shows the stock with why, and takes the operator's word on SKUs, prices, listings and withdrawals."""

from __future__ import annotations

import click

from config.settings import Settings
from core.audit import note as keep_note
from core.codes.allocator import Place
from core.db.pool import Connection
from core.errors import InvalidInput, OutOfStock, UnknownChannel
from core.money.money import Money
from core.offers.catalogue import (
    NewSku,
    add_channel,
    add_sku,
    channel_states,
    find_consignor,
    find_sku,
    link_listing,
    set_base_price,
)
from core.types import BatchId, ChannelId, ListingRef
from core.views.stock import SkuDetail, SkuPage, sku_detail, sku_page
from scheduler.cli.options import ListGroup, json_option, money, reason_option
from scheduler.cli.output import note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.cli.stock_tables import show_page, show_sku
from scheduler.composition import Core, open_core, utc_now

# So many codes leave in one transaction: their lane sells nothing meanwhile.
_STEP_CODES = 5000
AT_COMMAND_LINE = "at the command line"


@click.group("stock", cls=ListGroup)
def stock() -> None:
    """Show SKUs and why their offers are as they are; add, price, link and withdraw.

    Without a command it lists: `consignd stock --text steam`.
    """


@stock.command("list")
@click.option("--text", help="Part of the reference, title or brand.")
@click.option("--after", default="", help="Go on after this SKU.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
@pass_session
def list_stock(session: Session, text: str | None, after: str, limit: int, as_json: bool) -> None:
    """List SKUs with where their codes are. JSON: {"skus": [...], "next_after"}."""
    page = session.drive(_page(session.settings(), text, after, limit))
    if as_json:
        print_json(page)
        return
    show_page(page)
    if page.next_after is not None:
        note(f"more follow: --after {page.next_after}")


async def _page(settings: Settings, text: str | None, after: str, limit: int) -> SkuPage:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await sku_page(conn, utc_now(), after=after, text=text, limit=limit)


@stock.command("show")
@click.argument("sku_ref", metavar="SKU")
@json_option
@pass_session
def show_stock(session: Session, sku_ref: str, as_json: bool) -> None:
    """Explain a SKU: its shelves in the order of sale, and each offer with why.

    JSON: {"sku": {...}, "shelves": [...], "listings": [...]}.
    """
    detail = session.drive(_detail(session.settings(), sku_ref))
    if as_json:
        print_json(detail)
    else:
        show_sku(detail)


async def _detail(settings: Settings, sku_ref: str) -> SkuDetail:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        await find_sku(conn, sku_ref)
        return await sku_detail(conn, utc_now(), sku_ref)


@stock.command("add")
@click.argument("sku_ref", metavar="SKU")
@click.option("--title", default="", help="What it is called; otherwise its reference.")
@click.option("--brand", default="")
@click.option("--kind", default="gift card", show_default=True)
@click.option("--region", default="")
@click.option("--tag", "tags", multiple=True, help="What rules know it by; may be given again.")
@click.option("--face-value", metavar="AMOUNT", help="What is printed on the card.")
@click.option("--base-price", metavar="AMOUNT", help="What one code should bring after commission.")
@click.option("--currency", help="The currency of both amounts, such as EUR.")
@json_option
@pass_session
def add_stock(
    session: Session,
    sku_ref: str,
    title: str,
    brand: str,
    kind: str,
    region: str,
    tags: tuple[str, ...],
    face_value: str | None,
    base_price: str | None,
    currency: str | None,
    as_json: bool,
) -> None:
    """Add a SKU, and price it if a base price is given; one that is there stays as it is.

    JSON: {"sku_ref", "title", "lane"}.
    """
    face = money(face_value, currency, "--face-value")
    price = money(base_price, currency, "--base-price")
    new = NewSku(sku_ref, title, brand, kind, region, face, tags)
    answer = session.drive(_add(session, new, price))
    if as_json:
        print_json(answer)
    else:
        say(f"{answer['sku_ref']} is known as {answer['title']}" + (f", base price {price}" if price else ""))


async def _add(session: Session, new: NewSku, price: Money | None) -> dict[str, object]:
    async with open_core(session.settings()) as core:
        async with core.pool.acquire() as conn, conn.transaction():
            sku = await add_sku(conn, new, core.settings.sync.lanes)
        if price is not None:
            await _set_price(core, session.actor, new.sku_ref, price, AT_COMMAND_LINE)
    return {"sku_ref": sku.sku_ref, "title": sku.title, "lane": sku.lane}


@stock.command("price")
@click.argument("sku_ref", metavar="SKU")
@click.argument("amount")
@click.argument("currency")
@click.option("--reason", default=AT_COMMAND_LINE, show_default=True, help="Why; it is kept.")
@json_option
@pass_session
def price_stock(
    session: Session, sku_ref: str, amount: str, currency: str, reason: str, as_json: bool
) -> None:
    """Set what one code of a SKU should bring after commission; its offers follow at once.

    JSON: {"sku_ref", "currency", "base_price_minor"}.
    """
    price = Money.parse(amount, currency)
    session.drive(_price(session, sku_ref, price, reason))
    if as_json:
        print_json({"sku_ref": sku_ref, "currency": price.currency, "base_price_minor": price.amount_minor})
    else:
        say(f"{sku_ref} should bring {price}")


async def _price(session: Session, sku_ref: str, price: Money, reason: str) -> None:
    async with open_core(session.settings()) as core:
        await _set_price(core, session.actor, sku_ref, price, reason)


async def _set_price(core: Core, actor: str, sku_ref: str, price: Money, reason: str) -> None:
    async with core.pool.acquire() as conn, conn.transaction():
        sku = await find_sku(conn, sku_ref)
        await set_base_price(conn, sku, price, core.allocator)
        subject = f"SKU {sku_ref} at {price}"
        await keep_note(conn, at=utc_now(), actor=actor, action="price", subject=subject, reason=reason)


@stock.command("link")
@click.argument("channel")
@click.argument("listing_ref", metavar="LISTING")
@click.argument("sku_ref", metavar="SKU")
@click.option("--reason", default=AT_COMMAND_LINE, show_default=True, help="Why; it is kept.")
@json_option
@pass_session
def link_stock(
    session: Session, channel: str, listing_ref: str, sku_ref: str, reason: str, as_json: bool
) -> None:
    """Say which SKU a channel's listing sells; its offer is published from then on.

    JSON: {"listing_id", "channel", "listing_ref", "sku_ref"}.
    """
    listing_id = session.drive(_link(session, channel, ListingRef(listing_ref), sku_ref, reason))
    if as_json:
        print_json(
            {"listing_id": listing_id, "channel": channel, "listing_ref": listing_ref, "sku_ref": sku_ref}
        )
    else:
        say(f"{listing_ref} on {channel} sells {sku_ref}")


async def _link(session: Session, channel: str, listing_ref: ListingRef, sku_ref: str, reason: str) -> int:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        sku = await find_sku(conn, sku_ref)
        channel_id = await known_channel(conn, core.settings, channel)
        listing_id = await link_listing(conn, channel_id, listing_ref, sku, core.allocator)
        subject = f"listing {listing_ref} of {channel} to SKU {sku_ref}"
        await keep_note(
            conn, at=utc_now(), actor=session.actor, action="link", subject=subject, reason=reason
        )
    return listing_id


async def known_channel(conn: Connection, settings: Settings, name: str) -> ChannelId:
    """A channel's id; a configured one that no daemon has driven yet is made known."""
    if name in settings.channels:
        written = settings.channels[name]
        return await add_channel(conn, name, written.connector, written.currency)
    for state in await channel_states(conn):
        if state.name == name:
            return state.channel_id
    known = ", ".join(sorted(settings.channels)) or "none"
    raise UnknownChannel(f"channel {name!r} is not configured; configured: {known}")


@stock.command("withdraw")
@click.argument("sku_ref", metavar="SKU")
@click.option("--consignor", required=True, help="Who takes codes back.")
@click.option("--batch", type=click.IntRange(1), help="Only of this batch.")
@click.option("--quantity", type=click.IntRange(1), help="At most so many; otherwise all that are unsold.")
@reason_option
@json_option
@pass_session
def withdraw_stock(
    session: Session,
    sku_ref: str,
    consignor: str,
    batch: int | None,
    quantity: int | None,
    reason: str,
    as_json: bool,
) -> None:
    """Give unsold codes back to their consignor: they are never sold from then on.

    Fewer than asked for may be left. JSON: {"sku_ref", "consignor", "withdrawn", "places": [...]}.
    """
    if not reason.strip():
        raise InvalidInput("--reason: say why; it is kept with every code")
    batch_id = None if batch is None else BatchId(batch)
    places = session.drive(_withdraw(session, sku_ref, consignor, batch_id, quantity, reason))
    if as_json:
        print_json({"sku_ref": sku_ref, "consignor": consignor, "withdrawn": len(places), "places": places})
    else:
        say(f"{sku_ref}: withdrawn for {consignor}: {len(places)}")


async def _withdraw(
    session: Session,
    sku_ref: str,
    consignor: str,
    batch_id: BatchId | None,
    quantity: int | None,
    reason: str,
) -> list[Place]:
    places: list[Place] = []
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        sku = await find_sku(conn, sku_ref)
        consignor_id = await find_consignor(conn, consignor)
        while quantity is None or len(places) < quantity:
            step = _STEP_CODES if quantity is None else min(_STEP_CODES, quantity - len(places))
            async with conn.transaction():
                left = await core.allocator.withdraw(
                    conn,
                    sku.lane,
                    sku.sku_id,
                    consignor_id,
                    batch_id=batch_id,
                    at_most=step,
                    actor=session.actor,
                    reason=reason,
                )
            places += left
            if len(left) < step:
                break
    if not places:
        raise OutOfStock(
            f"{consignor} has no unsold codes of {sku_ref}" + (" in that batch" if batch_id else "")
        )
    return places
