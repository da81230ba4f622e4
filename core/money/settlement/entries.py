"""Decides the entries of a settlement: what is paid, kept in reserve, released from it, put right. Pure.

Debit is positive. 120.00 EUR are settled, a tenth of it kept in reserve:

    consignor  payable   +120.00   what was owed is owed no more
    consignor  reserve    -12.00   but for what is kept for refunds to come
    operator   bank      -108.00

Paid in another currency, what leaves the bank is an exchange (see core/money/exchange.py): booked at the
rate of the day on which the settlement was drawn up, settled at that of the day on which it is paid.
"""

from __future__ import annotations

from core.money.booking import Booking, BookingKind
from core.money.conversion import Conversion
from core.money.exchange import Exchanged, Item, convert, exchange
from core.money.money import Money
from core.money.posting import Posting
from core.money.settlement.terms import Payee

_BANK = ("operator", "", "bank")
_CORRECTION = ("operator", "", "correction")


def payment_booking(payee: Payee, settled: Money, reserve_minor: int, *, exchanged: bool) -> Booking | None:
    """What is owed becomes paid or reserve; without the part that an exchange settles. None: that is all."""
    bank_minor = 0 if exchanged else settled.amount_minor - reserve_minor
    postings = [
        _owed(payee, "payable", -(bank_minor + reserve_minor), settled.currency),
        _owed(payee, "reserve", reserve_minor, settled.currency),
        Posting(*_BANK, -bank_minor, settled.currency),
    ]
    kept = tuple(posting for posting in postings if posting.amount_minor)
    return Booking(BookingKind.SETTLEMENT, kept) if kept else None


def payment_exchange(
    payee: Payee, due: Money, paid: Money | None, settled: Conversion, booked: Conversion | None
) -> Exchanged:
    """What is due, paid in another currency: by the day's rate, or what left the bank in truth."""
    amount = convert(due, settled) if paid is None else paid
    owed = Item(payee.party, payee.name, "payable", -due)
    return exchange([owed], Item(*_BANK, -amount), settled, booked)


def release_booking(payee: Payee, reserve: Money) -> Booking:
    """A reserve whose time is over becomes payable."""
    return Booking(
        BookingKind.SETTLEMENT,
        (
            _owed(payee, "reserve", -reserve.amount_minor, reserve.currency),
            _owed(payee, "payable", reserve.amount_minor, reserve.currency),
        ),
    )


def correction_booking(payee: Payee, owed: Money) -> Booking:
    """So much more, or less, is owed than an earlier settlement said."""
    return Booking(
        BookingKind.CORRECTION,
        (
            Posting(*_CORRECTION, owed.amount_minor, owed.currency),
            _owed(payee, "payable", owed.amount_minor, owed.currency),
        ),
    )


def _owed(payee: Payee, purpose: str, amount_minor: int, currency: str) -> Posting:
    """So much more is owed to the payee: a credit."""
    return Posting(payee.party, payee.name, purpose, -amount_minor, currency)
