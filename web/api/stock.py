"""Lets callers look at stock and listings, add SKUs, price them and link listings to them."""

from __future__ import annotations

from core.audit import note
from core.errors import UnknownChannel
from core.money.money import Money
from core.offers.catalogue import NewSku, add_sku, find_sku, link_listing, set_base_price
from core.types import ListingRef
from core.views.stock import SkuDetail, SkuPage, listings, sku_detail, sku_page
from web.access import Right
from web.api.route import Call, Route, optional_money
from web.api.shapes import (
    Done,
    LinkBody,
    ListingAnswer,
    ListingPage,
    ListingQuery,
    NewSkuBody,
    PriceBody,
    SkuAnswer,
    StockQuery,
)


async def list_stock(call: Call) -> SkuPage:
    """A page of SKUs."""
    query = call.query(StockQuery)
    async with call.services.pool.acquire() as conn:
        return await sku_page(
            conn, call.services.now(), after=query.after, text=query.text, limit=query.limit
        )


async def show_sku(call: Call) -> SkuDetail:
    """One SKU with why."""
    async with call.services.pool.acquire() as conn:
        return await sku_detail(conn, call.services.now(), call.path("sku_ref"))


async def create_sku(call: Call) -> SkuAnswer:
    """A SKU, new or known."""
    body = call.body(NewSkuBody)
    face = optional_money(body.face_value, body.face_currency, "face_value and face_currency")
    new = NewSku(body.sku_ref, body.title, body.brand, body.kind, body.region, face)
    async with call.services.pool.acquire() as conn:
        sku = await add_sku(conn, new, call.services.lanes)
    return SkuAnswer(sku.sku_ref, sku.title)


async def price_sku(call: Call) -> Done:
    """A base price; the offers follow."""
    body, services = call.body(PriceBody), call.services
    price = Money.parse(body.amount, body.currency)
    async with services.pool.acquire() as conn, conn.transaction():
        sku = await find_sku(conn, call.path("sku_ref"))
        await set_base_price(conn, sku, price, services.allocator)
        await note(
            conn,
            at=services.now(),
            actor=call.token.name,
            action="price",
            subject=f"SKU {sku.sku_ref} at {price}",
            reason=body.reason,
        )
    services.wake_all()
    return Done(f"{sku.sku_ref} should bring {price}")


async def list_listings(call: Call) -> ListingPage:
    """A page of listings."""
    query = call.query(ListingQuery)
    async with call.services.pool.acquire() as conn:
        found = await listings(conn, channel=query.channel, after=query.after, limit=query.limit + 1)
    more = len(found) > query.limit
    shown = found[: query.limit]
    return ListingPage(shown, shown[-1].listing_id if more else None)


async def link(call: Call) -> ListingAnswer:
    """A listing that sells a SKU from now on."""
    body, services = call.body(LinkBody), call.services
    channel = services.channels.get(body.channel)
    if channel is None:
        raise UnknownChannel(f"channel {body.channel!r} is not configured; `GET /api/v1/channels` lists them")
    async with services.pool.acquire() as conn, conn.transaction():
        sku = await find_sku(conn, body.sku_ref)
        listing_id = await link_listing(
            conn, channel.terms.channel_id, ListingRef(body.listing_ref), sku, services.allocator
        )
        await note(
            conn,
            at=services.now(),
            actor=call.token.name,
            action="link",
            subject=f"listing {body.listing_ref} of {body.channel} to SKU {sku.sku_ref}",
            reason=body.reason,
        )
    services.wake_all()
    return ListingAnswer(listing_id)


ROUTES = (
    Route("GET", "/stock", Right.READ, "List SKUs with their counts", SkuPage, list_stock, query=StockQuery),
    Route(
        "GET", "/stock/{sku_ref}", Right.READ, "Explain a SKU: shelves, listings, why", SkuDetail, show_sku
    ),
    Route("POST", "/skus", Right.OPERATE, "Add a SKU", SkuAnswer, create_sku, body=NewSkuBody),
    Route("PUT", "/skus/{sku_ref}/price", Right.OPERATE, "Set a base price", Done, price_sku, body=PriceBody),
    Route(
        "GET",
        "/listings",
        Right.READ,
        "List listings with their offers",
        ListingPage,
        list_listings,
        query=ListingQuery,
    ),
    Route("PUT", "/listings", Right.OPERATE, "Link a listing to a SKU", ListingAnswer, link, body=LinkBody),
)
