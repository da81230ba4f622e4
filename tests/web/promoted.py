"""Fills a web room with buyers and what brings them: coupons, groups, flash sales, wallets, rings."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from core.buyers.buyers import Buyer, known_buyers
from core.buyers.marks import note_marks
from core.buyers.people import join
from core.buyers.segments import Segment, publish_segments, set_listed
from core.coupons.judging import Basket, BasketLine
from core.coupons.series import CouponKind, Series
from core.db.queries import parse_queries
from core.flash.limits import limited_sales
from core.group_buying.groups import GroupBuying
from core.group_buying.offers import GroupOffer
from core.money.money import Money
from core.offers.price.book import PriceBook, PriceLayer
from core.offers.price.rule import Window
from core.orders.refunds import RefundDue, decide_refund
from core.types import ListingRef, MarkKind, OrderRef, ToldMark
from core.wallets.lots import Source
from core.wallets.points import Points
from core.wallets.programmes import Programme
from core.wallets.wallets import Wallets
from tests.web.bench import COUPONS, Room
from tests.web.money_day import publish_campaigns
from web.access import Role

_SQL = parse_queries((Path(__file__).parent / "promoted.sql").read_text(encoding="utf-8"), "promoted.sql")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_COST = ("operator", "goodwill", "rebate")
WELCOME = Series(
    "welcome",
    CouponKind.AMOUNT,
    "EUR",
    amount_minor=500,
    valid_for=timedelta(days=30),
    budget_minor=10_000,
    borne_by="Brand & Co",
)
SERIES = (COUPONS, WELCOME)
STARS = Programme("stars", "EUR", Fraction(1), Fraction(1, 2), expires_after=365 * _DAY)


@dataclass(frozen=True, slots=True)
class _Why:
    """Why a coupon was issued."""

    kind: str
    ref: str


@dataclass(frozen=True, slots=True)
class Promoted:
    """What there is to look at: a coupon that was used and its code, an open group, an order owed money."""

    coupon_id: int
    code: str
    group_ref: str
    owed: int


async def promote(room: Room) -> Promoted:
    """A week of it."""
    sell_to_groups(room)
    plan_sales(room)
    coupon_id, code = await issue_coupons(room)
    group_ref = await fill_groups(room)
    await befriend(room)
    return Promoted(coupon_id, code, group_ref, await owe(room))


async def give_something(room: Room) -> None:
    """The least that every page has something of: a buyer's coupon, the group `friends`, a sale `night`."""
    plan_sales(room)
    now = datetime.now(UTC)
    buyer = await _buyer(room, "ann", now)
    async with room.pool.acquire() as conn, conn.transaction():
        await room.services.coupons.issue(conn, "spring", buyer, now, source=_Why("hand", "a gift"))
        await conn.execute(_SQL["group_offer"])
        await conn.execute(_SQL["friends"], now)


def sell_to_groups(room: Room) -> None:
    """The channel `telling` sells its listing to three buyers together."""
    channels = room.services.channels
    assert isinstance(channels, MutableMapping)
    served = channels["telling"]
    offers = {ListingRef("L1"): GroupOffer("trio", 3, _DAY, at_least=2)}
    channels["telling"] = replace(served, terms=replace(served.terms, group_offers=offers))


def plan_sales(room: Room) -> None:
    """One sale is on, one is to come without a quota, one is over."""
    channels, now = room.services.channels, datetime.now(UTC)
    assert isinstance(channels, MutableMapping)
    windows = (
        Window("周末 weekend", now - 3 * _DAY, now - _DAY, Money(2_200, "EUR"), 20, 1),
        Window("night", now - _HOUR, now + 3 * _HOUR, Money(2_500, "EUR"), 5, 2),
        Window("黑五 / Black Friday", now + 2 * _DAY, now + 3 * _DAY, Money(1_799, "EUR")),
    )
    for name in ("hasty", "answering"):
        layer = PriceLayer(windows=windows if name == "hasty" else windows[1:])
        price = PriceBook(everywhere=layer)
        terms = replace(channels[name].terms, price=price, limited_sales=limited_sales(price))
        channels[name] = replace(channels[name], terms=terms)


async def issue_coupons(room: Room) -> tuple[int, str]:
    """Open, held, used, expired and revoked ones, of two series and a batch; the used one."""
    coupons, pool, now = room.services.coupons, room.pool, datetime.now(UTC)
    begun = await coupons.bulk.begin("spring", 40, now, actor="ann", reason="trade fair: 展会")
    await coupons.bulk.go_on(begun.issue_id, now)
    given = []
    for number in range(12):
        async with pool.acquire() as conn, conn.transaction():
            buyer = await _buyer(room, "ann" if number % 2 else "李雷", now)
            at = now - timedelta(days=35 if number > 8 else number)
            why = _Why("hand", f"gift {number}")
            given.append(await coupons.issue(conn, "welcome", buyer, at, source=why))
    for number, each in enumerate(given[:5]):
        basket = Basket("telling", f"basket-{number}", "EUR", (BasketLine("CARD", 1, 3_000),), "ann")
        async with pool.acquire() as conn, conn.transaction():
            await coupons.checkout.redeem(conn, each.code, basket, now, actor="shop")
            if number < 3:
                await coupons.checkout.confirm(conn, "telling", basket.ref, now, actor="shop", reason="paid")
            elif number == 3:
                await coupons.checkout.release(conn, "telling", basket.ref, now, actor="shop", reason="gone")
    async with pool.acquire() as conn, conn.transaction():
        await coupons.revoke(conn, given[8].coupon_id, now, actor="ann", reason="sent to the wrong one")
    return given[0].coupon_id, given[0].code


