"""Writes what happens to lots, with its entries: the only writer of wallets and points.

Whoever writes holds the buyers' rows, so one buyer's money moves in one order. What time has done to a
buyer's lots is written before anything else is decided, so nothing depends on when the sweep comes round.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.buyers.buyers import Buyer
from core.buyers.people import lock_person
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import InvalidInput, ReferenceReused
from core.money.booking import Booker, Booking, BookingKind
from core.money.money import Money
from core.types import BuyerId
from core.wallets.lots import (
    MONEY,
    Account,
    Lot,
    LotId,
    Source,
    Use,
    UseKind,
    due,
    moved,
    set_off,
    standing_account,
)

_SQL = load_queries("core.wallets", "wallets.sql")
_LOCK_BUYERS = _SQL["lock_buyers"]
_FIND_SOURCES = _SQL["find_sources"]
_ADD_LOTS = _SQL["add_lots"]
_OPEN_LOTS = _SQL["open_lots"]
_DUE_LOTS = _SQL["due_lots"]
_BUYER_OF_LOT = _SQL["buyer_of_lot"]
_WHOLE_LOT = _SQL["whole_lot"]
_OWED = _SQL["owed"]
_ADD_USES = _SQL["add_uses"]
_ADD_CLAIMS = _SQL["add_claims"]
_SET_OPEN = _SQL["set_open"]
_CLOSE_LOTS = _SQL["close_lots"]


@dataclass(frozen=True, slots=True)
class NewLot:
    """What a buyer is to be credited; `units` are points, or the minor units of money."""

    buyer: Buyer
    programme: str
    units: int
    amount: Money
    source: Source
    cost: Account
    vests_at: datetime | None
    expires_at: datetime | None
    # Of what kind the transaction is that posts it; None: a rebate, or points.
    booking: BookingKind | None = None

    def __post_init__(self) -> None:
        if self.units <= 0:
            raise InvalidInput(f"{self.units} to be credited for {self.source}: credit more than nothing")
        if not self.source.kind or not self.source.ref:
            raise InvalidInput("what is credited needs a source, in words that come once: kind and reference")

    @property
    def key(self) -> tuple[str, str, str]:
        """What comes once: its source, in its programme."""
        return self.source.kind, self.source.ref, self.programme

    @property
    def told(self) -> tuple[BuyerId, str, int]:
        """What the same source must say again."""
        return self.buyer.buyer_id, self.amount.currency, self.units


@dataclass(frozen=True, slots=True)
class Settled:
    """How many lots vested and expired."""

    vested: int
    expired: int


async def lock_buyers(conn: Connection, buyer_ids: Iterable[BuyerId]) -> None:
    """Hold buyers until the transaction ends. Whoever credits several in one locks all of them first."""
    assert conn.is_in_transaction(), "a lock ends with its transaction"
    await conn.fetch(_LOCK_BUYERS, sorted(set(buyer_ids)))


class LotBook:
    """Adds lots and writes what happens to them, in the caller's transaction."""

    def __init__(self, pool: Pool, booker: Booker | None = None) -> None:
        self._booker = booker or Booker(pool)

    async def hold(self, conn: Connection, buyer_ids: Collection[BuyerId], now: datetime) -> None:
        """Lock buyers, and write what time has done to their lots."""
        await lock_buyers(conn, buyer_ids)
        await self.settle(conn, list(buyer_ids), now)

    async def hold_person(self, conn: Connection, buyer_id: BuyerId, now: datetime) -> list[BuyerId]:
        """Lock all names of a buyer, and write what time has done to their lots; the names.

        Whoever holds several buyers already may not: names are locked in the order of their ids.
        """
        names = await lock_person(conn, buyer_id)
        await self.settle(conn, names, now)
        return names

    async def settle(self, conn: Connection, buyer_ids: Sequence[BuyerId], now: datetime) -> Settled:
        """Vest and expire what is due of buyers who are locked."""
        rows = await conn.fetch(_DUE_LOTS, buyer_ids, now)
        owed = await self._owed(conn, buyer_ids) if rows else {}
        groups: list[list[Use]] = []
        for row in rows:
            lot, key = _lot(row), (row["buyer_id"], row["currency"])
            groups.append(due(lot, now, owed.get(key, 0)))
            owed[key] = owed.get(key, 0) - sum(
                use.amount_minor for use in groups[-1] if use.kind is UseKind.SET_OFF
            )
        await self.write(conn, [[use] for group in groups for use in group], now, reason="due")
        kinds = [use.kind for group in groups for use in group]
        return Settled(kinds.count(UseKind.VESTED), kinds.count(UseKind.EXPIRED))

    async def add(
        self, conn: Connection, news: Sequence[NewLot], now: datetime, paid_by: int | None = None
    ) -> list[LotId]:
        """The lots of sources, known or made now. `paid_by`: the transaction that has posted them already.

        The buyers are held. ReferenceReused: a source has credited something else before.
        """
        asked = {new.key: new for new in reversed(news)}
        known = await self._known(conn, asked)
        for new in news:
            first = asked[new.key]
            if new.told != (known[new.key][1] if new.key in known else first.told):
                raise _reused(new.source)
        fresh = [new for new in dict.fromkeys(asked[new.key] for new in news) if new.key not in known]
        made = await self._make(conn, fresh, now, paid_by) if fresh else {}
        return [known[new.key][0] if new.key in known else made[new.key] for new in news]

    async def _known(
        self, conn: Connection, asked: Collection[tuple[str, str, str]]
    ) -> dict[tuple[str, str, str], tuple[LotId, tuple[BuyerId, str, int]]]:
        """What these sources have credited before, and to whom."""
        rows = await conn.fetch(_FIND_SOURCES, *map(list, zip(*asked, strict=True))) if asked else []
        return {
            (row["source_kind"], row["source_ref"], row["programme"]): (
                LotId(row["lot_id"]),
                (BuyerId(row["buyer_id"]), row["currency"], row["units"]),
            )
            for row in rows
        }

    async def _make(
        self, conn: Connection, fresh: Sequence[NewLot], now: datetime, paid_by: int | None
    ) -> Mapping[tuple[str, str, str], LotId]:
        times = [_times(new, now) for new in fresh]
        posted: list[int | None] = [paid_by] * len(fresh)
        if paid_by is None:
            posted = await self._booker.post(conn, [_credit(new, now) for new in fresh], now)
        columns = map(list, zip(*(_columns(new) for new in fresh), strict=True))
        rows = await conn.fetch(_ADD_LOTS, *columns, *map(list, zip(*times, strict=True)), posted, now)
        made = {
            (row["source_kind"], row["source_ref"], row["programme"]): LotId(row["lot_id"]) for row in rows
        }
        for new in fresh:
            if new.key not in made:  # somebody credited it to another buyer while we wrote
                raise _reused(new.source)
        usable = [new for new in fresh if new.programme == MONEY and _vests_at(new, now) is None]
        owed = await self._owed(conn, [new.buyer.buyer_id for new in usable]) if usable else {}
        for new in usable:
            if (new.buyer.buyer_id, new.amount.currency) in owed:
                await self._set_off(conn, made[new.key], new.buyer.buyer_id, now)
        return made

    async def _set_off(self, conn: Connection, lot_id: LotId, buyer_id: BuyerId, now: datetime) -> None:
        owed = await self._owed(conn, [buyer_id])
        if not owed:
            return
        lot = await self.whole(conn, lot_id)
        against = set_off(lot, owed.get((buyer_id, lot.currency), 0))
        if against is not None:
            await self.write(conn, [[against]], now, reason="set off against a claim")

    async def _owed(self, conn: Connection, buyer_ids: Sequence[BuyerId]) -> dict[tuple[BuyerId, str], int]:
        return {
            (BuyerId(row["buyer_id"]), row["currency"]): int(row["owed_minor"])
            for row in await conn.fetch(_OWED, buyer_ids)
        }

    async def open_lots(
        self, conn: Connection, buyer_ids: Sequence[BuyerId], programme: str, currency: str
    ) -> list[Lot]:
        """The lots of these names of which something is left."""
        return [_lot(row) for row in await conn.fetch(_OPEN_LOTS, buyer_ids, programme, currency)]

    async def whole(self, conn: Connection, lot_id: LotId) -> Lot:
        """A lot with all that happened to it."""
        row = await conn.fetchrow(_WHOLE_LOT, lot_id)
        assert row is not None, f"lot {lot_id} is there: its buyer was found"
        return _whole(row)

    async def buyer_of(self, conn: Connection, lot_id: LotId, programmes: bool) -> BuyerId:
        """Whose lot it is. InvalidInput: there is none of that number, or it is not of that sort."""
        row = await conn.fetchrow(_BUYER_OF_LOT, lot_id)
        if row is None:
            raise InvalidInput(f"there is no lot {lot_id}: `consignd wallets show BUYER` lists a buyer's")
        if (row["programme"] != MONEY) is not programmes:
            sort = f"of points ({row['programme']})" if row["programme"] else "of money"
            raise InvalidInput(f"lot {lot_id} is {sort}: take it back as such")
        return BuyerId(row["buyer_id"])

    async def write(
        self,
        conn: Connection,
        groups: Sequence[Sequence[Use]],
        now: datetime,
        *,
        spend_id: int | None = None,
        reason: str = "",
    ) -> list[int | None]:
        """Post each group as a transaction, and write its uses; uses of a lot follow each other."""
        groups = [group for group in groups if group]
        if not groups:
            return []
        bookings = [
            Booking(group[0].booking, tuple(posting for use in group for posting in use.postings))
            for group in groups
        ]
        posted = await self._booker.post(conn, bookings, now)
        rows = [
            (use, transaction_id)
            for group, transaction_id in zip(groups, posted, strict=True)
            for use in group
        ]
        uses = [use for use, _ in rows]
        lots, kinds = [use.lot.lot_id for use in uses], [use.kind.value for use in uses]
        amounts = [use.amount_minor for use in uses]
        spends = [spend_id if use.kind is UseKind.SPENT else None for use in uses]
        transactions = [transaction_id if use.amount_minor else None for use, transaction_id in rows]
        numbers, units = [use.use_no for use in uses], [use.units for use in uses]
        await conn.execute(_ADD_USES, lots, numbers, kinds, units, amounts, spends, transactions, now, reason)
        await conn.execute(_ADD_CLAIMS, lots, kinds, amounts, now)
        await self._reopen(conn, {use.lot.lot_id: use.lot.after(use) for use in uses})
        return posted

    async def _reopen(self, conn: Connection, lots: dict[LotId, Lot]) -> None:
        """Say what is left of lots now."""
        left = [lot for lot in lots.values() if lot.units_left]
        await conn.execute(
            _SET_OPEN,
            [lot.lot_id for lot in left],
            [lot.units_left for lot in left],
            [lot.amount_left_minor for lot in left],
            [lot.vested for lot in left],
            [lot.due_at for lot in left],
        )
        await conn.execute(_CLOSE_LOTS, [lot.lot_id for lot in lots.values() if not lot.units_left])


