"""Sells, refunds and grants for tests of campaigns, with a clock that tests set."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from msgspec.structs import replace

from core.buyers.buyers import Buyer, known_buyers
from core.buyers.referrals import ReferralTerms, Telling, attribute
from core.campaigns.campaign import Campaign
from core.campaigns.granting import Granting
from core.campaigns.paying import CouponDoor, Payer
from core.campaigns.publishing import Published, publish
from core.campaigns.sealing import SeedSeal
from core.codes.allocator import Allocator
from core.codes.keys import Keyring, new_key
from core.codes.vault import Vault
from core.db.pool import Pool
from core.money.after_sale import AfterSale
from core.money.booking import Booker
from core.money.ledger import Ledger, publish_plan
from core.money.money import Money
from core.money.plans.rules import CHANNEL, CONSIGNOR, OPERATOR, Base
from core.offers.terms import ChannelTerms
from core.orders.closing import Closing, SaleCloser
from core.orders.orders import Order, load_orders
from core.types import OrderId
from core.wallets.points import Points
from core.wallets.programmes import Programme
from core.wallets.wallets import Wallets
from tests.factories import NOW, Shop, add_shop, request, terms_of
from tests.plain_plans import plain_plan, plain_rule

# 10 % to the channel, a fifth of the rest to us, what is left to the consignor.
PLAN = plain_plan(
    "house",
    1,
    [
        plain_rule(CHANNEL, rate_ppm=100_000),
        plain_rule(OPERATOR, base=Base.AFTER_CHANNEL, rate_ppm=200_000),
        plain_rule(CONSIGNOR, rest=True),
    ],
)
PUBLISHED = NOW - timedelta(days=1)
# The key under which `add_shop` seals its codes is not the vault's: seeds of tests have one of their own.
KEYRING = Keyring.generate()
SEAL = SeedSeal(Vault(KEYRING, new_key()))
CLUB = Programme("club", "EUR", Fraction(1), Fraction(1))


@dataclass(slots=True)
class Bench:
    """A shop, and everything that campaigns ask for."""

    pool: Pool
    shop: Shop
    terms: ChannelTerms
    coupons: CouponDoor | None = None
    programmes: Mapping[str, Programme] = field(default_factory=lambda: {"club": CLUB})
    now: datetime = NOW
    seal: SeedSeal = SEAL

    @classmethod
    async def open(cls, pool: Pool) -> Bench:
        """A shop with codes that cost nobody knows what."""
        shop = await add_shop(pool, codes=400)
        async with pool.acquire() as conn:
            plan_id, plan = await publish_plan(conn, PLAN)
        return cls(pool, shop, terms_of(shop.channel_id, shop.channel, plan_id, plan))

    def granting(self) -> Granting:
        """One daemon's share."""
        booker = Booker(self.pool)
        points = Points(self.pool, self.programmes, booker)
        payer = Payer(Wallets(self.pool, booker), points, self.coupons, booker)
        return Granting(self.pool, payer, self.seal, lambda: self.now)

    async def publish(self, campaign: Campaign, at: datetime = PUBLISHED) -> Published:
        """Published the day before, unless a test says otherwise."""
        known = "INSERT INTO sealing_key VALUES ($1, 'x') ON CONFLICT DO NOTHING"
        await self.pool.execute(known, KEYRING.current)
        async with self.pool.acquire() as conn, conn.transaction():
            return await publish(conn, SEAL, campaign, actor="test", reason="a test", now=at)

    async def sell(
        self, buyer: str | None = "ann", price_minor: int = 2000, quantity: int = 1, placed_at: datetime = NOW
    ) -> Order:
        """An order that is delivered now."""
        asked = request(self.shop, quantity=quantity)
        lines = tuple(replace(line, unit_price_minor=price_minor) for line in asked.lines)
        asked = replace(asked, lines=lines, buyer_ref=buyer, placed_at=placed_at)
        taken = await Allocator(self.pool, lambda: self.now).reserve(asked)
        async with self.pool.acquire() as conn:
            (order,) = await load_orders(conn, [taken.order_id])
        closer = SaleCloser(self.pool, Ledger(self.pool), lambda: self.now)
        return await closer.close(Closing(order, self.terms, "test", ""))

    async def refund(self, order: Order, amount_minor: int | None = None) -> None:
        """A part of the first line's price goes back, or all of the order."""
        ledger = Ledger(self.pool)
        async with self.pool.acquire() as conn, conn.transaction():
            if amount_minor is None:
                await ledger.reverse_order(conn, order.order_id, self.now)
                return
            line_no: int = await conn.fetchval(
                "SELECT min(line_no) FROM order_line WHERE order_id = $1", order.order_id
            )
            await AfterSale(self.pool, ledger).refund_amount(
                conn,
                order.order_id,
                line_no,
                Money(amount_minor, "EUR"),
                self.now,
                actor="test",
                reason="a test",
            )

    async def work(self, limit: int = 200) -> None:
        """Until nothing is left to do."""
        granting = self.granting()
        for _ in range(10_000):
            if not (await granting.work(limit)).more:
                return
            await asyncio.sleep(0)
        raise AssertionError("granting does not come to an end")

    async def buyer(self, ref: str) -> Buyer:
        """The buyer whom the shop calls so."""
        handle = (self.shop.channel_id, ref)
        async with self.pool.acquire() as conn, conn.transaction():
            return (await known_buyers(conn, [handle], self.now))[handle]

    async def brought(self, ref: str, referrer: str) -> None:
        """Somebody brought a buyer, a while ago."""
        told = Telling("test", "test", NOW - timedelta(days=30))
        buyer = await self.buyer(ref)
        async with self.pool.acquire() as conn, conn.transaction():
            await attribute(conn, buyer, referrer, told, ReferralTerms(), NOW)

    async def balances(self, *parties: str) -> dict[tuple[str, str, str], int]:
        """What stands on the accounts of campaigns and of these parties, by their words."""
        rows = await self.pool.fetch(
            "SELECT party, party_name, purpose, sum(amount_minor)::bigint AS amount_minor"
            " FROM entry JOIN account USING (account_id)"
            " WHERE party = ANY ($1) OR purpose = 'rebate'"
            " GROUP BY 1, 2, 3 HAVING sum(amount_minor) <> 0",
            list(parties or ("buyer", "referrer")),
        )
        return {(row["party"], row["party_name"], row["purpose"]): row["amount_minor"] for row in rows}

    async def grants(self) -> list[tuple[str, OrderId, str, int]]:
        """Campaign, order, reward and amount, in the order in which they were given."""
        rows = await self.pool.fetch(
            "SELECT name, order_id, reward, amount_minor FROM campaign_grant ORDER BY grant_id"
        )
        return [tuple(row) for row in rows]

    async def refusals(self) -> list[tuple[str, str, str]]:
        """Campaign, code and reason."""
        rows = await self.pool.fetch(
            "SELECT name, code, reason FROM campaign_refusal ORDER BY order_id, name, reward"
        )
        return [tuple(row) for row in rows]
