"""Makes the rows that tests need, with as little said as possible."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.codes.reservation import ReserveLine, ReserveRequest
from core.db.pool import Pool
from core.money.plans.rules import Plan
from core.offers.price.book import PriceBook
from core.offers.stock.rules import StockRule
from core.offers.terms import ChannelTerms, Shortage
from core.types import (
    ChannelId,
    ConsignorId,
    Lane,
    LineRef,
    ListingId,
    OrderRef,
    OrderState,
    PriceBasis,
    ShelfId,
    SkuId,
)

_NUMBERS = itertools.count(1)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
# Of the shape of something sealed, so that a check of the database finds nothing to say of it.
SEALED = b"\xff" * 60


@dataclass(frozen=True, slots=True)
class Shop:
    """A SKU listed on one channel."""

    sku_id: SkuId
    lane: Lane
    channel_id: ChannelId
    listing_id: ListingId
    listing_ref: str
    channel: str


async def add_sku(pool: Pool, lane: int = 0, base_price_minor: int = 2000, currency: str = "EUR") -> SkuId:
    """A SKU with a base price."""
    sku_id: int = await pool.fetchval(
        "INSERT INTO sku (lane, sku_ref, title) VALUES ($1, $2, $2) RETURNING sku_id",
        lane,
        f"SKU-{next(_NUMBERS)}",
    )
    await pool.execute("INSERT INTO sku_price VALUES ($1, $2, $3)", sku_id, currency, base_price_minor)
    return SkuId(sku_id)


async def add_consignor(pool: Pool, name: str | None = None, priority: int = 100) -> ConsignorId:
    """A consignor."""
    consignor_id: int = await pool.fetchval(
        "INSERT INTO consignor (name, priority) VALUES ($1, $2) RETURNING consignor_id",
        name or f"consignor {next(_NUMBERS)}",
        priority,
    )
    return ConsignorId(consignor_id)


async def add_channel(pool: Pool, name: str | None = None, currency: str = "EUR") -> ChannelId:
    """A channel that nobody drives."""
    channel_id: int = await pool.fetchval(
        "INSERT INTO channel (name, connector, currency) VALUES ($1, 'test', $2) RETURNING channel_id",
        name or f"channel-{next(_NUMBERS)}",
        currency,
    )
    return ChannelId(channel_id)


async def add_listing(pool: Pool, channel_id: ChannelId, sku_id: SkuId) -> ListingId:
    """A listing with its offer."""
    listing_id: int = await pool.fetchval(
        "INSERT INTO listing (channel_id, listing_ref, sku_id) VALUES ($1, $2, $3) RETURNING listing_id",
        channel_id,
        f"L-{next(_NUMBERS)}",
        sku_id,
    )
    await pool.execute("INSERT INTO offer (listing_id) VALUES ($1)", listing_id)
    return ListingId(listing_id)


async def add_shop(pool: Pool, codes: int = 0, lane: int = 0) -> Shop:
    """A SKU on a new channel, with so many codes on one shelf."""
    sku_id = await add_sku(pool, lane)
    channel_id = await add_channel(pool)
    listing_id = await add_listing(pool, channel_id, sku_id)
    row = await pool.fetchrow(
        "SELECT listing_ref, name FROM listing JOIN channel USING (channel_id) WHERE listing_id = $1",
        listing_id,
    )
    assert row is not None
    if codes:
        await add_codes(pool, sku_id, codes, lane=lane)
    return Shop(sku_id, Lane(lane), channel_id, listing_id, row["listing_ref"], row["name"])


async def add_codes(
    pool: Pool,
    sku_id: SkuId,
    count: int,
    *,
    lane: int = 0,
    consignor_id: ConsignorId | None = None,
    expires_at: datetime = NEVER,
    priority: int = 100,
    unit_cost_minor: int | None = None,
) -> ShelfId:
    """So many codes on a shelf of their own, sealed with nothing: for tests that never open them."""
    owner = consignor_id or await add_consignor(pool, priority=priority)
    await pool.execute("INSERT INTO sealing_key VALUES ('test', 'x') ON CONFLICT DO NOTHING")
    batch_id: int = await pool.fetchval(
        "INSERT INTO batch (sku_id, consignor_id, source_name, key_id, wrapped_key, created_by)"
        " VALUES ($1, $2, 'test', 'test', $3, 'test') RETURNING batch_id",
        sku_id,
        owner,
        SEALED,
    )
    shelf_id: int = await pool.fetchval(
        "INSERT INTO shelf (lane, sku_id, consignor_id, expires_at, unit_cost_minor, currency, priority)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING shelf_id",
        lane,
        sku_id,
        owner,
        expires_at,
        unit_cost_minor,
        None if unit_cost_minor is None else "EUR",
        priority,
    )
    await pool.copy_records_to_table(
        "code",
        records=[(lane, shelf_id, slot, batch_id, os.urandom(32), SEALED) for slot in range(1, count + 1)],
        columns=["lane", "shelf_id", "slot", "batch_id", "fingerprint", "sealed"],
    )
    return ShelfId(shelf_id)


def request(
    *shops: Shop,
    quantity: int = 1,
    order_ref: str | None = None,
    state: OrderState = OrderState.ACCEPTED,
    short_state: OrderState = OrderState.PARKED,
    min_validity: timedelta = timedelta(0),
    partial: bool = False,
    request_hash: bytes | None = None,
) -> ReserveRequest:
    """An order of so many of each shop's SKU on the first shop's channel."""
    ref = order_ref or f"order {next(_NUMBERS)}"
    lines = tuple(
        ReserveLine(LineRef(str(n)), shop.listing_id, shop.lane, shop.sku_id, quantity, 2000)
        for n, shop in enumerate(shops)
    )
    return ReserveRequest(
        channel_id=shops[0].channel_id,
        order_ref=OrderRef(ref),
        request_hash=request_hash or repr(lines).encode(),
        lines=lines,
        state=state,
        short_state=short_state,
        currency="EUR",
        placed_at=NOW,
        due_at=NOW,
        min_validity=min_validity,
        partial=partial,
    )


def terms_of(channel_id: ChannelId, name: str, plan_id: int, plan: Plan) -> ChannelTerms:
    """Plain terms in EUR; `dataclasses.replace` says what a test wants otherwise."""
    return ChannelTerms(
        channel_id=channel_id,
        name=name,
        currency="EUR",
        plan_id=plan_id,
        plan=plan,
        stock=StockRule(),
        price=PriceBook(),
        shortage=Shortage.WAIT,
        written_price=PriceBasis.GROSS,
        reservation_is_authoritative=True,
        takes_partial_orders=False,
        hold=timedelta(minutes=30),
        min_validity=timedelta(0),
        largest_quantity=1000,
    )
