"""Moves buyers' money: credits it, lets it be spent once, takes it back, vests and expires it.

Each lot stands in the journal under `wallet_pending` until it vests and under `wallet` until it is used, so
a buyer's balance is the sum of what is left of his lots, and explained by them. What is taken back after it
was spent is a claim on the buyer; money that becomes usable later goes against it first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from core.buyers.buyers import Buyer
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import InvalidInput, MoveRefused, ReferenceReused
from core.money.booking import Booker
from core.money.money import Money
from core.types import BuyerId
from core.wallets.book import LotBook, NewLot, Settled, lock_buyers
from core.wallets.giving_back import give_back
from core.wallets.lots import MONEY, Account, LotId, Source, TakenBack, Use, spend, take_back

__all__ = ["LotId", "NewLot", "Settled", "Source", "Spent", "Standing", "TakenBack", "Wallets", "lock_buyers"]

_SQL = load_queries("core.wallets", "wallets.sql")
_FIND_SPEND = _SQL["find_spend"]
_ADD_SPEND = _SQL["add_spend"]
_BALANCES = _SQL["balances"]
_TAKE_TURN = _SQL["take_turn"]
_DUE_BUYERS = _SQL["due_buyers"]

SWEEP_LOTS = 200


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent; `again`: it was spent by the same reference before, and nothing moved now."""

    spend_id: int
    amount: Money
    again: bool
    points: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A buyer's money in a currency: what can be spent, what has still to vest, what the buyer owes us."""

    usable: Money
    pending: Money
    owed: Money


@dataclass(frozen=True, slots=True)
class Spending:
    """What is asked for: so many units of a person's lots, to an account, under the asker's reference."""

    buyer: Buyer
    programme: str
    currency: str
    units: int
    ref: str
    to: Account

    @property
    def request_hash(self) -> bytes:
        """Equal for equal requests."""
        told = [self.buyer.name, self.programme, self.currency, self.units, *self.to]
        return blake2b(json.dumps(told).encode(), digest_size=16).digest()


