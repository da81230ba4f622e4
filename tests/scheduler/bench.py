"""Makes what a loop works with: core on a real database, a channel, a marketplace that answers by script."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Self

from config.settings import Settings
from connectors.kit.abilities import (
    CancelsOrders,
    DeliversCodes,
    ListsOffers,
    PublishesOffers,
    PullsOrders,
    RegistersCallbacks,
)
from connectors.kit.connector import Account, Connector, Options, read_options
from connectors.kit.messages import (
    Delivery,
    DeliveryFound,
    OfferPage,
    OfferResult,
    OfferStatus,
    OrderPage,
)
from connectors.kit.traits import Contract, RateLimit, Traits
from core.money.ledger import publish_plan
from core.money.money import Money
from core.money.plans.rules import CHANNEL, CONSIGNOR
from core.offers.catalogue import NewSku, add_channel, add_sku, link_listing, set_base_price
from core.offers.closures.guarding import Guard
from core.offers.outbox import Outbox
from core.offers.stock.rules import StockPolicy
from core.offers.terms import ChannelTerms, Shortage
from core.orders.intake import TakenIn
from core.orders.orders import Order, find_order
from core.types import (
    ChannelOrder,
    LineRef,
    ListingRef,
    OfferObserved,
    OfferWanted,
    OrderLine,
    OrderRef,
    OrderState,
    Payment,
    PriceBasis,
    Sku,
)
from scheduler.composition import Core, open_core, utc_now
from scheduler.demo.house import bring_codes
from scheduler.demo.markets import DemoSku
from scheduler.loops.deliver import Deliverer
from tests.factories import terms_of
from tests.plain_plans import plain_plan, plain_rule

PLAN = plain_plan(
    "test",
    1,
    [plain_rule(CHANNEL, rate_ppm=100_000), plain_rule(CONSIGNOR, rest=True)],
)
_TRAITS = Traits(
    contract=Contract.OWN_SHOP,
    written_price=PriceBasis.GROSS,
    rate_limit=RateLimit(1000, 1.0),
    reservation_is_authoritative=False,
)


class Mute(Connector[Options]):
    """A connector without any ability."""

    title: ClassVar[str] = "mute"
    traits: ClassVar[Traits] = _TRAITS

    @classmethod
    def open(cls, account: Account) -> Self:
        return cls(account, read_options(account, Options))

    async def check_account(self) -> str:
        return "mute"


class Scripted(
    Mute, PublishesOffers, ListsOffers, PullsOrders, DeliversCodes, CancelsOrders, RegistersCallbacks
):
    """A marketplace in one object: it answers what the script says, and then that all is well.

    A script holds errors, which are raised after or before the work, and answers.
    """

    title: ClassVar[str] = "scripted"
    offers_per_call: ClassVar[int] = 10

    def __init__(self, account: Account, options: Options) -> None:
        super().__init__(account, options)
        self.shown: dict[ListingRef, OfferWanted] = {}
        self.told: list[list[OfferWanted]] = []
        self.deliveries: list[Delivery] = []
        self.cancelled: list[OrderRef] = []
        self.registered: list[str] = []
        self.asked = 0
        # Deliveries wait until it is opened.
        self.gate: asyncio.Event | None = None
        self.delivery_script: deque[Exception] = deque()
        self.found_script: deque[DeliveryFound | Exception] = deque()
        self.publish_script: deque[OfferStatus | Exception] = deque()
        self.pages: deque[OrderPage | Exception] = deque()
        self.cancel_script: deque[Exception] = deque()
        self.pull_cursors: list[str | None] = []

    async def deliver_codes(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if self.gate is not None:
            await self.gate.wait()
        if self.delivery_script:
            raise self.delivery_script.popleft()

    async def find_delivery(self, order_ref: OrderRef, attempt_key: str) -> DeliveryFound:
        self.asked += 1
        answer = self.found_script.popleft() if self.found_script else DeliveryFound.NOT_DELIVERED
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def publish_offers(self, offers: Sequence[OfferWanted]) -> Sequence[OfferResult]:
        self.told.append(list(offers))
        results = []
        for offer in offers:
            answer = self.publish_script.popleft() if self.publish_script else OfferStatus.PUBLISHED
            if isinstance(answer, Exception):
                raise answer
            if answer in (OfferStatus.PUBLISHED, OfferStatus.UNKNOWN):
                self.shown[offer.listing_ref] = offer
            results.append(OfferResult(offer.listing_ref, answer))
        return results

    async def list_offers(self, cursor: str | None) -> OfferPage:
        return OfferPage([observed(offer) for offer in self.shown.values()], None)

    async def pull_orders(self, cursor: str | None) -> OrderPage:
        self.pull_cursors.append(cursor)
        page = self.pages.popleft() if self.pages else OrderPage([], cursor or "start")
        if isinstance(page, Exception):
            raise page
        return page

    async def cancel_order(self, order_ref: OrderRef, reason: str) -> None:
        if self.cancel_script:
            raise self.cancel_script.popleft()
        self.cancelled.append(order_ref)

    async def register_callbacks(self, callback_url: str) -> None:
        self.registered.append(callback_url)


def observed(offer: OfferWanted) -> OfferObserved:
    """What a marketplace shows that took an offer as it was told."""
    return OfferObserved(offer.listing_ref, offer.quantity, offer.price, offer.on)


@dataclass(frozen=True, slots=True)
class Stall:
    """A channel with its scripted marketplace, and its one listing."""

    terms: ChannelTerms
    connector: Scripted
    listing_ref: ListingRef


@dataclass(slots=True)
class Bench:
    """Core, a SKU with codes, and stalls that sell it."""

    core: Core
    sku: Sku
    stalls: list[Stall]
    outbox: Outbox
    folder: Path
    _orders: int = field(default=0)

    @property
    def stall(self) -> Stall:
        """The first one."""
        return self.stalls[0]

    def deliverer(self, stall: Stall | None = None) -> Deliverer:
        """The loop's work on a stall's open orders."""
        chosen = stall or self.stall
        return self.deliverer_of(chosen.terms, chosen.connector)

    def deliverer_of(self, terms: ChannelTerms, connector: Connector[Options]) -> Deliverer:
        """The same with another connector."""
        return Deliverer(
            self.core.fulfilment, self.outbox, Guard(self.core.pool, utc_now), terms, connector, lambda: None
        )

    def told(
        self,
        order_ref: str | None = None,
        *,
        payment: Payment = Payment.PAID,
        quantity: int = 1,
        stall: Stall | None = None,
    ) -> ChannelOrder:
        """An order as a marketplace tells of it."""
        self._orders += 1
        line = OrderLine(LineRef("1"), (stall or self.stall).listing_ref, quantity, Money(2500, "EUR"))
        return ChannelOrder(OrderRef(order_ref or f"order-{self._orders}"), payment, [line], utc_now())

    async def take_in(self, told: ChannelOrder, stall: Stall | None = None) -> TakenIn:
        """Hand an order to intake."""
        return await self.core.intake.take_in((stall or self.stall).terms, told, "test")

    async def order(self, order_ref: str, stall: Stall | None = None) -> Order:
        """An order as it stands."""
        async with self.core.pool.acquire() as conn:
            found = await find_order(conn, (stall or self.stall).terms.channel_id, OrderRef(order_ref))
        assert found is not None
        return found

    async def state(self, order_ref: str) -> OrderState:
        """Where an order stands."""
        return (await self.order(order_ref)).state

    async def make_due(self) -> None:
        """Let the time pass until everything is due."""
        await self.core.pool.execute("UPDATE open_order SET due_at = now() - interval '1 second'")
        await self.core.pool.execute("UPDATE offer SET retry_at = '-infinity'")

    async def import_codes(self, count: int, seed: int) -> None:
        """A consignor brings more codes."""
        await import_codes(self.core, self.sku, count, self.folder, seed)

    async def departed(self, kind: str) -> int:
        """How many codes left their slot in a way."""
        count: int = await self.core.pool.fetchval("SELECT count(*) FROM departure WHERE kind = $1", kind)
        return count


@asynccontextmanager
async def open_bench(
    dsn: str,
    folder: Path,
    *,
    codes: int = 5,
    channels: int = 1,
    bound_permille: int = 1000,
    patience: timedelta = timedelta(minutes=10),
) -> AsyncIterator[Bench]:
    """A bench without a daemon: the test calls the loops' work itself."""
    file = folder / "consignd.toml"
    file.write_text(f'data_dir = "{folder}"\n')
    async with open_core(Settings.load(file, {"CONSIGND_DATABASE_URL": dsn}), "test") as core:
        async with core.pool.acquire() as conn, conn.transaction():
            sku = await add_sku(conn, NewSku("GAME-EUR-20"), 2)
            await set_base_price(conn, sku, Money(2000, "EUR"), core.allocator)
        if codes:
            await import_codes(core, sku, codes, folder, 1)
        stalls = [await _open_stall(core, sku, number, patience) for number in range(channels)]
        terms = {stall.terms.channel_id: stall.terms for stall in stalls}
        yield Bench(
            core, sku, stalls, Outbox(core.pool, terms, StockPolicy.bounded(bound_permille), utc_now), folder
        )


