"""Lets people and shops move buyers' money and points by hand: by name, with a reason that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core import audit
from core.buyers.buyers import find_buyer
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import UnknownChannel
from core.money.booking import Booker
from core.money.money import Money
from core.wallets.book import LotBook
from core.wallets.lots import Account, LotId, Source
from core.wallets.points import Points, Redeemed
from core.wallets.programmes import Programme
from core.wallets.wallets import Spent, Wallets
from core.wallets.writing_off import WrittenOff, write_off

_KNOWS_CHANNEL = load_queries("core.wallets", "desk.sql")["knows_channel"]

GOODWILL = "goodwill"
TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class ByHand:
    """Who does it, and why."""

    actor: str
    reason: str


class WalletDesk:
    """Each method is a transaction of its own, with its row in the audit where it moved something."""

    def __init__(self, pool: Pool, programmes: Mapping[str, Programme], now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._booker = Booker(pool)
        self._wallets = Wallets(pool, self._booker)
        self._points = Points(pool, programmes)
        self._now = now

    async def credit(
        self,
        buyer: str,
        amount: Money,
        by: ByHand,
        *,
        ref: str,
        campaign: str = GOODWILL,
        expires_days: int | None = None,
    ) -> LotId:
        """Give money at the cost of a campaign; the same reference again gives nothing more."""
        now = self._now()
        expires_at = None if expires_days is None else now + timedelta(days=expires_days)
        async with self._pool.acquire() as conn, conn.transaction():
            who = await find_buyer(conn, buyer)
            source = Source("by hand", ref)
            lot_id = await self._wallets.credit(
                conn,
                who,
                amount,
                now,
                source=source,
                cost=("operator", campaign, "rebate"),
                expires_at=expires_at,
            )
            await _note(conn, now, by, "wallet.credit", f"{buyer}: {amount}, {ref}")
        return lot_id

    async def take_back(self, lot_id: LotId, amount: Money, by: ByHand) -> Money:
        """Take money of a lot back; what the buyer owes for it now, as it was spent."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            told = await self._wallets.take_back(conn, lot_id, amount, now, reason=by.reason)
            await _note(conn, now, by, "wallet.take_back", f"lot {lot_id}: {amount}")
        return told.claimed

    async def spend(self, buyer: str, amount: Money, by: ByHand, *, ref: str, channel: str | None) -> Spent:
        """Spend on what is owed for a channel's order; without one, it is paid out of our bank account."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            who = await find_buyer(conn, buyer)
            spent = await self._wallets.spend(
                conn, who, amount, now, ref=ref, to=await _paid_to(conn, channel)
            )
            if not spent.again:
                await _note(conn, now, by, "wallet.spend", f"{buyer}: {amount}, {ref}")
        return spent

    async def give_back(self, ref: str, amount: Money, by: ByHand, *, refund_ref: str) -> LotId:
        """Put back what was spent by a reference, once for each reference of a refund."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            lot_id = await self._wallets.give_back(conn, ref, amount, now, refund_ref=refund_ref)
            await _note(conn, now, by, "wallet.give_back", f"{ref}: {amount}, {refund_ref}")
        return lot_id

    async def write_off(
        self, buyer: str, by: ByHand, *, currency: str | None = None
    ) -> tuple[WrittenOff, ...]:
        """Make what a buyer owes and will never pay a loss of ours; all of it, or that of a currency."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            who = await find_buyer(conn, buyer)
            book = LotBook(self._pool, self._booker)
            done = await write_off(conn, book, self._booker, who, now, currency)
            for each in done:
                await _note(conn, now, by, "wallet.write_off", f"{each.buyer}: {each.amount}")
        return done

    async def redeem(self, buyer: str, programme: str, points: int, by: ByHand, *, ref: str) -> Redeemed:
        """Turn points into money in the wallet."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            who = await find_buyer(conn, buyer)
            redeemed = await self._points.redeem(conn, who, programme, points, now, ref=ref)
            if not redeemed.again:
                await _note(conn, now, by, "points.redeem", f"{buyer}: {points} of {programme}, {ref}")
        return redeemed

    async def task(self, buyer: str, programme: str, task: str, by: ByHand, *, ref: str) -> LotId:
        """Give the points of a task that a buyer did."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            who = await find_buyer(conn, buyer)
            cost = ("operator", TASKS, "rebate")
            lot_id = await self._points.task(conn, who, programme, task, now, ref=ref, cost=cost)
            await _note(conn, now, by, "points.task", f"{buyer}: {task} of {programme}, {ref}")
        return lot_id


async def _paid_to(conn: Connection, channel: str | None) -> Account:
    """What a channel's orders leave us to receive is paid from the wallet instead."""
    if channel is None:
        return "operator", "", "bank"
    if not await conn.fetchval(_KNOWS_CHANNEL, channel):
        raise UnknownChannel(f"channel {channel!r} is not known: `consignd channels` lists them")
    return "channel", channel, "receivable"


async def _note(conn: Connection, now: datetime, by: ByHand, action: str, subject: str) -> None:
    await audit.note(conn, at=now, actor=by.actor, action=action, subject=subject, reason=by.reason)
