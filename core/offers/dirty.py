"""Decides which offers are worked out again: after sales, as time passes, when terms or counts change.

Everything here runs in the caller's transaction. An offer that is made dirty is locked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.cursors import move_cursor, read_cursor
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.offers.history.selling import NO_SALE, first_sales
from core.types import ChannelId, ListingId, SkuId

_LOCKS = load_queries("core.offers", "locks.sql")
_LOCK_LISTINGS = _LOCKS["lock_listings"]
_LOCK_SKUS_OF_CHANNEL = _LOCKS["lock_skus_of_channel"]
_SQL = load_queries("core.offers", "dirty.sql")
_ALONE_WITH_MARKS = _SQL["alone_with_marks"]
_READ_MARKS = _SQL["read_marks"]
_DIRTY_SKUS = _SQL["dirty_skus"]
_EXPIRED_SKUS = _SQL["expired_skus"]
_RECOUNT_LISTINGS = _SQL["recount_listings"]
_DIRTY_CHANNEL = _SQL["dirty_channel"]
_DROP_READ_MARKS = _SQL["drop_read_marks"]

_TERMS_FOLLOWED = "terms"
_MOST_MARKS = 10_000


async def collect_marks(conn: Connection, channel_id: ChannelId, now: datetime) -> int:
    """Turn marks that a channel has not read into dirty offers; how many SKUs were marked."""
    await conn.execute(_ALONE_WITH_MARKS, channel_id)
    rows = await conn.fetch(_READ_MARKS, channel_id, _MOST_MARKS)
    if not rows:
        return 0
    skus = {SkuId(row["sku_id"]) for row in rows}
    sold_on = {int(row["listing_id"]) for row in rows if row["listing_id"] is not None}
    sales = first_sales(
        (int(row["sku_id"]), int(row["listing_id"]), row["marked_at"])
        for row in rows
        if row["listing_id"] is not None
    )
    oldest = [sales.get(sku_id, NO_SALE) for sku_id in sorted(skus)]
    await conn.execute(_LOCK_SKUS_OF_CHANNEL, channel_id, sorted(skus))
    await conn.execute(
        _DIRTY_SKUS,
        channel_id,
        sorted(skus),
        now,
        sorted(sold_on),
        [sale.at for sale in oldest],
        [sale.listing_id for sale in oldest],
        [sale.elsewhere_at for sale in oldest],
    )
    for lane in {int(row["lane"]) for row in rows}:
        last = max(int(row["mark_id"]) for row in rows if row["lane"] == lane)
        await move_cursor(conn, channel_id, f"marks.{lane}", str(last), now)
    return len(skus)


async def collect_older(
    conn: Connection, channel_id: ChannelId, subject: str, limit: timedelta, now: datetime
) -> int:
    """Make offers dirty whose codes no longer hold for `limit`; how many SKUs.

    The limit has a cursor: the moment up to which codes had to be valid when this was last looked at.
    """
    horizon = now + limit
    last = await read_cursor(conn, channel_id, subject)
    since = datetime.fromisoformat(last) if last else horizon
    rows = await conn.fetch(_EXPIRED_SKUS, channel_id, since, horizon)
    if rows:
        sku_ids = [row["sku_id"] for row in rows]
        await conn.execute(_LOCK_SKUS_OF_CHANNEL, channel_id, sku_ids)
        await conn.execute(_DIRTY_SKUS, channel_id, sku_ids, now, [], [], [], [])
    await move_cursor(conn, channel_id, subject, horizon.isoformat(), now)
    return len(rows)


async def recount_listings(conn: Connection, listing_ids: Sequence[ListingId], now: datetime) -> None:
    """Make listings dirty that their channel has counted down by itself."""
    await conn.execute(_LOCK_LISTINGS, listing_ids)
    await conn.execute(_RECOUNT_LISTINGS, listing_ids, now)


async def follow_digest(conn: Connection, channel_id: ChannelId, digest: str, now: datetime) -> bool:
    """Make a channel dirty if its terms are not those last followed; whether it was."""
    if await read_cursor(conn, channel_id, _TERMS_FOLLOWED) == digest:
        return False
    await touch(conn, channel_id, now)
    await move_cursor(conn, channel_id, _TERMS_FOLLOWED, digest, now)
    return True


async def touch(conn: Connection, channel_id: ChannelId, now: datetime) -> None:
    """Make every offer of a channel dirty."""
    await conn.execute(_LOCK_SKUS_OF_CHANNEL, channel_id, None)
    await conn.execute(_DIRTY_CHANNEL, channel_id, now)


async def drop_read_marks(pool: Pool) -> None:
    """Forget marks that every channel has read."""
    await pool.execute(_DROP_READ_MARKS)