def _credit(new: NewLot, now: datetime) -> Booking:
    standing = standing_account(new.buyer.name, new.programme, vested=_vests_at(new, now) is None)
    usual = BookingKind.REBATE if new.programme == MONEY else BookingKind.POINTS
    postings = moved(new.cost, standing, new.amount.amount_minor, new.amount.currency)
    return Booking(new.booking or usual, postings)


def _reused(source: Source) -> ReferenceReused:
    return ReferenceReused(
        f"{source.kind} {source.ref} has credited something else before: what is new needs its own source"
    )


def _vests_at(new: NewLot, now: datetime) -> datetime | None:
    """None: usable at once, as is what vested before it was credited."""
    return new.vests_at if new.vests_at is not None and new.vests_at > now else None


def _times(new: NewLot, now: datetime) -> tuple[datetime | None, datetime | None]:
    vests_at = _vests_at(new, now)
    if new.expires_at is not None and new.expires_at <= (vests_at or now):
        raise InvalidInput(
            f"{new.source.kind} {new.source.ref} would expire at {new.expires_at:%Y-%m-%d %H:%M}, before it"
            " can be used: let it expire later"
        )
    return vests_at, new.expires_at


def _columns(new: NewLot) -> tuple[object, ...]:
    return (
        new.buyer.buyer_id,
        new.programme,
        new.amount.currency,
        new.units,
        new.amount.amount_minor,
        new.source.kind,
        new.source.ref,
        *new.cost,
    )


def _lot(row: Record) -> Lot:
    return Lot(
        lot_id=LotId(row["lot_id"]),
        buyer=row["buyer"],
        programme=row["programme"],
        currency=row["currency"],
        units=row["units"],
        amount_minor=row["amount_minor"],
        cost=(row["cost_party"], row["cost_name"], row["cost_purpose"]),
        vested=row["vested"],
        vests_at=row["vests_at"],
        expires_at=row["expires_at"],
        units_left=row["units_left"],
        amount_left_minor=row["amount_left_minor"],
        uses=row["uses"],
    )


def _whole(row: Record) -> Lot:
    return replace(
        _lot(row),
        gone_units=row["gone_units"],
        gone_minor=row["gone_minor"],
        claimed_units=row["claimed_units"],
        claimed_minor=row["claimed_minor"],
        back_units=row["back_units"],
    )
