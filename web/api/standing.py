"""Lets callers stop and let go, see and decide drift, and see and open what the guard has closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from core.errors import InvalidInput
from core.offers.closures.switches import Scope, Switch, release, stop
from core.offers.drift.reconciling import Reconciliation
from core.views.drift import AdoptedView, DriftView, adopted, drifts
from core.views.guard import (
    LineReading,
    StoppedView,
    SwitchEvent,
    TripView,
    line_readings,
    stopped,
    switch_events,
    trips,
)
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route, Shape
from web.api.shapes import Done, Limit, Ref, Words

_HISTORY = 100
_MOST_ROWS = 500
_LARGEST_ID = 2**63 - 1


class SwitchBody(Shape):
    """What to stop or let go: everything, or a channel or SKU by its name."""

    scope: Literal["everything", "channel", "sku"]
    name: str = ""
    reason: Words


class DriftQuery(Shape):
    """Which drifts to list."""

    channel: str | None = None
    waiting: Annotated[bool, Field(description="only what waits for a person")] = False
    limit: Limit = 200


class DriftBody(Shape):
    """A person's word on a question."""

    decision: Literal["repair", "adopt", "dismiss"]
    reason: Words


class ClearBody(Shape):
    """A listing that is to show again what its rules say."""

    channel: Ref
    listing_ref: Ref
    reason: Words


class OpenBody(Shape):
    """What the guard is to open: a channel, and of it one listing or all that it closed."""

    channel: Ref
    listing_ref: str | None = None
    reason: Words


@dataclass(frozen=True, slots=True)
class Switches:
    """What is stopped, and who turned what lately."""

    stopped: tuple[StoppedView, ...]
    history: tuple[SwitchEvent, ...]


@dataclass(frozen=True, slots=True)
class DriftList:
    """What differed, and what is kept as it was found."""

    drifts: tuple[DriftView, ...]
    adopted: tuple[AdoptedView, ...]


@dataclass(frozen=True, slots=True)
class GuardStanding:
    """What the guard closed, and how near each line is."""

    trips: tuple[TripView, ...]
    lines: tuple[LineReading, ...]


async def list_switches(call: Call) -> Switches:
    """What is stopped."""
    async with call.services.pool.acquire() as conn:
        return Switches(await stopped(conn), await switch_events(conn, _HISTORY))


async def stop_now(call: Call) -> Done:
    """Off sale, at once."""
    switch = await _turn(call, stopping=True)
    return Done(f"{switch} is stopped: its offers go off before anything else is told")


async def let_go(call: Call) -> Done:
    """On sale again."""
    switch = await _turn(call, stopping=False)
    return Done(f"{switch} may sell again")


async def _turn(call: Call, *, stopping: bool) -> Switch:
    body, services = call.body(SwitchBody), call.services
    switch = read_switch(body.scope, body.name)
    turn = stop if stopping else release
    async with services.pool.acquire() as conn, conn.transaction():
        await turn(conn, switch, actor=call.token.name, reason=body.reason, at=services.now())
    services.wake_all()
    return switch


def read_switch(scope: str, name: str) -> Switch:
    """A switch by what a person wrote; InvalidInput when name and scope do not go together."""
    if (scope == Scope.EVERYTHING) == bool(name):
        raise InvalidInput("everything has no name, and a channel or SKU needs one")
    return Switch(Scope(scope), name)


async def list_drifts(call: Call) -> DriftList:
    """What differed."""
    query = call.query(DriftQuery)
    async with call.services.pool.acquire() as conn:
        return DriftList(
            await drifts(conn, channel=query.channel, only_waiting=query.waiting, limit=query.limit),
            await adopted(conn, channel=query.channel, limit=query.limit),
        )


async def decide_drift(call: Call) -> Done:
    """A question decided."""
    text = call.path("drift_id")
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID:
        raise Problem(404, "Not known", "drift ids are numbers; `GET /api/v1/drift` lists them")
    body = call.body(DriftBody)
    compared = Reconciliation(call.services.pool, call.services.now)
    await compared.decide(int(text), body.decision, actor=call.token.name, reason=body.reason)
    call.services.wake_all()
    return Done(f"drift {text}: {body.decision}")


async def clear_drift(call: Call) -> Done:
    """What was kept as found is dropped."""
    body = call.body(ClearBody)
    compared = Reconciliation(call.services.pool, call.services.now)
    cleared = await compared.clear(body.channel, body.listing_ref, actor=call.token.name, reason=body.reason)
    call.services.wake_all()
    return Done(f"{body.listing_ref} follows its rules again; kept so far: {', '.join(cleared) or 'nothing'}")


async def show_guard(call: Call) -> GuardStanding:
    """The guard's doings and readings."""
    services = call.services
    terms = [channel.terms for channel in services.channels.values()]
    async with services.pool.acquire() as conn:
        return GuardStanding(
            await trips(conn, only_closed=False, limit=_MOST_ROWS),
            await line_readings(conn, terms, services.now()),
        )


async def open_guard(call: Call) -> Done:
    """A person says the cause is mended."""
    body, services = call.body(OpenBody), call.services
    count = await services.guard.reopen(
        body.channel, body.listing_ref, actor=call.token.name, reason=body.reason
    )
    services.wake_all()
    return Done(f"opened {count}; what failed before counts no more here, but it does at the channel")


_OPERATE, _READ = Right.OPERATE, Right.READ
ROUTES = (
    Route("GET", "/switches", _READ, "List what is stopped, and who stopped it", Switches, list_switches),
    Route("POST", "/switches/stop", _OPERATE, "Take off sale at once", Done, stop_now, body=SwitchBody),
    Route("POST", "/switches/go", _OPERATE, "Let what was stopped sell again", Done, let_go, body=SwitchBody),
    Route("GET", "/drift", _READ, "List what channels show else", DriftList, list_drifts, query=DriftQuery),
    Route("POST", "/drift/{drift_id}/decide", _OPERATE, "Decide a drift", Done, decide_drift, body=DriftBody),
    Route("POST", "/drift/clear", _OPERATE, "Drop what was kept as found", Done, clear_drift, body=ClearBody),
    Route("GET", "/guard", _READ, "Show what the guard closed, and the sums", GuardStanding, show_guard),
    Route("POST", "/guard/open", _OPERATE, "Open what the guard closed", Done, open_guard, body=OpenBody),
)
