"""Moves a sandbox marketplace: its HTTP server, its own stock and orders, its faults.

A marketplace's own file adds the protocol: routes, authentication, callbacks. What it counts is its
own truth: it never asks consignd.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.rivals import Rivals
from core.types import ListingRef, OrderRef

_LATENCY_SECONDS = 0.3
_LATE_SECONDS = 2.0
_SLOW_DOWN_SECONDS = 1


class SandboxOrderState(StrEnum):
    """Where an order stands in the marketplace's own eyes."""

    PENDING = "pending"
    PAID = "paid"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


@dataclass(slots=True)
class SandboxListing:
    """A listing as buyers see it; price in minor units, gross."""

    listing_ref: ListingRef
    sku_ref: str
    title: str
    quantity: int = 0
    price_minor: int = 0
    on: bool = True
    held: int = 0
    sold: int = 0


@dataclass(slots=True)
class SandboxOrder:
    """An order as the marketplace sees it. `codes` is what the buyer got, `received` all that ever came."""

    order_ref: OrderRef
    listing_ref: ListingRef
    quantity: int
    unit_price_minor: int
    state: SandboxOrderState = SandboxOrderState.PENDING
    codes: list[str] = field(default_factory=list, repr=False)
    received: list[tuple[str, ...]] = field(default_factory=list, repr=False)
    oversold: bool = False


@dataclass(frozen=True, slots=True)
class MarketCounts:
    """The marketplace's own tally.

    `orders` were paid; `delivered` got codes; `duplicates_received` counts codes that reached two lines and
    lines that were sent two different sets; `oversold` were paid and could never be served.
    """

    orders: int
    delivered: int
    refunded: int
    duplicates_received: int
    oversold: int


