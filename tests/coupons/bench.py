"""Makes what tests of coupons work with: a vault on a real database, series, buyers and baskets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.buyers.buyers import Buyer, known_buyers
from core.codes.keys import Keyring
from core.codes.vault_store import open_vault
from core.coupons.coupons import Coupons
from core.coupons.series import CouponKind, Series
from core.db.pool import Pool
from tests.factories import add_channel

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
        coupons = Coupons(await open_vault(conn, Keyring.generate()), {each.name: each for each in series})
        await coupons.publish(conn, NOW)
    return coupons


async def a_buyer(pool: Pool) -> Buyer:
    """Somebody who was never seen before, on a channel of his own."""
    channel_id = await add_channel(pool)
    async with pool.acquire() as conn:
        return (await known_buyers(conn, [(channel_id, "u-1")], NOW))[channel_id, "u-1"]
