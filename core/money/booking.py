"""Writes balanced transactions of whatever is no sale: statements, payouts, discrepancies and their like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.db.ids import IdBlocks
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.accounts import Account, account_ids, account_of
from core.money.posting import Posting

_SQL = load_queries("core.money", "booking.sql")
_ADD_TRANSACTIONS = _SQL["add_transactions"]
_ADD_ENTRIES = _SQL["add_entries"]


class BookingKind(StrEnum):
    """What a transaction is that no order posted."""

    CLEARING = "clearing"  # a line of a channel's statement
    FX = "fx"  # money of one currency settles what stood in another
    PAYOUT = "payout"  # a channel's balance goes to our bank
    DISCREPANCY = "discrepancy"  # a difference is opened, or settled
    CORRECTION = "correction"
    SETTLEMENT = "settlement"  # what a party is owed becomes payable, or is paid
    BUDGET = "budget"  # money is set aside for a purpose, or spent on it
    REBATE = "rebate"  # a campaign gives something back, or takes it back
    WALLET = "wallet"  # a buyer spends what stands in the wallet, or it expires
    POINTS = "points"  # points are earned, redeemed or expire
    COUPON = "coupon"  # a coupon is issued, redeemed or expires


@dataclass(frozen=True, slots=True)
class Booking:
    """A transaction to be: its entries sum to zero per currency once those of an account are added up."""

    kind: BookingKind
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        sums: Counter[str] = Counter()
        for posting in self.postings:
            sums[posting.currency] += posting.amount_minor
        assert not any(sums.values()), f"a {self.kind} out of balance: {dict(sums)}"


class Booker:
    """Posts bookings in the caller's transaction. Accounts are made when first used."""

    def __init__(self, pool: Pool) -> None:
        # Ids are always taken with the caller's connection: see IdBlocks.
        self._ids = IdBlocks(pool, "transaction_id_block")

    async def post(self, conn: Connection, bookings: Sequence[Booking], now: datetime) -> list[int | None]:
        """The transaction of each; None for one that changes nothing, which is not written."""
        assert conn.is_in_transaction(), "what is booked stands or falls with why it is booked"
        merged = [_merge(booking.postings) for booking in bookings]
        accounts = await account_ids(conn, (account for sums in merged for account in sums))
        ids = iter(await self._ids.take(sum(map(bool, merged)), conn))
        posted = [next(ids) if sums else None for sums in merged]
        written = [
            (transaction_id, booking.kind.value)
            for transaction_id, booking in zip(posted, bookings, strict=True)
            if transaction_id is not None
        ]
        entries = [
            (transaction_id, entry_no, accounts[account], amount_minor)
            for transaction_id, sums in zip(posted, merged, strict=True)
            if transaction_id is not None
            for entry_no, (account, amount_minor) in enumerate(sums.items(), 1)
        ]
        if written:
            await conn.execute(_ADD_TRANSACTIONS, *map(list, zip(*written, strict=True)), now)
            await conn.execute(_ADD_ENTRIES, *map(list, zip(*entries, strict=True)))
        return posted


def _merge(postings: Iterable[Posting]) -> dict[Account, int]:
    """One entry for each account, none of nothing."""
    sums: dict[Account, int] = {}
    for posting in postings:
        key = account_of(posting)
        sums[key] = sums.get(key, 0) + posting.amount_minor
    return {account: amount_minor for account, amount_minor in sums.items() if amount_minor}
