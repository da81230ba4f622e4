"""Moves a web room onto a loopback socket: real core, real PostgreSQL, channels that tests speak for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from aiohttp import ClientResponse, ClientSession, web
from prometheus_client import CollectorRegistry

from connectors.kit.abilities import AnswersReservations, ReceivesCallbacks
from connectors.kit.connector import Account, Connector, Options, read_options
from connectors.kit.errors import CallbackRefused
from connectors.kit.messages import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CancelAsked,
    Nothing,
    OrdersTold,
    ProvideAsked,
    ReserveAsked,
)
from connectors.kit.traits import Contract, RateLimit, Traits
from core.buyers.fact_terms import FactTerms
from core.buyers.marks import MarkKey
from core.campaigns.sealing import SeedSeal
from core.codes.allocator import Allocator
from core.codes.custody import CodeOpener
from core.codes.importer import Importer, ImportOrder
from core.codes.keys import Keyring
from core.codes.vault_store import open_vault
from core.coupons.coupons import Coupons
from core.coupons.series import CouponKind, Series
from core.db.pool import Pool
from core.money.ledger import Ledger, publish_plan
from core.money.money import Money
from core.money.plans.rules import CHANNEL, CONSIGNOR, OPERATOR, Base, Plan
from core.money.published import Publishable
from core.offers.catalogue import (
    ListingBook,
    NewSku,
    add_channel,
    add_consignor,
    add_sku,
    link_listing,
    set_base_price,
)
from core.offers.closures.guarding import Guard
from core.offers.outbox import Outbox
from core.offers.stock.rules import StockPolicy
from core.offers.terms import ChannelTerms
from core.orders.closing import SaleCloser
from core.orders.fulfilment import Fulfilment
from core.orders.intake import Intake
from core.orders.risk import RiskRule
from core.types import (
    ChannelId,
    ChannelOrder,
    LineCodes,
    LineRef,
    ListingRef,
    OrderLine,
    OrderRef,
    Payment,
    PriceBasis,
    Sku,
)
from scheduler.campaign_terms import draft_campaign
from scheduler.split_plans import draft_plan
from tests.factories import terms_of
from tests.plain_plans import plain_plan, plain_rule
from web.access import Role, Token, token_hash
from web.app import create_app
from web.services import Readiness, ServedChannel, Services

SECRET = "the channel's own word"
COUPONS = Series("spring", CouponKind.PERCENT, "EUR", rate_ppm=100_000)
TOKENS = {role: f"token-of-{role}-0123456789abcdef" for role in Role}
SKU = "STEAM-EUR-20"
NO_RISK = RiskRule()


def traits(answer_within_seconds: float | None = None) -> Traits:
    """The least a channel declares."""
    return Traits(
        contract=Contract.ANSWERED,
        written_price=PriceBasis.GROSS,
        rate_limit=RateLimit(100, 1.0),
        reservation_is_authoritative=True,
        answer_within_seconds=answer_within_seconds,
    )


class Telling(Connector[Options], ReceivesCallbacks):
    """A channel that tells of orders in JSON of the tests' own making, signed with a shared word."""

    title = "Telling"
    traits: ClassVar[Traits] = traits()

    @classmethod
    def open(cls, account: Account) -> Self:
        return cls(account, read_options(account, Options))

    async def check_account(self) -> str:
        return "a test"

    def verify_callback(self, request: CallbackRequest) -> None:
        if request.headers.get("x-word") != SECRET:
            raise CallbackRefused("not the channel's word")

    def parse_callback(self, request: CallbackRequest) -> Callback:
        try:
            told = json.loads(request.body)
            return self._read(told)
        except (ValueError, KeyError):
            raise CallbackRefused("not understood", 400) from None

    def _read(self, told: Mapping[str, str]) -> Callback:
        match told["kind"]:
            case "orders":
                payment = Payment(told.get("payment", "paid"))
                return OrdersTold([_order(ref, told, payment) for ref in told["ref"].split(",")])
            case "reserve":
                return ReserveAsked(_order(told["ref"], told, Payment.PENDING))
            case "provide":
                return ProvideAsked(OrderRef(told["ref"]))
            case "cancel":
                return CancelAsked(OrderRef(told["ref"]))
            case "broken":
                raise ZeroDivisionError
            case _:
                return Nothing()


