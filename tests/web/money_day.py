"""Fills a web room with money: sales under three plans, refunds, wallets, statements that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.campaigns.campaign import Budget, Campaign, Guards, Limits, Pays, PaysKind, Reward
from core.campaigns.granting import Granting
from core.campaigns.late import Work, keep_late
from core.campaigns.paying import Payer
from core.campaigns.publishing import publish, stop
from core.errors import InvalidInput
from core.money.after_sale import AfterSale
from core.money.booking import Booker
from core.money.ledger import Ledger, publish_plan
from core.money.money import Money
from core.money.payouts import ToldLine, keep_lines
from core.money.plans.rules import (
    CHANNEL,
    CONSIGNOR,
    OPERATOR,
    Base,
    Moment,
    OnRefund,
    Party,
    Plan,
    Rule,
    Short,
    Vesting,
)
from core.money.settlement.drawing import SettlementRuns
from core.money.settlement.states import SettlementDesk
from core.money.settlement.terms import Payee
from core.money.statements.book import StatementBook
from core.money.statements.importing import save_mapping
from core.money.statements.mapping import read_mapping
from core.money.statements.settling import DiscrepancyDesk
from core.money.statements.terms import MatchTerms, Resolution
from core.types import ChannelId, OrderId
from core.wallets.points import Points
from core.wallets.wallets import Wallets
from tests.factories import terms_of
from tests.web.bench import Room, add_codes, until

_HOUR = timedelta(hours=1)
MEI = Payee("consignor", "Mei")
ADA = "艾达 Ada Lovelace & Sons Trading GmbH"
FILE = (
    "when,id,what,order,money\n"
    "2026-11-20T10:00:00Z,n-1,sale,A-9,25.00\n"
    "2026-11-20T10:00:00Z,n-2,fee,A-9,-3.12\n"
    "yesterday,n-3,sale,A-8,25.00\n"
    "2026-11-21T10:00:00Z,n-4,bonus,,1.00\n"
)


@dataclass(frozen=True, slots=True)
class MoneyDay:
    """What there is to look at: an order of a plain plan, one with everything that was refunded in part."""

    plain: OrderId
    refunded: OrderId
    lossy: OrderId


def rich_plan() -> Plan:
    """A channel that keeps its fee, a budget, a shop that waits, and whatever is left to the consignor."""
    return Plan(
        "everybody",
        (
            Rule("commission", CHANNEL, rate_ppm=125_000, fixed_minor=30, on_refund=OnRefund.KEPT),
            Rule("traffic", Party.parse("budget:traffic"), Base.AFTER_CHANNEL, rate_ppm=60_000),
            Rule(
                "partner shop",
                Party.parse("party:corner-shop"),
                rate_ppm=30_000,
                vest=Vesting(Moment.HOLD, hold_days=14),
            ),
            Rule("our share", OPERATOR, Base.AFTER_CHANNEL, rate_ppm=80_000, minimum_minor=50),
            Rule("consignor", CONSIGNOR, rest=True),
        ),
        currency="EUR",
    )


def lossy_plan() -> Plan:
    """A fixed cost that leaves less than the budget asks for: the operator bears the rest."""
    return Plan(
        "fixed cost",
        (
            Rule("commission", CHANNEL, rate_ppm=125_000),
            Rule("cost", CONSIGNOR, fixed_minor=2100, when_short=Short.LOSS),
            Rule("traffic", Party.parse("budget:traffic"), rate_ppm=50_000, when_short=Short.LOSS),
            Rule("the rest", OPERATOR, rest=True),
        ),
        currency="EUR",
    )


async def live_money_day(room: Room, folder: Path) -> MoneyDay:
    """Sell, refund, reward, and hear from the channels."""
    await add_codes(room, folder, 14, ADA, "ADA")
    await publish_campaigns(room)
    buyers = ("ann", "李雷", "ann", "bo", "ann", "cy")
    plain = [await room.sell(f"A-{number}", buyer=buyer) for number, buyer in enumerate(buyers, 1)]
    await _sell_under(room, "hasty", rich_plan())
    rich = [await room.sell(f"H-{number}", "hasty", count=3) for number in range(1, 4)]
    await _sell_under(room, "hasty", lossy_plan())
    lossy = await room.sell("H-9", "hasty")
    await _refund(room, OrderId(rich[0]), OrderId(plain[5]))
    await _hear(room)
    await _grant(room)
    await _fail(room, OrderId(plain[1]))
    number = await draw_up(room, Payee("consignor", ADA))
    desk = SettlementDesk(room.pool, room.services.settlement, lambda: datetime.now(UTC))
    await desk.approve(number, actor="bo", reason="looked through: 已核对")
    await keep_mapping(room)
    return MoneyDay(OrderId(plain[0]), OrderId(rich[0]), OrderId(lossy))


async def keep_mapping(room: Room) -> None:
    """How the files of tests are read."""
    async with room.pool.acquire() as conn, conn.transaction():
        mapping = read_mapping(
            {
                "columns": {
                    "booked_at": "when", "amount": "money", "kind": "what", "ref": "id", "order_ref": "order",
                },
                "currency": "EUR",
                "kinds": {"sale": "sale", "fee": "fee"},
            }
        )  # fmt: skip
        await save_mapping(conn, "their export", mapping, actor="ann", now=datetime.now(UTC))


async def differ(room: Room) -> None:
    """A channel tells one sale that we do not know; campaigns and settlements are there."""
    await publish_campaigns(room)
    await draw_up(room)
    await _tell(room, "answering", [_told("x-1", "sale", 999, "X-1")], timedelta(days=14))


async def _sell_under(room: Room, channel: str, plan: Plan) -> None:
    channels = room.services.channels
    assert isinstance(channels, dict)
    async with room.pool.acquire() as conn:
        plan_id, published = await publish_plan(conn, plan)
    terms = terms_of(channels[channel].terms.channel_id, channel, plan_id, published)
    channels[channel] = replace(channels[channel], terms=terms)


async def _refund(room: Room, in_part: OrderId, whole: OrderId) -> None:
    after, now = AfterSale(room.pool, Ledger(room.pool)), datetime.now(UTC)
    async with room.pool.acquire() as conn, conn.transaction():
        await after.refund_units(conn, in_part, 1, 1, now, actor="ann", reason="one code was used: 退款")
        await after.refund_amount(
            conn, in_part, 1, Money(500, "EUR"), now, actor="ann", reason="for the trouble"
        )
        await after.refund_units(conn, whole, 1, 1, now, actor="ann", reason="buyer withdrew")


async def publish_campaigns(room: Room) -> None:
    """One that gives back a tenth, twice a buyer at most; one that is over its budget soon; one stopped."""
    now = datetime.now(UTC)
    buyer = Party.parse("buyer")
    wallet = Pays(PaysKind.WALLET)
    guards = Guards(
        margin_warn_ppm=300_000, margin_stop_ppm=None, lifetime_ppm=None, minimum_order_minor=2_000
    )

    def campaign(name: str, rule: Rule, budget: Budget, limits: Limits) -> Campaign:
        dates = (now - timedelta(days=3), now + timedelta(days=20))
        return Campaign(name, "EUR", *dates, budget, (Reward(rule, wallet),), limits=limits, guards=guards)

    made = (
        campaign(
            "telling",
            Rule("a tenth back", buyer, rate_ppm=100_000),
            Budget(5_000, 2_000),
            Limits(grants_per_account=2),
        ),
        campaign("spring-全返", Rule("all back", buyer, fixed_minor=2_000), Budget(5_000), Limits()),
        campaign("stopped", Rule("five", buyer, fixed_minor=500), Budget(100_000), Limits()),
    )
    async with room.pool.acquire() as conn, conn.transaction():
        for each in made:
            await publish(conn, room.services.seeds, each, actor="ann", reason="autumn", now=now)
        await stop(conn, "stopped", actor="ann", reason="too dear: 太贵", now=now)


async def draw_up(room: Room, payee: Payee = MEI) -> int:
    """A settlement by ann; entries are collected behind whoever writes on the server."""
    drawn: list[int] = []

    async def found() -> bool:
        runs = SettlementRuns(room.pool, room.services.settlement, lambda: datetime.now(UTC))
        for each in await runs.run([payee], datetime.now(UTC), actor="ann"):
            drawn.extend(() if each.settlement_id is None else (each.settlement_id,))
        return bool(drawn)

    await until(found)
    return drawn[0]


async def _grant(room: Room) -> None:
    """As the daemon does; granting waits for whoever writes on the server."""
    booker = Booker(room.pool)
    payer = Payer(Wallets(room.pool, booker), Points(room.pool, {}, booker), None, booker)
    granting = Granting(room.pool, payer, room.services.seeds, lambda: datetime.now(UTC))

    async def granted() -> bool:
        await granting.work()
        return bool(await room.pool.fetchval("SELECT count(*) >= 5 FROM campaign_refusal"))

    await until(granted)


async def _fail(room: Room, order_id: OrderId) -> None:
    """What an order was given cannot be taken back, and is tried again."""
    error = InvalidInput("lot 7: 1.80 EUR of it can be taken back, not 1.99 EUR: 余额不足")
    async with room.pool.acquire() as conn, conn.transaction():
        await keep_late(conn, order_id, Work.TAKE_BACK, error, datetime.now(UTC))


async def _hear(room: Room) -> None:
    """Most of it is ours; a fee is not, one sale is told twice, one is never told, and one nobody knows."""
    now = datetime.now(UTC)
    answering = [
        *(_told(f"s-{number}", "sale", 2500, f"A-{number}") for number in range(1, 5)),
        *(_told(f"f-{number}", "fee", -313, f"A-{number}") for number in range(1, 4)),
        _told("f-4", "fee", -450, "A-4"),
        _told("s-4b", "sale", 2500, "A-4"),
        _told("s-x", "sale", 1999, "X-77"),
        _told("adj", "adjustment", -75, None),
        _told("edit", "edit_fee", -25, None),
        _told("last", "withdrawal", -5000, None, now + _HOUR),
    ]
    await _tell(room, "answering", answering, timedelta(0))
    await _tell(room, "hasty", [_told("h-1", "sale", 7500, "H-2")], timedelta(days=14))
    odd: int = await room.pool.fetchval("SELECT discrepancy_id FROM discrepancy WHERE line_ref = 'adj'")
    desk = DiscrepancyDesk(room.pool, lambda: now)
    await desk.resolve(odd, Resolution.WRITE_OFF, actor="ann", reason="not worth a letter: 小额")


def _told(ref: str, kind: str, minor: int, order_ref: str | None, at: datetime | None = None) -> ToldLine:
    return ToldLine(ref, kind, Money(minor, "EUR"), at or datetime.now(UTC), order_ref, None)


async def _tell(room: Room, channel: str, lines: Sequence[ToldLine], late: timedelta) -> None:
    channel_id: ChannelId = room.services.channels[channel].terms.channel_id
    now = datetime.now(UTC)
    async with room.pool.acquire() as conn, conn.transaction():
        await keep_lines(conn, channel_id, lines, now)
    terms = MatchTerms(channel_id, channel, late=late)
    await StatementBook(room.pool, lambda: datetime.now(UTC)).match(terms)
