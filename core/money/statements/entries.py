"""Decides the entries of statement lines, of what is missing, and of settled discrepancies. Pure.

Debit is positive. A sale left `receivable` at the net and `commission` at the fee; the channel tells both:

    SALE +20.00     channel balance +20.00   channel receivable -20.00
    FEE   -2.50     channel balance  -2.50   channel receivable  +2.50

so what a channel paid exactly as we reckoned leaves nothing on `receivable`, and `balance` is always the
sum of all lines told. A withdrawal moves it to the operator's `bank`. What fits nothing of ours stands on
the channel's `discrepancy` with the opposite sign until it is settled; what was never told goes there from
`receivable`.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.money.booking import Booking, BookingKind
from core.money.posting import Posting
from core.money.statements.terms import BOOKED, Due, LineKind, Resolution, Verdict

_TARGETS = {
    Resolution.FEE: ("channel", "commission"),
    Resolution.WRITE_OFF: ("operator", "loss"),
    Resolution.BANK: ("operator", "bank"),
}


def line_booking(channel: str, verdict: Verdict) -> Booking:
    """The entries of a line that is judged for the first time."""
    line = verdict.line
    kind = BookingKind.PAYOUT if line.kind is LineKind.WITHDRAWAL else BookingKind.CLEARING
    balance = _of_channel(channel, "balance", line.amount_minor, line.currency)
    rest = _of_channel(channel, "discrepancy", -verdict.discrepancy_minor, line.currency)
    return Booking(kind, (balance, *_cleared(channel, verdict), rest))


def late_booking(channel: str, verdict: Verdict) -> Booking:
    """The entries of a line that stood apart and is matched now: its discrepancy shrinks by what matched."""
    matched_minor = verdict.line.amount_minor - verdict.discrepancy_minor
    back = _of_channel(channel, "discrepancy", matched_minor, verdict.line.currency)
    return Booking(BookingKind.DISCREPANCY, (back, *_cleared(channel, verdict)))


def missing_booking(channel: str, due: Due) -> Booking:
    """What was due and never told goes from what we are owed to the discrepancies."""
    return Booking(
        BookingKind.DISCREPANCY,
        (
            _of_channel(channel, "receivable", -due.left_minor, due.currency),
            _of_channel(channel, "discrepancy", due.left_minor, due.currency),
        ),
    )


def settling_booking(channel: str, left_minor: int, currency: str, resolution: Resolution) -> Booking:
    """What is left of a discrepancy goes where a person said."""
    party, purpose = _TARGETS[resolution]
    target = Posting(party, channel if party == "channel" else "", purpose, -left_minor, currency)
    back = _of_channel(channel, "discrepancy", left_minor, currency)
    return Booking(BookingKind.DISCREPANCY, (back, target))


def _cleared(channel: str, verdict: Verdict) -> Iterator[Posting]:
    currency = verdict.line.currency
    for part in verdict.allotments:
        # What was taken for missing left the receivable when it was.
        purpose = "receivable" if part.due.discrepancy_id is None else "discrepancy"
        yield _of_channel(channel, purpose, -part.amount_minor, currency)
    if verdict.booked_minor:
        party, purpose = BOOKED[verdict.line.kind]
        name = channel if party == "channel" else ""
        yield Posting(party, name, purpose, -verdict.booked_minor, currency)
    yield _of_channel(channel, "rounding", -verdict.rounding_minor, currency)


def _of_channel(channel: str, purpose: str, amount_minor: int, currency: str) -> Posting:
    return Posting("channel", channel, purpose, amount_minor, currency)
