"""The API: who may do what, how errors are told, and that what is done is done."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from pathlib import Path

import pytest
from aiohttp import ClientSession, FormData
from openapi_spec_validator import validate

from core.db.pool import Pool
from core.types import OrderState
from tests.web.bench import SKU, TOKENS, Answer, Room, add_codes, open_room
from web.access import RIGHTS, Right, Role
from web.api.route import Route
from web.api.server import PREFIX, ROUTES

REASON = {"reason": "a test wants it"}


async def upload(room: Room, content: bytes, name: str = "codes.txt", **fields: str) -> Answer:
    """A file handed in as an operator."""
    form = FormData()
    for key, value in ({"sku_ref": SKU, "consignor": "Mei"} | fields).items():
        form.add_field(key, value)
    form.add_field("file", content, filename=name)
    headers = {"Authorization": f"Bearer {TOKENS[Role.OPERATOR]}"}
    async with room.http.post(f"{room.url}{PREFIX}/imports", data=form, headers=headers) as answer:
        return await Answer.of(answer)


def filled(route: Route) -> str:
    """A route's path with something in its places; ids are 1."""
    return route.path.format_map(defaultdict(lambda: "1", sku_ref=SKU, place="0.1.1", name="answering"))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_route_lets_in_those_roles_that_have_its_right(room: Room, route: Route) -> None:
    for role in Role:
        if route.stream and route.right in RIGHTS[role]:
            continue
        answer = await room.call(route.method, filled(route), role, body={})
        refused = route.right not in RIGHTS[role]
        assert (answer.status == 403) == refused, f"{role} got {answer.status}"
        assert answer.status < 500


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_route_asks_for_a_token(room: Room, route: Route) -> None:
    for token in (None, "not a token"):
        answer = await room.call(route.method, filled(route), None, token=token)
        assert answer.status == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_address_that_guesses_tokens_is_not_listened_to(room: Room) -> None:
    for _ in range(20):
        assert (await room.call("GET", "/stock", token="a guess")).status == 401
    answer = await room.call("GET", "/stock")
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0


async def test_the_description_is_valid_and_names_every_route(room: Room) -> None:
    answer = await room.call("GET", "/openapi.json", None)
    document = answer.json()
    validate(document)
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method, PREFIX + route.path) for route in ROUTES}


