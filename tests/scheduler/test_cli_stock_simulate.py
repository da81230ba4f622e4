"""A draft of the stock policy is lived through beside the one in force; what is wrong in it is told."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.scheduler.command_line import SHOP, House, sell_one

DRAFT = """
[stock]
buffer = 3

[channels.shop]
stock = { cap = 1 }
"""


def simulate(house: House, draft: str, *more: str) -> tuple[str, ...]:
    file = house.file("draft.toml", draft)
    config = house.file("shop.toml", SHOP)
    return ("--config", config, "stock", "simulate", "--policy", file, *more)


def sold_an_hour_after_import(house: House) -> None:
    """A sale, of codes that had long been shown when it came."""
    sell_one(house)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_import_earlier(house.dsn))


async def _import_earlier(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("UPDATE batch SET created_at = created_at - interval '1 hour'")
    finally:
        await conn.close()


def test_a_draft_that_hides_everything_loses_the_sale_that_was_made(house: House) -> None:
    sold_an_hour_after_import(house)
    answer = house.json(*simulate(house, DRAFT, "--days", "2"))
    in_force, draft = answer["policies"]
    assert (answer["days"], answer["skus"], answer["assumed_lags"]) == (2, 1, ["shop"])
    assert (in_force["total"]["sold"], draft["total"]["sold"]) == (1, 0)
    assert (draft["total"]["lost"], draft["total"]["lost_in_stock"]) == (1, 1)
    assert in_force["total"]["oversold"] == 0
    assert draft["unshown_code_days"] > in_force["unshown_code_days"]
    assert [channel["channel"] for channel in draft["channels"]] == ["shop"]


def test_an_empty_draft_is_the_policy_in_force(house: House) -> None:
    sold_an_hour_after_import(house)
    answer = house.json(*simulate(house, ""))
    in_force, draft = answer["policies"]
    assert {**in_force, "policy": ""} == {**draft, "policy": ""}


def test_people_see_both_side_by_side(house: House) -> None:
    sold_an_hour_after_import(house)
    result = house.run(*simulate(house, DRAFT))
    assert result.exit_code == 0, result.output
    for word in ("shop", "all channels", "in force", "draft", "oversold", "lost in stock", "idle code days"):
        assert word in result.stdout
    assert "never measured" in result.stderr


@pytest.mark.parametrize(
    ("draft", "complaint"),
    [
        ("[stock]\nbufer = 3\n", "draft.toml:2: stock.bufer"),
        ("[stock]\nbuffer = true\n", "draft.toml:2: stock.buffer"),
        ("[channels.shop.stock]\n\ncap = -1\n", "draft.toml:3: channels.shop.stock.cap"),
        ("[channels.shop]\nprice = 3\n", "draft.toml:2: channels.shop.price"),
        ("[channels.shap.stock]\ncap = 1\n", "no channel is named shap; configured: shop"),
        ("[[stock.rules]]\nmatch = { tags = ['x'] }\ntiers = ['far']\n", "no channel is of tier far"),
        ("[web]\nport = 1\n", "draft.toml:1: web"),
        ("[stock\n", "draft.toml:1"),
    ],
)
def test_a_draft_that_cannot_be_used_is_refused_with_its_line(
    house: House, draft: str, complaint: str
) -> None:
    result = house.run(*simulate(house, draft))
    assert result.exit_code == 3, result.output
    assert complaint in result.stderr


def test_where_nothing_is_listed_there_is_nothing_to_replay(house: House) -> None:
    result = house.run(*simulate(house, DRAFT))
    assert result.exit_code == 2
    assert "nothing to replay" in result.stderr
