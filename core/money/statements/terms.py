"""Decides the words of statements: kinds of lines, of dues and of discrepancies, and a channel's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from core.types import ChannelId


class LineKind(StrEnum):
    """What a line of a channel's statement says of itself."""

    SALE = "sale"
    FEE = "fee"
    EDIT_FEE = "edit_fee"
    RELEASE_FEE = "release_fee"
    UNFULFILLED_FEE = "unfulfilled_fee"
    REFUND = "refund"
    WITHDRAWAL = "withdrawal"
    ADJUSTMENT = "adjustment"
    OTHER = "other"


class DueKind(StrEnum):
    """What our journal expects a channel to tell. Sales and fees given back are above zero, others below."""

    SALE = "sale"
    FEE = "fee"
    REFUND = "refund"
    FEE_BACK = "fee_back"


class DiscrepancyKind(StrEnum):
    """In what way theirs is not ours."""

    UNKNOWN_SALE = "unknown_sale"
    UNEXPECTED_FEE = "unexpected_fee"
    REFUND_THERE_ONLY = "refund_there_only"
    DOUBLED = "doubled"
    OVERPAID = "overpaid"
    FEE_DIFFERS = "fee_differs"
    MISSING_SALE = "missing_sale"
    MISSING_FEE = "missing_fee"
    MISSING_REFUND = "missing_refund"
    ADJUSTMENT = "adjustment"
    UNKNOWN_KIND = "unknown_kind"


class Resolution(StrEnum):
    """Where the money of a discrepancy goes."""

    MATCHED = "matched"  # the other side came late; never chosen by a person
    FEE = "fee"  # the channel's charge, accepted
    WRITE_OFF = "write_off"  # the operator's loss, or gain
    BANK = "bank"  # it came from, or went to, our bank account
    PAIR = "pair"  # two of one channel that are each other's other side


# What is right without an entry of ours: a cost of the operator's under its own name, or money we get.
BOOKED: Mapping[LineKind, tuple[str, str]] = MappingProxyType(
    {
        LineKind.EDIT_FEE: ("channel", "edit_fees"),
        LineKind.RELEASE_FEE: ("channel", "release_fees"),
        LineKind.UNFULFILLED_FEE: ("channel", "unfulfilled_fees"),
        LineKind.WITHDRAWAL: ("operator", "bank"),
    }
)


@dataclass(frozen=True, slots=True)
class MatchTerms:
    """How a channel's lines are held against ours."""

    channel_id: ChannelId
    channel: str
    # A line this far from what it matches is taken for it; the difference is booked as rounding.
    tolerance_minor: int = 1
    # A line without an order's reference is looked for among what is not older than this.
    window: timedelta = timedelta(days=30)
    # What the channel has not told so long after we posted it, while it told later things, is missing.
    late: timedelta = timedelta(days=14)
    # The statement names orders by numbers of its own, so they say nothing to us.
    own_order_refs: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be matched; amounts that are ours are above zero."""

    line_ref: str
    kind: LineKind
    amount_minor: int
    currency: str
    at: datetime
    order_ref: str | None = None
    listing_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What one of our sales or refunds lets us expect: what is left of it, and how much one unit makes."""

    due_id: int
    transaction_id: int
    kind: DueKind
    left_minor: int
    unit_minor: int
    currency: str
    at: datetime
    order_ref: str | None = None
    listing_ref: str | None = None
    # Where it is already taken for missing.
    discrepancy_id: int | None = None


@dataclass(frozen=True, slots=True)
class Allotment:
    """A part of a line that is a part of a due."""

    due: Due
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where all the money of a line goes; the parts sum to its amount."""

    line: Line
    allotments: tuple[Allotment, ...] = ()
    booked_minor: int = 0
    rounding_minor: int = 0
    discrepancy_minor: int = 0
    discrepancy: DiscrepancyKind | None = None
    # What of ours the discrepancy is held against.
    ours_minor: int = 0

    def __post_init__(self) -> None:
        allotted = sum(part.amount_minor for part in self.allotments)
        given = allotted + self.booked_minor + self.rounding_minor + self.discrepancy_minor
        assert given == self.line.amount_minor, f"line {self.line.line_ref}: {given} is not all of it"
        assert (self.discrepancy is None) == (self.discrepancy_minor == 0), "a difference has a kind"
