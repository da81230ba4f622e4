"""Orders that wait for a person: what a channel hears, what the API and the console let people do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from core.db.pool import Pool
from core.orders.risk import RiskRule
from tests.web.bench import Room, open_room
from tests.web.test_console import Browser
from web.access import Role
from web.console.words import ENGLISH

# A piece costs 25.00: two are held, four are refused.
RULE = RiskRule(hold_above_minor=4000, refuse_above_minor=9000, currency="EUR")
REASON = {"reason": "a known buyer"}


@pytest.fixture
async def room(pool: Pool, tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(pool, tmp_path, risk=RULE) as opened:
        yield opened


@pytest.fixture
async def browser(room: Room) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield Browser(room, http)


async def held(room: Room, ref: str = "o1") -> int:
    """A paid order that waits for a person; its id."""
    await room.tell("telling", "orders", ref, count="2")
    assert (await room.states())[ref] == "held"
    order_id: int = await room.pool.fetchval("SELECT order_id FROM channel_order WHERE order_ref = $1", ref)
    return order_id


async def test_a_channel_that_asks_for_held_codes_hears_later_and_then_gets_them(room: Room) -> None:
    assert (await room.tell("answering", "reserve", "o1", count="2")).json() == {"granted": True}
    for _ in range(2):
        assert (await room.tell("answering", "provide", "o1")).json() == {"codes": "later"}
    assert (await room.states())["o1"] == "held"
    assert (await room.tell("answering", "reserve", "o1", count="2")).json() == {"granted": True}
    order_id = await room.pool.fetchval("SELECT order_id FROM channel_order")
    assert (await room.call("POST", f"/orders/{order_id}/approve", body=REASON)).status == 200
    assert len((await room.tell("answering", "provide", "o1")).json()["codes"]) == 2


async def test_a_reservation_that_risk_refuses_is_not_granted(room: Room) -> None:
    assert (await room.tell("answering", "reserve", "o1", count="4")).json() == {"granted": False}
    assert await room.pool.fetchval("SELECT count(*) FROM allocation") == 0


async def test_a_held_order_is_approved_over_the_api_once_and_leaves_a_row(room: Room) -> None:
    order_id = await held(room)
    path = f"/orders/{order_id}/approve"
    assert (await room.call("POST", path, Role.VIEWER, REASON)).status == 403
    assert (await room.call("POST", path, Role.FINANCE, REASON)).status == 403
    assert (await room.call("POST", path, Role.OPERATOR, {"reason": ""})).status == 422
    answer = await room.call("POST", path, Role.OPERATOR, REASON)
    assert answer.json() == {"done": f"order {order_id} is accepted"}
    assert (await room.call("POST", path, Role.OPERATOR, REASON)).status == 409
    assert (await room.call("POST", "/orders/999/approve", Role.OPERATOR, REASON)).status == 404
    rows = await room.pool.fetch("SELECT actor, action, subject, reason FROM audit WHERE action = 'approve'")
    assert [tuple(row) for row in rows] == [
        ("operator-person", "approve", f"order {order_id}", "a known buyer")
    ]


async def test_a_held_order_is_cancelled_over_the_api_and_the_person_is_told_to_refund(room: Room) -> None:
    order_id = await held(room)
    path = f"/orders/{order_id}/cancel"
    assert (await room.call("POST", path, Role.VIEWER, REASON)).status == 403
    answer = await room.call("POST", path, Role.OPERATOR, REASON)
    assert "refund o1 there yourself" in answer.json()["done"]
    assert (await room.states())["o1"] == "cancelled"
    assert await room.pool.fetchval("SELECT count(*) FROM audit WHERE action = 'cancel'") == 1
    assert (await room.call("POST", path, Role.OPERATOR, REASON)).status == 409


async def test_the_overview_counts_what_waits_for_a_person(browser: Browser) -> None:
    await browser.sign_in()
    words = ENGLISH["waiting_for_person"].encode()
    assert words not in (await browser.open("/console")).body
    await held(browser.room)
    assert words in (await browser.open("/console")).body


async def test_a_person_reads_why_and_approves_on_the_orders_page(browser: Browser) -> None:
    order_id = await held(browser.room)
    await browser.sign_in(Role.OPERATOR)
    page = (await browser.open(f"/console/orders/{order_id}")).body
    assert b"50.00 EUR is above 40.00 EUR" in page
    assert f"/console/orders/{order_id}/approve".encode() in page
    assert (await browser.act(f"/console/orders/{order_id}/approve", reason=" ")).status == 422
    answer = await browser.act(f"/console/orders/{order_id}/approve", reason="a known buyer")
    assert (ENGLISH["approved_done"] % "o1").encode() in answer.body
    assert f"/console/orders/{order_id}/approve".encode() not in answer.body
    assert (await browser.room.states())["o1"] == "accepted"


async def test_a_person_ends_an_order_on_its_page(browser: Browser) -> None:
    order_id = await held(browser.room)
    await browser.sign_in(Role.OPERATOR)
    await browser.open(f"/console/orders/{order_id}")
    answer = await browser.act(f"/console/orders/{order_id}/cancel", reason="a fraud")
    assert b"refund o1 there yourself" in answer.body
    assert f"/console/orders/{order_id}/cancel".encode() not in answer.body
    assert (await browser.act("/console/orders/x/cancel", reason="a fraud")).status == 404


async def test_who_may_only_look_finds_no_buttons(browser: Browser) -> None:
    order_id = await held(browser.room)
    await browser.sign_in(Role.VIEWER)
    page = (await browser.open(f"/console/orders/{order_id}")).body
    assert b"/approve" not in page
    assert (await browser.act(f"/console/orders/{order_id}/approve", reason="please")).status == 403
    assert (await browser.room.states())["o1"] == "held"