@asynccontextmanager
async def open_again(bench: Bench) -> AsyncIterator[Bench]:
    """The same database and channels seen by another process that has just started."""
    async with open_core(bench.core.settings, "test") as core:
        terms = {stall.terms.channel_id: stall.terms for stall in bench.stalls}
        yield Bench(
            core, bench.sku, bench.stalls, Outbox(core.pool, terms, StockPolicy(), utc_now), bench.folder
        )


async def import_codes(core: Core, sku: Sku, count: int, folder: Path, seed: int) -> None:
    """Codes sealed as every import seals them."""
    demo = DemoSku(sku.sku_ref, sku.title, "", 2000, 2000, count)
    await bring_codes(core, sku, demo, folder, seed, random.Random(seed))


async def _open_stall(core: Core, sku: Sku, number: int, patience: timedelta) -> Stall:
    name = f"stall-{number}"
    ref = ListingRef(f"{name}-listing")
    async with core.pool.acquire() as conn, conn.transaction():
        plan_id, plan = await publish_plan(conn, PLAN)
        channel_id = await add_channel(conn, name, "scripted", "EUR")
        await link_listing(conn, channel_id, ref, sku, core.allocator)
    terms = replace(
        terms_of(channel_id, name, plan_id, plan),
        shortage=Shortage.CANCEL,
        reservation_is_authoritative=False,
        patience=patience,
    )
    return Stall(terms, Scripted.open(Account(name, "EUR", {}, utc_now)), ref)


def mute(stall: Stall) -> Mute:
    """A connector for the same channel that can do nothing."""
    return Mute.open(replace(stall.connector.account))