class SandboxMarket(ABC):
    """A marketplace on a loopback socket, as an async context manager; `url` is then where it listens."""

    name: str
    currency: str = "EUR"

    def __init__(self, *, faults: Faults | None = None, seed: int = 0) -> None:
        self.faults = faults or Faults(seed=seed)
        self.random = random.Random(seed)
        # Who sells the same products beside us; told only where the protocol has a question for it.
        self.rivals = Rivals(seed)
        self.listings: dict[ListingRef, SandboxListing] = {}
        self.orders: dict[OrderRef, SandboxOrder] = {}
        self.url = ""
        self._owner_of_code: dict[str, OrderRef] = {}
        self._duplicates = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._delayed: list[Callable[[], Awaitable[None]]] = []
        # Callbacks that were neither lost nor have ended yet.
        self.callbacks_under_way = 0
        self._runner: web.AppRunner | None = None
        self.client: aiohttp.ClientSession | None = None

    # What a marketplace's own file adds.

    @abstractmethod
    def routes(self) -> Sequence[web.RouteDef]:
        """The protocol's endpoints."""

    @abstractmethod
    def connection_options(self) -> Mapping[str, object]:
        """The options with which our connector reaches and authenticates to this sandbox."""

    @abstractmethod
    async def buy(
        self, listing_ref: ListingRef, quantity: int = 1, *, abandon: bool = False
    ) -> SandboxOrder | None:
        """A buyer takes so many; None when the marketplace would not sell (off, none left, refused by us).

        With `abandon` the buyer never pays and the marketplace takes the order back.
        """

    @abstractmethod
    async def refund(self, order_ref: OrderRef) -> None:
        """The marketplace gives a delivered order's money back."""

    # The common life of a server.

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback interface; port 0 takes a free one."""
        app = web.Application(middlewares=[self._misbehave], client_max_size=8 * 1024 * 1024)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, bound_port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound_port}"
        self.client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))

    async def stop(self) -> None:
        """Stop listening and drop what was still to be sent."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.client is not None:
            await self.client.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def add_listing(
        self, listing_ref: str, sku_ref: str, *, title: str = "", quantity: int = 0, price_minor: int = 0
    ) -> SandboxListing:
        """Put a listing up, as the operator would have done in the marketplace's own panel."""
        ref = ListingRef(listing_ref)
        listing = SandboxListing(ref, sku_ref, title or sku_ref, quantity, price_minor)
        self.listings[ref] = listing
        return listing

    def edit_by_hand(
        self, listing_ref: ListingRef, *, quantity: int | None = None, price_minor: int | None = None
    ) -> None:
        """Somebody changes a listing in the marketplace's panel, past us."""
        listing = self.listings[listing_ref]
        listing.quantity = listing.quantity if quantity is None else quantity
        listing.price_minor = listing.price_minor if price_minor is None else price_minor

    def counts(self) -> MarketCounts:
        """The tally so far."""
        states = [order.state for order in self.orders.values()]
        delivered = sum(1 for order in self.orders.values() if order.codes)
        return MarketCounts(
            orders=sum(1 for order in self.orders.values() if self._was_paid(order)),
            delivered=delivered,
            refunded=states.count(SandboxOrderState.REFUNDED),
            duplicates_received=self._duplicates,
            oversold=sum(1 for order in self.orders.values() if order.oversold),
        )

    @staticmethod
    def _was_paid(order: SandboxOrder) -> bool:
        paid = (SandboxOrderState.PAID, SandboxOrderState.DELIVERED, SandboxOrderState.REFUNDED)
        return order.state in paid or order.oversold or bool(order.codes)

    def receive_codes(self, order: SandboxOrder, codes: Sequence[str]) -> None:
        """Note codes that came from the seller for an order; the first set is what the buyer gets."""
        arrived = tuple(codes)
        if order.received and arrived != order.received[0]:
            self._duplicates += 1
        order.received.append(arrived)
        for code in arrived:
            owner = self._owner_of_code.setdefault(code, order.order_ref)
            self._duplicates += owner != order.order_ref
        if not order.codes:
            order.codes = list(arrived)
            order.state = SandboxOrderState.DELIVERED

    # Callbacks and faults.

    def later(self, work: Callable[[], Awaitable[None]], after_seconds: float = 0.0) -> None:
        """Do something in the background of the marketplace; dropped when it stops."""

        async def run() -> None:
            if after_seconds:
                await asyncio.sleep(after_seconds)
            await work()

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def send_callback(self, send: Callable[[], Awaitable[None]], after_seconds: float = 0.0) -> None:
        """Send an event to the seller in the background, through the callback faults."""
        if self.faults.strikes(Fault.CALLBACK_LOST):
            return
        if self.faults.strikes(Fault.CALLBACK_REORDERED):
            self._delayed.append(self._counted(send))
            self.later(self._flush_delayed, _LATE_SECONDS)
            return
        late = _LATE_SECONDS if self.faults.strikes(Fault.CALLBACK_LATE) else 0.0
        for _ in range(2 if self.faults.strikes(Fault.CALLBACK_DOUBLED) else 1):
            self.later(self._counted(send), after_seconds + late)
        self.later(self._flush_delayed, after_seconds + late)

    def _counted(self, send: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        self.callbacks_under_way += 1

        async def run() -> None:
            try:
                await send()
            finally:
                self.callbacks_under_way -= 1

        return run

    async def _flush_delayed(self) -> None:
        """Send what was held back, after what came later: that is what makes it out of order."""
        waiting, self._delayed = self._delayed, []
        for send in waiting:
            await send()

    async def edits(self, every_seconds: float = 1.0) -> None:
        """Edit listings by hand as the faults say, until cancelled."""
        while True:
            await asyncio.sleep(every_seconds)
            if self.listings and self.faults.strikes(Fault.EDITED_BY_HAND):
                listing = self.random.choice(list(self.listings.values()))
                self.edit_by_hand(
                    listing.listing_ref, quantity=max(0, listing.quantity + self.random.choice((-2, 3)))
                )

    async def bots(self, every_seconds: float = 1.0) -> None:
        """Let the other sellers' bots answer our prices and each other's, until cancelled."""
        while True:
            await asyncio.sleep(every_seconds)
            for listing in list(self.listings.values()):
                ours_minor = listing.price_minor if listing.on and listing.quantity else None
                self.rivals.move(listing.sku_ref, ours_minor)

    @web.middleware
    async def _misbehave(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self.faults.strikes(Fault.LATENCY):
            await asyncio.sleep(_LATENCY_SECONDS)
        if self.faults.strikes(Fault.TOO_MANY_REQUESTS):
            return web.json_response(
                {"error": "too many requests"}, status=429, headers={"Retry-After": str(_SLOW_DOWN_SECONDS)}
            )
        if self.faults.strikes(Fault.SERVER_ERROR):
            return web.json_response({"error": "internal"}, status=500)
        if self.faults.strikes(Fault.DROPPED_CONNECTION):
            _hang_up(request)
        response = await handler(request)
        if self.faults.strikes(Fault.LOST_REPLY):
            _hang_up(request)
        return response


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError
