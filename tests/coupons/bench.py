"""Makes what tests of coupons work with: a vault on a real database, series, buyers and baskets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.buyers.buyers import Buyer, known_buyers
from core.codes.keys import Keyring
from core.codes.vault_store import open_vault
from core.coupons.coupons import Coupons
from core.coupons.issuing import IssuedCoupon
from core.coupons.judging import Basket, BasketLine, Discount, Refused
from core.coupons.series import CouponKind, Series
from core.coupons.uses import Redeemed
from core.db.pool import Pool
from core.types import ChannelId
from tests.factories import add_channel

_NUMBERS = itertools.count(1)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TENTH = Series("spring", CouponKind.PERCENT, "EUR", rate_ppm=100_000, valid_for=timedelta(days=30))
FIVER = Series("fiver", CouponKind.AMOUNT, "EUR", amount_minor=500, minimum_minor=2000)


@dataclass(frozen=True, slots=True)
class Why:
    kind: str
    ref: str


async def open_coupons(pool: Pool, *series: Series) -> Coupons:
    """Coupons of these series, published."""
    async with pool.acquire() as conn:
        coupons = Coupons(
            pool, await open_vault(conn, Keyring.generate()), {each.name: each for each in series}
        )
        await coupons.publish(conn, NOW)
    return coupons


async def a_buyer(pool: Pool) -> Buyer:
    """Somebody who was never seen before, on a channel of his own."""
    channel_id = await add_channel(pool)
    async with pool.acquire() as conn:
        return (await known_buyers(conn, [(channel_id, "u-1")], NOW))[channel_id, "u-1"]


def basket(
    channel: str,
    *prices_minor: int,
    ref: str | None = None,
    buyer_ref: str | None = "u-1",
    currency: str = "EUR",
    sku_ref: str = "CARD",
) -> Basket:
    """One piece at each price, of SKUs called CARD-1, CARD-2 and so on."""
    lines = tuple(BasketLine(f"{sku_ref}-{n}", 1, price) for n, price in enumerate(prices_minor, 1))
    return Basket(channel, ref or f"basket {next(_NUMBERS)}", currency, lines, buyer_ref)


@dataclass(frozen=True, slots=True)
class Till:
    """A shop's checkout: one channel, one set of coupons."""

    pool: Pool
    coupons: Coupons
    channel: str
    channel_id: ChannelId

    @classmethod
    async def open(cls, pool: Pool, *series: Series) -> Till:
        channel_id = await add_channel(pool, "shop")
        return cls(pool, await open_coupons(pool, *series), "shop", channel_id)

    async def issue(self, series: str, buyer: Buyer | None = None, now: datetime = NOW) -> IssuedCoupon:
        """A coupon for a reason of its own."""
        async with self.pool.acquire() as conn, conn.transaction():
            why = Why("test", str(next(_NUMBERS)))
            return await self.coupons.issue(conn, series, buyer, now, source=why)

    async def buyer(self, ref: str) -> Buyer:
        async with self.pool.acquire() as conn:
            return (await known_buyers(conn, [(self.channel_id, ref)], NOW))[self.channel_id, ref]

    async def redeem(self, code: str, held: Basket, now: datetime = NOW) -> Redeemed | Refused:
        async with self.pool.acquire() as conn, conn.transaction():
            return await self.coupons.checkout.redeem(conn, code, held, now, actor="test")

    async def check(self, code: str, held: Basket, now: datetime = NOW) -> Discount | Refused:
        async with self.pool.acquire() as conn:
            return await self.coupons.checkout.check(conn, code, held, now)

    async def confirm(self, ref: str, now: datetime = NOW) -> Redeemed:
        async with self.pool.acquire() as conn, conn.transaction():
            return await self.coupons.checkout.confirm(conn, self.channel, ref, now, actor="test")

    async def release(self, ref: str, now: datetime = NOW) -> Redeemed:
        async with self.pool.acquire() as conn, conn.transaction():
            return await self.coupons.checkout.release(
                conn, self.channel, ref, now, actor="test", reason="gave up"
            )

    async def give_back(self, ref: str, part: tuple[str, int] | None = None) -> Redeemed:
        async with self.pool.acquire() as conn, conn.transaction():
            return await self.coupons.checkout.give_back(
                conn, self.channel, ref, NOW, actor="test", reason="refund", part=part
            )

    async def taken_minor(self, series: str) -> int:
        """What the series has taken off, as its counter has it."""
        taken: int | None = await self.pool.fetchval(
            "SELECT taken_minor FROM coupon_spend WHERE series_name = $1", series
        )
        return taken or 0
