"""`stop`, `go`, `stopped`, `drift` and `guard` as an operator calls them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from config.settings import Settings
from core.types import ChannelId
from scheduler.cli.exits import Exit
from scheduler.composition import open_core
from tests.scheduler.command_line import House, sell_one


@pytest.fixture
def shop(house: House) -> str:
    """The settings of a shop that has a channel, a SKU and a listing."""
    sell_one(house)
    return str(house.folder / "shop.toml")


def test_everything_a_channel_and_a_sku_are_stopped_and_let_go(house: House, shop: str) -> None:
    for what in (["everything"], ["channel", "shop"], ["sku", "CARD-20"]):
        told = house.json("--config", shop, "stop", *what, "--reason", "a leak")
        assert told == {"scope": what[0], "name": " ".join(what[1:]), "stopped": True}
    shown = house.json("--config", shop, "stopped", "--history")
    assert [each["scope"] for each in shown["stopped"]] == ["everything", "channel", "sku"]
    assert len(shown["history"]) == 3
    text = house.run("--config", shop, "stopped", "--history").stdout
    assert "channel shop" in text
    assert "a leak" in text
    for what in (["everything"], ["channel", "shop"], ["sku", "CARD-20"]):
        assert house.json("--config", shop, "go", *what, "--reason", "mended")["stopped"] is False
    assert house.json("--config", shop, "stopped") == {"stopped": [], "guard": [], "history": []}
    assert house.json("--config", shop, "check")["ok"] is True


@pytest.mark.parametrize(
    "words",
    [
        ["stop", "everything"],
        ["stop", "everything", "now", "--reason", "x"],
        ["stop", "channel", "--reason", "x"],
        ["stop", "channel", "nobody", "--reason", "x"],
        ["stop", "sku", "nothing", "--reason", "x"],
        ["go", "everything", "--reason", "x"],
        ["stop", "everything", "--reason", " "],
        ["drift", "decide", "7", "repair", "--reason", "x"],
        ["drift", "clear", "shop", "none", "--reason", "x"],
        ["guard", "open", "shop", "--reason", "x"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(house: House, shop: str, words: list[str]) -> None:
    assert house.run("--config", shop, *words).exit_code == Exit.USAGE


def test_drift_and_guard_are_listed_decided_and_opened(house: House, shop: str) -> None:
    _drift_and_trip(house, shop)
    (waits,) = house.json("--config", shop, "drift", "--waiting")["drifts"]
    assert (waits["channel"], waits["listing_ref"], waits["what"]) == ("shop", "77", "price")
    assert "waits for you" in house.run("--config", shop, "drift").stdout
    done = house.json("--config", shop, "drift", "decide", "1", "repair", "--reason", "ours is right")
    assert done == {"drift_id": 1, "decision": "repair"}
    assert house.json("--config", shop, "drift", "--waiting")["drifts"] == []
    cleared = house.json("--config", shop, "drift", "clear", "shop", "77", "--reason", "enough")
    assert cleared["cleared"] == []
    (trip,) = house.json("--config", shop, "guard")["trips"]
    assert trip["listing_ref"] == "77"
    assert house.json("--config", shop, "stopped")["guard"] == [trip]
    opened = house.json("--config", shop, "guard", "open", "shop", "77", "--reason", "mended")
    assert opened["opened"] == 1
    assert house.json("--config", shop, "guard")["trips"] == []
    assert "mended" not in house.run("--config", shop, "guard", "list", "--all").stdout
    assert house.json("--config", shop, "guard", "list", "--all")["trips"][0]["opened_why"] == "mended"


def _drift_and_trip(house: House, shop: str) -> None:
    """A question about the listing's price, and the listing closed by the guard."""
    settings = Settings.load(Path(shop), house.environ)

    async def write() -> None:
        async with open_core(settings) as core:
            row = await core.pool.fetchrow("SELECT channel_id, listing_id FROM listing")
            assert row is not None
            channel_id, listing_id = ChannelId(row["channel_id"]), row["listing_id"]
            await core.pool.execute(
                "INSERT INTO drift (channel_id, listing_ref, listing_id, what, kind, action, asks, why,"
                " published, observed, seen_at, last_seen_at) VALUES"
                " ($1, '77', $2, 'price', 'edited by hand', 'hold', true, 'why', '5', '6', now(), now())",
                channel_id,
                listing_id,
            )
            await core.pool.execute(
                "INSERT INTO guard_trip (channel_id, listing_id, line, why, closed_at)"
                " VALUES ($1, $2, 'a line', 'near', now())",
                channel_id,
                listing_id,
            )

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(write())