class Answering(Telling, AnswersReservations):
    """A channel that asks before it sells."""

    title = "Answering"

    def answer_reserve(self, asked: ReserveAsked, *, granted: bool) -> CallbackReply:
        return CallbackReply(body=json.dumps({"granted": granted}).encode())

    def answer_provide(self, asked: ProvideAsked, lines: Sequence[LineCodes] | None) -> CallbackReply:
        codes = None if lines is None else [code.text() for line in lines for code in line.codes]
        return CallbackReply(body=json.dumps({"codes": codes}).encode())

    def answer_provide_later(self, asked: ProvideAsked) -> CallbackReply:
        return CallbackReply(status=503, body=b'{"codes": "later"}')

    def answer_cancel(self, asked: CancelAsked) -> CallbackReply:
        return CallbackReply(body=b'{"cancelled": true}')


class Hasty(Answering):
    """A channel that waits for nobody."""

    title = "Hasty"
    traits = traits(answer_within_seconds=0.5)


class Silent(Connector[Options]):
    """A channel that never calls us."""

    title = "Silent"
    traits = traits()

    @classmethod
    def open(cls, account: Account) -> Self:
        return cls(account, read_options(account, Options))

    async def check_account(self) -> str:
        return "a test"


def _order(ref: str, told: Mapping[str, str], payment: Payment) -> ChannelOrder:
    price = Money(int(told.get("price", "2500")), "EUR")
    line = OrderLine(LineRef("1"), ListingRef(told.get("listing", "L1")), int(told.get("count", "1")), price)
    return ChannelOrder(OrderRef(ref), payment, [line], datetime.now(UTC), buyer_ref=told.get("buyer"))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    async def of(cls, response: ClientResponse) -> Answer:
        return cls(response.status, response.headers, await response.read())

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass(slots=True)
class Room:
    """A running web room, what it was built from, and what it asked of its daemon."""

    services: Services
    http: ClientSession
    url: str
    sku: Sku
    woken: list[ChannelId] = field(default_factory=list)
    synced: list[str] = field(default_factory=list)
    healthy: bool = True

    @property
    def pool(self) -> Pool:
        return self.services.pool

    async def call(
        self,
        method: str,
        path: str,
        role: Role | None = Role.ADMIN,
        body: object = None,
        token: str | None = None,
    ) -> Answer:
        """A request to the API, its answer read to the end."""
        headers = {}
        if token is not None or role is not None:
            headers["Authorization"] = f"Bearer {token or TOKENS[role or Role.ADMIN]}"
        data = None if body is None else json.dumps(body)
        async with self.http.request(
            method, f"{self.url}/api/v1{path}", headers=headers, data=data
        ) as answer:
            return await Answer.of(answer)

    async def tell(self, channel: str, kind: str, ref: str = "", word: str = SECRET, **more: str) -> Answer:
        """A callback of a channel, its answer read to the end."""
        body = json.dumps({"kind": kind, "ref": ref} | more)
        url = f"{self.url}/callbacks/{channel}/some/tail"
        async with self.http.post(url, data=body, headers={"X-Word": word}) as answer:
            return await Answer.of(answer)

    async def sell(self, ref: str, channel: str = "answering", count: int = 1, **more: str) -> int:
        """An order sold and provided through the answering channel; its id."""
        await self.tell(channel, "reserve", ref, count=str(count), **more)
        await self.tell(channel, "provide", ref)
        order_id: int = await self.pool.fetchval(
            "SELECT order_id FROM channel_order WHERE order_ref = $1", ref
        )
        return order_id

    async def states(self) -> dict[str, str]:
        """The state of every order by reference."""
        rows = await self.pool.fetch(
            "SELECT order_ref, coalesce((SELECT to_state FROM order_move m WHERE m.order_id = o.order_id"
            " ORDER BY move_no DESC LIMIT 1), first_state) AS state FROM channel_order o"
        )
        return {row["order_ref"]: row["state"] for row in rows}


def plan() -> Plan:
    """12.5 % for the channel, 5 % of the rest for us, the rest for the consignor."""
    return plain_plan(
        "test",
        1,
        [
            plain_rule(CHANNEL, rate_ppm=125_000),
            plain_rule(OPERATOR, Base.AFTER_CHANNEL, rate_ppm=50_000),
            plain_rule(CONSIGNOR, rest=True),
        ],
    )


