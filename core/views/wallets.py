"""Tells what people see of wallets and points: balances explained lot by lot, what expires, what is owed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.buyers.buyers import Buyer
from core.db.pool import Connection, Record
from core.db.queries import load_queries

_SQL = load_queries("core.views", "wallets.sql")
_LOTS = _SQL["wallet_lots"]
_USES = _SQL["lot_uses"]
_POINTS = _SQL["points_standings"]
_EXPIRING = _SQL["expiring"]
_LIABILITY = _SQL["liability"]
_BALANCES = load_queries("core.wallets", "wallets.sql")["balances"]

ANY_PROGRAMME = "*"


@dataclass(frozen=True, slots=True)
class MoneyStanding:
    """A buyer's money in a currency; `owed_minor` is what the buyer owes us."""

    currency: str
    usable_minor: int
    pending_minor: int
    owed_minor: int


@dataclass(frozen=True, slots=True)
class PointsStanding:
    """A buyer's points in a programme, and what all of them are worth."""

    programme: str
    currency: str
    usable: int
    pending: int
    worth_minor: int


@dataclass(frozen=True, slots=True)
class UseView:
    """Something that happened to a lot; `ref` is what it was spent by."""

    kind: str
    points: int | None
    amount_minor: int
    used_at: datetime
    ref: str | None
    transaction_id: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class LotView:
    """A lot, what is left of it, and what became of the rest. Points are None for money.

    `buyer` is the name that it stands under: one of the person's.
    """

    lot_id: int
    buyer: str
    programme: str | None
    state: str
    currency: str
    amount_minor: int
    left_minor: int
    points: int | None
    points_left: int | None
    source_kind: str
    source_ref: str
    credited_at: datetime
    vests_at: datetime | None
    expires_at: datetime | None
    uses: tuple[UseView, ...]


@dataclass(frozen=True, slots=True)
class WalletView:
    """A buyer's wallet; `next_before` asks for the lots after these, which are older."""

    buyer: str
    standings: tuple[MoneyStanding, ...]
    lots: tuple[LotView, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class PointsView:
    """A buyer's points; `next_before` asks for the lots after these, which are older."""

    buyer: str
    standings: tuple[PointsStanding, ...]
    lots: tuple[LotView, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class Expiring:
    """What is left of a lot that will expire."""

    buyer: str
    lot_id: int
    programme: str | None
    currency: str
    points: int | None
    amount_minor: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LiabilityRow:
    """Points of a programme that expire in a month (UTC), or never; and what they are worth."""

    programme: str
    currency: str
    month: str | None
    points: int
    amount_minor: int
    buyers: int


async def wallet_of(
    conn: Connection, buyer: Buyer, *, closed: bool = False, before: int | None = None, limit: int = 100
) -> WalletView:
    """A person's money under all his names, with the lots that are left, or all of them, newest first."""
    standings = tuple(MoneyStanding(**row) for row in await conn.fetch(_BALANCES, buyer.buyer_id))
    lots = await _lots(conn, buyer, "", closed, before, limit)
    return WalletView(buyer.name, standings, lots, _next(lots, limit))


async def points_of(
    conn: Connection,
    buyer: Buyer,
    programme: str | None = None,
    *,
    closed: bool = False,
    before: int | None = None,
    limit: int = 100,
) -> PointsView:
    """A person's points of one programme or all, with the lots that are left, or all, newest first."""
    rows = await conn.fetch(_POINTS, buyer.buyer_id)
    standings = tuple(PointsStanding(**row) for row in rows if programme in (None, row["programme"]))
    lots = await _lots(conn, buyer, programme or ANY_PROGRAMME, closed, before, limit)
    return PointsView(buyer.name, standings, lots, _next(lots, limit))


async def expiring(conn: Connection, now: datetime, days: int, limit: int) -> tuple[Expiring, ...]:
    """Money and points that expire within so many days, soonest first."""
    rows = await conn.fetch(_EXPIRING, now + timedelta(days=days), limit)
    return tuple(
        Expiring(
            buyer=row["buyer"],
            lot_id=row["lot_id"],
            programme=row["programme"] or None,
            currency=row["currency"],
            points=row["units_left"] if row["programme"] else None,
            amount_minor=row["amount_left_minor"],
            expires_at=row["expires_at"],
        )
        for row in rows
    )


async def liability(conn: Connection, programme: str | None = None) -> tuple[LiabilityRow, ...]:
    """What all points that buyers have are worth."""
    return tuple(LiabilityRow(**row) for row in await conn.fetch(_LIABILITY, programme))


async def _lots(
    conn: Connection, buyer: Buyer, programme: str, closed: bool, before: int | None, limit: int
) -> tuple[LotView, ...]:
    rows = await conn.fetch(_LOTS, buyer.buyer_id, programme, closed, before, limit)
    uses: dict[int, list[Record]] = {row["lot_id"]: [] for row in rows}
    for use in await conn.fetch(_USES, list(uses)):
        uses[use["lot_id"]].append(use)
    return tuple(_lot(row, uses[row["lot_id"]]) for row in rows)


def _lot(row: Record, uses: list[Record]) -> LotView:
    money = not row["programme"]
    return LotView(
        lot_id=row["lot_id"],
        buyer=row["buyer"],
        programme=row["programme"] or None,
        state=row["state"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        left_minor=row["left_minor"],
        points=None if money else row["units"],
        points_left=None if money else row["units_left"],
        source_kind=row["source_kind"],
        source_ref=row["source_ref"],
        credited_at=row["credited_at"],
        vests_at=row["vests_at"],
        expires_at=row["expires_at"],
        uses=tuple(_use(use, money=money) for use in uses),
    )


def _use(row: Record, *, money: bool) -> UseView:
    return UseView(
        kind=row["kind"],
        points=None if money else row["units"],
        amount_minor=row["amount_minor"],
        used_at=row["used_at"],
        ref=row["ref"],
        transaction_id=row["transaction_id"],
        reason=row["reason"],
    )


def _next(lots: tuple[LotView, ...], limit: int) -> int | None:
    return lots[-1].lot_id if len(lots) == limit else None
