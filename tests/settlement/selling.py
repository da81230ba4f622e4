"""Sells a consignor's codes in every way that a code can end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.codes.allocator import Allocator, Place
from core.db.pool import Pool
from core.money.ledger import Ledger, publish_plan
from core.money.settlement.fates import Fate
from core.offers.catalogue import ListingBook
from core.orders.closing import Closing, SaleCloser
from core.orders.intake import Intake
from core.orders.orders import Order, load_order
from core.orders.replacement import Replacements
from core.types import OrderId, ShelfId
from tests.db.test_closing import PLAN
from tests.factories import Shop, add_codes, add_consignor, add_shop, request, terms_of

# Of ten codes and one that is too old; each of two units costs 20.00, of which 16.62 are Ada's.
FATES = {
    Fate.SOLD: 2,
    Fate.GIVEN: 1,
    Fate.REFUNDED: 1,
    Fate.REPLACED: 1,
    Fate.QUARANTINED: 1,
    Fate.WITHDRAWN: 2,
    Fate.EXPIRED: 1,
    Fate.ON_ORDER: 1,
    Fate.IN_STOCK: 1,
}
SALES_MINOR, REFUNDS_MINOR = 4 * 1662, -1662


@dataclass(frozen=True, slots=True)
class Trade:
    """Where and when Ada's codes are sold."""

    pool: Pool
    at: datetime
    shop: Shop
    shelf_id: ShelfId
    allocator: Allocator

    async def reserve(self, quantity: int, ref: str) -> Order:
        taken = await self.allocator.reserve(request(self.shop, quantity=quantity, order_ref=ref))
        return await self.order(taken.order_id)

    async def order(self, order_id: OrderId) -> Order:
        async with self.pool.acquire() as conn:
            return await load_order(conn, order_id)

    async def deliver(self, quantity: int, ref: str) -> Order:
        order = await self.reserve(quantity, ref)
        async with self.pool.acquire() as conn:
            plan_id, plan = await publish_plan(conn, PLAN)
        terms = terms_of(self.shop.channel_id, self.shop.channel, plan_id, plan)
        closer = SaleCloser(self.pool, Ledger(self.pool), lambda: self.at)
        return await closer.close(Closing(order, terms, "test", ""))

    def place(self, slot: int) -> Place:
        return Place(self.shop.lane, self.shelf_id, slot)


async def open_trade(pool: Pool, at: datetime, codes: int = 10) -> Trade:
    """Ada's codes on a shelf."""
    shop = await add_shop(pool)
    owner = await add_consignor(pool, "Ada")
    shelf_id = await add_codes(pool, shop.sku_id, codes, consignor_id=owner)
    await add_codes(pool, shop.sku_id, 1, consignor_id=owner, expires_at=at - timedelta(days=3))
    await pool.execute("UPDATE batch SET created_at = $1", at - timedelta(days=9))
    return Trade(pool, at, shop, shelf_id, Allocator(pool, lambda: at))


async def sell_all_ways(pool: Pool, at: datetime) -> Trade:
    """Everything in FATES."""
    trade = await open_trade(pool, at)
    await trade.deliver(2, "MARKET-0001-SOLD")
    refunded = await trade.deliver(1, "MARKET-0002-BACK")
    replaced = await trade.deliver(1, "MARKET-0003-SWAP")
    await trade.reserve(1, "MARKET-0004-KEPT")
    given_back = await trade.reserve(1, "MARKET-0005-GONE")
    intake = Intake(pool, trade.allocator, Ledger(pool), ListingBook(pool), lambda: at)
    async with pool.acquire() as conn:
        await intake.cancel(conn, refunded, actor="test", reason="buyer")
        await intake.cancel(conn, given_back, actor="test", reason="never paid")
    replacements = Replacements(pool, trade.allocator, lambda: at)
    await replacements.replace(replaced.order_id, trade.place(4), actor="test", reason="used already")
    owner = await pool.fetchval("SELECT consignor_id FROM consignor WHERE name = 'Ada'")
    async with pool.acquire() as conn, conn.transaction():
        sku_id = trade.shop.sku_id
        assert await trade.allocator.quarantine(conn, trade.place(8), sku_id, actor="test", reason="bad")
        gone = await trade.allocator.withdraw(
            conn, trade.shop.lane, sku_id, owner, batch_id=None, at_most=2, actor="test", reason="theirs"
        )
        assert len(gone) == 2
    return trade
