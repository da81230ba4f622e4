"""Fills a web room with a busy day: SKUs in several states, prices, rivals, lags, drift, alerts, messages."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from core.db.queries import parse_queries
from core.money.money import Money
from core.money.rates import NewRate, add_rates, note_rate_health, set_rate
from core.offers.answers import Refusal
from core.offers.catalogue import NewSku, add_sku, link_listing, set_base_price
from core.offers.closures.guard import GuardRule
from core.offers.price.book import PriceBook, PriceLayer, Rounding
from core.offers.price.rule import Aim, Brake, Follow, Pressure, RivalRule, StockRung, Target, Window
from core.offers.pricing.holds import AskedPrice, NewException, ask_for_prices, sign_exception
from core.offers.pricing.stored_facts import ChangeTerms
from core.types import Asked, CountedOver, Formula, ListingId, ListingRef, PenaltyLine, SkuId
from tests.factories import add_codes
from tests.web.bench import Room

TITLES = (
    "Steam Wallet 20 EUR",
    "Steam 充值卡 100 元（中国区）",
    "任天堂 eShop 预付卡 5000 日元",
    "PlayStation Store Gift Card 50 USD — United States, valid for twelve months from purchase",
    "腾讯 Q币 100 元直充",
    "Xbox Game Pass Ultimate 3 Monate",
    "苹果 App Store 充值卡 500 元，自动发货，售出不退",
    "Netflix Geschenkkarte 25 EUR",
)
CHANNELS = ("answering", "hasty", "telling", "silent")
_SQL = parse_queries((Path(__file__).parent / "furnished.sql").read_text(encoding="utf-8"), "furnished.sql")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_LINES = tuple(
    PenaltyLine(asked, Formula.SHARE, at, 3600, (CountedOver.CHANNEL,))
    for asked, at in ((Asked.RESERVE, 0.4), (Asked.PROVIDE, 0.2))
)


async def furnish(room: Room, skus: int = 48) -> ListingId:
    """A listing of which everything can be told; the others are in every state there is."""
    _write_rules(room)
    refs = [await _add_sku(room, number) for number in range(skus)]
    listing_id: int = await room.pool.fetchval(_SQL["find_listing"])
    await room.pool.execute(_SQL["history"], listing_id)
    await _push(room)
    await _unsettle(room)
    await _sell(room, refs)
    await _price(room, ListingId(listing_id))
    await _guard(room)
    await raise_alerts(room)
    return ListingId(listing_id)


def _write_rules(room: Room) -> None:
    channels = room.services.channels
    assert isinstance(channels, MutableMapping)
    now = datetime.now(UTC)
    layer = PriceLayer(
        target=Target(Aim.COST_PLUS, margin_ppm=180_000),
        pressure=Pressure(stock=(StockRung(30_000, below_ppm=10_000_000),)),
        rival=RivalRule(Follow.UNDERCUT, step_minor=1, below_ppm=200_000),
        rounding=Rounding(100, 99),
        brake=Brake(step_ppm=400_000),
        floor_margin_ppm=50_000,
        windows=(Window("黑五 flash sale", now + _DAY, now + 3 * _DAY, Money(1799, "EUR"), quota=50),),
        label="everything",
    )
    for name in CHANNELS:
        served = channels[name]
        terms = replace(
            served.terms,
            price=PriceBook(everywhere=layer),
            changes=ChangeTerms(5, Money(30, "EUR")),
            guard=GuardRule(_LINES) if name == "answering" else GuardRule(),
        )
        channels[name] = replace(served, terms=terms)


async def _add_sku(room: Room, number: int) -> SkuId:
    pool, services = room.pool, room.services
    title = TITLES[number % len(TITLES)]
    tags = ("steam", "eu") if number % 3 == 0 else ("console",) if number % 3 == 1 else ()
    async with pool.acquire() as conn, conn.transaction():
        sku = await add_sku(conn, NewSku(f"CARD-{number:04}", title, "Valve", tags=tags), 2)
        await set_base_price(conn, sku, Money(2000 + 50 * number, "EUR"), services.allocator)
        for name in CHANNELS[: 2 + number % 3]:
            channel_id = services.channels[name].terms.channel_id
            await link_listing(conn, channel_id, ListingRef(f"L-{number}"), sku, services.allocator)
    count = (0, 4, 25, 180)[number % 4]
    if count:
        await add_codes(pool, sku.sku_id, count, lane=sku.lane, unit_cost_minor=1500 + 20 * number)
    return sku.sku_id


async def _push(room: Room) -> None:
    """Every channel is told, twice, so that what had to wait for others is told as well; one refuses one."""
    outbox = room.services.outbox
    for _ in range(2):
        for name in CHANNELS:
            channel_id = room.services.channels[name].terms.channel_id
            await outbox.touch_channel(channel_id)
            plans = (await outbox.claim(channel_id, 500)).plans
            refused = [
                Refusal(plan, "region not allowed: 区域限制") for plan in plans[:1] if name == "telling"
            ]
            await outbox.settle(plans[1:] if refused else plans, refused, [])
    await room.pool.execute(_SQL["show_as_told"])


async def _unsettle(room: Room) -> None:
    """Something in doubt, something that differs, something adopted, a paused channel."""
    pool = room.pool
    await pool.execute(_SQL["doubt"])
    await pool.execute(_SQL["differ"])
    await pool.execute(_SQL["drift"])
    await pool.execute(_SQL["adopt"])
    await pool.execute(_SQL["health"])
    await pool.execute(_SQL["lags"])


async def _sell(room: Room, refs: list[SkuId]) -> None:
    await room.pool.execute(
        _SQL["selling"],
        refs,
    )


async def _price(room: Room, listing_id: ListingId) -> None:
    now = datetime.now(UTC)
    others = await room.pool.fetch(_SQL["some_listings"])
    held = [listing_id, *(ListingId(row["listing_id"]) for row in others)]
    asked = [
        AskedPrice(
            each, 2599, Money(3999 if each == listing_id else 1899, "EUR"), "more than 40 % from 25.99 EUR"
        )
        for each in held
    ]
    rivals = [
        ("G2Play", 2449, 40),
        ("键盘侠游戏店", 2499, 7),
        ("Cheapest Keys of All GmbH & Co. KG", 2399, None),
    ]
    async with room.pool.acquire() as conn, conn.transaction():
        await ask_for_prices(conn, held, asked, now)
        await sign_exception(
            conn,
            NewException("answering", "L-2", Money(1499, "EUR"), now, now + 5 * _DAY),
            actor="ann",
            reason="清仓 clearing out before expiry",
            now=now,
        )
        rate = NewRate("USD", "EUR", Fraction(9228, 10_000), now - 3 * _HOUR)
        await set_rate(conn, rate, actor="ann", reason="the bank's", now=now)
        old = [NewRate("CNY", "EUR", Fraction(1278, 10_000), now - 9 * _DAY)]
        await add_rates(conn, old, source="european central bank", actor="daemon", now=now)
        await note_rate_health(
            conn, "european central bank", ok=False, detail="timed out after 10 s", now=now
        )
    await _see_rivals(room, listing_id, rivals)


async def _see_rivals(room: Room, listing_id: ListingId, rivals: list[tuple[str, int, int | None]]) -> None:
    await room.pool.execute(
        _SQL["look"],
        listing_id,
    )
    for place, (seller, price_minor, quantity) in enumerate(rivals):
        await room.pool.execute(
            _SQL["sighting"],
            listing_id,
            place,
            seller,
            price_minor,
            quantity,
        )


async def _guard(room: Room) -> None:
    await room.pool.execute(_SQL["outcomes"])
    await room.pool.execute(_SQL["trips"])


async def raise_alerts(room: Room) -> None:
    """Alerts that stand and that are over; a message that was given up and a digest that arrived."""
    facts = {"title": TITLES[2], "codes": 4, "per_day": 3.2, "restock": 112, "lead_time_days": 7.0}
    rows = [
        ("oversell", "oversell", "house:", "critical", 0, 0, 1, False, False),
        ("lag", "publish_lag_seconds", "channel:hasty", "critical", 60, 30, 184, False, False),
        ("low", "stock_percent", "sku:CARD-0001", "warning", 10, 20, 4.5, False, False),
        ("cover", "cover_days", "sku:CARD-0005", "warning", 3, 6, 1.2, True, False),
        ("held", "prices_held", "channel:answering", "info", 0, 0, 4, False, False),
        ("low", "stock", "sku:CARD-0002", "warning", 5, 10, 14, False, True),
        ("down", "channel_down_seconds", "channel:telling", "critical", 300, 60, 0, True, True),
    ]
    for rule, metric, subject, severity, cross, clear, value, seen, closed in rows:
        await room.pool.execute(
            _SQL["incident"],
            rule,
            metric,
            subject,
            severity,
            float(cross),
            float(clear),
            float(value),
            facts if subject.startswith("sku") else {},
            seen,
            closed,
        )
    for state, error, title in (
        ("dead", "404 Not Found: webhook is gone", "【严重】hasty：发布延迟 3.1 分钟，高于 1 分钟"),
        ("sent", "", "[warning] 3 new alerts, 0 over"),
    ):
        message_id = await room.pool.fetchval(
            _SQL["message"],
            title,
            state,
            error,
        )
        await room.pool.execute(
            _SQL["notice"],
            message_id,
            state,
        )
