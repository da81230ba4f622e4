"""Shows flash sales: how much of each is sold and left, and what one will show when, against the floor."""

from __future__ import annotations

import click

from core.views.flash import FlashListing, FlashPreview, flash_preview, flash_sales
from scheduler.cli.options import ListGroup, json_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_channels, open_core, utc_now


@click.group("flash", cls=ListGroup)
def flash() -> None:
    """Show flash sales, the windows of [price]. Without a command it lists them."""


@flash.command("list")
@json_option
@pass_session
def list_sales(session: Session, as_json: bool) -> None:
    """List every listing in a flash sale, with what is sold and left of its quota.

    JSON: {"sales": [{"channel", "listing_ref", "sku_ref", "sale": {"name", "from_at", "until", "price_minor",
    "currency", "quota", "sold", "per_buyer"}, "state", "left"}]}.
    """
    found = session.drive(_list(session))
    if as_json:
        print_json({"sales": found})
        return
    numbers = ("price", "sold", "left", "a buyer")
    table = Cells("sale", "channel", "listing", "SKU", "state", "from", "until", *numbers, right=numbers)
    for each in found:
        sale = each.sale
        price, sold = amount(sale.price_minor, sale.currency), "" if sale.quota is None else sale.sold
        table.add(
            sale.name, each.channel, each.listing_ref, each.sku_ref, each.state, sale.from_at, sale.until,
            price, sold, each.left, sale.per_buyer,
        )  # fmt: skip
    table.show()


async def _list(session: Session) -> tuple[FlashListing, ...]:
    async with (
        open_core(session.settings()) as core,
        open_channels(core) as found,
        core.pool.acquire() as conn,
    ):
        return await flash_sales(conn, found.terms(), utc_now())


@flash.command("preview")
@click.argument("name")
@json_option
@pass_session
def preview(session: Session, name: str, as_json: bool) -> None:
    """Show what the flash sale NAME will show when, by today's facts, and the floor below each listing.

    JSON: {"listings": [{"listing": {...}, "currency", "floor_minor", "moments": [{"at", "what",
    "shown_minor", "state", "at_most"}], "remark"}]}.
    """
    found = session.drive(_preview(session, name))
    if as_json:
        print_json({"listings": found})
        return
    table = Cells(
        "channel", "listing", "from", "", "price", "at most", "floor", right=("price", "at most", "floor")
    )
    for each in found:
        floor = amount(each.floor_minor, each.currency)
        for moment in each.moments:
            shown = amount(moment.shown_minor, each.currency) or f"off ({moment.state})"
            place = (each.listing.channel, each.listing.listing_ref)
            table.add(*place, moment.at, moment.what, shown, moment.at_most, floor)
    table.show()
    for each in found:
        if each.remark is not None:
            say(f"{each.listing.channel} {each.listing.listing_ref}: {each.remark}")


async def _preview(session: Session, name: str) -> tuple[FlashPreview, ...]:
    async with (
        open_core(session.settings()) as core,
        open_channels(core) as found,
        core.pool.acquire() as conn,
    ):
        return await flash_preview(conn, found.terms(), utc_now(), name)
