"""Holds what is shown of series to figures worked out by hand, and the database's check to its findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.db.pool import Pool
from core.money.journal.chart import Account, Chart
from core.views.coupons import coupon_page, coupon_series, coupon_steps, reminders
from core.views.invariants import check
from tests.coupons.bench import NOW, TENTH, Till, basket
from tests.coupons.selling import Scene


async def use(till: Till, channel: str, ref: str, price_minor: int, series: str = "spring") -> int:
    """A coupon that was used in a basket of one piece, paid; its number."""
    coupon = await till.issue(series)
    held = basket(channel, price_minor, ref=ref, buyer_ref=None)
    await till.redeem(coupon.code, held)
    await replace(till, channel=channel).confirm(ref)
    return coupon.coupon_id


async def test_marginal_cost_and_margin_are_those_worked_out_by_hand(pool: Pool) -> None:
    """Baskets of 20.00 and 30.00 at 10 %: 2.00 and 3.00 off, 1.00 of which came back with goods: 4.00 cost.

    The shop tells the orders at 18.00 and 27.00; a code costs 6.00, so the margin is 12.00 + 21.00 = 33.00.
    Brand bears its own 4.00 of 40.00, so that series costs us nothing.
    """
    till = await Till.open(pool, TENTH, replace(TENTH, name="brand", borne_by="Brand", budget_minor=9000))
    scene = await Scene.open(pool)
    for ref, paid in (("b-1", 1800), ("b-2", 2700)):
        await scene.sell(NOW, paid, order_ref=ref)
        await use(till, scene.shop.channel, ref, paid * 10 // 9)
    await replace(till, channel=scene.shop.channel).give_back("b-2", ("f-1", 100))
    await use(till, "shop", "b-3", 4000, "brand")
    await pool.execute("UPDATE coupon_use SET delivered = true")
    await till.issue("spring")
    held = await till.issue("spring")
    await till.redeem(held.code, basket("shop", 1000))
    async with pool.acquire() as conn:
        brand, spring = await coupon_series(conn, NOW + timedelta(days=31))
    assert (spring.discount_minor, spring.marginal_cost_minor, spring.borne_minor) == (400, 400, 0)
    assert (spring.issued, spring.used, spring.given, spring.held, spring.expired) == (4, 2, 2, 1, 4)
    assert (spring.orders, spring.turnover_minor) == (2, 4500)
    assert (spring.costed_orders, spring.margin_minor, spring.held_minor) == (2, 3300, 100)
    assert (brand.discount_minor, brand.borne_minor, brand.marginal_cost_minor) == (400, 400, 0)
    assert (brand.borne_by, brand.budget_minor, brand.orders) == ("Brand", 9000, 0)


async def test_a_coupon_shows_where_it_stands_and_what_happened(pool: Pool) -> None:
    till = await Till.open(pool, TENTH, replace(TENTH, name="ever", valid_for=None, uses=2))
    used = await use(till, "shop", "b-1", 2000)
    held, revoked, open_, ever = [(await till.issue("spring")) for _ in range(3)] + [await till.issue("ever")]
    await till.redeem(held.code, basket("shop", 2000))
    await till.redeem(ever.code, basket("shop", 2000))
    async with pool.acquire() as conn, conn.transaction():
        await till.coupons.revoke(conn, revoked.coupon_id, NOW, actor="anna", reason="leaked")
        page = await coupon_page(conn, NOW, limit=4)
        rest = await coupon_page(conn, NOW, before=page.next_before)
        late = await coupon_page(conn, NOW + timedelta(days=31), series="spring")
        coupon, steps = await coupon_steps(conn, used, NOW)
        assert (await reminders(conn, 5)).next_after == 5
    states = {each.coupon_id: each.state for each in (*page.coupons, *rest.coupons)}
    assert states == {
        used: "used up",
        held.coupon_id: "held",
        revoked.coupon_id: "revoked",
        open_.coupon_id: "open",
        ever.coupon_id: "open",
    }
    assert rest.next_before is None
    assert [each.state for each in late.coupons] == ["expired", "revoked", "expired", "used up"]
    assert (coupon.uses, [step.state for step in steps]) == (1, ["confirmed", "reserved"])


async def violations(pool: Pool) -> list[str]:
    report = await check(pool, vault=None, bound_permille=1000, now=NOW)
    return [
        what
        for invariant in report.invariants
        for what in invariant.detail
        if "coupon" in what or "series" in what
    ]


async def test_the_check_finds_coupons_that_were_used_too_often_or_do_not_add_up(pool: Pool) -> None:
    till = await Till.open(pool, replace(TENTH, borne_by="Brand"))
    await use(till, "shop", "b-1", 2000)
    assert await violations(pool) == []
    await pool.execute("UPDATE coupon_spend SET taken_minor = 7")
    assert await violations(pool) == ["series spring took off 7, and its uses say 200"]
    await pool.execute("UPDATE coupon_spend SET taken_minor = 200")
    await pool.execute(
        "INSERT INTO coupon_use (coupon_id, use_no, channel_id, basket_ref, request_hash, currency,"
        " good_for_minor, discount_minor, line_discounts_minor, state, reserved_at, hold_until)"
        " SELECT coupon_id, 2, channel_id, 'more', '', 'EUR', 100, 100, '{100}', 'reserved', now(), now()"
        " FROM coupon_use"
    )
    found = await violations(pool)
    assert any("has 2 uses of 1" in what for what in found)
    await pool.execute("UPDATE coupon_use SET discount_minor = 150 WHERE basket_ref = 'b-1'")
    assert any("its party owes 200" in what for what in await violations(pool))
    await pool.execute("DROP INDEX coupon_use_basket_once")
    assert any("coupon_use_basket_once" in what for what in await violations(pool))


@pytest.mark.parametrize(
    ("party", "name", "purpose", "known_as"),
    [
        ("party", "Brand", "coupon", "Assets:Parties:Brand:Coupons"),
        ("operator", "spring", "coupon_borne", "Income:Coupons:Spring"),
    ],
)
def test_accountants_see_a_claim_and_an_income(party: str, name: str, purpose: str, known_as: str) -> None:
    assert Chart().names([Account(1, party, name, purpose, "EUR")]) == {1: known_as}
