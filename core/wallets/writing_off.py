"""Writes off what buyers owe us and will never pay: from then on it is a loss of ours, and nobody owes it.

What becomes usable in the wallet later is the buyer's own again: nothing of it goes against what was owed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.buyers.buyers import Buyer
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import MoveRefused
from core.money.booking import Booker, Booking, BookingKind
from core.money.money import Money
from core.wallets.book import LotBook
from core.wallets.lots import Account, claim_account, moved

_SQL = load_queries("core.wallets", "writing_off.sql")
_CLAIMS_OF_NAMES = _SQL["claims_of_names"]
_END_CLAIMS = _SQL["end_claims"]

LOSS: Account = ("operator", "", "loss")


@dataclass(frozen=True, slots=True)
class WrittenOff:
    """What a name of a person owed us, and the transaction that made it our loss."""

    buyer: str
    amount: Money
    transaction_id: int


async def write_off(
    conn: Connection, book: LotBook, booker: Booker, buyer: Buyer, now: datetime, currency: str | None
) -> tuple[WrittenOff, ...]:
    """Write off all that a person owes under any name, or what of it is in a currency.

    In the caller's transaction. What time has done to the wallet is written first: what vested by now is set
    off, and only the rest written off. MoveRefused: nothing is owed.
    """
    names = await book.hold_person(conn, buyer.buyer_id, now)
    claims = await conn.fetch(_CLAIMS_OF_NAMES, names, currency)
    if not claims:
        of = f" in {currency}" if currency is not None else ""
        raise MoveRefused(f"{buyer.name} owes nothing{of}: there is nothing to write off")
    owed = [Money(int(row["owed_minor"]), row["currency"]) for row in claims]
    bookings = [
        Booking(
            BookingKind.WALLET,
            moved(LOSS, claim_account(row["buyer"]), amount.amount_minor, amount.currency),
        )
        for row, amount in zip(claims, owed, strict=True)
    ]
    posted = await booker.post(conn, bookings, now)
    columns = [[row[name] for row in claims] for name in ("buyer_id", "currency", "owed_minor")]
    await conn.execute(_END_CLAIMS, *columns, posted, now)
    told = []
    for row, amount, transaction_id in zip(claims, owed, posted, strict=True):
        assert transaction_id is not None, "what is owed is more than nothing, so it is posted"
        told.append(WrittenOff(row["buyer"], amount, transaction_id))
    return tuple(told)
