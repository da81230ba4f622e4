"""Lets callers look at channels, take them off sale and put them back, and have them reconciled now."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.audit import note
from core.errors import UnknownChannel
from core.offers.catalogue import pause_channel
from core.views.channels import ChannelView, channel, channels
from core.views.lag import channel_lags
from web.access import Right
from web.api.route import Call, Route
from web.api.shapes import ChannelList, Done, LagList, LagQuery, ReasonBody
from web.services import Services


async def list_channels(call: Call) -> ChannelList:
    """All channels."""
    async with call.services.pool.acquire() as conn:
        return ChannelList(await channels(conn, call.services.now()))


async def show_channel(call: Call) -> ChannelView:
    """One channel."""
    async with call.services.pool.acquire() as conn:
        return await channel(conn, call.services.now(), call.path("name"))


async def list_lags(call: Call) -> LagList:
    """How late each channel learns of sales elsewhere."""
    query = call.query(LagQuery)
    async with call.services.pool.acquire() as conn:
        return LagList(await channel_lags(conn, call.services.now(), over=timedelta(hours=query.hours)))


async def pause(call: Call) -> Done:
    """Everything on a channel off sale."""
    reason = call.body(ReasonBody).reason
    await set_paused(call.services, call.path("name"), call.services.now(), call.token.name, reason)
    return Done(f"{call.path('name')} is paused: its offers go off")


async def resume(call: Call) -> Done:
    """Everything on a channel on sale again."""
    reason = call.body(ReasonBody).reason
    await set_paused(call.services, call.path("name"), None, call.token.name, reason)
    return Done(f"{call.path('name')} is on sale: its offers come back")


async def set_paused(services: Services, name: str, at: datetime | None, actor: str, reason: str) -> None:
    """Pause a channel at a moment, or resume it at None; its loops are told."""
    async with services.pool.acquire() as conn, conn.transaction():
        channel_id = await pause_channel(
            conn, name, services.allocator, at=at, reason=None if at is None else reason
        )
        action = "resume" if at is None else "pause"
        await note(
            conn, at=services.now(), actor=actor, action=action, subject=f"channel {name}", reason=reason
        )
    services.wake(channel_id)


async def sync(call: Call) -> Done:
    """A channel read and compared now."""
    name = call.path("name")
    if name not in call.services.channels:
        raise UnknownChannel(f"channel {name!r} is not configured; `GET /api/v1/channels` lists them")
    await call.services.sync_now(name)
    return Done(f"{name} is read and compared now")


ROUTES = (
    Route("GET", "/lags", Right.READ, "Show measured publish lags", LagList, list_lags, query=LagQuery),
    Route("GET", "/channels", Right.READ, "List channels and how they are", ChannelList, list_channels),
    Route("GET", "/channels/{name}", Right.READ, "Show one channel", ChannelView, show_channel),
    Route(
        "POST",
        "/channels/{name}/pause",
        Right.OPERATE,
        "Take a channel off sale",
        Done,
        pause,
        body=ReasonBody,
    ),
    Route(
        "POST",
        "/channels/{name}/resume",
        Right.OPERATE,
        "Put a channel back on sale",
        Done,
        resume,
        body=ReasonBody,
    ),
    Route("POST", "/channels/{name}/sync", Right.OPERATE, "Read and compare a channel now", Done, sync),
)
