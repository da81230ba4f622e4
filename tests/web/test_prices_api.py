"""Prices, rates, lags, tags and the matrix through the API: what is told, decided and refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.money.money import Money
from core.offers.pricing.holds import AskedPrice, ask_for_prices
from core.types import ListingId
from tests.web.bench import SKU, Room
from web.access import Role

REASON = {"reason": "a test wants it"}
LATER = (datetime.now(UTC) + timedelta(days=30)).isoformat()
SIGNED = {"channel": "answering", "listing_ref": "L1", "least": "12.50", "until": LATER} | REASON


async def hold(room: Room, price_minor: int = 3000) -> int:
    listing_id = ListingId(1)
    asked = AskedPrice(listing_id, 2000, Money(price_minor, "EUR"), "too far")
    async with room.pool.acquire() as conn, conn.transaction():
        await ask_for_prices(conn, [listing_id], [asked], datetime.now(UTC))
    hold_id: int = await room.pool.fetchval("SELECT max(hold_id) FROM price_hold")
    return hold_id


async def test_a_price_is_worked_out_step_by_step(room: Room) -> None:
    told = (await room.call("GET", "/prices?channel=answering", Role.VIEWER)).json()
    [price] = told["prices"]
    assert (price["shown_minor"], price["net_minor"], price["state"]) == (2286, 2000, "priced")
    assert price["steps"][-1]["amount_minor"] == 2286
    assert (price["budget"]["free_left"], told["next_after"]) == (None, None)
    ladder = (await room.call("GET", f"/prices/{price['listing_id']}", Role.VIEWER)).json()
    assert ladder["price"] == price
    assert (ladder["listing"]["sku_ref"], ladder["competitors"], ladder["holds"]) == (SKU, [], [])


async def test_prices_come_in_pages(room: Room) -> None:
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = (await room.call("GET", f"/prices?limit=3&after={after}")).json()
        seen += [price["channel"] for price in page["prices"]]
        after = page["next_after"]
    assert sorted(seen) == ["answering", "hasty", "silent", "telling"]


@pytest.mark.parametrize("decision", ["approve", "refuse"])
async def test_a_held_price_is_decided_once(room: Room, decision: str) -> None:
    hold_id = await hold(room)
    [waiting] = (await room.call("GET", "/prices/holds", Role.VIEWER)).json()["holds"]
    assert (waiting["hold_id"], waiting["listing_id"], waiting["verdict"]) == (hold_id, 1, None)
    body = {"decision": decision} | REASON
    assert (await room.call("POST", f"/prices/holds/{hold_id}/decide", Role.OPERATOR, body)).status == 200
    assert (await room.call("POST", f"/prices/holds/{hold_id}/decide", Role.OPERATOR, body)).status == 409
    [decided] = (await room.call("GET", "/prices/holds?everything=true")).json()["holds"]
    assert (decided["verdict"], decided["decided_by"]) == (
        f"{decision}d".replace("eed", "ed"),
        "operator-person",
    )
    assert (await room.call("GET", "/prices/holds")).json() == {"holds": []}
    assert room.woken


async def test_a_price_that_was_replaced_cannot_be_approved(room: Room) -> None:
    old, _ = await hold(room), await hold(room, 3500)
    answer = await room.call("POST", f"/prices/holds/{old}/decide", body={"decision": "approve"} | REASON)
    assert answer.status == 409


async def test_a_signature_below_the_floor_is_kept_and_taken_back(room: Room) -> None:
    signed = await room.call("POST", "/prices/exceptions", Role.OPERATOR, SIGNED)
    number = signed.json()["exception_id"]
    [kept] = (await room.call("GET", "/prices/exceptions", Role.VIEWER)).json()["exceptions"]
    assert (kept["least_minor"], kept["signed_by"], kept["reason"]) == (
        1250,
        "operator-person",
        REASON["reason"],
    )
    assert (await room.call("POST", f"/prices/exceptions/{number}/revoke", body=REASON)).status == 200
    assert (await room.call("POST", f"/prices/exceptions/{number}/revoke", body=REASON)).status == 409
    assert (await room.call("GET", "/prices/exceptions")).json() == {"exceptions": []}
    assert await room.pool.fetchval("SELECT count(*) FROM audit WHERE action ~ '^price.exception'") == 2


async def test_a_rate_is_told_and_grows_old(room: Room) -> None:
    body = {"base": "USD", "quote": "EUR", "rate": "0.92"} | REASON
    assert (await room.call("POST", "/rates", Role.OPERATOR, body)).status == 200
    old = body | {"base": "CNY", "at": (datetime.now(UTC) - timedelta(days=9)).isoformat()}
    assert (await room.call("POST", "/rates", body=old)).status == 200
    told = (await room.call("GET", "/rates", Role.VIEWER)).json()["rates"]
    assert [(rate["base"], rate["rate"], rate["too_old"]) for rate in told] == [
        ("CNY", "0.92", True),
        ("USD", "0.92", False),
    ]


async def test_a_sku_is_added_with_tags_and_given_others(room: Room) -> None:
    new = {"sku_ref": "NEW", "tags": ["steam", "eu"]}
    assert (await room.call("POST", "/skus", Role.OPERATOR, new)).status == 200
    body = {"add": ["big"], "remove": ["eu"]} | REASON
    tagged = (await room.call("POST", "/skus/NEW/tags", Role.OPERATOR, body)).json()
    assert tagged == {"sku_ref": "NEW", "tags": ["big", "steam"]}
    explained = (await room.call("GET", "/stock/NEW/explain", Role.VIEWER)).json()
    assert (explained["tags"], explained["listings"]) == (["big", "steam"], [])
    assert await room.pool.fetchval("SELECT subject FROM audit WHERE action = 'tag'") == "SKU NEW: +big -eu"


async def test_a_quantity_is_explained_with_the_rule_of_each_step(room: Room) -> None:
    told = (await room.call("GET", f"/stock/{SKU}/explain", Role.VIEWER)).json()
    assert (told["available"], len(told["listings"])) == (10, 4)
    for listing in told["listings"]:
        assert listing["steps"][-1]["quantity"] >= listing["tell_quantity"]
        assert all(step["source"] for step in listing["steps"])


async def test_the_matrix_and_the_lags_are_there_for_programs(room: Room) -> None:
    page = (await room.call("GET", "/matrix?order=cover&text=steam", Role.VIEWER)).json()
    [row] = page["rows"]
    assert (row["sku_ref"], row["free"], row["cover_days"], len(row["cells"])) == (SKU, 10, None, 4)
    assert (await room.call("GET", "/matrix?trouble=any")).json()["rows"] == []
    lags = (await room.call("GET", "/lags?hours=48", Role.VIEWER)).json()["lags"]
    assert [(lag["channel"], lag["samples"]) for lag in lags][:1] == [("answering", 0)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/prices/999", None, 404),
        ("GET", "/prices/x", None, 404),
        ("GET", "/prices/99999999999", None, 404),
        ("GET", "/prices?sku_ref=unheard", None, 404),
        ("GET", "/prices?at=2026-01-01T00:00", None, 422),
        ("POST", "/prices/holds/1/decide", {"decision": "approve"} | REASON, 422),
        ("POST", "/prices/holds/1/decide", {"decision": "maybe"} | REASON, 422),
        ("POST", "/prices/holds/x/decide", {"decision": "approve"} | REASON, 404),
        ("POST", "/prices/exceptions", SIGNED | {"channel": "unheard"}, 404),
        ("POST", "/prices/exceptions", SIGNED | {"listing_ref": "unheard"}, 404),
        ("POST", "/prices/exceptions", SIGNED | {"least": "-1"}, 422),
        ("POST", "/prices/exceptions", SIGNED | {"until": "2020-01-01T00:00Z"}, 422),
        ("POST", "/prices/exceptions", SIGNED | {"until": "2999-01-01T00:00Z"}, 422),
        ("POST", "/prices/exceptions", SIGNED | {"reason": ""}, 422),
        ("POST", "/prices/exceptions/1/revoke", REASON, 409),
        ("POST", "/rates", {"base": "EUR", "quote": "EUR", "rate": "1"} | REASON, 422),
        ("POST", "/rates", {"base": "EUR", "quote": "USD", "rate": "much"} | REASON, 422),
        ("POST", "/rates", {"base": "EUR", "quote": "USD", "rate": "1", "at": LATER} | REASON, 422),
        ("GET", "/stock/unheard/explain", None, 404),
        ("POST", "/skus/unheard/tags", {"add": ["a"]} | REASON, 404),
        ("POST", f"/skus/{SKU}/tags", {"add": ["a b"]} | REASON, 422),
        ("POST", f"/skus/{SKU}/tags", {"add": ["a"], "remove": ["a"]} | REASON, 422),
        ("GET", "/matrix?trouble=unheard", None, 422),
        ("GET", "/matrix?page=0", None, 422),
        ("GET", "/lags?hours=0", None, 422),
    ],
)
async def test_what_is_wrong_is_refused(
    room: Room, method: str, path: str, body: object, status: int
) -> None:
    answer = await room.call(method, path, body=body)
    assert answer.status == status, answer.body
    assert len(answer.json()["detail"]) > 10
