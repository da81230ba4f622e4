"""Prices as the daemon makes them: held until approved, below the floor by signature, moved by own sales."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction

from core.db.pool import Pool
from core.money.money import Money
from core.money.plans.rules import CONSIGNOR
from core.money.rates import NewRate, set_rate
from core.offers.outbox import Outbox
from core.offers.planning import OfferPlan
from core.offers.price.book import PriceBook, PriceLayer
from core.offers.price.plan import Held, NoPrice, Reason
from core.offers.price.rule import Brake, DemandRule, Window
from core.offers.pricing.holds import NewException, decide_hold, sign_exception
from core.offers.stock.rules import StockPolicy
from tests.factories import NOW, Shop, add_codes, add_shop, terms_of
from tests.plain_plans import plain_plan, plain_rule

PLAN = plain_plan("all", 1, [plain_rule(CONSIGNOR, rest=True)])
DAY = timedelta(days=1)


@dataclass(slots=True)
class Room:
    """One shop, an outbox over it, and a clock."""

    pool: Pool
    shop: Shop
    layer: PriceLayer
    now: datetime = NOW
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        terms = replace(
            terms_of(self.shop.channel_id, self.shop.channel, 1, PLAN), price=PriceBook(everywhere=self.layer)
        )
        self.outbox = Outbox(self.pool, {self.shop.channel_id: terms}, StockPolicy(), lambda: self.now)

    async def base(self, minor: int, currency: str = "EUR") -> None:
        await self.pool.execute("DELETE FROM sku_price")
        await self.pool.execute(
            "INSERT INTO sku_price (sku_id, currency, base_price_minor) VALUES ($1, $2, $3)",
            self.shop.sku_id,
            currency,
            minor,
        )

    async def push(self) -> OfferPlan:
        """What the listing shows now; the channel takes what it is told."""
        await self.outbox.touch_channel(self.shop.channel_id)
        claim = await self.outbox.claim(self.shop.channel_id, 10)
        await self.outbox.settle(claim.plans, [], [])
        (plan,) = await self.outbox.plan([self.shop.sku_id])
        return plan

    async def published_minor(self) -> int:
        minor: int = await self.pool.fetchval("SELECT published_price_minor FROM offer")
        return minor


async def room_with(pool: Pool, layer: PriceLayer, cost_minor: int = 500) -> Room:
    shop = await add_shop(pool)
    await add_codes(pool, shop.sku_id, 5, unit_cost_minor=cost_minor)
    return Room(pool, shop, layer)


async def test_a_jump_waits_for_a_person_and_the_old_price_stays(pool: Pool) -> None:
    room = await room_with(pool, PriceLayer(brake=Brake(step_ppm=100_000)))
    await room.push()
    assert await room.published_minor() == 2000
    await room.base(3000)
    plan = await room.push()
    assert isinstance(plan.priced, Held)
    assert (plan.price_minor, plan.quantity, await room.published_minor()) == (2000, 5, 2000)
    assert plan.why["price_state"] == "held"
    await room.push()
    (hold,) = await pool.fetch(
        "SELECT hold_id, from_minor, price_minor FROM price_hold WHERE verdict IS NULL"
    )
    assert (hold["from_minor"], hold["price_minor"]) == (2000, 3000)
    async with pool.acquire() as conn, conn.transaction():
        await decide_hold(conn, hold["hold_id"], approve=True, actor="ann", reason="new list", now=room.now)
    await room.push()
    assert await room.published_minor() == 3000
    changed = await pool.fetch("SELECT was_minor, price_minor FROM price_change ORDER BY change_id")
    assert [tuple(row) for row in changed] == [(None, 2000), (2000, 3000)]


async def test_a_signature_lets_a_price_below_the_floor_until_it_runs_out(pool: Pool) -> None:
    room = await room_with(pool, PriceLayer(), cost_minor=2500)
    await room.push()
    assert await room.published_minor() == 2500
    signed = NewException(room.shop.channel, room.shop.listing_ref, Money(1800, "EUR"), NOW, NOW + DAY)
    async with pool.acquire() as conn, conn.transaction():
        await sign_exception(conn, signed, actor="ann", reason="clearing out", now=NOW)
    await room.push()
    assert await room.published_minor() == 2000
    room.now = NOW + DAY
    await room.push()
    assert await room.published_minor() == 2500


async def test_a_rate_that_grew_old_stops_repricing_and_leaves_the_old_price(pool: Pool) -> None:
    room = await room_with(pool, PriceLayer())
    await room.base(2000, "USD")
    first = await room.push()
    assert isinstance(first.priced, NoPrice)
    assert (first.priced.reason, first.on) == (Reason.NO_RATE, False)
    async with pool.acquire() as conn, conn.transaction():
        told = NewRate("USD", "EUR", Fraction(9, 10), NOW)
        await set_rate(conn, told, actor="ann", reason="by the bank", now=NOW)
    await room.push()
    assert await room.published_minor() == 1800
    room.now = NOW + 5 * DAY
    await room.base(4000, "USD")
    late = await room.push()
    assert isinstance(late.priced, NoPrice)
    assert (late.priced.reason, late.on, await room.published_minor()) == (Reason.RATE_TOO_OLD, True, 1800)
    assert late.why["price_state"] == "rate_too_old"


async def test_a_window_ends_when_its_quota_is_sold(pool: Pool) -> None:
    flash = Window("flash", NOW - DAY, NOW + DAY, Money(1500, "EUR"), quota=2)
    room = await room_with(pool, PriceLayer(windows=(flash,)))
    await room.push()
    assert await room.published_minor() == 1500
    await pool.execute(
        "INSERT INTO flash_take VALUES ($1, 'flash', $2, $3, 'an order', 2, 'sold', $4)",
        room.shop.listing_id,
        flash.from_at,
        room.shop.channel_id,
        NOW,
    )
    await room.push()
    assert await room.published_minor() == 2000


async def test_own_sales_move_a_price_with_the_season(pool: Pool) -> None:
    """All sales of eight weeks fell into this hour of the day."""
    room = await room_with(pool, PriceLayer(demand=DemandRule(season_ppm=100_000, at_most_ppm=150_000)))
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    await pool.execute(
        "INSERT INTO sale_hour (sku_id, channel_id, hour, units, lines, refused_units)"
        " SELECT $1, $2, $3::timestamptz - day * interval '1 day', 10, 10, 0 FROM generate_series(1, 56) day",
        room.shop.sku_id,
        room.shop.channel_id,
        hour,
    )
    plan = await room.push()
    assert plan.price_minor == 2000
    await pool.execute("UPDATE sku SET created_at = $1", NOW - 100 * DAY)
    plan = await room.push()
    assert plan.price_minor == 2300
