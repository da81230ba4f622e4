"""Tests `consignd buyers` and `consignd segments` on a database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.buyers.marks import note_marks
from core.db.pool import Pool
from core.types import MarkKind, ToldMark
from scheduler.cli.exits import Exit
from scheduler.composition import utc_now
from scheduler.loops.buyers import MarkSweep
from tests.buyers.desk import KEY
from tests.buyers.people import add_people
from tests.scheduler.command_line import SHOP, House, sell_one
from tests.scheduler.conftest import house

__all__ = ["house"]

MORE = """
[buyers]
marks_days = 90

[segments.buyers]
orders_from = 1

[segments.friends]
lists = ["friends"]
"""
BROUGHT = """buyer,referrer,since
shop/a,bob,2026-01-02
shop/b,shop/b,
nowhere/c,bob,
shop/a,cid,
shop/d,bob,soon
"""


@pytest.fixture
def shop(house: House) -> House:
    """A house with a shop that has sold one code to nobody in particular."""
    sell_one(house)
    house.file("consignd.toml", SHOP + MORE)
    return house


def test_who_brought_a_buyer_is_written_shown_replaced_and_ended(shop: House) -> None:
    told = shop.json("buyers", "refer", "shop/ann", "--by", "bob")
    assert told["referrer"] == "bob"
    again = shop.run("buyers", "refer", "shop/ann", "--by", "cid")
    assert (again.exit_code, "was brought by bob" in again.stderr) == (Exit.CONFLICT, True)
    unsaid = shop.run("buyers", "refer", "shop/ann", "--by", "cid", "--replace")
    assert (unsaid.exit_code, "--reason" in unsaid.stderr) == (Exit.USAGE, True)
    done = shop.run("buyers", "refer", "shop/ann", "--by", "cid", "--replace", "--reason", "typed wrongly")
    assert "shop/ann was brought by cid, which holds until" in done.stdout
    shop.run("buyers", "refer", "cid", "--by", "dan")
    shown = shop.run("buyers", "show", "shop/ann").stdout
    assert "brought by cid, who was brought by dan" in shown
    assert "not in buyers: orders: 0, fewer than 1" not in shown, "segments are published by the daemon"
    assert "nobody stands" not in shop.run("buyers", "unrefer", "shop/ann", "--reason", "left").stdout
    assert shop.json("buyers", "show", "shop/ann")["referrers"] == []
    assert "nobody stands" in shop.run("buyers", "unrefer", "shop/ann", "--reason", "left").stdout


def test_a_buyer_of_no_channel_is_refused(shop: House) -> None:
    for name in ("nobody", "nowhere/x", "shop/"):
        answer = shop.run("buyers", "refer", name, "--by", "bob")
        assert (answer.exit_code, "CHANNEL/REFERENCE" in answer.stderr) == (Exit.USAGE, True)


def test_a_file_of_referrals_is_taken_row_by_row(shop: House) -> None:
    path = shop.file("brought.csv", BROUGHT)
    told = shop.json("buyers", "import-referrals", path)["rows"]
    assert [(row["line"], row["taken"]) for row in told] == [(2, True), *((n, False) for n in range(3, 7))]
    reasons = ("same person", "no buyer is called", "was brought by bob", "write a day")
    for row, why in zip(told[1:], reasons, strict=True):
        assert why in row["why"]
    again = shop.run("buyers", "import-referrals", path)
    assert "5 rows in brought.csv, 1 taken, 4 refused" in again.stdout
    assert shop.json("buyers", "show", "shop/a")["referrals"][0]["since"].startswith("2026-01-02")


@pytest.mark.parametrize("text", ["", "who,whom\na,b\n", "buyer,referrer,shoe\n", 'buyer,referrer\n"a'])
def test_a_file_that_is_something_else_is_refused_whole(shop: House, text: str) -> None:
    answer = shop.run("buyers", "import-referrals", shop.file("wrong.csv", text))
    assert (answer.exit_code, "wrong.csv" in answer.stderr) == (Exit.USAGE, True)


def test_names_are_joined_and_parted(shop: House) -> None:
    for name in ("shop/ann", "shop/ann-2"):
        shop.run("buyers", "refer", name, "--by", "bob")
    joined = shop.run("buyers", "join", "shop/ann", "shop/ann-2", "--reason", "one mail")
    assert "one person, known as shop/ann" in joined.stdout
    names = shop.json("buyers", "show", "shop/ann-2")["names"]
    assert [name["name"] for name in names] == ["shop/ann", "shop/ann-2"]
    assert "known as shop/ann-2" in shop.run("buyers", "show", "shop/ann").stdout
    assert shop.run("buyers", "part", "shop/ann", "--reason", "no").exit_code == Exit.USAGE
    assert shop.run("buyers", "part", "shop/ann-2", "--reason", "two after all").exit_code == 0
    shown = shop.json("buyers", "show", "shop/ann-2")
    assert shown["name"] == "shop/ann-2"
    assert [each["into_name"] for each in shown["joins"]] == [None, "shop/ann"]


def test_marks_are_kept_counted_and_forgotten(shop: House) -> None:
    marked = shop.run("buyers", "mark", "shop/ann", "--device", "d-1", "--account", "ann@example.com")
    assert "kept 1 of account, 1 of device" in marked.stdout
    assert shop.run("buyers", "mark", "shop/ann").exit_code == Exit.USAGE
    shown = shop.run("buyers", "show", "shop/ann").stdout
    assert "marks kept: 1 of account, 1 of device" in shown
    assert "ann@example.com" not in shown
    shop.file("consignd.toml", SHOP)
    refused = shop.run("buyers", "mark", "shop/ann", "--device", "d-1")
    assert (refused.exit_code, "marks_days" in refused.stderr) == (Exit.USAGE, True)
    assert "2 marks forgotten" in shop.run("buyers", "forget", "shop/ann", "--reason", "asked to").stdout


def test_segments_and_lists_are_shown_and_counted(shop: House) -> None:
    put = shop.json("segments", "put", "friends", "shop/ann", "shop/bob", "nowhere/x")
    assert (put["changed"], [row["buyer"] for row in put["refused"]]) == (2, ["nowhere/x"])
    path = shop.file("off.csv", "buyer,name\nshop/bob,Bob\n")
    assert shop.json("segments", "put", "friends", "--file", path, "--off")["changed"] == 1
    assert shop.json("segments", "count") == {"counts": {"buyers": 0, "friends": 1}}
    listed = shop.json("segments")
    assert listed["lists"] == {"friends": 1}
    assert listed["segments"][0] == {"name": "buyers", "asks": {"orders_from": 1}, "buyers": 0}
    shown = shop.json("segments", "show", "friends")
    assert [row["buyer"] for row in shown["buyers"]] == ["shop/ann"]
    assert "shop/ann" in shop.run("segments", "show", "friends").stdout
    unknown = shop.run("segments", "show", "foes")
    assert (unknown.exit_code, "write [segments.foes]" in unknown.stderr) == (Exit.USAGE, True)
    assert shop.run("segments", "put", "friends").exit_code == Exit.USAGE


async def test_marks_of_a_house_that_keeps_none_any_more_are_swept(pool: Pool) -> None:
    (ann,) = await add_people(pool, "ann")
    async with pool.acquire() as conn:
        await note_marks(conn, KEY, ann, [ToldMark(MarkKind.DEVICE, "d-1")], utc_now())
    for kept, left in ((timedelta(days=90), 1), (timedelta(0), 0)):
        await MarkSweep(pool, kept).tick()
        assert await pool.fetchval("SELECT count(*) FROM buyer_mark") == left