async def fill_groups(room: Room) -> str:
    """One that failed, one that is full, one that waits: its name."""
    clock = [datetime.now(UTC) - timedelta(hours=30)]
    buying = GroupBuying(room.pool, room.services.terms(), lambda: clock[0])

    async def buy(*buyers: str) -> None:
        for buyer in buyers:
            await room.tell("telling", "orders", f"G-{buyer}", buyer=buyer, price="1799")
        await buying.turn()

    await buy("zoe")
    clock[0] += timedelta(hours=25)
    await buying.turn()
    await buy("ann", "李雷", "cid")
    await buy("dora", "emil")
    ref: str = await room.pool.fetchval(_SQL["open_group"])
    return ref


async def befriend(room: Room) -> None:
    """Who brought whom, who is one person, marks, segments, lists, wallets, and rings."""
    pool, now = room.pool, datetime.now(UTC)
    await publish_campaigns(room)
    for ref, buyer in (("B-1", "ann"), ("B-2", "ann"), ("B-3", "bob")):
        await room.sell(ref, "hasty", buyer=buyer)
    for buyer, referrer in (("ann", "telling/bob"), ("cid", "telling/ann"), ("bob", "telling/ann")):
        body = {"referrer": referrer, "source": "shop"}
        await room.call("PUT", f"/buyers/telling/{buyer}/referrer", Role.ADMIN, body)
    ann, bob = [await _buyer(room, name, now) for name in ("ann", "bob")]
    other = await _buyer(room, "ann", now, channel="hasty")
    await publish(room, now)
    async with pool.acquire() as conn, conn.transaction():
        await join(conn, ann, other, actor="ann", reason="one mail address: 同一个邮箱", now=now)
        assert room.services.mark_key is not None
        mark = ToldMark(MarkKind.DEVICE, "the same telephone")
        for each in (ann, bob):
            await note_marks(conn, room.services.mark_key, each, [mark], now)
        await set_listed(conn, "press", [bob.buyer_id], now, actor="ann")
        await conn.execute(_SQL["ring"], now)
    await fill_wallet(room, ann, now)


async def publish(room: Room, now: datetime) -> None:
    """What segments there are."""
    segments = (
        Segment("loyal", orders_from=2, last_order_to_days=90),
        Segment("big spenders", turnover_minor=100_000, currency="EUR", channels=("hasty",)),
        Segment("press", lists=("press",)),
    )
    async with room.pool.acquire() as conn, conn.transaction():
        await publish_segments(conn, segments, now)


async def fill_wallet(room: Room, buyer: Buyer, now: datetime) -> None:
    """Money of three kinds, some of it spent, and points."""
    wallets = Wallets(room.pool)
    points = Points(room.pool, {"stars": STARS})
    async with room.pool.acquire() as conn, conn.transaction():
        for ref, minor, vests, expires in (
            ("ticket-88", 500, None, now + 20 * _DAY),
            ("spring#12", 1_250, None, None),
            ("spring#13", 320, now + 9 * _DAY, now + 90 * _DAY),
        ):
            source = Source("campaign" if "#" in ref else "hand", ref)
            amount = Money(minor, "EUR")
            await wallets.credit(
                conn, buyer, amount, now, source=source, cost=_COST, vests_at=vests, expires_at=expires
            )
        await points.earn(conn, buyer, "stars", 340, now, source=Source("campaign", "stars#1"), cost=_COST)


async def owe(room: Room) -> int:
    """An order that ended, whose channel cannot give its money back."""
    order_id: int = await room.pool.fetchval(_SQL["order_of"], "G-emil")
    body = {"reason": "he changed his mind"}
    await room.call("POST", f"/orders/{order_id}/cancel", Role.ADMIN, body)
    due = RefundDue("groups", "the group was not completed", "the channel cannot refund: 请人工退款")
    telling = room.services.channels["telling"].terms.channel_id
    async with room.pool.acquire() as conn, conn.transaction():
        await decide_refund(conn, telling, OrderRef("G-emil"), due, datetime.now(UTC) - 3 * _HOUR)
    return order_id


async def _buyer(room: Room, ref: str, now: datetime, channel: str = "telling") -> Buyer:
    channel_id = room.services.channels[channel].terms.channel_id
    async with room.pool.acquire() as conn:
        return (await known_buyers(conn, [(channel_id, ref)], now))[channel_id, ref]
