"""Puts delivered orders, their codes' costs and a campaign's grants where reports look for them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.buyers.buyers import known_buyers
from core.db.pool import Pool
from core.types import ShelfId
from tests.factories import Shop, add_codes, add_shop

_IDS = itertools.count(50_000_000)


@dataclass(slots=True)
class Scene:
    """One shop whose codes cost so much, and what it sold."""

    pool: Pool
    shop: Shop
    shelf_id: ShelfId
    slot: int = 0

    @classmethod
    async def open(cls, pool: Pool, *, codes: int = 500, unit_cost_minor: int | None = 600) -> Scene:
        shop = await add_shop(pool)
        shelf_id = await add_codes(pool, shop.sku_id, codes, unit_cost_minor=unit_cost_minor)
        await pool.execute("INSERT INTO split_plan (name, version, rules) VALUES ('p', 1, '[]')")
        return cls(pool, shop, shelf_id)

    async def sell(
        self, at: datetime, price_minor: int, buyer: str | None = None, *, order_ref: str = ""
    ) -> int:
        """A delivered order of one code; its id."""
        order_id = next(_IDS)
        await self.pool.execute(
            "INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash,"
            " currency, buyer_ref, placed_at, created_at)"
            " VALUES ($1, 0, $2, $3, 'accepted', '', 'EUR', $4, $5, $5)",
            order_id,
            self.shop.channel_id,
            order_ref or str(order_id),
            buyer,
            at,
        )
        await self.pool.execute(
            "INSERT INTO order_line (order_id, line_no, lane, line_ref, listing_id, sku_id, quantity,"
            " unit_price_minor, valid_until) VALUES ($1, 1, 0, '1', $2, $3, 1, $4, $5)",
            order_id,
            self.shop.listing_id,
            self.shop.sku_id,
            price_minor,
            at,
        )
        self.slot += 1
        await self.pool.execute(
            "INSERT INTO allocation VALUES (0, $1, $2, $3, 1)", self.shelf_id, self.slot, order_id
        )
        await self.pool.execute(
            "INSERT INTO journal_transaction"
            " (transaction_id, lane, kind, order_id, line_no, plan_id, posted_at)"
            " SELECT $1, 0, 'sale', $1, 1, plan_id, $2 FROM split_plan WHERE name = 'p'",
            order_id,
            at,
        )
        if buyer is not None:
            async with self.pool.acquire() as conn:
                await known_buyers(conn, [(self.shop.channel_id, buyer)], at)
        return order_id

    async def refund(self, order_id: int, at: datetime) -> None:
        await self.pool.execute(
            "INSERT INTO order_move VALUES ($1, 1, 'delivered', 'refunded', $2, 'test')", order_id, at
        )

    async def campaign(self, name: str, starts_at: datetime, days: int) -> None:
        """A campaign in EUR that gives through `grant`."""
        await self.pool.execute(
            "INSERT INTO campaign (name, currency, budget_minor, created_at) VALUES ($1, 'EUR', 100000, $2)",
            name,
            starts_at,
        )
        await self.pool.execute(
            "INSERT INTO campaign_version (name, version, content, starts_at, ends_at, published_at, actor)"
            " VALUES ($1, 1, '{}', $2, $3, $2, 'test')",
            name,
            starts_at,
            starts_at + timedelta(days=days),
        )

    async def grant(
        self,
        name: str,
        order_id: int,
        amount_minor: int,
        at: datetime,
        *,
        pays: str = "wallet",
        paid: int = 0,
    ) -> None:
        """A reward for an order, and what it was paid as."""
        grant_id: int = await self.pool.fetchval(
            "INSERT INTO campaign_grant (name, version_id, order_id, reward, buyer_id, party, beneficiary,"
            " pays, amount_minor, currency, base_minor, eligible_minor, line_nos, on_refund, granted_at)"
            " SELECT $1, version_id, $2, 'r', buyer_handle.buyer_id, 'buyer', 'b', $3, $4, 'EUR', $4, $4,"
            " '{1}', 'full', $5 FROM campaign_version, channel_order"
            " JOIN buyer_handle USING (channel_id, buyer_ref)"
            " WHERE campaign_version.name = $1 AND channel_order.order_id = $2 RETURNING grant_id",
            name,
            order_id,
            pays,
            amount_minor,
            at,
        )
        await self.pool.execute(
            "INSERT INTO campaign_part (grant_id, part_no, amount, vests_at, paid_ref)"
            " VALUES ($1, 1, $2, $3, $4)",
            grant_id,
            amount_minor,
            at,
            str(paid),
        )
        await self.pool.execute(
            "INSERT INTO campaign_spend (name, day, granted_minor, grants) VALUES ($1, $2, $3, 1)"
            " ON CONFLICT (name, day) DO UPDATE SET granted_minor = campaign_spend.granted_minor + $3",
            name,
            at.date(),
            amount_minor,
        )

    async def refuse(self, name: str, order_id: int, at: datetime) -> None:
        await self.pool.execute(
            "INSERT INTO campaign_refusal SELECT $1, version_id, $2, 'r', 'minimum', 'too little', $3"
            " FROM campaign_version WHERE name = $1",
            name,
            order_id,
            at,
        )
