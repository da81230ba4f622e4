"""Lives through a random history of orders with the product's own code: a database to look at or to harm."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.codes.allocator import Allocator, Place
from core.codes.keys import Keyring
from core.codes.vault import Vault
from core.codes.vault_store import open_vault
from core.db.pool import Pool
from core.money.ledger import Ledger, publish_plan
from core.money.plans.rules import CHANNEL, CONSIGNOR, OPERATOR, Base
from core.offers.catalogue import ListingBook
from core.offers.terms import ChannelTerms
from core.orders.closing import Closing, SaleCloser
from core.orders.intake import Intake, wanted_lines
from core.orders.orders import Order, load_order, move_orders
from core.types import (
    BatchId,
    CodePayload,
    ConsignorId,
    Lane,
    OrderId,
    OrderState,
    ShelfId,
    SkuId,
)
from tests.factories import NOW, Shop, add_channel, add_consignor, add_listing, add_sku, request, terms_of
from tests.plain_plans import plain_plan, plain_rule

S = OrderState
NEVER = datetime.max.replace(tzinfo=NOW.tzinfo)
_SETTLE = """
    UPDATE offer
    SET wanted_quantity = half, wanted_price_minor = 2000, wanted_net_minor = 1800, wanted_on = half > 0,
        published_quantity = half, published_price_minor = 2000, published_net_minor = 1800,
        published_on = half > 0, published_at = $1, acked_version = dirty_version,
        observed_quantity = half, observed_price_minor = 2000, observed_on = half > 0,
        observed_at = $1 + interval '1 second'
    FROM listing
    CROSS JOIN LATERAL (
        SELECT count(*)::int / 2 AS half
        FROM shelf
        JOIN code USING (lane, shelf_id)
        LEFT JOIN allocation USING (lane, shelf_id, slot)
        LEFT JOIN departure USING (lane, shelf_id, slot)
        WHERE shelf.sku_id = listing.sku_id AND expires_at > $1 AND order_id IS NULL AND kind IS NULL
    ) free
    WHERE listing.listing_id = offer.listing_id
"""


class Clock:
    """A clock that goes on by a second whenever it is asked."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@dataclass(slots=True)
class World:
    """A database with three shops, and all that acts on it."""

    pool: Pool
    clock: Clock
    vault: Vault
    allocator: Allocator
    ledger: Ledger
    closer: SaleCloser
    intake: Intake
    terms: ChannelTerms
    shops: list[Shop]
    owner: ConsignorId

    async def order(self, shop: Shop, quantity: int = 1, state: OrderState = S.ACCEPTED) -> Order:
        short = S.REFUSED if state is S.RESERVED else S.PARKED
        taken = await self.allocator.reserve(request(shop, quantity=quantity, state=state, short_state=short))
        return await self.load(taken.order_id)

    async def load(self, order_id: OrderId) -> Order:
        async with self.pool.acquire() as conn:
            return await load_order(conn, order_id)

    async def move(self, order: Order, *states: OrderState) -> Order:
        async with self.pool.acquire() as conn, conn.transaction():
            for state in states:
                [order] = await move_orders(conn, [order], state, now=self.clock(), actor="test")
        return order

    async def deliver(self, order: Order) -> Order:
        order = await self.move(order, S.DELIVERING)
        return await self.closer.close(Closing(order, self.terms, "test", ""))

    async def release(self, order: Order) -> Order:
        async with self.pool.acquire() as conn, conn.transaction():
            [moved] = await move_orders(conn, [order], S.RELEASED, now=self.clock(), actor="test")
            await self.allocator.give_back(conn, [order.order_id], order.lanes, actor="test", reason="test")
        return moved

    async def pay_late(self, order: Order) -> Order:
        async with self.pool.acquire() as conn, conn.transaction():
            taken = await self.allocator.allocate_known(
                conn, order.order_id, wanted_lines(order), self.clock()
            )
            to = S.ACCEPTED if taken else S.PARKED
            [moved] = await move_orders(conn, [order], to, now=self.clock(), actor="test")
        return moved

    async def cancel(self, order: Order) -> None:
        async with self.pool.acquire() as conn:
            await self.intake.cancel(conn, order, actor="test", reason="test")

    async def refuse(self, order: Order) -> None:
        """The channel would not have the codes it was sent."""
        moved = await self.move(order, S.DELIVERING, S.UNSURE, S.CANCELLED)
        async with self.pool.acquire() as conn, conn.transaction():
            await self.allocator.quarantine_order(conn, moved.order_id, actor="test", reason="test")

    async def replace(self, order: Order, shop: Shop) -> None:
        """The first code of an order does not work; it gets another in its place."""
        bad = await self.place_of(order)
        line = replace(wanted_lines(order)[0], quantity=1)
        async with self.pool.acquire() as conn, conn.transaction():
            if await self.allocator.allocate_known(conn, order.order_id, [line], self.clock()):
                await self.allocator.note_replacement(
                    conn, order.order_id, 1, bad, actor="test", reason="does not work"
                )
            await self.allocator.quarantine(conn, bad, shop.sku_id, actor="test", reason="does not work")

    async def place_of(self, order: Order) -> Place:
        row = await self.pool.fetchrow(
            "SELECT lane, shelf_id, slot FROM allocation LEFT JOIN departure USING (lane, shelf_id, slot)"
            " WHERE order_id = $1 AND kind IS NULL ORDER BY slot LIMIT 1",
            order.order_id,
        )
        assert row is not None
        return Place(Lane(row["lane"]), ShelfId(row["shelf_id"]), row["slot"])

    async def withdraw(self, shop: Shop) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            await self.allocator.withdraw(
                conn,
                shop.lane,
                shop.sku_id,
                self.owner,
                batch_id=None,
                at_most=1,
                actor="test",
                reason="theirs",
            )

    async def settle_offers(self) -> None:
        """Every channel shows half of what there is and has read every mark."""
        await self.pool.execute(_SETTLE, self.clock())
        await self.pool.execute(
            "INSERT INTO channel_cursor SELECT channel_id, 'marks.' || lane, max(mark_id)::text, $1"
            " FROM channel, stock_mark GROUP BY channel_id, lane"
            " ON CONFLICT ON CONSTRAINT channel_cursor_key DO UPDATE SET position = excluded.position",
            self.clock(),
        )


