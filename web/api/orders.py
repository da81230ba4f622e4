"""Lets callers look at orders, and cancel them or replace their invalid codes where core allows it."""

from __future__ import annotations

from core.audit import note
from core.errors import MoveRefused
from core.orders.orders import load_order
from core.orders.replacement import Replacements
from core.types import OrderRef, OrderState
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

# The others end by themselves, or only the channel can end them, because it holds the buyer's money.
_CANCELLED_BY_HAND = frozenset({OrderState.HELD, OrderState.RESERVED, OrderState.PARKED})


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
    async with services.pool.acquire() as conn, conn.transaction():
        order = await load_order(conn, call.order_id())
        if order.state not in _CANCELLED_BY_HAND:
            raise MoveRefused(
                f"order {order.order_id} is {order.state}: cancel or refund it at the channel, and it "
                "ends here when the channel tells"
            )
        state = await services.intake.cancel(conn, order, actor=call.token.name, reason=body.reason)
        await note(
            conn,
            at=services.now(),
            actor=call.token.name,
            action="cancel",
            subject=f"order {order.order_id}",
            reason=body.reason,
        )
    services.wake_all()
    return Done(f"order {order.order_id} is {state}")


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
