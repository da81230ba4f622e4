"""Tests coupons over the API: a shop's checkout from check to refund, and who may see and do what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.buyers.buyers import known_buyers
from core.db.pool import Pool
from tests.web.bench import Room, open_room
from web.access import Role

WHY = {"reason": "the shop says so"}


@pytest.fixture
async def room(pool: Pool, tmp_path: Path) -> AsyncIterator[Room]:
    """Four channels, and coupons of 10 % named spring."""
    async with open_room(pool, tmp_path) as opened:
        yield opened


async def given(room: Room, ref: str = "r-1") -> dict[str, Any]:
    """A coupon that a buyer of the telling channel has."""
    terms = room.services.channels["telling"].terms
    async with room.services.pool.acquire() as conn:
        await known_buyers(conn, [(terms.channel_id, "anna")], datetime.now(UTC))
    body = {"buyer": "telling/anna", "ref": ref, **WHY}
    answer = await room.call("POST", "/coupons/series/spring/give", Role.OPERATOR, body)
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json()
    return told


def basket(code: str, ref: str = "b-1", price: str = "20.00") -> dict[str, Any]:
    line = {"sku_ref": "X", "quantity": 1, "unit_price": price}
    return {"code": code, "channel": "telling", "basket_ref": ref, "currency": "EUR", "lines": [line]}


async def shop(room: Room, what: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await room.call("POST", f"/coupons/{what}", Role.OPERATOR, body)
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json()
    return told


async def test_a_checkout_takes_a_coupon_from_check_to_refund(room: Room) -> None:
    coupon = await given(room)
    assert (await given(room))["code"] == coupon["code"]
    asked, move = basket(coupon["code"]), {"channel": "telling", "basket_ref": "b-1", **WHY}
    checked = await shop(room, "check", asked)
    assert (checked["holds"], checked["discount_minor"], checked["state"]) == (True, 200, None)
    for _ in range(2):
        held = await shop(room, "hold", asked)
        assert (held["state"], held["lines_minor"]) == ("reserved", [200])
    other = await shop(room, "hold", basket(coupon["code"], "b-2"))
    assert (other["holds"], other["why"]) == (False, "held")
    assert other["text"]
    assert (await room.call("POST", "/coupons/hold", body=basket(coupon["code"], price="21"))).status == 409
    for _ in range(2):
        assert (await shop(room, "confirm", move))["state"] == "confirmed"
    assert (await room.call("POST", "/coupons/release", body=move)).status == 409
    part = await shop(room, "give-back", {**move, "refund_ref": "f-1", "discount": "0.50"})
    assert (part["holds"], part["state"]) == (True, "confirmed")
    back = await shop(room, "give-back", move)
    assert (back["holds"], back["state"]) == (False, "returned")
    shown = (await room.call("GET", f"/coupons/{coupon['coupon_id']}")).json()
    assert [step["amount_minor"] for step in shown["steps"]] == [-150, -50, 200, 200]
    assert (await shop(room, "hold", basket(coupon["code"], "b-3")))["holds"]
    assert (await shop(room, "release", {**move, "basket_ref": "b-3"}))["state"] == "released"


async def test_what_cannot_be_is_told_with_its_status(room: Room) -> None:
    coupon = await given(room)
    assert (await shop(room, "check", basket("HELLO")))["why"] == "not a code"
    unknown = {"channel": "telling", "basket_ref": "none", **WHY}
    for what in ("confirm", "release", "give-back"):
        assert (await room.call("POST", f"/coupons/{what}", body=unknown)).status == 404
    for wrong in (
        {**basket(coupon["code"]), "lines": []},
        {**basket(coupon["code"]), "currency": "euro"},
        basket(coupon["code"], price="1.001"),
        {**basket(coupon["code"]), "more": 1},
    ):
        assert (await room.call("POST", "/coupons/check", body=wrong)).status == 422
    assert (await room.call("POST", "/coupons/give-back", body={**unknown, "refund_ref": "f"})).status == 422
    body = {"buyer": "telling/nobody", "ref": "r", **WHY}
    assert (await room.call("POST", "/coupons/series/spring/give", body=body)).status == 422
    assert (await room.call("POST", "/coupons/series/winter/give", body=body)).status == 422
    for number in ("404", "x", str(2**63)):
        assert (await room.call("GET", f"/coupons/{number}")).status == 404
    assert (await room.call("POST", "/coupons/404/revoke", body=WHY)).status == 404
    assert (await room.call("GET", "/campaigns/winter/report")).status == 422


async def test_lists_show_masks_and_money_is_for_finance(room: Room) -> None:
    coupon = await given(room)
    listed = await room.call("GET", "/coupons?series=spring&buyer=telling/anna", Role.VIEWER)
    assert [each["mask"] for each in listed.json()["coupons"]] == [coupon["mask"]]
    assert coupon["code"].encode() not in listed.body
    series = (await room.call("GET", "/coupons/series", Role.FINANCE)).json()["series"]
    assert [(each["name"], each["issued"]) for each in series] == [("spring", 1)]
    told = (await room.call("GET", "/coupons/reminders?after=7", Role.VIEWER)).json()
    assert told == {"reminders": [], "next_after": 7}
    assert (await room.call("GET", "/coupons/series", Role.OPERATOR)).status == 403
    for role in (Role.VIEWER, Role.FINANCE):
        assert (await room.call("POST", "/coupons/check", role, basket(coupon["code"]))).status == 403
        body = {"buyer": "telling/anna", "ref": "r-2", **WHY}
        assert (await room.call("POST", "/coupons/series/spring/give", role, body)).status == 403
    number = coupon["coupon_id"]
    for said in ("is taken back", "was taken back before"):
        done = await room.call("POST", f"/coupons/{number}/revoke", Role.OPERATOR, WHY)
        assert said in done.json()["done"]
    assert (await shop(room, "check", basket(coupon["code"])))["why"] == "revoked"
