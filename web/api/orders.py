"""Lets callers look at orders, and approve or cancel them or replace invalid codes where core allows it."""

from __future__ import annotations

from core.orders.replacement import Replacements
from core.types import OrderRef
from core.views.orders import (
    OrderDetail,
    OrderFilter,
    OrderPage,
    open_by_state,
    order_detail,
    order_page,
    orders_per_minute,
    recent_moves,
)
from web.access import Right
from web.api.route import Call, Route, read_place
from web.api.shapes import Activity, Done, OrderQuery, ReasonBody, ReplaceBody, Replaced
from web.decisions import Decisions
from web.services import Services


async def list_orders(call: Call) -> OrderPage:
    """A page of orders."""
    query = call.query(OrderQuery)
    wanted = OrderFilter(
        query.state, query.channel, query.sku_ref, OrderRef(query.order_ref) if query.order_ref else None
    )
    async with call.services.pool.acquire() as conn:
        return await order_page(conn, wanted, before=query.before, limit=query.limit)


async def show_order(call: Call) -> OrderDetail:
    """One order."""
    async with call.services.pool.acquire() as conn:
        return await order_detail(conn, call.order_id())


async def cancel_order(call: Call) -> Done:
    """An order that waits, ended by a person."""
    body, services = call.body(ReasonBody), call.services
    decisions = decisions_of(services)
    ended = await decisions.cancel(call.order_id(), actor=call.token.name, reason=body.reason)
    services.wake_all()
    return Done(ended.told)


async def approve_order(call: Call) -> Done:
    """A held order, let through by a person."""
    body, services = call.body(ReasonBody), call.services
    decisions = decisions_of(services)
    order = await decisions.approve(call.order_id(), actor=call.token.name, reason=body.reason)
    services.wake(order.channel_id)
    return Done(f"order {order.order_id} is {order.state}")


def decisions_of(services: Services) -> Decisions:
    """What people may decide here."""
    return Decisions(services.pool, services.intake, services.channels, services.now)


async def replace_code(call: Call) -> Replaced:
    """Another code for an invalid one."""
    body, services = call.body(ReplaceBody), call.services
    replacements = Replacements(services.pool, services.allocator, services.now)
    place = await replacements.replace(
        call.order_id(), read_place(body.place), actor=call.token.name, reason=body.reason
    )
    services.wake_all()
    return Replaced(str(place))


async def show_activity(call: Call) -> Activity:
    """What happens now."""
    async with call.services.pool.acquire() as conn:
        return Activity(
            await recent_moves(conn),
            await open_by_state(conn),
            await orders_per_minute(conn, call.services.now()),
        )


ROUTES = (
    Route(
        "GET", "/orders", Right.READ, "List orders, newest first", OrderPage, list_orders, query=OrderQuery
    ),
    Route("GET", "/orders/{order_id}", Right.READ, "Show one order", OrderDetail, show_order),
    Route(
        "POST",
        "/orders/{order_id}/approve",
        Right.OPERATE,
        "Let a held order through",
        Done,
        approve_order,
        body=ReasonBody,
    ),
    Route(
        "POST",
        "/orders/{order_id}/cancel",
        Right.OPERATE,
        "End an order that waits",
        Done,
        cancel_order,
        body=ReasonBody,
    ),
    Route(
        "POST",
        "/orders/{order_id}/replacements",
        Right.OPERATE,
        "Replace an invalid code",
        Replaced,
        replace_code,
        body=ReplaceBody,
        status=201,
    ),
    Route("GET", "/activity", Right.READ, "Show what happens now", Activity, show_activity),
)
