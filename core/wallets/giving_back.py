"""Moves money that was spent back into the wallet, when what it was spent on falls through."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.buyers.buyers import Buyer
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput, MoveRefused
from core.money.booking import BookingKind
from core.money.money import Money
from core.types import BuyerId
from core.wallets.book import LotBook, NewLot
from core.wallets.lots import MONEY, LotId, Source

_SQL = load_queries("core.wallets", "wallets.sql")
_SPEND_TO_GIVE_BACK = _SQL["spend_to_give_back"]
_BUYER_OF_SPEND = _SQL["buyer_of_spend"]

# The query that adds up what was given back goes by this word, too.
GIVEN_BACK = "given back"
# Money that comes back late can be used again for so long at least.
GRACE = timedelta(days=30)


async def give_back(
    conn: Connection, book: LotBook, ref: str, amount: Money, now: datetime, refund_ref: str
) -> LotId:
    """A lot at the cost of the account that the money was spent to; see Wallets.give_back."""
    buyer_id: int | None = await conn.fetchval(_BUYER_OF_SPEND, ref)
    if buyer_id is None:
        raise InvalidInput(f"nothing was spent by {ref!r}: a buyer's wallet shows by which references it was")
    if not refund_ref.strip():
        raise InvalidInput("what is given back needs a reference that comes once, such as the refund's")
    await book.hold(conn, [BuyerId(buyer_id)], now)
    spent = await conn.fetchrow(_SPEND_TO_GIVE_BACK, ref, refund_ref)
    assert spent is not None, "what was spent stays so"
    left = Money(spent["amount_minor"] - spent["back_minor"], spent["currency"])
    if amount.currency != left.currency:
        raise InvalidInput(f"{ref!r} spent {left.currency}: give back {left.currency}")
    if amount.amount_minor > left.amount_minor:
        raise MoveRefused(f"of what {ref!r} spent {left} can be given back, not {amount}")
    expires_at: datetime | None = spent["expires_at"]
    new = NewLot(
        buyer=Buyer(BuyerId(buyer_id), spent["buyer"]),
        programme=MONEY,
        units=amount.amount_minor,
        amount=amount,
        source=Source(GIVEN_BACK, f"{spent['spend_id']}/{refund_ref}"),
        cost=(spent["to_party"], spent["to_name"], spent["to_purpose"]),
        vests_at=None,
        expires_at=None if expires_at is None else max(expires_at, now + GRACE),
        booking=BookingKind.WALLET,
    )
    (lot_id,) = await book.add(conn, [new], now)
    return lot_id
