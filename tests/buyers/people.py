"""Makes buyers, and who brought them, in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.buyers.buyers import Buyer, find_buyer
from core.buyers.referrals import ReferralTerms, Telling, attribute
from core.db.pool import Pool
from tests.factories import NOW

FOR_EVER = ReferralTerms(None)
A_YEAR = ReferralTerms(timedelta(days=365))


async def add_people(pool: Pool, *names: str) -> list[Buyer]:
    """Buyers by name, not yet on any channel."""
    await pool.execute(
        "INSERT INTO buyer (name, known_since) SELECT name, $2 FROM unnest($1::text[]) name", names, NOW
    )
    async with pool.acquire() as conn:
        return [await find_buyer(conn, name) for name in names]


def told(since: datetime = NOW, *, replaces: bool = False) -> Telling:
    """Told by a test."""
    return Telling("test", "tester", since, replaces)


async def refer(
    pool: Pool,
    buyer: Buyer,
    referrer: str,
    at: datetime = NOW,
    terms: ReferralTerms = FOR_EVER,
    *,
    replaces: bool = False,
) -> None:
    """Have somebody brought by somebody."""
    async with pool.acquire() as conn, conn.transaction():
        await attribute(conn, buyer, referrer, told(at, replaces=replaces), terms, at)


async def write_referrals(pool: Pool, pairs: Sequence[tuple[Buyer, Buyer]]) -> None:
    """Rows as they stand, whatever rings they make."""
    await pool.execute(
        "INSERT INTO referral (buyer_id, referrer_id, since, source, actor, told_at)"
        " SELECT buyer, referrer, $3, 'test', 'test', $3 FROM unnest($1::bigint[], $2::bigint[])"
        " told(buyer, referrer)",
        [buyer.buyer_id for buyer, _ in pairs],
        [referrer.buyer_id for _, referrer in pairs],
        NOW,
    )
