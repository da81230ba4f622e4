"""Tests that coupons are issued once for a reason, and stand in the database sealed alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.codes.keys import Keyring
from core.codes.vault_store import open_vault
from core.coupons.coupons import Coupons
from core.coupons.writing import read_code
from core.db.pool import Pool
from core.errors import InvalidInput, ReferenceReused
from tests.coupons.bench import FIVER, NOW, TENTH, Why, a_buyer, open_coupons


async def test_the_same_reason_is_the_same_coupon(pool: Pool) -> None:
    coupons, buyer = await open_coupons(pool, TENTH), await a_buyer(pool)
    async with pool.acquire() as conn:
        first = await coupons.issue(conn, "spring", buyer, NOW, source=Why("campaign", "spring#1"))
        again = await coupons.issue(
            conn, "spring", buyer, NOW + timedelta(days=1), source=Why("campaign", "spring#1")
        )
        other = await coupons.issue(conn, "spring", buyer, NOW, source=Why("campaign", "spring#2"))
    assert again == first
    assert read_code(first.code) == first.code
    assert other.code != first.code
    assert first.expires_at == NOW + timedelta(days=30)
    assert first.buyer_id == buyer.buyer_id
    assert first.code not in repr(first)


async def test_many_who_issue_for_one_reason_at_once_get_one_coupon(pool: Pool) -> None:
    coupons, buyer = await open_coupons(pool, TENTH), await a_buyer(pool)

    async def issue() -> str:
        async with pool.acquire() as conn, conn.transaction():
            return (await coupons.issue(conn, "spring", buyer, NOW, source=Why("campaign", "spring#1"))).code

    assert len(set(await asyncio.gather(*(issue() for _ in range(50))))) == 1
    assert await pool.fetchval("SELECT count(*) FROM coupon") == 1


async def test_a_reason_gives_no_other_coupon_and_nobody_else_one(pool: Pool) -> None:
    coupons = await open_coupons(pool, TENTH, FIVER)
    buyer, other = await a_buyer(pool), await a_buyer(pool)
    async with pool.acquire() as conn:
        await coupons.issue(conn, "spring", buyer, NOW, source=Why("campaign", "c#1"))
        for series, whom in (("fiver", buyer), ("spring", other), ("spring", None)):
            with pytest.raises(ReferenceReused, match="c#1"):
                await coupons.issue(conn, series, whom, NOW, source=Why("campaign", "c#1"))


async def test_series_that_are_unknown_over_or_personal_are_refused(pool: Pool) -> None:
    over = replace(TENTH, name="over", valid_for=None, until=NOW)
    personal = replace(TENTH, name="mine", personal=True)
    coupons = await open_coupons(pool, over, personal)
    async with pool.acquire() as conn:
        for series, said in (("winter", "there are mine, over"), ("over", "ended"), ("mine", "buyer")):
            with pytest.raises(InvalidInput, match=said):
                await coupons.issue(conn, series, None, NOW, source=Why("hand", series))
    assert await pool.fetchval("SELECT count(*) FROM coupon") == 0


async def test_a_coupon_keeps_the_terms_it_was_issued_under(pool: Pool) -> None:
    async with pool.acquire() as conn:
        vault = await open_vault(conn, Keyring.generate())
        before, after = (Coupons(pool, vault, {"spring": terms}) for terms in (TENTH, replace(TENTH, uses=2)))
        for coupons in (before, before, after):
            await coupons.publish(conn, NOW)
        assert await conn.fetchval("SELECT max(version) FROM coupon_series") == 2
        first = await after.issue(conn, "spring", None, NOW, source=Why("hand", "1"))
        assert (await before.issue(conn, "spring", None, NOW, source=Why("hand", "1"))) == first


async def test_no_code_stands_in_the_database_in_clear(pool: Pool) -> None:
    coupons = await open_coupons(pool, TENTH)
    async with pool.acquire() as conn:
        issued = await coupons.issue(conn, "spring", None, NOW, source=Why("hand", "1"))
        row = await conn.fetchrow("SELECT * FROM coupon")
    dump = repr(dict(row or {})).lower()
    signs = issued.code.replace("-", "")
    for form in (issued.code, signs, signs[:12], signs.encode().hex()):
        assert form.lower() not in dump
