"""Decides how a group of reservation requests becomes one statement, and what its verdicts mean. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from core.types import ChannelId, Lane, LineRef, ListingId, OrderId, OrderRef, OrderState, SkuId


class Verdict(IntEnum):
    """What the statement says of an order."""

    KNOWN = 0
    TAKEN = 1
    SHORT = 2
    UNDECIDED = 3


@dataclass(frozen=True, slots=True)
class ReserveLine:
    """A line that wants codes of one SKU."""

    line_ref: LineRef
    listing_id: ListingId
    lane: Lane
    sku_id: SkuId
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class ReserveRequest:
    """An order that wants codes. All lines or none, unless partial.

    `state` is what the order becomes when served, `short_state` when not. One that wants no codes is only
    written down, as short.
    """

    channel_id: ChannelId
    order_ref: OrderRef
    request_hash: bytes
    lines: tuple[ReserveLine, ...]
    state: OrderState
    short_state: OrderState
    currency: str
    placed_at: datetime
    due_at: datetime
    buyer_ref: str | None = None
    hold_until: datetime | None = None
    min_validity: timedelta = timedelta(0)
    partial: bool = False
    wants_codes: bool = True
    # Why it comes in as it does, for people.
    reason: str = ""

    def full_take(self) -> tuple[int, ...]:
        """What is asked of each line at first: all of it."""
        return tuple(line.quantity if self.wants_codes else 0 for line in self.lines)


@dataclass(frozen=True, slots=True)
class Reserved:
    """The answer to a request. `taken` counts codes per line, in the request's order; empty if repeated."""

    order_id: OrderId
    state: OrderState
    taken: tuple[int, ...] = ()
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class ReservedLine:
    """A line of a known order that wants codes."""

    line_no: int
    lane: Lane
    sku_id: SkuId
    listing_id: ListingId
    quantity: int
    valid_until: datetime


def compatible(waiting: Sequence[int], requests: Sequence[ReserveRequest]) -> list[int]:
    """Those of the waiting requests that one statement can serve, in their order.

    Within a statement a SKU is looked at with one validity, and a reference stands once; the first that
    waits is always among them.
    """
    validity_of_sku: dict[SkuId, timedelta] = {}
    references: set[tuple[ChannelId, OrderRef]] = set()
    chosen: list[int] = []
    for index in waiting:
        request = requests[index]
        reference = (request.channel_id, request.order_ref)
        agrees = all(
            validity_of_sku.get(line.sku_id, request.min_validity) == request.min_validity
            for line in request.lines
        )
        if agrees and reference not in references:
            references.add(reference)
            validity_of_sku.update({line.sku_id: request.min_validity for line in request.lines})
            chosen.append(index)
    return chosen


@dataclass(frozen=True, slots=True)
class GroupArrays:
    """The columns of a group, as the statement takes them."""

    lanes: list[int]
    now: datetime
    orders: tuple[list[object], ...]
    lines: tuple[list[object], ...]

    def arguments(self) -> list[object]:
        """The statement's arguments in its order."""
        return [self.lanes, self.now, *self.orders, *self.lines]

    @classmethod
    def of(
        cls,
        requests: Sequence[ReserveRequest],
        takes: Sequence[tuple[int, ...]],
        order_ids: Sequence[OrderId],
        now: datetime,
    ) -> GroupArrays:
        """Lay a group out in columns; line numbers count from 1 within an order."""
        orders = [
            (
                order_id,
                request.lines[0].lane,
                request.channel_id,
                request.order_ref,
                request.request_hash,
                (request.state if any(take) else request.short_state).value,
                None if request.partial and any(take) else request.short_state.value,
                request.currency,
                request.buyer_ref,
                request.placed_at,
                request.hold_until,
                request.due_at,
                request.reason,
            )
            for request, take, order_id in zip(requests, takes, order_ids, strict=True)
        ]
        lines = [
            (
                ord_,
                line_no,
                line.line_ref,
                line.listing_id,
                line.lane,
                line.sku_id,
                line.quantity,
                wanted,
                line.unit_price_minor,
                now + request.min_validity,
            )
            for ord_, (request, take) in enumerate(zip(requests, takes, strict=True), start=1)
            for line_no, (line, wanted) in enumerate(zip(request.lines, take, strict=True), start=1)
        ]
        lanes = sorted({line.lane for request in requests for line in request.lines})
        return cls([*lanes], now, _columns(orders), _columns(lines))


def _columns(rows: Sequence[tuple[object, ...]]) -> tuple[list[object], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))


def fold_verdicts(
    requests: Sequence[ReserveRequest],
    takes: Sequence[tuple[int, ...]],
    order_ids: Sequence[OrderId],
    verdicts: Sequence[tuple[int, int, int]],
) -> list[Reserved | Exception | tuple[int, ...] | None]:
    """Turn (line, verdict, remaining) rows into one outcome per request.

    None: undecided, ask again. A tuple: short but partial, ask again for what remains of each line.
    """
    by_line = {line: (verdict, remaining) for line, verdict, remaining in verdicts}
    outcomes: list[Reserved | Exception | tuple[int, ...] | None] = []
    first_line = 1
    for request, take, order_id in zip(requests, takes, order_ids, strict=True):
        own = [by_line[first_line + offset] for offset in range(len(request.lines))]
        first_line += len(request.lines)
        outcomes.append(_outcome(request, take, order_id, own))
    return outcomes


def _outcome(
    request: ReserveRequest, take: tuple[int, ...], order_id: OrderId, own: Sequence[tuple[int, int]]
) -> Reserved | tuple[int, ...] | None:
    match Verdict(own[0][0]):
        case Verdict.TAKEN:
            served = request.state if any(take) else request.short_state
            return Reserved(order_id, served, take)
        case Verdict.SHORT if request.partial and any(take):
            return _what_remains(request, take, [remaining for _, remaining in own])
        case Verdict.SHORT:
            return Reserved(order_id, request.short_state, tuple(0 for _ in take))
        case _:
            return None


def _what_remains(
    request: ReserveRequest, take: tuple[int, ...], remaining: Sequence[int]
) -> tuple[int, ...]:
    """Cut each line to what is left of its SKU; lines of one SKU share it, the earlier first."""
    left = {line.sku_id: rest for line, rest in zip(request.lines, remaining, strict=True)}
    cut: list[int] = []
    for line, wanted in zip(request.lines, take, strict=True):
        part = min(wanted, max(left[line.sku_id], 0))
        left[line.sku_id] -= part
        cut.append(part)
    return tuple(cut)
