"""Switches, drift and guard through the API, and what a stopped channel answers to reservations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.offers.closures.guard import GuardRule
from core.offers.closures.switches import Scope
from core.types import Asked, Formula, ListingRef, OrderRef, PenaltyLine
from tests.web.bench import Room
from web.access import Role

STREAK = PenaltyLine(Asked.RESERVE, Formula.STREAK, 2, 0)


async def stop(room: Room, scope: str, name: str = "", how: str = "stop") -> int:
    body = {"scope": scope, "name": name, "reason": "a leak"}
    return (await room.call("POST", f"/switches/{how}", body=body)).status


@pytest.mark.parametrize(
    ("scope", "name"), [("everything", ""), ("channel", "answering"), ("sku", "STEAM-EUR-20")]
)
async def test_new_reservations_are_refused_while_stopped_and_known_ones_are_served(
    room: Room, scope: str, name: str
) -> None:
    await room.tell("answering", "reserve", "known")
    assert await stop(room, scope, name) == 200
    assert (await room.tell("answering", "reserve", "new")).json() == {"granted": False}
    assert (await room.tell("answering", "reserve", "known")).json() == {"granted": True}
    assert (await room.tell("answering", "provide", "known")).json() == {"codes": ["CODE-0001"]}
    assert set(room.woken) >= {channel.terms.channel_id for channel in room.services.channels.values()}
    assert await stop(room, scope, name, "go") == 200
    # What was refused stays refused, however often it is asked.
    assert (await room.tell("answering", "reserve", "new")).json() == {"granted": False}
    assert (await room.tell("answering", "reserve", "newer")).json() == {"granted": True}


async def test_other_channels_and_skus_are_not_stopped(room: Room) -> None:
    await stop(room, "channel", "hasty")
    assert (await room.tell("answering", "reserve", "o1")).json() == {"granted": True}


async def test_who_stopped_what_is_told_and_kept(room: Room) -> None:
    await stop(room, "everything")
    await stop(room, "channel", "hasty")
    await stop(room, "everything", how="go")
    told = (await room.call("GET", "/switches", Role.VIEWER)).json()
    assert [(each["scope"], each["name"], each["actor"]) for each in told["stopped"]] == [
        ("channel", "hasty", "admin-person")
    ]
    assert [each["stopped"] for each in told["history"]] == [False, True, True]
    assert await room.pool.fetchval("SELECT count(*) FROM audit WHERE action IN ('stop', 'go')") == 3


@pytest.mark.parametrize(
    ("scope", "name", "how", "status"),
    [
        ("everything", "x", "stop", 422),
        ("channel", "", "stop", 422),
        ("channel", "nobody", "stop", 404),
        ("sku", "nothing", "stop", 404),
        ("everything", "", "go", 422),
        ("world", "", "stop", 422),
    ],
)
async def test_what_cannot_be_stopped_is_refused_by_name(
    room: Room, scope: str, name: str, how: str, status: int
) -> None:
    assert await stop(room, scope, name, how) == status
    assert await room.pool.fetchval("SELECT count(*) FROM switch_event") == 0


@pytest.mark.parametrize("role", [Role.VIEWER, Role.FINANCE])
async def test_who_may_only_look_stops_nothing(room: Room, role: Role) -> None:
    body = {"scope": "everything", "reason": "x"}
    assert (await room.call("POST", "/switches/stop", role, body)).status == 403
    assert (await room.call("GET", "/guard", Role.VIEWER)).status == 200


async def test_refused_reservations_are_counted_and_close_the_listing(room: Room) -> None:
    served = room.services.channels["answering"]
    terms = replace(served.terms, guard=GuardRule((STREAK,)))
    channels = {**room.services.channels, "answering": replace(served, terms=terms)}
    guarded = replace(room.services, channels=channels)
    await guarded.guard.failed(terms, Asked.RESERVE, OrderRef("o1"), [ListingRef("L1")])
    async with room.pool.acquire() as conn:
        why = await conn.fetchval("SELECT why FROM guard_trip WHERE opened_at IS NULL")
    assert why == "1 reserve failed in a row; the channel acts at 2"
    told = (await room.call("GET", "/guard")).json()
    assert [(trip["channel"], trip["listing_ref"]) for trip in told["trips"]] == [("answering", "L1")]
    body = {"channel": "answering", "listing_ref": "L1", "reason": "mended"}
    assert (await room.call("POST", "/guard/open", body=body)).status == 200
    assert (await room.call("POST", "/guard/open", body=body)).status == 422


async def test_drift_is_listed_and_questions_that_nobody_asked_are_not_decided(room: Room) -> None:
    assert (await room.call("GET", "/drift?waiting=true")).json() == {"drifts": [], "adopted": []}
    body = {"decision": "repair", "reason": "x"}
    assert (await room.call("POST", "/drift/7/decide", body=body)).status == 422
    assert (await room.call("POST", "/drift/none/decide", body=body)).status == 404
    clear = {"channel": "answering", "listing_ref": "L1", "reason": "x"}
    assert (await room.call("POST", "/drift/clear", body=clear)).status == 200
    assert (await room.call("POST", "/drift/clear", body={**clear, "listing_ref": "?"})).status == 404


def test_the_scopes_are_those_of_the_schema() -> None:
    assert [scope.value for scope in Scope] == ["everything", "channel", "sku"]
