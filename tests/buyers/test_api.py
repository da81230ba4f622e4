"""Tests what shops tell of buyers over the API, and what people see of it."""

from __future__ import annotations

from tests.web.bench import Room
from tests.web.conftest import room
from web.access import Role

__all__ = ["room"]

ANN = "/buyers/telling/ann%2F1"


async def test_a_shop_tells_who_brought_a_buyer_and_the_first_holds(room: Room) -> None:
    first = await room.call("PUT", f"{ANN}/referrer", Role.OPERATOR, body={"referrer": "bob"})
    assert first.status == 200
    told = first.json()
    assert (told["buyer"], told["referrer"]) == ("telling/ann/1", "bob")
    again = await room.call("PUT", f"{ANN}/referrer", Role.OPERATOR, body={"referrer": "bob"})
    assert again.json() == told
    other = await room.call("PUT", f"{ANN}/referrer", Role.OPERATOR, body={"referrer": "cid"})
    assert other.status == 409
    assert "was brought by bob" in other.json()["detail"]
    shown = (await room.call("GET", f"{ANN}/profile", Role.OPERATOR)).json()
    assert shown["referrers"] == ["bob"]
    assert [row["referrer"] for row in shown["refusals"]] == ["cid"]


async def test_nobody_brings_himself_however_he_is_called(room: Room) -> None:
    own = await room.call("PUT", f"{ANN}/referrer", Role.OPERATOR, body={"referrer": "telling/ann/1"})
    assert (own.status, "the same person" in own.json()["detail"]) == (409, True)
    marks = {"marks": [{"kind": "device", "value": "d-1"}]}
    for name in ("ann%2F1", "bob"):
        kept = await room.call("POST", f"/buyers/telling/{name}/marks", Role.OPERATOR, body=marks)
        assert kept.json() == {"done": f"telling/{name.replace('%2F', '/')}: 1 marks"}
    ring = await room.call("PUT", f"{ANN}/referrer", Role.OPERATOR, body={"referrer": "telling/bob"})
    assert (ring.status, "the same device" in ring.json()["detail"]) == (409, True)
    shown = await room.call("GET", f"{ANN}/profile", Role.OPERATOR)
    assert shown.json()["marks"] == {"device": 1}
    assert "d-1" not in shown.body.decode()


async def test_two_names_become_one_person(room: Room) -> None:
    await room.call("PUT", "/buyers/silent/x/referrer", Role.OPERATOR, body={"referrer": "bob"})
    await room.call("PUT", f"{ANN}/referrer", Role.OPERATOR, body={"referrer": "cid"})
    body = {"other": "silent/x", "reason": "the same mail"}
    assert (await room.call("POST", f"{ANN}/join", Role.OPERATOR, body=body)).status == 200
    shown = (await room.call("GET", "/buyers/silent/x/profile", Role.OPERATOR)).json()
    assert shown["name"] == "telling/ann/1"
    assert [name["name"] for name in shown["names"]] == ["telling/ann/1", "silent/x"]
    assert shown["referrers"] == ["bob"], "who was told first"


async def test_what_cannot_be_is_refused_and_says_why(room: Room) -> None:
    body = {"referrer": "bob"}
    assert (await room.call("PUT", "/buyers/nowhere/x/referrer", Role.OPERATOR, body=body)).status == 404
    assert (await room.call("PUT", "/buyers/silent/x/referrer", Role.FINANCE, body=body)).status == 403
    assert (await room.call("GET", "/buyers/silent/nobody/profile", Role.OPERATOR)).status == 422
    marks = {"marks": [{"kind": "device", "value": "d-1"}]}
    unkept = await room.call("POST", "/buyers/silent/x/marks", Role.OPERATOR, body=marks)
    assert (unkept.status, "marks_days" in unkept.json()["detail"]) == (422, True)
    wrong = {"marks": [{"kind": "browser", "value": "secret-agent"}]}
    told = await room.call("POST", "/buyers/telling/x/marks", Role.OPERATOR, body=wrong)
    assert (told.status, "secret-agent" in told.body.decode()) == (422, False)