class Wallets:
    """Buyers' money. Each method works in the caller's transaction, and holds the buyer until it ends."""

    def __init__(self, pool: Pool, booker: Booker | None = None) -> None:
        self._pool = pool
        self._book = LotBook(pool, booker)

    async def credit(
        self,
        conn: Connection,
        buyer: Buyer,
        amount: Money,
        now: datetime,
        *,
        source: Source,
        cost: Account,
        vests_at: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> LotId:
        """Give a buyer money at the cost of an account; the same source again is the same lot.

        What the buyer owes is set off as soon as the money is usable. ReferenceReused: the source has
        credited other money, or somebody else. InvalidInput: nothing, or it would expire unused.
        """
        new = NewLot(buyer, MONEY, amount.amount_minor, amount, source, cost, vests_at, expires_at)
        (lot_id,) = await self.credit_many(conn, [new], now)
        return lot_id

    async def credit_many(self, conn: Connection, news: Sequence[NewLot], now: datetime) -> list[LotId]:
        """As `credit` for each in turn, money and points of many, in few statements; all or nothing."""
        async with conn.transaction():
            await self._book.hold(conn, {new.buyer.buyer_id for new in news}, now)
            return await self._book.add(conn, news, now)

    async def take_back(
        self, conn: Connection, lot_id: LotId, amount: Money, now: datetime, *, reason: str
    ) -> TakenBack:
        """Take back of a lot: what is left goes to who bore it, what was spent becomes a claim.

        Not idempotent: the caller's own facts say that it happened. MoveRefused: more than was credited.
        """
        if amount.amount_minor <= 0:
            raise InvalidInput(f"{amount} cannot be taken back: take back more than nothing")
        async with conn.transaction():
            await self._book.hold(conn, [await self._book.buyer_of(conn, lot_id, programmes=False)], now)
            lot = await self._book.whole(conn, lot_id)
            if lot.currency != amount.currency:
                raise InvalidInput(f"lot {lot_id} is of {lot.currency}: take back {lot.currency}")
            uses, told = take_back(lot, amount.amount_minor)
            await self._book.write(conn, [uses], now, reason=reason)
        return told

    async def spend(
        self, conn: Connection, buyer: Buyer, amount: Money, now: datetime, *, ref: str, to: Account
    ) -> Spent:
        """Spend of a person's money, what expires soonest first. The same reference again moves nothing.

        Lots of all names of the buyer count, and each leaves the account of its own.

        MoveRefused: there is not enough. ReferenceReused: the reference has spent something else.
        """
        asked = Spending(buyer, MONEY, amount.currency, amount.amount_minor, ref, to)
        spent, _ = await spend_lots(conn, self._book, asked, now)
        return spent

    async def give_back(
        self, conn: Connection, ref: str, amount: Money, now: datetime, *, refund_ref: str
    ) -> LotId:
        """Put back what was spent by a reference, as when its order is cancelled; once for each `refund_ref`.

        MoveRefused: more than was spent. InvalidInput: nothing was spent by it, or in another currency.
        """
        async with conn.transaction():
            return await give_back(conn, self._book, ref, amount, now, refund_ref)

    async def balance(self, conn: Connection, buyer: Buyer) -> tuple[Standing, ...]:
        """What stands under all the buyer's names, by currency; what time has done since a sweep is not."""
        return tuple(
            Standing(*(Money(int(row[column]), row["currency"]) for column in _COLUMNS))
            for row in await conn.fetch(_BALANCES, buyer.buyer_id)
        )

    async def sweep(self, now: datetime, most_lots: int = SWEEP_LOTS) -> Settled | None:
        """Vest and expire what is due, money and points, a batch of it; None: another daemon is at it.

        Everything of a batch is one transaction, so whoever is killed leaves it as it was.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            if not await conn.fetchval(_TAKE_TURN):
                return None
            buyer_ids = [BuyerId(row["buyer_id"]) for row in await conn.fetch(_DUE_BUYERS, now, most_lots)]
            await lock_buyers(conn, buyer_ids)
            return await self._book.settle(conn, buyer_ids, now)


_COLUMNS = ("usable_minor", "pending_minor", "owed_minor")


async def spend_lots(
    conn: Connection, book: LotBook, asked: Spending, now: datetime
) -> tuple[Spent, int | None]:
    """Spend of lots of money or points, once for each reference; the transaction that posted it, if now."""
    if asked.units <= 0:
        raise InvalidInput(f"{asked.units} cannot be spent: spend more than nothing")
    if not asked.ref.strip():
        raise InvalidInput("what is spent needs a reference that comes once, such as the number of an order")
    async with conn.transaction():
        names = await book.hold_person(conn, asked.buyer.buyer_id, now)
        known = await conn.fetchrow(_FIND_SPEND, asked.programme, asked.ref)
        if known is not None:
            if known["request_hash"] != asked.request_hash:
                raise _reused(asked)
            amount = Money(known["amount_minor"], known["currency"])
            points = 0 if asked.programme == MONEY else known["units"]
            return Spent(known["spend_id"], amount, again=True, points=points), None
        lots = await book.open_lots(conn, names, asked.programme, asked.currency)
        uses = spend(lots, asked.units, asked.to)
        if uses is None:
            raise _short(asked, sum(lot.units_left for lot in lots if lot.vested))
        return await _spend(conn, book, asked, uses, now)


async def _spend(
    conn: Connection, book: LotBook, asked: Spending, uses: list[Use], now: datetime
) -> tuple[Spent, int | None]:
    amount = Money(sum(use.amount_minor for use in uses), asked.currency)
    if not amount.amount_minor:
        raise MoveRefused(f"{asked.units} points are worth nothing: redeem more at once")
    spend_id: int | None = await conn.fetchval(
        _ADD_SPEND,
        asked.buyer.buyer_id,
        asked.programme,
        asked.ref,
        asked.request_hash,
        asked.currency,
        asked.units,
        amount.amount_minor,
        *asked.to,
        now,
    )
    if spend_id is None:  # somebody spent another buyer's by it while we decided
        raise _reused(asked)
    (posted,) = await book.write(conn, [uses], now, spend_id=spend_id)
    points = 0 if asked.programme == MONEY else asked.units
    return Spent(spend_id, amount, again=False, points=points), posted


def _reused(asked: Spending) -> ReferenceReused:
    return ReferenceReused(
        f"reference {asked.ref!r} has spent something else before: what is new needs a reference of its own"
    )


def _short(asked: Spending, usable: int) -> MoveRefused:
    if asked.programme == MONEY:
        has, wants = str(Money(usable, asked.currency)), str(Money(asked.units, asked.currency))
    else:
        has, wants = f"{usable} points of {asked.programme}", str(asked.units)
    return MoveRefused(f"{asked.buyer.name} can spend {has}, not {wants}: nothing was spent")
