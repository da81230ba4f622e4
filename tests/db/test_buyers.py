"""Tests that a channel's reference is always the same buyer's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from core.buyers.buyers import find_buyer, known_buyers
from core.db.pool import Pool
from core.errors import InvalidInput
from tests.factories import add_channel

NOW = datetime(2026, 11, 1, tzinfo=UTC)


async def test_a_reference_is_one_buyers_and_stays_his(pool: Pool) -> None:
    shop, other = await add_channel(pool, "shop"), await add_channel(pool, "market")
    async with pool.acquire() as conn:
        first = await known_buyers(conn, [(shop, "u-1"), (other, "u-1"), (shop, "u-1")], NOW)
        again = await known_buyers(conn, [(shop, "u-1"), (shop, "u-2")], NOW)
    assert {buyer.name for buyer in first.values()} == {"shop/u-1", "market/u-1"}
    assert again[shop, "u-1"] == first[shop, "u-1"]
    assert len({buyer.buyer_id for buyer in (*first.values(), *again.values())}) == 3


async def test_many_who_meet_the_same_buyers_at_once_agree(pool: Pool) -> None:
    shop = await add_channel(pool, "shop")
    handles = [(shop, f"u-{n}") for n in range(20)]

    async def meet(number: int) -> object:
        async with pool.acquire() as conn, conn.transaction():
            return await known_buyers(conn, handles[number:] + handles[:number], NOW)

    met = await asyncio.gather(*(meet(number) for number in range(8)))
    assert all(each == met[0] for each in met)
    assert len(await pool.fetch("SELECT FROM buyer")) == 20


async def test_nobody_is_made_for_no_reference_and_strangers_are_refused(pool: Pool) -> None:
    async with pool.acquire() as conn:
        assert await known_buyers(conn, [], NOW) == {}
        with pytest.raises(InvalidInput, match="CHANNEL/REFERENCE"):
            await find_buyer(conn, "nobody")
        (met,) = (await known_buyers(conn, [(await add_channel(pool, "shop"), "u-1")], NOW)).values()
        assert await find_buyer(conn, "shop/u-1") == met
