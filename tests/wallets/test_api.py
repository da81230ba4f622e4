"""A shop's checkout sees and spends what a buyer has over the API; finance gives and takes back."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from core.buyers.buyers import known_buyers
from core.types import ChannelId
from core.wallets.programmes import Programme, Task
from tests.web.bench import Room
from web.access import Role

BUYER = "/buyers/telling/u-1"

STARS = Programme("stars", "EUR", Fraction(1), Fraction(1, 2), tasks={"review": Task("review", 20, 1)})
CREDIT = {"amount": "10.00", "currency": "EUR", "ref": "c-1", "reason": "a slow delivery"}
SPEND = {"amount": "4.00", "currency": "EUR", "channel": "telling", "ref": "order 1"}


@pytest.fixture
async def shop(room: Room) -> Room:
    """A room in which one buyer is known."""
    channel_id = ChannelId(await room.pool.fetchval("SELECT channel_id FROM channel WHERE name = 'telling'"))
    async with room.pool.acquire() as conn:
        await known_buyers(conn, [(channel_id, "u-1")], datetime.now(UTC))
    return room


async def test_money_is_given_shown_and_spent_once(shop: Room) -> None:
    given = await shop.call("POST", f"{BUYER}/wallet/credit", Role.FINANCE, CREDIT)
    again = await shop.call("POST", f"{BUYER}/wallet/credit", Role.FINANCE, CREDIT)
    assert given.json() == again.json()
    spent = await shop.call("POST", f"{BUYER}/wallet/spend", Role.OPERATOR, SPEND)
    assert (spent.status, spent.json()["amount_minor"], spent.json()["again"]) == (200, 400, False)
    again = await shop.call("POST", f"{BUYER}/wallet/spend", Role.FINANCE, SPEND)
    assert again.json() == {**spent.json(), "again": True}
    wallet = (await shop.call("GET", f"{BUYER}/wallet", Role.OPERATOR)).json()
    assert wallet["buyer"] == "telling/u-1"
    assert wallet["standings"] == [
        {"currency": "EUR", "usable_minor": 600, "pending_minor": 0, "owed_minor": 0}
    ]
    [lot] = wallet["lots"]
    assert (lot["left_minor"], [use["ref"] for use in lot["uses"]]) == (600, ["order 1"])
    audit = await shop.pool.fetch("SELECT action, reason FROM audit WHERE action LIKE 'wallet.%' ORDER BY at")
    assert [row["action"] for row in audit] == ["wallet.credit", "wallet.credit", "wallet.spend"]
    standing = await shop.pool.fetchval(
        "SELECT sum(amount_minor) FROM entry JOIN account USING (account_id)"
        " WHERE party_name = 'telling' AND purpose = 'receivable'"
    )
    assert standing == -400


async def test_an_order_that_falls_through_gives_its_money_back_once(shop: Room) -> None:
    await shop.call("POST", f"{BUYER}/wallet/credit", Role.FINANCE, CREDIT)
    await shop.call("POST", f"{BUYER}/wallet/spend", Role.OPERATOR, SPEND)
    body = {"ref": "order 1", "amount": "3.00", "currency": "EUR", "refund_ref": "refund 1"}
    first = await shop.call("POST", "/wallets/give-back", Role.OPERATOR, body)
    assert (await shop.call("POST", "/wallets/give-back", Role.OPERATOR, body)).json() == first.json()
    more = await shop.call("POST", "/wallets/give-back", Role.OPERATOR, {**body, "refund_ref": "refund 2"})
    assert (more.status, "1.00 EUR can be given back" in more.json()["detail"]) == (409, True)
    wallet = (await shop.call("GET", f"{BUYER}/wallet", Role.OPERATOR)).json()
    assert wallet["standings"][0]["usable_minor"] == 900
    assert (await shop.call("POST", "/wallets/give-back", Role.VIEWER, body)).status == 403


async def test_what_cannot_be_spent_says_why(shop: Room) -> None:
    await shop.call("POST", f"{BUYER}/wallet/credit", Role.FINANCE, CREDIT)
    spend = f"{BUYER}/wallet/spend"
    for body, status, said in (
        ({**SPEND, "amount": "10.01"}, 409, "can spend 10.00 EUR, not 10.01 EUR"),
        ({**SPEND, "amount": "0.00"}, 422, "more than nothing"),
        ({**SPEND, "amount": "-1.00"}, 422, "more than nothing"),
        ({**SPEND, "amount": "1.001"}, 422, "2 decimals"),
        ({**SPEND, "channel": "nowhere"}, 404, "channel 'nowhere' is not known"),
        ({**SPEND, "ref": ""}, 422, "ref"),
        ({**SPEND, "wallet": 1}, 422, "wallet"),
    ):
        answer = await shop.call("POST", spend, Role.OPERATOR, body)
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
        assert said in answer.json()["detail"]
    await shop.call("POST", spend, Role.OPERATOR, SPEND)
    other = await shop.call("POST", spend, Role.OPERATOR, {**SPEND, "amount": "5.00"})
    assert (other.status, "has spent something else" in other.json()["detail"]) == (409, True)
    stranger = await shop.call("POST", "/buyers/telling/nobody/wallet/spend", Role.OPERATOR, SPEND)
    assert stranger.status in (404, 422)
    assert "no buyer is called 'telling/nobody'" in stranger.json()["detail"]


async def test_only_some_may_see_and_fewer_may_give(shop: Room) -> None:
    for method, path, allowed, body in (
        ("GET", f"{BUYER}/wallet", {Role.OPERATOR, Role.FINANCE, Role.ADMIN}, None),
        ("GET", f"{BUYER}/points", {Role.OPERATOR, Role.FINANCE, Role.ADMIN}, None),
        ("POST", f"{BUYER}/wallet/credit", {Role.FINANCE, Role.ADMIN}, CREDIT),
        ("GET", "/wallets/expiring", {Role.FINANCE, Role.ADMIN}, None),
        ("GET", "/points/liability", {Role.FINANCE, Role.ADMIN}, None),
    ):
        for role in Role:
            answer = await shop.call(method, path, role, body)
            assert (answer.status == 200) is (role in allowed), (path, role)
    assert (await shop.call("GET", f"{BUYER}/wallet", None)).status == 401


async def test_money_is_taken_back_and_what_was_spent_is_owed(shop: Room) -> None:
    lot = (await shop.call("POST", f"{BUYER}/wallet/credit", Role.FINANCE, CREDIT)).json()["lot_id"]
    await shop.call("POST", f"{BUYER}/wallet/spend", Role.OPERATOR, SPEND)
    body = {"amount": "8.00", "currency": "EUR", "reason": "refunded"}
    answer = await shop.call("POST", f"/wallets/lots/{lot}/take-back", Role.FINANCE, body)
    assert answer.json() == {"lot_id": lot, "owed_minor": 200, "currency": "EUR"}
    refused = await shop.call("POST", f"/wallets/lots/{lot}/take-back", Role.FINANCE, body)
    assert refused.status == 409
    assert (await shop.call("POST", "/wallets/lots/999/take-back", Role.FINANCE, body)).status == 422
    assert (await shop.call("POST", "/wallets/lots/x/take-back", Role.FINANCE, body)).status == 404
    assert (await shop.call("POST", f"/wallets/lots/{lot}/take-back", Role.OPERATOR, body)).status == 403


async def test_lots_come_page_by_page_and_those_that_expire_are_listed(shop: Room) -> None:
    for number in range(3):
        body = {**CREDIT, "ref": f"c-{number}", "expires_days": 10 * (number + 1)}
        await shop.call("POST", f"{BUYER}/wallet/credit", Role.FINANCE, body)
    first = (await shop.call("GET", f"{BUYER}/wallet?limit=2", Role.FINANCE)).json()
    rest = (
        await shop.call("GET", f"{BUYER}/wallet?limit=2&before={first['next_before']}", Role.FINANCE)
    ).json()
    assert [lot["source_ref"] for lot in first["lots"] + rest["lots"]] == ["c-2", "c-1", "c-0"]
    assert rest["next_before"] is None
    soon = (await shop.call("GET", "/wallets/expiring?days=25", Role.FINANCE)).json()["lots"]
    assert [(lot["buyer"], lot["amount_minor"]) for lot in soon] == [("telling/u-1", 1000)] * 2
    assert (await shop.call("GET", "/wallets/expiring?days=-1", Role.FINANCE)).status == 422


async def test_a_daemon_without_programmes_says_what_to_write(shop: Room) -> None:
    body = {"programme": "stars", "task": "review", "ref": "1", "reason": "did it"}
    answer = await shop.call("POST", f"{BUYER}/points/task", Role.OPERATOR, body)
    assert (answer.status, "write [points.stars]" in answer.json()["detail"]) == (422, True)
    assert (await shop.call("GET", f"{BUYER}/points", Role.OPERATOR)).json()["standings"] == []


async def test_points_are_given_for_tasks_redeemed_once_and_told_as_owed(shop: Room) -> None:
    programmes = shop.services.programmes
    assert isinstance(programmes, dict)
    programmes["stars"] = STARS
    task = {"programme": "stars", "task": "review", "ref": "1", "reason": "did it"}
    assert (await shop.call("POST", f"{BUYER}/points/task", Role.OPERATOR, task)).status == 200
    twice = await shop.call("POST", f"{BUYER}/points/task", Role.OPERATOR, {**task, "ref": "2"})
    assert (twice.status, "did review 1 times today" in twice.json()["detail"]) == (409, True)
    owed = (await shop.call("GET", "/points/liability", Role.FINANCE)).json()["liability"]
    assert [(row["points"], row["amount_minor"], row["month"]) for row in owed] == [(20, 10, None)]
    redeem = {"programme": "stars", "points": 11, "ref": "r-1"}
    done = (await shop.call("POST", f"{BUYER}/points/redeem", Role.OPERATOR, redeem)).json()
    assert (done["amount_minor"], done["currency"], done["again"]) == (5, "EUR", False)
    again = (await shop.call("POST", f"{BUYER}/points/redeem", Role.OPERATOR, redeem)).json()
    assert again == {**done, "again": True}
    short = await shop.call("POST", f"{BUYER}/points/redeem", Role.OPERATOR, {**redeem, "ref": "r-2"})
    assert short.status == 409
    points = (await shop.call("GET", f"{BUYER}/points?programme=stars", Role.OPERATOR)).json()
    assert [(each["usable"], each["worth_minor"]) for each in points["standings"]] == [(9, 5)]
    wallet = (await shop.call("GET", f"{BUYER}/wallet", Role.OPERATOR)).json()
    assert wallet["standings"][0]["usable_minor"] == 5
