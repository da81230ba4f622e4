"""Codes that grow too old lower what is promised, without anybody writing a mark."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from core.db.pool import Pool
from core.money.plans.rules import CONSIGNOR
from core.offers.outbox import Outbox
from core.offers.stock.rules import StockPolicy
from tests.factories import NOW, add_codes, add_shop, terms_of
from tests.plain_plans import plain_plan, plain_rule

PLAN = plain_plan("all", 1, [plain_rule(CONSIGNOR, rest=True)])


async def test_a_shelf_that_grows_too_old_for_a_channel_lowers_its_offer(pool: Pool) -> None:
    shop = await add_shop(pool, codes=2)
    await add_codes(pool, shop.sku_id, 5, expires_at=NOW + timedelta(days=31))
    terms = replace(terms_of(shop.channel_id, shop.channel, 1, PLAN), min_validity=timedelta(days=30))
    clock = [NOW]

    def now() -> datetime:
        return clock[0]

    outbox = Outbox(pool, {shop.channel_id: terms}, StockPolicy(), now)
    await outbox.collect_expired(terms)
    first = await outbox.claim(shop.channel_id, 10)
    assert [plan.quantity for plan in first.plans] == [7]
    await outbox.settle(first.plans, [], [])
    clock[0] = NOW + timedelta(hours=23)
    assert await outbox.collect_expired(terms) == 0
    clock[0] = NOW + timedelta(days=2)
    assert await outbox.collect_expired(terms) == 1
    second = await outbox.claim(shop.channel_id, 10)
    assert [plan.quantity for plan in second.plans] == [2]


async def test_the_bound_on_promises_is_a_rule_of_the_schema_too(pool: Pool) -> None:
    shop = await add_shop(pool, codes=3)
    terms = terms_of(shop.channel_id, shop.channel, 1, PLAN)
    outbox = Outbox(pool, {shop.channel_id: terms}, StockPolicy(), lambda: NOW)
    await outbox.claim(shop.channel_id, 10)
    row = await pool.fetchrow("SELECT quantity, promised_total, available FROM promise")
    assert row is not None
    assert tuple(row) == (3, 3, 3)
