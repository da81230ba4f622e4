"""Decides what the pages on orders and codes show, and the one that people look at first."""

from __future__ import annotations

from core.codes.custody import Trace, trace
from core.errors import InvalidInput, UnknownOrder
from core.types import OrderId, OrderRef, OrderState
from core.views.channels import channels
from core.views.ledger import ExplainedOrder, explain_order
from core.views.orders import (
    OrderFilter,
    open_by_state,
    order_detail,
    order_page,
    orders_per_minute,
    recent_moves,
)
from core.views.overview import StockOverview, stock_overview
from web.access import Right
from web.api.route import read_place
from web.console.drawing import minute_bars
from web.console.money.figures import split_fall
from web.console.visit import Shown, Visit

_ORDERS_PER_PAGE = 50
_LATEST_MOVES = 14


async def overview(visit: Visit) -> Shown:
    """What an operator looks at first."""
    services = visit.services

    async def read_stock() -> StockOverview:
        async with services.pool.acquire() as conn:
            return await stock_overview(conn, services.now())

    async with services.pool.acquire() as conn:
        minutes = await orders_per_minute(conn, services.now())
        values = {
            "channels": await channels(conn, services.now()),
            "open": await open_by_state(conn),
            "moves": await recent_moves(conn, _LATEST_MOVES),
        }
    return Shown(
        "overview.html",
        values
        | {
            "stock": await visit.memory.get("stock", read_stock, StockOverview),
            "bars": minute_bars(minutes),
            "busiest": max(minute.orders for minute in minutes),
            "orders_hour": sum(minute.orders for minute in minutes),
        },
    )


async def orders(visit: Visit) -> Shown:
    """Orders, newest first."""
    state = visit.query("state")
    if state is not None and state not in set(OrderState):
        raise InvalidInput(f"state {state!r} is none of {', '.join(OrderState)}")
    before = visit.query("before")
    wanted = OrderFilter(
        state=None if state is None else OrderState(state),
        channel=visit.query("channel"),
        sku_ref=visit.query("sku_ref"),
        order_ref=_ref(visit.query("order_ref")),
    )
    async with visit.services.pool.acquire() as conn:
        page = await order_page(
            conn, wanted, before=None if before is None else _number(before), limit=_ORDERS_PER_PAGE
        )
        names = [channel.name for channel in await channels(conn, visit.services.now())]
    return Shown(
        "orders.html",
        {"page": page, "wanted": wanted, "states": list(OrderState), "names": names, "before": before},
    )


async def order(visit: Visit) -> Shown:
    """One order, its life, its codes' places, and for those who may see it where its money goes."""
    order_id = OrderId(_number(visit.path("order_id")))
    explained: ExplainedOrder | None = None
    async with visit.services.pool.acquire() as conn:
        detail = await order_detail(conn, order_id)
        if visit.session.token.may(Right.MONEY) and detail.journal:
            explained = await explain_order(conn, order_id)
    falls = [(line, split_fall(line)) for line in explained.lines] if explained else []
    return Shown("order.html", {"detail": detail, "falls": falls})


async def code(visit: Visit) -> Shown:
    """The story of a code, without the code."""
    place = read_place(visit.path("place"))
    async with visit.services.pool.acquire() as conn:
        story: Trace = await trace(conn, place)
    return Shown("code.html", {"place": str(place), "story": story, "payload": None})


def _ref(text: str | None) -> OrderRef | None:
    return None if text is None else OrderRef(text)


def _number(text: str) -> int:
    """An id as it stands in an address."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise UnknownOrder(f"order {text[:40]!r}: order ids are numbers; look for it under Orders")
    return int(text)
