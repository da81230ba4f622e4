"""Sells on real channels in a real database: an order comes in with all it tells, is closed, and is split."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import config
from config.plans import read_plan
from core.buyers.buyers import Buyer, known_buyers
from core.buyers.fact_terms import FactTerms
from core.buyers.hearing import OrderHearing
from core.buyers.marks import MarkKey
from core.codes.allocator import Allocator
from core.db.pool import Pool
from core.money.ledger import Ledger, publish_plan
from core.money.money import Money
from core.money.plans.memory import Questions
from core.money.plans.rules import Plan
from core.offers.catalogue import ListingBook
from core.offers.terms import ChannelTerms
from core.orders.closing import Closing, SaleCloser
from core.orders.intake import Intake
from core.orders.orders import Order, load_order
from core.types import (
    ChannelOrder,
    LineRef,
    ListingRef,
    OrderId,
    OrderLine,
    OrderRef,
    OrderState,
    Payment,
    ToldMark,
)
from core.views.ledger import explain_order
from scheduler.split_plans import plan_of
from tests.factories import NOW, Shop, add_channel, add_listing, add_shop, terms_of

PLANS = Path(config.__file__).parent / "examples" / "plans"
KEY = MarkKey(b"k" * 32)
DAY = timedelta(days=1)
_NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Clock:
    """A clock that stands until it is moved."""

    moment: datetime = NOW

    def __call__(self) -> datetime:
        return self.moment


@dataclass(slots=True)
class Desk:
    """A shop with codes, the terms it sells on, and the way in."""

    pool: Pool
    shop: Shop
    terms: ChannelTerms
    intake: Intake
    closer: SaleCloser
    clock: Clock

    async def sell(
        self,
        price_minor: int,
        quantity: int = 1,
        *,
        buyer: str | None = "ann",
        referrer: str | None = None,
        marks: Sequence[ToldMark] = (),
        tax_minor: int | None = None,
        at: datetime | None = None,
        times: int = 1,
    ) -> Order:
        """A paid order, told so often, and delivered."""
        currency = self.terms.currency
        tax = None if tax_minor is None else Money(tax_minor, currency)
        ref = ListingRef(self.shop.listing_ref)
        told = ChannelOrder(
            order_ref=OrderRef(f"o-{next(_NUMBERS)}"),
            payment=Payment.PAID,
            lines=[OrderLine(LineRef("1"), ref, quantity, Money(price_minor, currency), tax)],
            placed_at=at or self.clock(),
            buyer_ref=buyer,
            referrer=referrer,
            marks=marks,
        )
        for _ in range(times):
            taken = await self.intake.take_in(self.terms, told, "test")
        assert taken.state is OrderState.ACCEPTED
        assert taken.order_id is not None
        return await self.deliver(taken.order_id)

    async def deliver(self, order_id: OrderId) -> Order:
        """Its codes are with the buyer."""
        async with self.pool.acquire() as conn:
            order = await load_order(conn, order_id)
        return await self.closer.close(Closing(order, self.terms, "test", ""))

    async def entries(self, order: Order) -> dict[str, int]:
        """What an order posted, by account; zeros left out. It is what the engine says, too."""
        async with self.pool.acquire() as conn:
            explained = await explain_order(conn, order.order_id)
        assert all(line.agrees for line in explained.lines)
        found: dict[str, int] = {}
        for entry in explained.journal:
            name = " ".join(word for word in (entry.party, entry.party_name, entry.purpose) if word)
            found[name] = found.get(name, 0) + entry.amount_minor
        assert sum(found.values()) == 0
        channel = f"channel {self.terms.name}"
        return {name.replace(channel, "channel"): minor for name, minor in found.items() if minor}

    async def why_owed(self, order: Order) -> str:
        """Why an order's money could not be split."""
        why: str = await self.pool.fetchval(
            "SELECT why FROM split_owed WHERE order_id = $1 AND settled_at IS NULL", order.order_id
        )
        return why

    async def buyer(self, ref: str = "ann") -> Buyer:
        """Whoever the shop calls so."""
        handle = (self.terms.channel_id, ref)
        async with self.pool.acquire() as conn:
            return (await known_buyers(conn, [handle], NOW))[handle]

    async def second_channel(self) -> Desk:
        """The same goods on another channel, on the same terms."""
        channel_id = await add_channel(self.pool, "market", self.terms.currency)
        listing_id = await add_listing(self.pool, channel_id, self.shop.sku_id)
        ref: str = await self.pool.fetchval(
            "SELECT listing_ref FROM listing WHERE listing_id = $1", listing_id
        )
        shop = replace(
            self.shop, channel_id=channel_id, listing_id=listing_id, listing_ref=ref, channel="market"
        )
        terms = replace(self.terms, channel_id=channel_id, name="market")
        return replace(self, shop=shop, terms=terms)


def kept(gross: int, commission: int) -> dict[str, int]:
    """The entries that a channel's commission always makes."""
    return {
        "channel receivable": gross - commission,
        "channel commission": commission,
        "channel recharged": -commission,
    }


async def open_desk(
    pool: Pool, plan: str | Plan, currency: str = "EUR", facts: FactTerms | None = None, codes: int = 20
) -> Desk:
    """A shop that sells by an example plan, or by another."""
    shop = await add_shop(pool, codes=codes)
    await pool.execute("UPDATE channel SET currency = $1", currency)
    written = plan_of(read_plan(PLANS / f"{plan}.toml")) if isinstance(plan, str) else plan
    async with pool.acquire() as conn:
        plan_id, published = await publish_plan(conn, written)
    terms = replace(
        terms_of(shop.channel_id, shop.channel, plan_id, published),
        currency=currency,
        facts=replace(facts or FactTerms(), hears_tax=Questions.of(published).tax),
    )
    clock, ledger = Clock(), Ledger(pool)
    intake = Intake(pool, Allocator(pool, clock), ledger, ListingBook(pool), clock, OrderHearing(pool, KEY))
    return Desk(pool, shop, terms, intake, SaleCloser(pool, ledger, clock), clock)