async def test_a_route_that_is_not_there_says_where_they_are_described(room: Room) -> None:
    assert "openapi.json" in (await room.call("GET", "/nothing")).json()["detail"]
    answer = await room.call("GET", "/skus")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/stock/unheard", None, 404),
        ("GET", "/orders/999", None, 404),
        ("GET", "/orders/-1", None, 404),
        ("GET", "/orders/99999999999999999999", None, 404),
        ("GET", "/ledger/orders/999", None, 404),
        ("GET", "/channels/unheard", None, 404),
        ("POST", "/channels/unheard/pause", REASON, 404),
        ("POST", "/channels/unheard/sync", None, 404),
        ("PUT", "/skus/unheard/price", {"amount": "1.00", "currency": "EUR"} | REASON, 404),
        ("PUT", f"/skus/{SKU}/price", {"amount": "1.001", "currency": "EUR"} | REASON, 422),
        ("PUT", f"/skus/{SKU}/price", {"amount": "-1", "currency": "EUR"} | REASON, 422),
        ("PUT", f"/skus/{SKU}/price", {"amount": "1", "currency": "euro"} | REASON, 422),
        ("PUT", f"/skus/{SKU}/price", {"amount": "1", "currency": "EUR"}, 422),
        ("PUT", "/listings", {"channel": "unheard", "listing_ref": "x", "sku_ref": SKU} | REASON, 404),
        ("POST", "/skus", {"sku_ref": "a", "face_value": "10"}, 422),
        ("POST", "/skus", {"sku_ref": "a", "unheard": 1}, 422),
        ("POST", "/skus", {"sku_ref": " "}, 422),
        ("POST", "/channels/answering/pause", {"reason": ""}, 422),
        ("POST", "/codes/0.1/reveal", REASON, 422),
        ("POST", "/codes/0.1.99/reveal", REASON, 422),
        ("POST", "/codes/99999.1.1/reveal", REASON, 422),
        ("GET", "/codes/0.1.99", None, 422),
        ("GET", "/orders?state=unheard", None, 422),
        ("GET", "/orders?limit=0", None, 422),
        ("GET", "/stock?unheard=1", None, 422),
    ],
)
async def test_what_is_wrong_is_told_with_what_to_do(
    room: Room, method: str, path: str, body: object, status: int
) -> None:
    answer = await room.call(method, path, body=body)
    problem = answer.json()
    assert (answer.status, problem["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(problem["detail"]) > 10


async def test_a_body_that_is_not_json_is_not_quoted(room: Room) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[Role.ADMIN]}"}
    url = f"{room.url}{PREFIX}/skus"
    async with room.http.post(url, data=b"{my secret", headers=headers) as answer:
        assert answer.status == 422
        assert "secret" not in await answer.text()


async def test_with_the_database_away_the_caller_is_asked_to_come_again(room: Room) -> None:
    room.pool.terminate()
    answer = await room.call("GET", "/stock")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_stock_is_counted_and_explained(room: Room) -> None:
    await room.sell("o1", count=2)
    await room.tell("answering", "reserve", "o2", count="3")
    page = (await room.call("GET", "/stock?text=steam", Role.VIEWER)).json()
    counts = page["skus"][0]["counts"]
    assert counts == {
        "imported": 10,
        "available": 5,
        "reserved": 3,
        "delivered": 2,
        "quarantined": 0,
        "expired": 0,
        "withdrawn": 0,
    }
    detail = (await room.call("GET", f"/stock/{SKU}", Role.VIEWER)).json()
    assert detail["shelves"][0]["free"] == 5
    assert {listing["channel"] for listing in detail["listings"]} == set(room.services.channels)


async def test_a_sku_is_added_priced_and_listed(room: Room) -> None:
    body = {"sku_ref": "NEW-1", "title": "New", "face_value": "10.00", "face_currency": "EUR"}
    for _ in range(2):
        assert (await room.call("POST", "/skus", body=body)).json() == {"sku_ref": "NEW-1", "title": "New"}
    price = {"amount": "9.50", "currency": "EUR"} | REASON
    assert (await room.call("PUT", "/skus/NEW-1/price", body=price)).status == 200
    link = {"channel": "telling", "listing_ref": "L2", "sku_ref": "NEW-1"} | REASON
    assert (await room.call("PUT", "/listings", body=link)).status == 200
    listings = (await room.call("GET", "/listings?channel=telling&limit=1")).json()
    more = (await room.call("GET", f"/listings?channel=telling&after={listings['next_after']}")).json()
    assert [listing["listing_ref"] for listing in more["listings"]] == ["L2"]
    actions = await room.pool.fetch("SELECT action, actor, reason FROM audit WHERE actor = 'admin-person'")
    assert [tuple(row) for row in actions] == [
        ("price", "admin-person", "a test wants it"),
        ("link", "admin-person", "a test wants it"),
    ]


async def test_a_file_is_imported_and_leaves_nothing_behind(room: Room) -> None:
    answer = await upload(room, b"NEW-1\nNEW-2\nNEW-1\nCODE-0001\n", unit_cost="9.50", currency="EUR")
    report = answer.json()
    assert answer.status == 201
    assert (report["read"], report["imported"]) == (4, 2)
    assert report["refused"] == {"already_known": 1, "duplicate_in_file": 1}
    assert [row["row"] for row in report["refusals"]] == [3, 4]
    assert list(room.services.upload_dir.iterdir()) == []
    assert (await upload(room, b"NEW-1\nNEW-2\n")).json()["imported"] == 0


@pytest.mark.parametrize(("fields", "priority"), [({}, 7), ({"priority": "3"}, 3)])
async def test_uploaded_codes_are_sold_by_their_consignors_own_priority_unless_told(
    room: Room, fields: dict[str, str], priority: int
) -> None:
    await room.pool.execute("INSERT INTO consignor (name, priority) VALUES ('Kaart', 7)")
    assert (await upload(room, b"NEW-1\n", consignor="Kaart", **fields)).status == 201
    found = await room.pool.fetch(
        "SELECT shelf.priority FROM shelf JOIN consignor USING (consignor_id) WHERE name = 'Kaart'"
    )
    assert [row["priority"] for row in found] == [priority]


@pytest.mark.parametrize(
    ("content", "name", "fields"),
    [
        (b"A-1\n", "../../etc/passwd.txt", {"sku_ref": "unheard"}),
        (b"A-1\n", "x.txt", {"unit_cost": "9.50"}),
        (b"A-1\n", "x.txt", {"expires": "2030-01-01T00:00:00"}),
        (b"A-1\n", "x.txt", {"unheard": "1"}),
        (b"PK\x03\x04 not really", "x.xlsx", {}),
    ],
)
async def test_an_upload_that_cannot_be_imported_is_refused_and_removed(
    room: Room, content: bytes, name: str, fields: dict[str, str]
) -> None:
    answer = await upload(room, content, name, **fields)
    assert answer.status in (404, 422)
    assert list(room.services.upload_dir.iterdir()) == []


async def test_an_upload_in_another_form_is_refused(room: Room) -> None:
    assert (await room.call("POST", "/imports", body={"sku_ref": SKU})).status == 415


async def test_orders_are_listed_newest_first_page_by_page(room: Room) -> None:
    for n in range(5):
        await room.tell("telling", "orders", f"o{n}")
    refs: list[str] = []
    path = "/orders?limit=2"
    while path:
        page = (await room.call("GET", path, Role.VIEWER)).json()
        refs += [order["order_ref"] for order in page["orders"]]
        path = f"/orders?limit=2&before={page['next_before']}" if page["next_before"] is not None else ""
    assert refs == ["o4", "o3", "o2", "o1", "o0"]


@pytest.mark.parametrize(
    ("query", "refs"),
    [
        ("state=reserved", ["kept"]),
        ("state=delivered", ["sold"]),
        ("state=refused", ["short"]),
        ("channel=hasty", ["kept"]),
        (f"sku_ref={SKU}", ["short", "kept", "sold"]),
        ("sku_ref=unheard", []),
        ("order_ref=sold", ["sold"]),
        ("order_ref=sold&state=reserved", []),
    ],
)
async def test_orders_are_found(room: Room, query: str, refs: list[str]) -> None:
    await room.sell("sold")
    await room.tell("hasty", "reserve", "kept")
    await room.tell("answering", "reserve", "short", count="100")
    page = (await room.call("GET", f"/orders?{query}")).json()
    assert [order["order_ref"] for order in page["orders"]] == refs


async def test_an_order_shows_its_life_its_places_and_its_money_but_no_code(room: Room) -> None:
    order_id = await room.sell("o1", count=2)
    answer = await room.call("GET", f"/orders/{order_id}", Role.VIEWER)
    order = answer.json()
    assert [move["to_state"] for move in order["moves"]] == ["reserved", "delivered"]
    assert [code["place"].split(".")[2] for code in order["codes"]] == ["1", "2"]
    assert sum(entry["amount_minor"] for entry in order["journal"]) == 0
    assert b"CODE-" not in answer.body


async def test_an_order_that_waits_is_cancelled_and_one_that_is_sold_is_not(room: Room) -> None:
    sold = await room.sell("sold")
    await room.tell("answering", "reserve", "kept")
    kept = await room.pool.fetchval("SELECT max(order_id) FROM channel_order")
    assert (await room.call("POST", f"/orders/{kept}/cancel", body=REASON)).status == 200
    answer = await room.call("POST", f"/orders/{sold}/cancel", body=REASON)
    assert answer.status == 409
    assert "at the channel" in answer.json()["detail"]
    assert await room.states() == {"sold": OrderState.DELIVERED, "kept": OrderState.CANCELLED}


async def test_a_code_is_shown_to_who_may_see_it_and_the_row_says_so(room: Room) -> None:
    answer = await room.call(
        "POST", "/codes/0.1.1/reveal", Role.OPERATOR, body={"reason": "the buyer lost it"}
    )
    assert answer.json()["secret"] == "CODE-0001"
    place = answer.json()["place"]
    for role in (Role.VIEWER, Role.FINANCE):
        denied = await room.call("POST", f"/codes/{place}/reveal", role, body=REASON)
        assert denied.status == 403
        assert b"CODE-" not in denied.body
    rows = await room.pool.fetch("SELECT actor, reason FROM audit WHERE action = 'reveal'")
    assert [tuple(row) for row in rows] == [("operator-person (operator)", "the buyer lost it")]
    trace = await room.call("GET", f"/codes/{place}", Role.VIEWER)
    assert trace.json()["reveals"][0]["reason"] == "the buyer lost it"
    assert b"CODE-" not in trace.body


async def test_an_invalid_code_is_replaced_once(room: Room) -> None:
    order_id = await room.sell("o1", count=2)
    bad = (await room.call("GET", f"/orders/{order_id}")).json()["codes"][0]["place"]
    body = {"place": bad, "reason": "used already"}
    answers = await asyncio.gather(
        *(room.call("POST", f"/orders/{order_id}/replacements", body=body) for _ in range(4))
    )
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    new = next(answer.json()["place"] for answer in answers if answer.status == 201)
    codes = {code["place"]: code for code in (await room.call("GET", f"/orders/{order_id}")).json()["codes"]}
    assert codes[bad]["departed"] == "quarantined"
    assert (codes[bad]["replaced_by"], codes[new]["instead_of"]) == (new, bad)
    assert (await room.tell("answering", "provide", "o1")).json() == {"codes": ["CODE-0002", "CODE-0003"]}


async def test_without_stock_nothing_is_replaced_and_nothing_changes(pool: Pool, tmp_path: Path) -> None:
    async with open_room(pool, tmp_path, codes=1) as room:
        order_id = await room.sell("o1")
        bad = (await room.call("GET", f"/orders/{order_id}")).json()["codes"][0]["place"]
        body = {"place": bad, "reason": "used already"}
        answer = await room.call("POST", f"/orders/{order_id}/replacements", body=body)
        assert (answer.status, answer.json()["title"]) == (409, "Out of stock")
        assert await room.pool.fetchval("SELECT count(*) FROM departure") == 0
        await add_codes(room, tmp_path, 1, prefix="MORE")
        assert (await room.call("POST", f"/orders/{order_id}/replacements", body=body)).status == 201


async def test_channels_are_paused_resumed_and_synced(room: Room) -> None:
    assert (await room.call("POST", "/channels/telling/pause", body=REASON)).status == 200
    view = (await room.call("GET", "/channels/telling", Role.VIEWER)).json()
    assert view["paused_reason"] == "a test wants it"
    assert (await room.call("POST", "/channels/telling/resume", body=REASON)).status == 200
    assert (await room.call("GET", "/channels/telling")).json()["paused_at"] is None
    assert (await room.call("POST", "/channels/telling/sync")).status == 200
    assert room.synced == ["telling"]
    assert len((await room.call("GET", "/channels")).json()["channels"]) == 4


async def test_a_sale_is_explained_and_agrees_with_its_entries(room: Room) -> None:
    order_id = await room.sell("o1", count=2)
    explained = (await room.call("GET", f"/ledger/orders/{order_id}", Role.FINANCE)).json()
    line = explained["lines"][0]
    assert line["agrees"] is True
    assert (line["gross_minor"], sum(step["amount_minor"] for step in line["steps"])) == (5000, 5000)
    assert line["consignors"] == {"Mei": 2}
    balances = (await room.call("GET", "/ledger/balances", Role.FINANCE)).json()["balances"]
    assert sum(balance["balance_minor"] for balance in balances) == 0
    payable = [balance["balance_minor"] for balance in balances if balance["purpose"] == "payable"]
    assert payable == [-explained["lines"][0]["steps"][-1]["amount_minor"]]


async def test_a_sale_is_still_explained_after_a_replacement_and_a_refund(room: Room, tmp_path: Path) -> None:
    order_id = await room.sell("o1", count=10)
    await add_codes(room, tmp_path, 1, consignor="Li", prefix="OTHER")
    bad = (await room.call("GET", f"/orders/{order_id}")).json()["codes"][0]["place"]
    body = {"place": bad, "reason": "used already"}
    assert (await room.call("POST", f"/orders/{order_id}/replacements", body=body)).status == 201
    await room.tell("answering", "cancel", "o1")
    explained = (await room.call("GET", f"/ledger/orders/{order_id}")).json()
    assert (explained["lines"][0]["agrees"], explained["lines"][0]["consignors"]) == (True, {"Mei": 10})
    assert {entry["kind"] for entry in explained["journal"]} == {"sale", "refund"}


async def test_what_happens_now_is_told(room: Room) -> None:
    await room.sell("o1")
    await room.tell("answering", "reserve", "o2")
    activity = (await room.call("GET", "/activity")).json()
    assert [move["move"]["to_state"] for move in activity["moves"]] == ["reserved", "delivered", "reserved"]
    assert activity["open"] == [{"state": "reserved", "orders": 1}]
    assert sum(minute["orders"] for minute in activity["per_minute"]) == 2
    assert len(activity["per_minute"]) == 60


async def test_whoever_listens_hears_what_changed(room: Room) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[Role.VIEWER]}"}
    async with room.http.get(f"{room.url}{PREFIX}/events", headers=headers) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        async with asyncio.timeout(20):
            heard: set[str] = set()
            await stream.content.readuntil(b"\n\n")
            # The first look only learns how things stand.
            await asyncio.sleep(1.5)
            await room.sell("o1")
            while not {"orders", "money"} <= heard:
                event = (await stream.content.readuntil(b"\n\n")).decode()
                heard |= set(json.loads(event.split("data: ")[1])["parts"])


async def test_requests_are_counted_by_route(room: Room) -> None:
    await room.call("GET", f"/stock/{SKU}")
    async with room.http.get(f"{room.url}/metrics") as answer:
        assert (
            'consignd_api_requests_total{route="get_stock_sku_ref",status="200"} 1.0' in await answer.text()
        )


def test_every_right_is_somebodys_and_viewers_only_read() -> None:
    assert RIGHTS[Role.VIEWER] == {Right.READ}
    assert RIGHTS[Role.ADMIN] == set(Right)
    assert Right.MONEY not in RIGHTS[Role.OPERATOR]
    assert Right.REVEAL not in RIGHTS[Role.FINANCE]


async def test_a_stop_sends_listeners_away_instead_of_waiting_for_them(pool: Pool, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[Role.VIEWER]}"}
    async with ClientSession() as listener:
        async with open_room(pool, tmp_path) as room:
            stream = await listener.get(f"{room.url}{PREFIX}/events", headers=headers)
            await stream.content.readuntil(b"\n\n")
        async with asyncio.timeout(20):
            assert await stream.content.read() == b""
        assert stream.content.exception() is None
