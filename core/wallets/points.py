"""Moves buyers' points: earned by buying and by tasks, redeemed into wallet money, expired, taken back.

Points are whole numbers; in the journal each lot stands for the money that its programme pays for it, which
is worked out once, when it is earned.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.buyers.buyers import Buyer
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import InvalidInput, MoveRefused
from core.money.booking import Booker
from core.money.money import Money
from core.types import BuyerId
from core.wallets.book import LotBook, NewLot
from core.wallets.lots import MONEY, Account, LotId, Source, TakenBack, standing_account, take_back
from core.wallets.programmes import Level, Measure, Programme, earned_for, level_of, year_before
from core.wallets.wallets import Spending, Spent, spend_lots

_SQL = load_queries("core.wallets", "points.sql")
_EARNED_SINCE = _SQL["earned_since"]
_TURNOVER_SINCE = _SQL["turnover_since"]
_TIMES_SINCE = _SQL["times_since"]
_LOT_OF_SOURCE = _SQL["lot_of_source"]

REDEEMED = "redeemed"
# A buyer, a programme, and the moment at which a level is asked for.
Measured = tuple[BuyerId, str, datetime]


@dataclass(frozen=True, slots=True)
class Redeemed:
    """Points that became money in the wallet; `again`: they did so before, under the same reference."""

    points: int
    amount: Money
    lot_id: LotId
    again: bool


class Points:
    """Buyers' points, in the caller's transaction; each method that writes holds the buyer until it ends."""

    def __init__(self, pool: Pool, programmes: Mapping[str, Programme], booker: Booker | None = None) -> None:
        self._programmes = programmes
        self._book = LotBook(pool, booker)

    def programme(self, name: str) -> Programme:
        """A programme by its name. InvalidInput: there is none."""
        if name not in self._programmes:
            known = ", ".join(self._programmes)
            others = f", or name one of {known}" if known else ""
            raise InvalidInput(f"no programme of points is named {name!r}: write [points.{name}]{others}")
        return self._programmes[name]

    async def earn(
        self,
        conn: Connection,
        buyer: Buyer,
        programme: str,
        points: int,
        now: datetime,
        *,
        source: Source,
        cost: Account,
        vests_at: datetime | None = None,
    ) -> LotId:
        """Give a buyer points at the cost of an account; the same source again is the same lot.

        They expire so long after they vest as the programme says. ReferenceReused: the source has earned
        other points, or somebody else.
        """
        new = self.lot(buyer, programme, points, now, source=source, cost=cost, vests_at=vests_at)
        async with conn.transaction():
            await self._book.hold(conn, [buyer.buyer_id], now)
            (lot_id,) = await self._book.add(conn, [new], now)
        return lot_id

    def lot(
        self,
        buyer: Buyer,
        programme: str,
        points: int,
        now: datetime,
        *,
        source: Source,
        cost: Account,
        vests_at: datetime | None = None,
    ) -> NewLot:
        """What `earn` would credit, for `Wallets.credit_many`."""
        rules = self.programme(programme)
        usable_at = max(now, vests_at) if vests_at is not None else now
        amount = rules.worth(max(points, 0))
        expires_at = rules.expires_at(usable_at)
        return NewLot(buyer, programme, points, amount, source, cost, vests_at, expires_at)

    async def take_back(
        self, conn: Connection, lot_id: LotId, points: int, now: datetime, *, reason: str
    ) -> TakenBack:
        """Take points of a lot back: those that are left leave, those redeemed become a claim in money.

        Not idempotent: the caller's own facts say that it happened. MoveRefused: more than were earned.
        """
        if points <= 0:
            raise InvalidInput(f"{points} points cannot be taken back: take back one or more")
        async with conn.transaction():
            await self._book.hold(conn, [await self._book.buyer_of(conn, lot_id, programmes=True)], now)
            uses, told = take_back(await self._book.whole(conn, lot_id), points)
            await self._book.write(conn, [uses], now, reason=reason)
        return told

    async def redeem(
        self, conn: Connection, buyer: Buyer, programme: str, points: int, now: datetime, *, ref: str
    ) -> Redeemed:
        """Turn points into money in the wallet, those that expire soonest first; once for each reference.

        MoveRefused: there are not enough, or fewer than the programme redeems at once. ReferenceReused: the
        reference has redeemed something else.
        """
        rules = self.programme(programme)
        wallet = standing_account(buyer.name, MONEY, vested=True)
        asked = Spending(buyer, programme, rules.currency, points, ref, wallet)
        if 0 < points < rules.smallest_redemption:
            raise MoveRefused(
                f"{points} points of {programme} are too few: redeem {rules.smallest_redemption} or more"
            )
        async with conn.transaction():
            spent, posted = await spend_lots(conn, self._book, asked, now)
            lot_id = await self._credit(conn, asked, spent, posted, now)
        return Redeemed(points, spent.amount, lot_id, spent.again)

    async def _credit(
        self, conn: Connection, asked: Spending, spent: Spent, posted: int | None, now: datetime
    ) -> LotId:
        """The wallet's lot of a redemption, which the transaction that spent the points has posted."""
        source = Source(REDEEMED, f"{asked.programme}/{asked.ref}")
        points = standing_account(asked.buyer.name, asked.programme, vested=True)
        new = NewLot(asked.buyer, MONEY, spent.amount.amount_minor, spent.amount, source, points, None, None)
        (lot_id,) = await self._book.add(conn, [new], now, paid_by=posted)
        return lot_id

    async def task(
        self,
        conn: Connection,
        buyer: Buyer,
        programme: str,
        task: str,
        now: datetime,
        *,
        ref: str,
        cost: Account,
    ) -> LotId:
        """Give the points of a task; the buyer's same reference again is the same lot.

        MoveRefused: the buyer did it as often today as it counts.
        """
        done = self.programme(programme).task(task)
        source = Source(f"task:{task}", f"{buyer.name}/{ref}")
        async with conn.transaction():
            await self._book.hold_person(conn, buyer.buyer_id, now)
            known: int | None = await conn.fetchval(_LOT_OF_SOURCE, source.kind, source.ref, programme)
            if known is not None:
                return LotId(known)
            day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            times: int = await conn.fetchval(_TIMES_SINCE, buyer.buyer_id, programme, source.kind, day)
            if times >= done.per_day:
                raise MoveRefused(f"{buyer.name} did {task} {times} times today: it counts again tomorrow")
            return await self.earn(conn, buyer, programme, done.points, now, source=source, cost=cost)

    async def level(self, conn: Connection, buyer: Buyer, programme: str, now: datetime) -> Level:
        """A person's level in a programme, by what all his names did in the last twelve months."""
        ((_, measured),) = (await self.measured(conn, [(buyer.buyer_id, programme, now)])).items()
        return level_of(self.programme(programme), measured)

    async def measured(self, conn: Connection, asked: Collection[Measured]) -> dict[Measured, int]:
        """What levels are told by, of many buyers, each over the twelve months before a moment."""
        points: list[Measured] = []
        turnover: list[Measured] = []
        for each in dict.fromkeys(asked):
            by_points = self.programme(each[1]).measure is Measure.POINTS
            (points if by_points else turnover).append(each)
        currencies = [self.programme(name).currency for _, name, _ in turnover]
        found = await _measured(conn, _EARNED_SINCE, points, [name for _, name, _ in points])
        return found | await _measured(conn, _TURNOVER_SINCE, turnover, currencies)

    async def earned_for(
        self, conn: Connection, buyer: Buyer, programme: str, amount: Money, now: datetime
    ) -> int:
        """The points that a purchase earns this buyer now."""
        level = await self.level(conn, buyer, programme, now)
        return earned_for(self.programme(programme), amount, level)


async def _measured(
    conn: Connection, query: str, asked: Sequence[Measured], words: Sequence[str]
) -> dict[Measured, int]:
    if not asked:
        return {}
    since = [year_before(at) for *_, at in asked]
    rows = await conn.fetch(query, [buyer_id for buyer_id, *_ in asked], words, since)
    return {each: int(row["measured"]) for each, row in zip(asked, rows, strict=True)}
