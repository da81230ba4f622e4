"""A buyer with a wallet, for tests: one step a call, and what the journal says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

from core.buyers.buyers import Buyer, known_buyers
from core.db.pool import Connection, Pool
from core.money.money import Money
from core.views.invariants import Invariant, check
from core.wallets.points import Points, Redeemed
from core.wallets.programmes import Programme
from core.wallets.wallets import LotId, Settled, Source, Spent, TakenBack, Wallets
from tests.factories import add_channel

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
COST = ("operator", "spring", "rebate")
SHOP = ("channel", "shop", "receivable")
_NUMBERS = count(1)
T = TypeVar("T")


@dataclass(slots=True)
class Purse:
    """One buyer's money and points, and the clock that they are moved by."""

    pool: Pool
    buyer: Buyer
    programmes: Mapping[str, Programme] = field(default_factory=dict)
    currency: str = "EUR"
    now: datetime = START

    @property
    def wallets(self) -> Wallets:
        return Wallets(self.pool)

    @property
    def points(self) -> Points:
        return Points(self.pool, self.programmes)

    def money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.currency)

    async def do(self, step: Callable[[Connection], Awaitable[T]]) -> T:
        """One step in a transaction of its own."""
        async with self.pool.acquire() as conn, conn.transaction():
            return await step(conn)

    async def credit(
        self,
        amount_minor: int,
        *,
        ref: str | None = None,
        vests: timedelta | None = None,
        expires: timedelta | None = None,
    ) -> LotId:
        source = Source("campaign", ref or f"spring#{next(_NUMBERS)}")
        return await self.do(
            lambda conn: self.wallets.credit(
                conn,
                self.buyer,
                self.money(amount_minor),
                self.now,
                source=source,
                cost=COST,
                vests_at=None if vests is None else self.now + vests,
                expires_at=None if expires is None else self.now + expires,
            )
        )

    async def spend(self, amount_minor: int, ref: str | None = None) -> Spent:
        told = ref or f"order {next(_NUMBERS)}"
        return await self.do(
            lambda conn: self.wallets.spend(
                conn, self.buyer, self.money(amount_minor), self.now, ref=told, to=SHOP
            )
        )

    async def give_back(self, ref: str, amount_minor: int, refund_ref: str) -> LotId:
        return await self.do(
            lambda conn: self.wallets.give_back(
                conn, ref, self.money(amount_minor), self.now, refund_ref=refund_ref
            )
        )

    async def take_back(self, lot_id: LotId, amount_minor: int) -> TakenBack:
        return await self.do(
            lambda conn: self.wallets.take_back(
                conn, lot_id, self.money(amount_minor), self.now, reason="refunded"
            )
        )

    async def earn(
        self, points: int, *, ref: str | None = None, vests: timedelta | None = None, programme: str = "stars"
    ) -> LotId:
        source = Source("campaign", ref or f"spring#{next(_NUMBERS)}")
        return await self.do(
            lambda conn: self.points.earn(
                conn,
                self.buyer,
                programme,
                points,
                self.now,
                source=source,
                cost=COST,
                vests_at=None if vests is None else self.now + vests,
            )
        )

    async def redeem(self, points: int, ref: str | None = None, programme: str = "stars") -> Redeemed:
        told = ref or f"redemption {next(_NUMBERS)}"
        return await self.do(
            lambda conn: self.points.redeem(conn, self.buyer, programme, points, self.now, ref=told)
        )

    async def take_points(self, lot_id: LotId, points: int) -> TakenBack:
        return await self.do(
            lambda conn: self.points.take_back(conn, lot_id, points, self.now, reason="refunded")
        )

    async def task(self, name: str, ref: str, programme: str = "stars") -> LotId:
        return await self.do(
            lambda conn: self.points.task(conn, self.buyer, programme, name, self.now, ref=ref, cost=COST)
        )

    async def earned_for(self, spent: str, programme: str = "stars") -> int:
        """The points that a purchase would earn now."""
        amount = Money.parse(spent, self.currency)
        return await self.do(
            lambda conn: self.points.earned_for(conn, self.buyer, programme, amount, self.now)
        )

    async def level(self, programme: str = "stars") -> str:
        """The name of the buyer's level."""
        found = await self.do(lambda conn: self.points.level(conn, self.buyer, programme, self.now))
        return found.name

    async def sweep(self, after: timedelta = timedelta(0)) -> Settled | None:
        self.now += after
        return await self.wallets.sweep(self.now)

    async def standing(self) -> tuple[int, int, int]:
        """Usable, pending and owed."""
        found = await self.do(lambda conn: self.wallets.balance(conn, self.buyer))
        by_currency = {each.usable.currency: each for each in found}
        if self.currency not in by_currency:
            return 0, 0, 0
        mine = by_currency[self.currency]
        return mine.usable.amount_minor, mine.pending.amount_minor, mine.owed.amount_minor

    async def points_left(self, programme: str = "stars") -> int:
        left: int = await self.pool.fetchval(
            "SELECT coalesce(sum(units_left), 0) FROM wallet_open WHERE buyer_id = $1 AND programme = $2",
            self.buyer.buyer_id,
            programme,
        )
        return int(left)

    async def ledger(self) -> dict[tuple[str, str], int]:
        """What stands in the journal, by party and purpose; accounts at zero are left out."""
        rows = await self.pool.fetch(
            "SELECT party, purpose, sum(amount_minor)::bigint AS minor"
            " FROM entry JOIN account USING (account_id) WHERE currency = $1"
            " GROUP BY party, purpose HAVING sum(amount_minor) <> 0",
            self.currency,
        )
        return {(row["party"], row["purpose"]): row["minor"] for row in rows}

    async def balanced(self) -> Invariant:
        """What `consignd check` says of the journal."""
        report = await check(self.pool, bound_permille=1000, now=self.now, vault=None)
        return next(each for each in report.invariants if each.name == "balanced")


async def open_purse(
    pool: Pool, name: str = "u-1", programmes: Mapping[str, Programme] | None = None, currency: str = "EUR"
) -> Purse:
    """A new buyer of the channel `shop`."""
    channel_id = await pool.fetchval("SELECT channel_id FROM channel WHERE name = 'shop'")
    if channel_id is None:
        channel_id = await add_channel(pool, "shop")
    async with pool.acquire() as conn:
        found = await known_buyers(conn, [(channel_id, name)], START)
    return Purse(pool, found[channel_id, name], programmes or {}, currency)
