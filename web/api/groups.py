"""Lets shops show which groups may be joined, with seats and time left; never who sits there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from core.errors import InvalidInput
from core.group_buying.ending import close_group
from core.orders.refunds import OwedRefund, owed_refunds, settle_by_hand
from core.types import OrderId
from core.views.groups import GroupView, group, groups
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route, Shape
from web.api.shapes import Done, Limit, Words


class GroupQuery(Shape):
    """Which groups to list."""

    offer: Annotated[str | None, Field(description="the group offer's name in the settings")] = None
    ended: Annotated[bool, Field(description="those that have ended, too")] = False
    limit: Limit = 200


class CloseBody(Shape):
    """How a person ends a group before its time."""

    how: Literal["complete", "refund"]
    reason: Words


class SettledBody(Shape):
    """How the money was given back."""

    reason: Words


@dataclass(frozen=True, slots=True)
class GroupList:
    """Groups, the open ones first, then the latest."""

    groups: tuple[GroupView, ...]


@dataclass(frozen=True, slots=True)
class RefundList:
    """Money that a person has to give back at the channel."""

    refunds: tuple[OwedRefund, ...]


async def list_groups(call: Call) -> GroupList:
    """Those that may be joined."""
    query = call.query(GroupQuery)
    async with call.services.pool.acquire() as conn:
        found = await groups(
            conn, call.services.now(), offer=query.offer, only_open=not query.ended, limit=query.limit
        )
    return GroupList(found)


async def show_group(call: Call) -> GroupView:
    """One of them."""
    try:
        async with call.services.pool.acquire() as conn:
            return await group(conn, call.path("ref"), call.services.now())
    except InvalidInput as error:
        raise Problem(404, "Not known", str(error)) from None


async def close(call: Call) -> Done:
    """Ended before its time."""
    body, services, ref = call.body(CloseBody), call.services, call.path("ref")
    async with services.pool.acquire() as conn, conn.transaction():
        buyers = await close_group(
            conn,
            services.terms(),
            ref,
            complete=body.how == "complete",
            actor=call.token.name,
            reason=body.reason,
            now=services.now(),
        )
    services.wake_all()
    return Done(f"group {ref} is ended for {buyers} buyers: {body.how}")


async def list_refunds(call: Call) -> RefundList:
    """What is owed."""
    async with call.services.pool.acquire() as conn:
        return RefundList(await owed_refunds(conn))


async def settle(call: Call) -> Done:
    """Given back by hand."""
    services, reason, text = call.services, call.body(SettledBody).reason, call.path("order_id")
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise Problem(404, "Not known", "orders have numbers; `GET /api/v1/refunds/owed` lists what is owed")
    async with services.pool.acquire() as conn, conn.transaction():
        name = call.token.name
        await settle_by_hand(conn, OrderId(int(text)), services.now(), actor=name, how=reason)
    return Done(f"order {text}: nothing is owed any more")


ROUTES = (
    Route(
        "GET",
        "/groups",
        Right.READ,
        "List groups that buyers may join",
        GroupList,
        list_groups,
        query=GroupQuery,
    ),
    Route("GET", "/groups/{ref}", Right.READ, "Show one group, without its buyers", GroupView, show_group),
    Route("POST", "/groups/{ref}/close", Right.OPERATE, "End a group now", Done, close, body=CloseBody),
    Route(
        "GET",
        "/refunds/owed",
        Right.READ,
        "List money that a person has to give back",
        RefundList,
        list_refunds,
    ),
    Route(
        "POST",
        "/refunds/{order_id}/settle",
        Right.OPERATE,
        "Say that an order's money was given back by hand",
        Done,
        settle,
        body=SettledBody,
    ),
)
