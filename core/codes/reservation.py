"""Decides how a group of reservation requests becomes one statement, and what its verdicts mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from core.db.arrays import int_array
from core.types import (
    ChannelId,
    Lane,
    LineRef,
    ListingId,
    OrderId,
    OrderRef,
    OrderState,
    SkuId,
)

ValueT = TypeVar("ValueT")


class Verdict(IntEnum):
    """What the statement says of a line's order."""

    TAKEN = 1
    SHORT = 2
    UNDECIDED = 3


class ReserveLine(Struct, frozen=True, gc=False):
    """A line that wants codes of one SKU."""

    line_ref: LineRef
    listing_id: ListingId
    lane: Lane
    sku_id: SkuId
    quantity: int
    unit_price_minor: int


class ReserveRequest(Struct, frozen=True, gc=False):
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
    # When it wants to be looked at next; None: at once.
    due_at: datetime | None = None
    buyer_ref: str | None = None
    hold_until: datetime | None = None
    min_validity: timedelta = timedelta(0)
    partial: bool = False
    wants_codes: bool = True
    # Why it comes in as it does, for people.
    reason: str = ""

    def full_take(self) -> tuple[int, ...]:
        """What is asked of each line at first: all of it."""
        return tuple([line.quantity if self.wants_codes else 0 for line in self.lines])


class Reserved(Struct, frozen=True, gc=False):
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


# A line of a group: its order's place in the group, its own in the order, and how many codes it asks for now.
_Line = tuple[int, int, ReserveLine, int]


def compatible(waiting: Sequence[int], requests: Sequence[ReserveRequest]) -> list[int]:
    """Those of the waiting requests that one statement can serve, in their order.

    Within a statement a SKU is looked at with one validity, and a reference stands once; the first that
    waits is always among them.
    """
    if _all_compatible(waiting, requests):
        return list(waiting)
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


def _all_compatible(waiting: Sequence[int], requests: Sequence[ReserveRequest]) -> bool:
    """The common case, told without looking at lines: one validity for all, every reference once."""
    references = {(requests[index].channel_id, requests[index].order_ref) for index in waiting}
    return len(references) == len(waiting) and len({requests[index].min_validity for index in waiting}) == 1


def group_arguments(
    requests: Sequence[ReserveRequest],
    takes: Sequence[tuple[int, ...]],
    order_ids: Sequence[OrderId],
    now: datetime,
) -> list[object]:
    """A group laid out in columns, as the statement takes it; what it counts, it counts from 1."""
    kinds: dict[_Kind, int] = {}
    of_order = [
        kinds.setdefault(_kind(request, take), len(kinds) + 1)
        for request, take in zip(requests, takes, strict=True)
    ]
    lines = [
        (ord_, line_no, line, wanted)
        for ord_, (request, take) in enumerate(zip(requests, takes, strict=True), start=1)
        for line_no, (line, wanted) in enumerate(zip(request.lines, take, strict=True), start=1)
    ]
    needs = _needs(lines)
    return [
        sorted({line.lane for _, _, line, _ in lines}),
        now,
        *_kind_columns(kinds, now),
        *_order_columns(requests, order_ids, of_order),
        *_line_columns(lines),
        int_array([lane for lane, _ in needs]),
        int_array([sku_id for _, sku_id in needs]),
        int_array([len(units) for units in needs.values()]),
        int_array([of_order[units[0][0] - 1] for units in needs.values()]),
        int_array([number for number, units in enumerate(needs.values(), start=1) for _ in units]),
        int_array([ord_ for units in needs.values() for ord_, _ in units]),
        int_array([line_no for units in needs.values() for _, line_no in units]),
    ]


def _order_columns(
    requests: Sequence[ReserveRequest], order_ids: Sequence[OrderId], kinds: Sequence[int]
) -> tuple[object, ...]:
    return (
        int_array(order_ids),
        int_array(kinds),
        [request.order_ref for request in requests],
        [request.request_hash for request in requests],
        _unless_empty([request.buyer_ref for request in requests]),
        [request.placed_at for request in requests],
        _unless_empty([request.hold_until for request in requests]),
        _unless_empty([request.due_at for request in requests]),
    )


def _unless_empty(column: list[ValueT | None]) -> list[ValueT | None]:
    """The column, or one of no rows if nobody has anything in it: columns that end early go on as NULL."""
    return [] if column.count(None) == len(column) else column


def _line_columns(lines: Sequence[_Line]) -> tuple[object, ...]:
    return (
        int_array([ord_ for ord_, _, _, _ in lines]),
        int_array([line_no for _, line_no, _, _ in lines]),
        [line.line_ref for _, _, line, _ in lines],
        int_array([line.listing_id for _, _, line, _ in lines]),
        int_array([line.lane for _, _, line, _ in lines]),
        int_array([line.sku_id for _, _, line, _ in lines]),
        int_array([line.quantity for _, _, line, _ in lines]),
        int_array([wanted for _, _, _, wanted in lines]),
        int_array([line.unit_price_minor for _, _, line, _ in lines]),
    )


# What orders that come in alike have in common: lane, channel, state, the state when there is not enough
# (None: it will be asked again for less), currency, reason, validity.
_Kind = tuple[Lane, ChannelId, OrderState, OrderState | None, str, str, timedelta]


def _kind(request: ReserveRequest, take: tuple[int, ...]) -> _Kind:
    some = any(take)
    return (
        request.lines[0].lane,
        request.channel_id,
        request.state if some else request.short_state,
        None if request.partial and some else request.short_state,
        request.currency,
        request.reason,
        request.min_validity,
    )


def _kind_columns(kinds: Iterable[_Kind], now: datetime) -> tuple[list[object], ...]:
    rows = [
        (lane, channel_id, state.value, short and short.value, currency, reason, now + validity)
        for lane, channel_id, state, short, currency, reason, validity in kinds
    ]
    return tuple(list(column) for column in zip(*rows, strict=True))


def _needs(lines: Sequence[_Line]) -> dict[tuple[Lane, SkuId], list[tuple[int, int]]]:
    """Who wants the codes of each SKU, a place (order, line) per code, first come first."""
    needs: dict[tuple[Lane, SkuId], list[tuple[int, int]]] = {}
    for ord_, line_no, line, wanted in lines:
        if wanted:
            needs.setdefault((line.lane, line.sku_id), []).extend([(ord_, line_no)] * wanted)
    return needs


def fold_taken(
    requests: Sequence[ReserveRequest], takes: Sequence[tuple[int, ...]], order_ids: Sequence[OrderId]
) -> list[Reserved]:
    """The outcomes when everybody got all they asked for."""
    return [
        Reserved(order_id, request.state if any(take) else request.short_state, take)
        for request, take, order_id in zip(requests, takes, order_ids, strict=True)
    ]


def fold_verdicts(
    requests: Sequence[ReserveRequest],
    takes: Sequence[tuple[int, ...]],
    order_ids: Sequence[OrderId],
    verdicts: Sequence[tuple[int, int]],
) -> list[Reserved | Exception | tuple[int, ...] | None]:
    """Turn (verdict, remaining) of every line into one outcome per request.

    None: undecided, ask again. A tuple: short but partial, ask again for what remains of each line.
    """
    of_lines = iter(verdicts)
    return [
        _outcome(request, take, order_id, list(islice(of_lines, len(request.lines))))
        for request, take, order_id in zip(requests, takes, order_ids, strict=True)
    ]


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
