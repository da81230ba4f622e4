"""Makes the demo's marketplaces, their listings and their shoppers, in compressed time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.eneba_books import EnebaTerms
from connectors.sandbox.eneba_health import HealthRules
from connectors.sandbox.faults import PRESETS, Fault, Faults
from connectors.sandbox.kinguin import KinguinSandbox
from connectors.sandbox.market import SandboxMarket, SandboxOrderState
from connectors.sandbox.woocommerce import WooCommerceSandbox
from core.types import OrderRef

_BRANDS = ("Steam", "Xbox", "PlayStation", "Nintendo", "Google Play", "Spotify", "Netflix", "Amazon")
_FACES = (500, 1000, 2000, 2500, 5000, 10000)
# Of the buyers, so many in a hundred walk away unpaid or want their money back later.
_ABANDON_PERCENT = 6
_REFUND_PERCENT = 2
_REFUND_AFTER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DemoSku:
    """A SKU of the demo, and what it should bring."""

    sku_ref: str
    title: str
    brand: str
    face_minor: int
    base_minor: int
    codes: int


def demo_skus(count: int, seed: int) -> list[DemoSku]:
    """So many SKUs; most have plenty of codes and some run out."""
    rng = random.Random(seed)
    skus = []
    for n in range(count):
        brand, face = _BRANDS[n % len(_BRANDS)], _FACES[(n // len(_BRANDS) + n) % len(_FACES)]
        ref = f"{brand.upper().replace(' ', '-')}-EUR-{face // 100}-{n}"
        codes = rng.choice((15, 60, 200, 400))
        skus.append(DemoSku(ref, f"{brand} {face // 100} EUR", brand, face, face * 95 // 100, codes))
    return skus


def make_markets(faults: str, seed: int) -> list[SandboxMarket]:
    """One of each kind; what takes minutes or days at the real ones takes seconds here."""
    rates = PRESETS[faults]
    return [
        EnebaSandbox(
            terms=EnebaTerms(
                requests_per_minute=6000,
                price_quota=1000,
                provide_retry_seconds=1.0,
                cancel_retry_seconds=1.0,
                late_seconds=1.0,
                abandon_after_seconds=1.0,
                cancels_failed_reservations=True,
            ),
            health=HealthRules(hidden_seconds=5.0, window_seconds=60.0),
            faults=Faults(rates, seed),
            seed=seed,
        ),
        KinguinSandbox(
            faults=Faults(rates, seed + 1),
            seed=seed + 1,
            upload_deadline_seconds=60.0,
            webhook_retry_seconds=2.0,
            pay_after_seconds=0.5,
        ),
        WooCommerceSandbox(
            faults=Faults(rates, seed + 2),
            seed=seed + 2,
            webhook_after_seconds=1.5,
            hold_seconds=5.0,
            patience_seconds=60.0,
        ),
    ]


def channel_name(market: SandboxMarket) -> str:
    """The demo's name for the channel at a marketplace."""
    return market.name


def listing_ref_of(market: SandboxMarket, number: int) -> str:
    """A listing reference of the form that the marketplace uses."""
    return str(1000 + number) if isinstance(market, WooCommerceSandbox) else f"{market.name}-offer-{number}"


def list_everywhere(markets: Sequence[SandboxMarket], skus: Sequence[DemoSku]) -> None:
    """Put every SKU up at every marketplace, with nothing to sell yet."""
    for market in markets:
        for number, sku in enumerate(skus):
            market.add_listing(
                listing_ref_of(market, number), sku.sku_ref, title=sku.title, price_minor=sku.face_minor * 2
            )


@dataclass(slots=True)
class ShoppingTally:
    """What the shoppers tried, and how often a marketplace would not sell what it showed."""

    placed: int = 0
    refused: int = 0
    abandoned: int = 0
    refunds_asked: int = 0
    refund_refs: list[tuple[str, OrderRef]] = field(default_factory=list)


class Shoppers:
    """Buyers at one marketplace, coming at random at a given rate."""

    def __init__(self, market: SandboxMarket, per_second: float, seed: int, tally: ShoppingTally) -> None:
        self._market = market
        self._per_second = per_second
        self._random = random.Random(seed)
        self._tally = tally
        self._under_way: set[asyncio.Task[None]] = set()

    async def shop(self, until: asyncio.Event) -> None:
        """Buy until told to stop, then let the last ones finish."""
        while not until.is_set():
            pause = self._random.expovariate(self._per_second)
            try:
                await asyncio.wait_for(until.wait(), min(pause, 5.0))
            except TimeoutError:
                task = asyncio.create_task(self._buy())
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _buy(self) -> None:
        shown = [listing for listing in self._market.listings.values() if listing.on and listing.quantity > 0]
        if not shown:
            return
        listing = self._random.choice(shown)
        quantity = min(self._random.choice((1, 1, 1, 2)), listing.quantity)
        abandon = self._random.randrange(100) < _ABANDON_PERCENT
        order = await self._market.buy(listing.listing_ref, quantity, abandon=abandon)
        if abandon:
            self._tally.abandoned += 1
        else:
            self._tally.placed += 1
            self._tally.refused += order is None
        if order is not None and not abandon and self._random.randrange(100) < _REFUND_PERCENT:
            await asyncio.sleep(_REFUND_AFTER_SECONDS)
            if order.state is SandboxOrderState.DELIVERED:
                self._tally.refunds_asked += 1
                await self._market.refund(order.order_ref)


def faults_happened(markets: Sequence[SandboxMarket]) -> dict[str, int]:
    """How often each kind of fault struck, at all marketplaces together."""
    return {
        fault.value: total
        for fault in Fault
        if (total := sum(market.faults.happened[fault] for market in markets))
    }
