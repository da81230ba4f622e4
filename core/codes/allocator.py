"""Decides which code goes to which order; the only writer of a code's state.

It only inserts. A code taken is an allocation whose primary key is the code's slot; a code given back stands
again at a new slot; a code withdrawn or quarantined leaves its slot by a row of its own. Requests that wait
together are served by one statement, with a queue per set of lanes; a lane's lock lets one write at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from core.codes.reservation import (
    Reserved,
    ReservedLine,
    ReserveRequest,
    Verdict,
    compatible,
    fold_taken,
    fold_verdicts,
    group_arguments,
)
from core.db.groups import GroupWriter
from core.db.ids import IdBlocks
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import ReferenceReused
from core.types import BatchId, ConsignorId, Lane, OrderId, OrderState, ShelfId, SkuId

_SQL = load_queries("core.codes", "allocator.sql")
_RESERVE_GROUP = _SQL["reserve_group"]
_FIND_KNOWN = _SQL["find_known"]
_LOCK_LANES = _SQL["lock_lanes"]
_ALLOCATE_LINES = _SQL["allocate_lines"]
_GIVE_BACK = _SQL["give_back"]
_QUARANTINE_ORDER = _SQL["quarantine_order"]
_QUARANTINE_SLOT = _SQL["quarantine_slot"]
_MARK_SKU = _SQL["mark_sku"]
_WITHDRAW = _SQL["withdraw"]
_NOTE_REPLACEMENT = _SQL["note_replacement"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a code stands: it is the code's name for people too, as "lane.shelf.slot"."""

    lane: Lane
    shelf_id: ShelfId
    slot: int

    def __str__(self) -> str:
        return f"{self.lane}.{self.shelf_id}.{self.slot}"