@asynccontextmanager
async def open_room(
    pool: Pool,
    folder: Path,
    codes: int = 10,
    title: str = "Steam 20 EUR",
    risk: RiskRule = NO_RISK,
    series: Sequence[Series] = (COUPONS,),
) -> AsyncIterator[Room]:
    """A web room with channels `answering`, `hasty`, `telling` and `silent`, each with listing L1."""
    async with ClientSession() as http:
        room = await _build(pool, folder, http, title, risk, series)
        if codes:
            await add_codes(room, folder, codes)
        runner = web.AppRunner(create_app(room.services), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            room.url = f"http://{host}:{port}"
            yield room
        finally:
            await runner.cleanup()


async def _build(
    pool: Pool, folder: Path, http: ClientSession, title: str, risk: RiskRule, series: Sequence[Series]
) -> Room:
    now = lambda: datetime.now(UTC)  # noqa: E731
    async with pool.acquire() as conn:
        vault = await open_vault(conn, Keyring.generate())
        plan_id, published = await publish_plan(conn, plan())
        sku = await add_sku(conn, NewSku(SKU, title), 2)
    allocator, ledger = Allocator(pool, now), Ledger(pool)
    intake = Intake(pool, allocator, ledger, ListingBook(pool), now)
    opener = CodeOpener(vault)
    fulfilment = Fulfilment(pool, allocator, SaleCloser(pool, ledger, now), opener, intake, now)
    channels = {}
    for name, kind in (("answering", Answering), ("hasty", Hasty), ("telling", Telling), ("silent", Silent)):
        connector: Connector[Options] = kind.open(Account(name, "EUR", {}, now))
        terms = await _terms(pool, name, plan_id, published, risk)
        channels[name] = ServedChannel(terms, connector)
        async with pool.acquire() as conn, conn.transaction():
            await link_listing(conn, terms.channel_id, ListingRef("L1"), sku, allocator)
            await set_base_price(conn, sku, Money(2000, "EUR"), allocator)
    by_id = {channel.terms.channel_id: channel.terms for channel in channels.values()}
    upload_dir = folder / "uploads"
    upload_dir.mkdir(mode=0o700)

    async def sync_now(name: str) -> None:
        room.synced.append(name)

    async def ready() -> Readiness:
        return Readiness(room.healthy, {"database": "ok" if room.healthy else "away"})

    services = Services(
        pool=pool,
        now=now,
        allocator=allocator,
        intake=intake,
        fulfilment=fulfilment,
        outbox=Outbox(pool, by_id, StockPolicy(), now),
        opener=opener,
        importer=Importer(pool, vault, now),
        guard=Guard(pool, now),
        channels=channels,
        bound_permille=1000,
        lanes=2,
        tokens={token_hash(token): Token(f"{role}-person", role) for role, token in TOKENS.items()},
        wake=lambda channel_id: room.woken.append(channel_id),
        sync_now=sync_now,
        ready=ready,
        metrics=CollectorRegistry(),
        upload_dir=upload_dir,
        read_plan=draft_plan,
        read_campaign=draft_campaign,
        publishable=Publishable({"draft": frozenset({"EUR"})}, frozenset()),
        coupons=Coupons(pool, vault, {each.name: each for each in series}),
        seeds=SeedSeal(vault),
        mark_key=MarkKey.of(vault),
    )
    room = Room(services, http, "", sku)
    return room


async def _terms(pool: Pool, name: str, plan_id: int, published: Plan, risk: RiskRule) -> ChannelTerms:
    async with pool.acquire() as conn:
        channel_id = await add_channel(conn, name, "test", "EUR")
    facts = FactTerms(keeps_marks=name == "telling")
    return replace(terms_of(channel_id, name, plan_id, published), risk=risk, facts=facts)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what comes by itself, but not for ever."""
    async with asyncio.timeout(20):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


async def add_codes(
    room: Room, folder: Path, count: int, consignor: str = "Mei", prefix: str = "CODE"
) -> None:
    """Import so many codes, CODE-1 and on."""
    path = folder / f"{prefix}.txt"
    text = "".join(f"{prefix}-{n:04}\n" for n in range(1, count + 1))
    await asyncio.to_thread(path.write_text, text)
    async with room.pool.acquire() as conn:
        consignor_id = await add_consignor(conn, consignor)
    await room.services.importer.run(
        ImportOrder(path, room.sku, consignor_id, 100, Money(1500, "EUR"), None, "test")
    )
