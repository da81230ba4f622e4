"""Groups and flash sales as callers of the API and the command line see them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import TypeVar

from core.db.pool import Pool, open_pool
from tests.scheduler.command_line import House, sell_one
from tests.web.bench import Room
from web.access import Role

T = TypeVar("T")
_GROUP = """
INSERT INTO buying_group (ref, offer, size, opened_at, ends_at)
VALUES ($1, 'trio', 3, now(), now() + $2::interval)
"""


async def add_group(pool: Pool, ref: str, left: timedelta = timedelta(hours=5)) -> None:
    await pool.execute("INSERT INTO group_offer VALUES ('trio') ON CONFLICT DO NOTHING")
    await pool.execute(_GROUP, ref, left)


async def test_shops_see_seats_and_time_and_never_buyers(room: Room) -> None:
    await add_group(room.pool, "friends")
    (shown,) = (await room.call("GET", "/groups", Role.VIEWER)).json()["groups"]
    assert (shown["ref"], shown["seats_left"], shown["state"]) == ("friends", 3, "open")
    assert 0 < shown["seconds_left"] <= 5 * 3600
    assert not {"members", "buyers", "orders"} & set(shown)
    assert (await room.call("GET", "/groups/friends", Role.VIEWER)).json()["ref"] == "friends"
    assert (await room.call("GET", "/groups/strangers")).status == 404
    assert (await room.call("GET", "/groups?offer=other")).json()["groups"] == []


async def test_an_operator_closes_a_group_and_a_viewer_may_not(room: Room) -> None:
    await add_group(room.pool, "friends")
    body = {"how": "refund", "reason": "sold elsewhere"}
    assert (await room.call("POST", "/groups/friends/close", Role.VIEWER, body)).status == 403
    assert (await room.call("POST", "/groups/friends/close", Role.OPERATOR, body)).status == 200
    assert (await room.call("POST", "/groups/friends/close", Role.OPERATOR, body)).status == 409
    assert (await room.call("GET", "/groups")).json()["groups"] == []
    (ended,) = (await room.call("GET", "/groups?ended=true")).json()["groups"]
    assert (ended["state"], ended["why"]) == ("failed", "sold elsewhere")
    assert (await room.call("GET", "/refunds/owed")).json() == {"refunds": []}


async def test_flash_sales_are_listed(room: Room) -> None:
    assert (await room.call("GET", "/flash", Role.VIEWER)).json() == {"sales": []}
    assert (await room.call("GET", "/flash/night")).status == 404


def test_groups_on_the_command_line(house: House) -> None:
    sell_one(house)
    shop = ("--config", str(house.folder / "shop.toml"))
    house_has(house, "friends")
    (listed,) = house.json(*shop, "groups")["groups"]
    assert (listed["ref"], listed["seats_left"]) == ("friends", 3)
    assert "0 of 3" in house.run(*shop, "groups").stdout
    assert house.json(*shop, "groups", "show", "friends")["members"] == []
    assert "group friends of trio" in house.run(*shop, "groups", "show", "friends").stdout
    done = house.json(*shop, "groups", "close", "friends", "--complete", "--reason", "it is a favour")
    assert done == {"ref": "friends", "completed": True, "buyers": 0}
    again = house.run(*shop, "groups", "close", "friends", "--refund", "--reason", "no")
    assert again.exit_code != 0
    assert "has ended: by hand" in again.stderr
    assert house.json(*shop, "groups", "list")["groups"] == []
    assert house.json(*shop, "groups", "list", "--all")["groups"][0]["state"] == "by hand"
    assert house.json(*shop, "groups", "refunds") == {"refunds": []}
    assert house.run(*shop, "groups", "refunded", "1000", "--reason", "paid").exit_code != 0


def test_flash_sales_on_the_command_line(house: House) -> None:
    sell_one(house)
    path = house.folder / "shop.toml"
    window = '{ name = "night", from_at = 2026-01-01T00:00:00Z, until = 2199-01-01T00:00:00Z, price = 15,'
    path.write_text(
        f'{path.read_text()}\n[price]\nwindows = [{window} currency = "EUR", quota = 5, per_buyer = 2 }}]\n'
    )
    shop = ("--config", str(path))
    (sale,) = house.json(*shop, "flash")["sales"]
    assert (sale["state"], sale["left"], sale["sale"]["per_buyer"]) == ("on", 5 - sale["sale"]["sold"], 2)
    assert "night" in house.run(*shop, "flash", "list").stdout
    (preview,) = house.json(*shop, "flash", "preview", "night")["listings"]
    assert [moment["what"] for moment in preview["moments"]] == ["now", "the sale is over"]
    assert "the sale is over" in house.run(*shop, "flash", "preview", "night").stdout
    assert house.run(*shop, "flash", "preview", "day").exit_code != 0


def house_has(house: House, ref: str) -> None:
    """A group that nobody has joined."""

    async def work() -> None:
        pool = await open_pool(house.dsn, min_size=1, max_size=2, application_name="test")
        try:
            await add_group(pool, ref)
        finally:
            pool.terminate()

    run(work())


def run(work: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


def test_a_groups_price_is_shown_explained_and_left_alone_by_drafts(house: House) -> None:
    sell_one(house)
    path = house.folder / "shop.toml"
    offer = '[group_offers.trio]\nchannel = "shop"\nsku = "CARD-20"\nsize = 3\nprice = 17.99\n'
    path.write_text(f"{path.read_text()}\n{offer}")
    shop = ("--config", str(path))
    (price,) = house.json(*shop, "price", "explain", "77")["prices"]
    assert price["shown_minor"] == 1799
    assert "group_offers.trio" in str(price["steps"])
    draft = house.file("draft.toml", "[price]\nmarkup_percent = 30\n")
    (both,) = house.json(*shop, "price", "simulate", "--policy", draft)["prices"]
    assert both["differs"] is False
    assert house.json(*shop, "flash")["sales"] == []
    assert house.run(*shop, "config", "check").exit_code == 0
