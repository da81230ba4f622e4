"""Makes a stall with a flash sale on a real database, and buyers who come to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from core.flash.limits import limited_sales
from core.money.money import Money
from core.offers.matching import SkuMatch
from core.offers.outbox import Outbox
from core.offers.planning import OfferPlan
from core.offers.price.book import PriceBook, PriceLayer, SkuPriceLayer
from core.offers.price.rule import Window
from core.offers.stock.rules import StockPolicy
from core.types import OrderState, Payment
from scheduler.composition import utc_now
from tests.scheduler.bench import Bench, Stall, mute, open_bench

HOUR = timedelta(hours=1)


def window(
    *,
    quota: int | None = None,
    per_buyer: int | None = None,
    since: datetime | None = None,
    price: int = 2500,
) -> Window:
    """A sale that is on now, unless it is said to begin later."""
    start = since or utc_now() - HOUR
    return Window("night", start, start + 3 * HOUR, Money(price, "EUR"), quota, per_buyer)


@dataclass(slots=True)
class FlashBench:
    """A bench whose stall has a flash sale."""

    bench: Bench
    stall: Stall
    outbox: Outbox
    sale: Window

    async def buy(
        self,
        ref: str,
        buyer: str | None,
        *,
        quantity: int = 1,
        payment: Payment = Payment.PAID,
        placed_at: datetime | None = None,
        price_minor: int = 2500,
        hold_until: datetime | None = None,
    ) -> OrderState | None:
        told = self.bench.told(ref, payment=payment, quantity=quantity, stall=self.stall)
        lines = [replace(line, unit_price=Money(price_minor, "EUR")) for line in told.lines]
        told = replace(told, buyer_ref=buyer, placed_at=placed_at or told.placed_at, lines=lines)
        told = replace(told, hold_until=hold_until)
        return (await self.bench.take_in(told, self.stall)).state

    async def plan(self) -> OfferPlan:
        (plan,) = await self.outbox.plan([self.bench.sku.sku_id])
        return plan

    async def deliver(self, *, refunds: bool = True) -> None:
        await self.bench.make_due()
        connector = self.stall.connector if refunds else mute(self.stall)
        await self.bench.deliverer_of(self.stall.terms, connector).deliver()

    async def states(self, *refs: str) -> list[OrderState]:
        return [await self.bench.state(ref) for ref in refs]


@asynccontextmanager
async def open_flash(
    dsn: str, folder: Path, sale: Window, *, codes: int = 8, by_sku: bool = False
) -> AsyncIterator[FlashBench]:
    """A stall with this sale on its listing, or on all SKUs there are."""
    async with open_bench(dsn, folder, codes=codes) as bench:
        plain, layer = bench.stall, PriceLayer(windows=(sale,), place="price", label="night")
        book = PriceBook(by_listing={plain.listing_ref: layer})
        if by_sku:
            book = PriceBook(by_sku=(SkuPriceLayer(SkuMatch(), layer),))
        terms = replace(plain.terms, price=book, limited_sales=limited_sales(book))
        stall = replace(plain, terms=terms)
        bench.stalls[0] = stall
        outbox = Outbox(bench.core.pool, {terms.channel_id: terms}, StockPolicy(), utc_now)
        yield FlashBench(bench, stall, outbox, sale)
