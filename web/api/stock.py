"""Lets callers look at stock and listings, add SKUs, price them and link listings to them."""

from __future__ import annotations

from core.audit import note
from core.errors import UnknownChannel
from core.money.money import Money
from core.offers.catalogue import NewSku, add_sku, find_sku, link_listing, set_base_price, tag_sku
from core.types import ListingRef
from core.views.matrix import MatrixFilter, MatrixPage, matrix_page
from core.views.stock import SkuDetail, SkuPage, listings, sku_detail, sku_page
from core.views.stock_policy import ExplainedStock, explain_stock
from web.access import Right
from web.api.route import Call, Route, optional_money
from web.api.shapes import (
    Done,
    LinkBody,
    ListingAnswer,
    ListingPage,
    ListingQuery,
    MatrixQuery,
    NewSkuBody,
    PriceBody,
    SkuAnswer,
    StockQuery,
    TagAnswer,
    TagBody,
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
    new = NewSku(body.sku_ref, body.title, body.brand, body.kind, body.region, face, body.tags)
    async with call.services.pool.acquire() as conn:
        sku = await add_sku(conn, new, call.services.lanes)
    return SkuAnswer(sku.sku_ref, sku.title)


async def tag(call: Call) -> TagAnswer:
    """Tags given and taken; the offers follow."""
    body, services = call.body(TagBody), call.services
    async with services.pool.acquire() as conn, conn.transaction():
        sku = await find_sku(conn, call.path("sku_ref"))
        tags = await tag_sku(conn, sku, services.allocator, add=body.add, remove=body.remove)
        turned = " ".join([*(f"+{each}" for each in body.add), *(f"-{each}" for each in body.remove)])
        subject = f"SKU {sku.sku_ref}: {turned}"
        await note(
            conn, at=services.now(), actor=call.token.name, action="tag", subject=subject, reason=body.reason
        )
    services.wake_all()
    return TagAnswer(sku.sku_ref, tags)


async def list_matrix(call: Call) -> MatrixPage:
    """A page of SKUs by channels."""
    query = call.query(MatrixQuery)
    wanted = MatrixFilter(query.text, query.trouble, query.channel, query.order)
    async with call.services.pool.acquire() as conn:
        return await matrix_page(conn, wanted, call.services.now(), page=query.page, size=query.limit)


async def explain_sku(call: Call) -> ExplainedStock:
    """Why each listing shows what it shows."""
    services = call.services
    names = {channel_id: terms.name for channel_id, terms in services.terms().items()}
    async with services.pool.acquire() as conn:
        return await explain_stock(conn, services.outbox, names, call.path("sku_ref"))


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
    Route(
        "GET",
        "/stock/{sku_ref}/explain",
        Right.READ,
        "Work quantities out, step by step, with the rule of each",
        ExplainedStock,
        explain_sku,
    ),
    Route(
        "GET",
        "/matrix",
        Right.READ,
        "List SKUs by channels: cover, and what is wrong",
        MatrixPage,
        list_matrix,
        query=MatrixQuery,
    ),
    Route("POST", "/skus/{sku_ref}/tags", Right.OPERATE, "Give and take tags", TagAnswer, tag, body=TagBody),
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
