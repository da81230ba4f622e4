"""Moves a settlement in another currency into the journal, with the rates it was reckoned by."""

from __future__ import annotations

from datetime import datetime

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.booking import Booker, Booking, BookingKind
from core.money.conversion import Conversion
from core.money.exchange import Exchanged

_KEEP_RATE = load_queries("core.money", "exchanging.sql")["keep_rate"]


class Exchanges:
    """Posts exchanges in the caller's transaction."""

    def __init__(self, pool: Pool) -> None:
        self._booker = Booker(pool)

    async def post(self, conn: Connection, exchanged: Exchanged, now: datetime) -> int:
        """Write entries and rates; the transaction's id."""
        (transaction_id,) = await self._booker.post(conn, [Booking(BookingKind.FX, exchanged.postings)], now)
        assert transaction_id is not None, "what is settled is not nothing"
        await _keep(conn, transaction_id, "settled", exchanged.settled)
        if exchanged.booked is not None:
            await _keep(conn, transaction_id, "booked", exchanged.booked)
        return transaction_id


async def _keep(conn: Connection, transaction_id: int, role: str, rate: Conversion) -> None:
    await conn.execute(
        _KEEP_RATE,
        transaction_id,
        role,
        rate.base,
        rate.quote,
        rate.numerator,
        rate.denominator,
        rate.source,
        rate.at,
    )
