"""Tests that a daemon's round publishes series and moves what is due, and that joined buyers are one."""

from __future__ import annotations

from dataclasses import replace

from core.buyers.people import join
from core.codes.keys import Keyring
from core.codes.vault_store import open_vault
from core.coupons.coupons import Coupons
from core.coupons.judging import Refused, Why
from core.coupons.uses import Redeemed
from core.db.pool import Pool, open_pool
from scheduler.loops.coupons import CouponRound
from tests.coupons.bench import NOW, TENTH, Till, basket, open_coupons
from tests.factories import add_channel


async def test_a_round_publishes_what_settings_say_and_moves_what_is_due(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon = await till.issue("spring")
    assert isinstance(await till.redeem(coupon.code, basket("shop", 2000, ref="b-1")), Redeemed)
    async with pool.acquire() as conn:
        await conn.execute("UPDATE coupon_use SET hold_until = '2000-01-01'")
    await CouponRound(pool, till.coupons).tick()
    assert await pool.fetchval("SELECT state FROM coupon_use") == "released"


async def test_a_budget_that_is_raised_counts_for_coupons_that_are_out(pool: Pool) -> None:
    keyring = Keyring.generate()
    async with pool.acquire() as conn:
        vault = await open_vault(conn, keyring)
    scarce = Coupons(pool, vault, {"spring": replace(TENTH, budget_minor=100)})
    till = Till(pool, scarce, "shop", await add_channel(pool, "shop"))
    coupon, asked = await till.issue("spring"), basket("shop", 2000)
    refused = await till.redeem(coupon.code, asked)
    assert isinstance(refused, Refused)
    assert refused.why is Why.BUDGET_SPENT
    raised = Coupons(pool, vault, {"spring": replace(TENTH, budget_minor=200)})
    await CouponRound(pool, raised).tick()
    assert isinstance(await till.redeem(coupon.code, asked), Redeemed)


async def test_a_round_goes_on_after_the_database_was_away(pool: Pool, dsn: str) -> None:
    coupons = await open_coupons(pool, TENTH)
    gone = await open_pool(dsn, min_size=1, max_size=2, application_name="test")
    gone.terminate()
    dead = CouponRound(gone, coupons)
    for _ in range(2):
        await dead.tick()


async def test_a_personal_coupon_is_good_under_every_name_of_its_buyer(pool: Pool) -> None:
    till = await Till.open(pool, replace(TENTH, personal=True, per_buyer=1))
    anna, shopper = await till.buyer("anna"), await till.buyer("shopper-7")
    coupon, other = await till.issue("spring", anna), await till.issue("spring", shopper)
    strange = await till.redeem(coupon.code, basket("shop", 2000, buyer_ref="shopper-7"))
    assert isinstance(strange, Refused)
    assert strange.why is Why.NOT_YOURS
    async with pool.acquire() as conn, conn.transaction():
        await join(conn, anna, shopper, actor="test", reason="one person", now=NOW)
    held = await till.redeem(coupon.code, basket("shop", 2000, buyer_ref="shopper-7"))
    assert isinstance(held, Redeemed)
    second = await till.redeem(other.code, basket("shop", 2000, buyer_ref="anna"))
    assert isinstance(second, Refused)
    assert second.why is Why.BUYER_LIMIT
