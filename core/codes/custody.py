"""Opens codes for those who may have them, and tells of every code where it is and who saw it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.codes.allocator import Place
from core.codes.keys import Keyring
from core.codes.vault import BatchKey, Vault
from core.codes.vault_store import adopt_keys
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.money.money import Money
from core.types import BatchId, CodePayload, Lane, OrderId, OrderState, ShelfId

_CODES_OF_ORDERS = load_queries("core.codes", "allocator.sql")["codes_of_orders"]
_SQL = load_queries("core.codes", "custody.sql")
_SEALED_CODE = _SQL["sealed_code"]
_ADD_REVEAL = _SQL["add_reveal"]
_REVEALS = _SQL["reveals"]
_ORIGIN_OF_CODE = _SQL["origin_of_code"]
_STANDINGS = _SQL["standings"]

KEYS_KEPT = 512
_SEEN_BY_CHANNEL, _SEEN_BY_BUYER = 1, 2


class Custody(StrEnum):
    """Where a code's secret is, as far as anyone outside may have it."""

    VAULT = "vault"
    CHANNEL = "channel"
    BUYER = "buyer"
    CONSIGNOR = "consignor"


@dataclass(frozen=True, slots=True)
class OpenedCode:
    """A code of an order's line, in clear."""

    line_no: int
    place: Place
    consignor: str
    payload: CodePayload


@dataclass(frozen=True, slots=True)
class Taken:
    """The order that took a code; `custody` is how far the order brought it."""

    order_id: OrderId
    line_no: int
    channel: str
    order_ref: str
    state: OrderState
    state_since: datetime
    custody: Custody


@dataclass(frozen=True, slots=True)
class Departed:
    """Why a code left a place: released, withdrawn or quarantined."""

    kind: str
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A place where a code stood, what took it there, and how it left."""

    place: Place
    taken: Taken | None
    departed: Departed | None
    instead_of: Place | None
    replaced_by: Place | None


@dataclass(frozen=True, slots=True)
class Revealed:
    """A person who was shown a code."""

    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole story of a code, without the code."""

    origin: Place
    sku_ref: str
    consignor: str
    batch_id: BatchId
    source_name: str
    imported_at: datetime
    imported_by: str
    expires_at: datetime | None
    unit_cost: Money | None
    custody: Custody
    standings: tuple[Standing, ...]
    reveals: tuple[Revealed, ...]


class CodeOpener:
    """Opens codes. `reload_keys` is asked again for the keys when a code needs one that is not at hand."""

    def __init__(
        self,
        vault: Vault,
        reload_keys: Callable[[], Keyring] | None = None,
        *,
        keys_kept: int = KEYS_KEPT,
    ) -> None:
        self._vault = vault
        self._keys_kept = keys_kept
        self._reload_keys = reload_keys
        # A batch's data key never changes, so one kept here outlives a rotation of what wraps it.
        self._batch_keys: OrderedDict[BatchId, BatchKey] = OrderedDict()

    async def open_orders(
        self, conn: Connection, order_ids: Sequence[OrderId]
    ) -> dict[OrderId, list[OpenedCode]]:
        """The codes each order has now, by line and place; orders that have none are left out.

        Only after the attempt to deliver them is written down and committed.
        """
        opened: dict[OrderId, list[OpenedCode]] = {}
        for row in await conn.fetch(_CODES_OF_ORDERS, order_ids):
            place = Place(Lane(row["lane"]), ShelfId(row["shelf_id"]), int(row["slot"]))
            payload = await self._open(conn, row)
            code = OpenedCode(int(row["line_no"]), place, row["consignor"], payload)
            opened.setdefault(OrderId(row["order_id"]), []).append(code)
        return opened

    async def reveal(
        self, conn: Connection, place: Place, *, actor: str, role: str, reason: str
    ) -> CodePayload:
        """Open one code for a person. Show it only once the caller's transaction is committed: it says so.

        Raises InvalidInput without a reason, and where no code stands.
        """
        assert conn.is_in_transaction(), "the audit row stands or falls with the caller's transaction"
        if not reason.strip() or not actor.strip():
            raise InvalidInput(f"code {place}: say who wants to see it and why; both are kept")
        row = await conn.fetchrow(_SEALED_CODE, place.lane, place.shelf_id, place.slot)
        if row is None:
            raise _no_such_place(place)
        origin = Place(place.lane, place.shelf_id, int(row["origin_slot"]))
        await conn.execute(_ADD_REVEAL, f"{actor} ({role})", _subject(origin), reason.strip())
        return await self._open(conn, row)

    async def _open(self, conn: Connection, row: Record) -> CodePayload:
        return self._vault.open(await self._batch_key(conn, row), row["sealed"], row["fingerprint"])

    async def _batch_key(self, conn: Connection, row: Record) -> BatchKey:
        batch_id = BatchId(row["batch_id"])
        key = self._batch_keys.get(batch_id)
        if key is None:
            if row["key_id"] not in self._vault.keyring.keys and self._reload_keys is not None:
                await adopt_keys(conn, self._vault, self._reload_keys())
            key = self._vault.open_batch_key(batch_id, row["wrapped_key"], row["key_id"])
            self._batch_keys[batch_id] = key
            if len(self._batch_keys) > self._keys_kept:
                self._batch_keys.popitem(last=False)
        else:
            self._batch_keys.move_to_end(batch_id)
        return key


