"""Decides what the stock matrix shows, and why each listing of a SKU shows what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from core.errors import InvalidInput
from core.views.channels import channels
from core.views.matrix import MatrixCell, MatrixFilter, MatrixOrder, MatrixPage, Trouble, matrix_page
from core.views.stock import ListingView, sku_detail
from core.views.stock_policy import ExplainedListing, explain_stock
from web.console.forms import page_of
from web.console.pictures import Rung, quantity_ladder, stored_ladders
from web.console.visit import Shown, Visit

_SKUS_PER_PAGE = 40
_ANY = "any"


@dataclass(frozen=True, slots=True)
class Explained:
    """A listing with how its quantity comes about now, and how its price did when it was last worked out."""

    listing: ListingView
    now: ExplainedListing | None
    quantity: list[Rung]
    price: list[Rung]


async def matrix(visit: Visit) -> Shown:
    """SKUs by channels."""
    services, wanted, page = visit.services, _wanted(visit), page_of(visit.query("page"))

    async def read() -> MatrixPage:
        """Orders all SKUs, which costs some tenths of a second with many thousands of listings."""
        async with services.pool.acquire() as conn:
            return await matrix_page(conn, wanted, services.now(), page=page, size=_SKUS_PER_PAGE)

    found = await visit.memory.get(f"matrix {page} {wanted}", read, MatrixPage)
    async with services.pool.acquire() as conn:
        names = [channel.name for channel in await channels(conn, services.now())]
    chosen = {
        "text": wanted.text or "",
        "trouble": str(wanted.trouble or ""),
        "channel": wanted.channel or "",
        "order": wanted.order.value,
    }
    return Shown(
        "stock.html",
        {
            "page": found,
            "cells": [_by_channel(row.cells) for row in found.rows],
            "columns": _columns(found),
            "names": names,
            "chosen": chosen,
            "query": urlencode({name: value for name, value in chosen.items() if value}),
            "filtered": bool(wanted.text or wanted.trouble or wanted.channel),
            "troubles": list(Trouble),
            "orders": list(MatrixOrder),
        },
    )


def _wanted(visit: Visit) -> MatrixFilter:
    trouble, order = visit.query("trouble"), visit.query("order") or MatrixOrder.REF.value
    if trouble is not None and trouble != _ANY and trouble not in set(Trouble):
        raise InvalidInput(f"trouble {trouble[:40]!r} is none of any, {', '.join(Trouble)}")
    if order not in set(MatrixOrder):
        raise InvalidInput(f"order {order[:40]!r} is none of {', '.join(MatrixOrder)}")
    return MatrixFilter(visit.query("text"), trouble, visit.query("channel"), MatrixOrder(order))


def _by_channel(cells: tuple[MatrixCell, ...]) -> dict[str, list[MatrixCell]]:
    found: dict[str, list[MatrixCell]] = {}
    for cell in cells:
        found.setdefault(cell.listing.channel, []).append(cell)
    return found


def _columns(page: MatrixPage) -> list[str]:
    return sorted({cell.listing.channel for row in page.rows for cell in row.cells})


async def sku(visit: Visit) -> Shown:
    """One SKU with why, worked out now."""
    services, sku_ref = visit.services, visit.path("sku_ref")
    names = {channel_id: terms.name for channel_id, terms in services.terms().items()}
    async with services.pool.acquire() as conn:
        detail = await sku_detail(conn, services.now(), sku_ref)
        explained = await explain_stock(conn, services.outbox, names, sku_ref)
    by_id = {each.listing_id: each for each in explained.listings}
    return Shown(
        "sku.html",
        {
            "detail": detail,
            "explained": explained,
            "listings": [_explained(each, by_id.get(each.listing_id)) for each in detail.listings],
        },
    )


def _explained(listing: ListingView, now: ExplainedListing | None) -> Explained:
    """A channel that is not configured any more is explained by what was written down last."""
    quantity, price = stored_ladders(listing.why, listing.currency)
    return Explained(listing, now, quantity if now is None else quantity_ladder(now.steps), price)
