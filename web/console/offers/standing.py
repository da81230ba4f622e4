"""Decides what the pages on channels and switches show: lags, guard, drift, and what is stopped."""

from __future__ import annotations

from core.errors import UnknownChannel, UnknownSku
from core.offers.closures.switches import Scope
from core.views.channels import channels
from core.views.drift import adopted, drifts
from core.views.guard import LineReading, TripView, line_readings, reach_of, stopped, switch_events, trips
from core.views.lag import channel_lags
from web.api.standing import read_switch
from web.console.visit import Shown, Visit

_DRIFTS = 40
_ADOPTED = 100
_TRIPS = 500
_HISTORY = 60


async def channel_list(visit: Visit) -> Shown:
    """Channels and how they are."""
    services = visit.services
    async with services.pool.acquire() as conn:
        lines: dict[str, list[LineReading]] = {}
        for line in await line_readings(conn, services.terms().values(), services.now()):
            lines.setdefault(line.channel, []).append(line)
        closed: dict[str, list[TripView]] = {}
        for trip in await trips(conn, only_closed=True, limit=_TRIPS):
            closed.setdefault(trip.channel, []).append(trip)
        values = {
            "channels": await channels(conn, services.now()),
            "lags": {lag.channel: lag for lag in await channel_lags(conn, services.now())},
            "drifts": await drifts(conn, channel=None, only_waiting=False, limit=_DRIFTS),
            "adopted": await adopted(conn, channel=None, limit=_ADOPTED),
            "off": {each.name: each for each in await stopped(conn) if each.scope == Scope.CHANNEL},
        }
    return Shown("channels.html", values | {"lines": lines, "closed": closed})


async def switches(visit: Visit) -> Shown:
    """What is stopped, and who turned what."""
    async with visit.services.pool.acquire() as conn:
        values = {
            "stopped": await stopped(conn),
            "history": await switch_events(conn, _HISTORY),
            "channels": await channels(conn, visit.services.now()),
        }
    return Shown("switches.html", values)


async def confirm(visit: Visit) -> Shown:
    """What a switch would do, before anybody turns it."""
    switch = read_switch(visit.query("scope") or "", visit.query("name") or "")
    async with visit.services.pool.acquire() as conn:
        reach = await reach_of(conn, switch)
        history = await switch_events(conn, _HISTORY)
    if not reach.known:
        unknown = UnknownChannel if switch.scope is Scope.CHANNEL else UnknownSku
        raise unknown(f"{switch} is not known; look for it under Channels or Stock")
    lately = [each for each in history if (each.scope, each.name) == (switch.scope, switch.name)]
    return Shown("switch.html", {"switch": switch, "reach": reach, "history": lately})