async def trace(conn: Connection, place: Place) -> Trace:
    """The story of the code that stands or stood at a place, from its batch to whoever has it."""
    row = await conn.fetchrow(_ORIGIN_OF_CODE, place.lane, place.shelf_id, place.slot)
    if row is None:
        raise _no_such_place(place)
    origin = Place(place.lane, place.shelf_id, int(row["origin_slot"]))
    rows = await conn.fetch(_STANDINGS, origin.lane, origin.shelf_id, origin.slot)
    standings = tuple(_standing(origin, standing) for standing in rows)
    reveals = await conn.fetch(_REVEALS, _subject(origin))
    cost = None if row["currency"] is None else Money(row["unit_cost_minor"], row["currency"])
    return Trace(
        origin=origin,
        sku_ref=row["sku_ref"],
        consignor=row["consignor"],
        batch_id=BatchId(row["batch_id"]),
        source_name=row["source_name"],
        imported_at=row["imported_at"],
        imported_by=row["imported_by"],
        expires_at=row["expires_at"],
        unit_cost=cost,
        custody=custody_of(standings),
        standings=standings,
        reveals=tuple(Revealed(seen["at"], seen["actor"], seen["reason"]) for seen in reveals),
    )


def custody_of(standings: Sequence[Standing]) -> Custody:
    """Who has a code, from all its standings: whoever was furthest from the vault keeps it."""
    if any(standing.departed is not None and standing.departed.kind == "withdrawn" for standing in standings):
        return Custody.CONSIGNOR
    reached = {standing.taken.custody for standing in standings if standing.taken is not None}
    if Custody.BUYER in reached:
        return Custody.BUYER
    return Custody.CHANNEL if Custody.CHANNEL in reached else Custody.VAULT


def _standing(origin: Place, row: Record) -> Standing:
    return Standing(
        place=Place(origin.lane, origin.shelf_id, int(row["slot"])),
        taken=None if row["order_id"] is None else _taken(row),
        departed=None
        if row["kind"] is None
        else Departed(row["kind"], row["departed_at"], row["actor"], row["reason"]),
        instead_of=_place(row["bad_lane"], row["bad_shelf_id"], row["bad_slot"]),
        replaced_by=_place(row["new_lane"], row["new_shelf_id"], row["new_slot"]),
    )


def _taken(row: Record) -> Taken:
    custody = Custody.VAULT
    if row["seen"] >= _SEEN_BY_CHANNEL:
        custody = Custody.BUYER if row["seen"] == _SEEN_BY_BUYER else Custody.CHANNEL
    return Taken(
        OrderId(row["order_id"]),
        int(row["line_no"]),
        row["channel"],
        row["order_ref"],
        OrderState(row["state"]),
        row["state_since"],
        custody,
    )


def _place(lane: int | None, shelf_id: int | None, slot: int | None) -> Place | None:
    if lane is None or shelf_id is None or slot is None:
        return None
    return Place(Lane(lane), ShelfId(shelf_id), slot)


def _subject(origin: Place) -> str:
    """What the audit calls a code: always by its first place."""
    return f"code {origin}"


def _no_such_place(place: Place) -> InvalidInput:
    return InvalidInput(f"code {place}: no code stands there; write lane.shelf.slot, as orders show it")