class Allocator:
    """Reserves codes for new orders in groups; moves codes of known ones in the caller's transaction."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now
        self._order_ids = IdBlocks(pool, "order_id_block")
        self._writers: dict[tuple[Lane, ...], GroupWriter[ReserveRequest, Reserved]] = {}

    async def reserve(self, request: ReserveRequest) -> Reserved:
        """Take codes for a new order, or answer what was answered before.

        All lines or none, unless the request is partial. Durable when it returns. Raises ReferenceReused when
        the reference is known with other content.
        """
        lanes = tuple(sorted({line.lane for line in request.lines}))
        if lanes not in self._writers:
            self._writers[lanes] = GroupWriter(self._write_group, leaves_half=True)
        try:
            return await self._writers[lanes].submit(request)
        except asyncpg.UniqueViolationError as error:
            # The reference was written meanwhile by somebody in another lane: now it is known.
            if error.constraint_name != "order_ref_once":
                raise
            return await self._writers[lanes].submit(request)

    async def _write_group(self, requests: Sequence[ReserveRequest]) -> list[Reserved | Exception]:
        """Serve a group; those that could not be decided beside the others go again, until none is left.

        Ends because in every round the first order that is left is served, found known or found short.
        """
        results: dict[int, Reserved | Exception] = {}
        waiting = list(range(len(requests)))
        takes = [request.full_take() for request in requests]
        while waiting:
            chosen = compatible(waiting, requests)
            round_results = await self._round([requests[i] for i in chosen], [takes[i] for i in chosen])
            for index, outcome in zip(chosen, round_results, strict=True):
                if isinstance(outcome, Reserved | Exception):
                    results[index] = outcome
                elif outcome is not None:
                    takes[index] = outcome
            waiting = [index for index in waiting if index not in results]
        return [results[index] for index in range(len(requests))]

    async def _round(
        self, requests: Sequence[ReserveRequest], takes: Sequence[tuple[int, ...]]
    ) -> list[Reserved | Exception | tuple[int, ...] | None]:
        """One statement. None: ask again; a tuple: ask again for only so many of each line."""
        order_ids = [OrderId(i) for i in await self._order_ids.take(len(requests))]
        arguments = group_arguments(requests, takes, order_ids, self._now())
        async with self._pool.acquire() as conn:
            answer = await conn.fetchrow(_RESERVE_GROUP, *arguments)
            assert answer is not None, "the statement answers with one row"
            if answer["known"]:
                return await self._answer_known(conn, requests)
        if answer["verdicts"] is None:
            return [*fold_taken(requests, takes, order_ids)]
        verdicts = list(zip(answer["verdicts"], answer["remaining"], strict=True))
        return fold_verdicts(requests, takes, order_ids, verdicts)

    async def _answer_known(
        self, conn: Connection, requests: Sequence[ReserveRequest]
    ) -> list[Reserved | Exception | tuple[int, ...] | None]:
        rows = await conn.fetch(
            _FIND_KNOWN, [r.channel_id for r in requests], [r.order_ref for r in requests]
        )
        answers: list[Reserved | Exception | tuple[int, ...] | None] = [None] * len(requests)
        for row in rows:
            index = int(row["n"]) - 1
            answers[index] = known_answer(
                requests[index],
                OrderId(row["order_id"]),
                bytes(row["request_hash"]),
                OrderState(row["state"]),
            )
        return answers

    async def allocate_known(
        self, conn: Connection, order_id: OrderId, lines: Sequence[ReservedLine], now: datetime
    ) -> bool:
        """Take codes for an order that is known but has none: late payment, parked, replacement.

        In the caller's transaction; all lines or none. True when taken.
        """
        await self._lock(conn, [line.lane for line in lines])
        rows = await conn.fetch(
            _ALLOCATE_LINES,
            [1] * len(lines),
            [order_id] * len(lines),
            [line.line_no for line in lines],
            [line.lane for line in lines],
            [line.sku_id for line in lines],
            [line.listing_id for line in lines],
            [line.quantity for line in lines],
            [max(line.valid_until, now) for line in lines],
        )
        return all(row["verdict"] == Verdict.TAKEN for row in rows)

    async def give_back(
        self,
        conn: Connection,
        order_ids: Sequence[OrderId],
        lanes: Sequence[Lane],
        *,
        actor: str,
        reason: str,
    ) -> int:
        """Put the codes kept for orders back on sale; only when nobody can have seen them."""
        count: int = await conn.fetchval(_GIVE_BACK, lanes, order_ids, self._now(), actor, reason)
        return count

    async def quarantine_order(self, conn: Connection, order_id: OrderId, *, actor: str, reason: str) -> None:
        """Take the codes of an order out of circulation for good: they may have been seen."""
        await conn.execute(_QUARANTINE_ORDER, order_id, self._now(), actor, reason)

    async def quarantine(
        self, conn: Connection, place: Place, sku_id: SkuId, *, actor: str, reason: str
    ) -> bool:
        """Take one code out of circulation, sold or not. False when it had left its slot before."""
        await self._lock(conn, [place.lane])
        slot: int | None = await conn.fetchval(
            _QUARANTINE_SLOT, place.lane, place.shelf_id, place.slot, self._now(), actor, reason
        )
        await conn.execute(_MARK_SKU, place.lane, sku_id)
        return slot is not None

    async def note_replacement(
        self, conn: Connection, order_id: OrderId, line_no: int, bad: Place, *, actor: str, reason: str
    ) -> Place:
        """Link the code just taken for a line to the bad one whose place it takes."""
        row = await conn.fetchrow(
            _NOTE_REPLACEMENT,
            order_id,
            line_no,
            bad.lane,
            bad.shelf_id,
            bad.slot,
            self._now(),
            actor,
            reason,
        )
        assert row is not None, "a replacement is noted right after its code was taken"
        return Place(Lane(row["lane"]), ShelfId(row["shelf_id"]), int(row["slot"]))

    async def withdraw(
        self,
        conn: Connection,
        lane: Lane,
        sku_id: SkuId,
        consignor_id: ConsignorId,
        *,
        batch_id: BatchId | None,
        at_most: int,
        actor: str,
        reason: str,
    ) -> list[Place]:
        """Give unsold codes back to their consignor; the places they leave, possibly fewer than asked for."""
        await self._lock(conn, [lane])
        rows = await conn.fetch(
            _WITHDRAW, lane, sku_id, consignor_id, batch_id, at_most, self._now(), actor, reason
        )
        if rows:
            await conn.execute(_MARK_SKU, lane, sku_id)
        return [Place(lane, ShelfId(row["shelf_id"]), int(row["slot"])) for row in rows]

    async def mark(self, conn: Connection, lane: Lane, sku_id: SkuId) -> None:
        """Say that a SKU's offers have to be looked at again, from within the caller's transaction."""
        await self._lock(conn, [lane])
        await conn.execute(_MARK_SKU, lane, sku_id)

    async def _lock(self, conn: Connection, lanes: Sequence[Lane]) -> None:
        assert conn.is_in_transaction(), "lanes are locked until the transaction ends"
        await conn.execute(_LOCK_LANES, lanes)


def known_answer(
    request: ReserveRequest, order_id: OrderId, request_hash: bytes, state: OrderState
) -> Reserved | ReferenceReused:
    """What a repeated request gets: the same order, or an error if it is not the same request."""
    if request_hash != request.request_hash:
        return ReferenceReused(
            f"order {request.order_ref}: the same reference came before with other lines; "
            "nothing was changed, look at the order at the channel"
        )
    return Reserved(order_id, state, repeated=True)