async def make_world(pool: Pool) -> World:
    """Three shops on three lanes with 40 sealed codes each, one of them with expired ones too."""
    clock = Clock()
    async with pool.acquire() as conn:
        vault = await open_vault(conn, Keyring.generate())
        plan_id, plan = await publish_plan(
            conn,
            plain_plan(
                "default",
                1,
                [
                    plain_rule(CHANNEL, rate_ppm=120_000),
                    plain_rule(OPERATOR, Base.AFTER_CHANNEL, 50_000),
                    plain_rule(CONSIGNOR, rest=True),
                ],
            ),
        )
    owner = await add_consignor(pool, "owner")
    allocator, ledger = Allocator(pool, clock), Ledger(pool)
    shops = [await _shop(pool, vault, owner, lane) for lane in range(3)]
    await add_sealed(pool, vault, shops[0], owner, 3, expires_at=NOW - timedelta(days=1))
    terms = replace(
        terms_of(shops[0].channel_id, shops[0].channel, plan_id, plan), hold=timedelta(minutes=15)
    )
    intake = Intake(pool, allocator, ledger, ListingBook(pool), clock)
    closer = SaleCloser(pool, ledger, clock)
    return World(pool, clock, vault, allocator, ledger, closer, intake, terms, shops, owner)


async def _shop(pool: Pool, vault: Vault, owner: ConsignorId, lane: int) -> Shop:
    sku_id = await add_sku(pool, lane)
    channel_id = await add_channel(pool)
    listing_id = await add_listing(pool, channel_id, sku_id)
    shop = Shop(sku_id, Lane(lane), channel_id, listing_id, f"L{lane}", f"shop {lane}")
    await add_sealed(pool, vault, shop, owner, 40)
    return shop


async def add_sealed(
    pool: Pool,
    vault: Vault,
    shop: Shop,
    owner: ConsignorId,
    count: int,
    expires_at: datetime = NEVER,
) -> None:
    """Codes of a batch, on a shelf of their own."""
    batch_id = BatchId(await pool.fetchval("SELECT nextval(pg_get_serial_sequence('batch', 'batch_id'))"))
    key = vault.new_batch_key(batch_id)
    await pool.execute(
        "INSERT INTO batch (batch_id, sku_id, consignor_id, source_name, key_id, wrapped_key, created_by)"
        " VALUES ($1, $2, $3, 'codes.csv', $4, $5, 'test')",
        batch_id,
        shop.sku_id,
        owner,
        key.key_id,
        key.wrapped,
    )
    shelf_id = await pool.fetchval(
        "INSERT INTO shelf (lane, sku_id, consignor_id, expires_at, priority) VALUES ($1, $2, $3, $4, 100)"
        " RETURNING shelf_id",
        shop.lane,
        shop.sku_id,
        owner,
        expires_at,
    )
    payloads = [CodePayload(secret=secret_of(shop.sku_id, shelf_id, n)) for n in range(count)]
    sealed = vault.seal_many(key, payloads)
    await pool.copy_records_to_table(
        "code",
        records=[(shop.lane, shelf_id, n, batch_id, *pair) for n, pair in enumerate(sealed, start=1)],
        columns=["lane", "shelf_id", "slot", "batch_id", "fingerprint", "sealed"],
    )


def secret_of(sku_id: SkuId, shelf_id: int, n: int) -> str:
    """The code in clear on slot n + 1 of a shelf."""
    return f"Q7XK-{sku_id:04}-{shelf_id:04}-{n:04}"


async def live(world: World, rng: random.Random, orders: int) -> None:
    """So many orders, each with a fate drawn at random; at the end the offers come to rest."""
    for _ in range(orders):
        shop = rng.choice(world.shops)
        quantity = rng.randint(1, 3)
        match rng.randrange(10):
            case 0:
                await world.order(shop, quantity, S.RESERVED)
            case 1:
                kept = await world.order(shop, quantity, S.RESERVED)
                if kept.state is S.RESERVED:
                    paid = await world.pay_late(await world.release(kept))
                    if paid.state is S.ACCEPTED:
                        await world.deliver(paid)
            case 2:
                await world.cancel(await world.order(shop, quantity))
            case 3:
                await world.withdraw(shop)
            case 9:
                await _held(world, shop, quantity, rng.randrange(3))
            case fate:
                order = await world.order(shop, quantity)
                if order.state is S.ACCEPTED:
                    await _served(world, order, shop, fate)
    await world.settle_offers()


async def _held(world: World, shop: Shop, quantity: int, fate: int) -> None:
    """A person looks at it, and lets it through or ends it, or has not looked yet."""
    held = await world.order(shop, quantity, S.HELD)
    if held.state is S.HELD and fate == 0:
        await world.deliver(await world.move(held, S.ACCEPTED))
    elif held.state is S.HELD and fate == 1:
        await world.cancel(held)


async def _served(world: World, order: Order, shop: Shop, fate: int) -> None:
    match fate:
        case 4:
            await world.refuse(order)
        case 5:
            await world.move(order, S.DELIVERING, S.UNSURE)
        case 6:
            await world.replace(await world.deliver(order), shop)
        case 7:
            await world.cancel(await world.deliver(order))
        case _:
            await world.deliver(order)
