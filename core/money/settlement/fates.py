"""Tells what became of each code that a consignor placed with us, by batch and code, never in clear."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.money.money import Money, share

_SQL = load_queries("core.money.settlement", "fates.sql")
_HOLD_TO_LOOKUPS = _SQL["hold_to_lookups"]
_FATES = _SQL["fates"]
_PREFETCH = 1000


class Fate(StrEnum):
    """What became of a code; each has exactly one at a moment."""

    SOLD = "sold"
    GIVEN = "given"  # in the place of a bad one, without another price
    REFUNDED = "refunded"  # sold, and the money went back
    REPLACED = "replaced"  # bad: another was given in its place
    QUARANTINED = "quarantined"
    WITHDRAWN = "withdrawn"  # back to its consignor
    EXPIRED = "expired"
    ON_ORDER = "on order"
    IN_STOCK = "in stock"


LASTING = frozenset(Fate) - {Fate.ON_ORDER, Fate.IN_STOCK}


@dataclass(frozen=True, slots=True)
class CodeFate:
    """One code. `mark`: the first signs of its keyed fingerprint; they tell it apart and open nothing."""

    batch_id: int
    sku_ref: str
    place: str
    mark: str
    received_at: datetime
    fate: Fate
    fated_at: datetime | None
    channel: str | None
    order_ref: str | None
    price: Money | None
    share: Money | None


@dataclass(frozen=True, slots=True)
class BatchFates:
    """How many codes of a batch came, and what became of them; the counts tie."""

    batch_id: int
    sku_ref: str
    received_at: datetime
    received: int
    counts: dict[Fate, int]

    def __post_init__(self) -> None:
        assert self.received == sum(self.counts.values()), f"batch {self.batch_id}: a code without a fate"


async def code_fates(conn: Connection, consignor: str, until: datetime) -> AsyncIterator[CodeFate]:
    """Every code received before a moment, with its fate then; in a transaction, by batch and place."""
    assert conn.is_in_transaction(), "rows come as they are asked for"
    await conn.execute(_HOLD_TO_LOOKUPS)
    async for row in conn.cursor(_FATES, consignor, until, prefetch=_PREFETCH):
        yield _fate(row)


class Tally:
    """Counts fates by batch as they come by."""

    def __init__(self) -> None:
        self._batches: dict[int, tuple[str, datetime]] = {}
        self._counts: Counter[tuple[int, Fate]] = Counter()
        self._received: Counter[int] = Counter()

    def add(self, code: CodeFate) -> None:
        """Count one."""
        self._batches.setdefault(code.batch_id, (code.sku_ref, code.received_at))
        self._counts[code.batch_id, code.fate] += 1
        self._received[code.batch_id] += 1

    def batches(self) -> tuple[BatchFates, ...]:
        """What was counted."""
        return tuple(
            BatchFates(
                batch_id,
                sku_ref,
                received_at,
                self._received[batch_id],
                {fate: self._counts[batch_id, fate] for fate in Fate},
            )
            for batch_id, (sku_ref, received_at) in sorted(self._batches.items())
        )


def _fate(row: Record) -> CodeFate:
    currency = row["currency"]
    price = None if row["unit_price_minor"] is None else Money(int(row["unit_price_minor"]), currency)
    part = None
    shared = row["fate"] in (Fate.SOLD, Fate.REPLACED) and row["share_minor"] is not None
    if shared and row["rank"] < row["codes"]:
        # As all shares are given away: to the last minor unit, the first code first.
        part = Money(share(int(row["share_minor"]), [1] * row["codes"])[row["rank"]], currency)
    return CodeFate(
        batch_id=int(row["batch_id"]),
        sku_ref=str(row["sku_ref"]),
        place=f"{row['lane']}.{row['shelf_id']}.{row['slot']}",
        mark=str(row["mark"]),
        received_at=row["received_at"],
        fate=Fate(row["fate"]),
        fated_at=row["fated_at"],
        channel=row["channel"],
        order_ref=row["order_ref"],
        price=price,
        share=part,
    )
