"""Decides which reservations a pull reads: new ones, open ones, those no longer open, late refunds.

Kinguin's list cannot be asked for what changed. So a pull reads a window of creation times with an
overlap, all that is open whatever its age, by name what was open last time and is not found so any more,
and every few minutes the refunds among older orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connectors.kinguin.client import KinguinClient
from connectors.kinguin.models import OPEN, TAKEN_BACK, Reservation, wire_time
from connectors.kinguin.options import KinguinOptions
from connectors.kit.messages import OrderPage

# A catch-up is cut into pieces of this length, each with a cursor of its own.
_SLICE = timedelta(hours=6)
_MOST_ASKED_BY_NAME = 100
_MOST_REMEMBERED = 2_000

_log = structlog.get_logger()


class Cursor(BaseModel):
    """How far the pulls have come."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    since: AwareDatetime
    refunds_at: AwareDatetime | None = None
    open: list[str] = Field(default=[], max_length=_MOST_REMEMBERED)


def read_cursor(text: str | None, now: datetime, first_pull_hours: int) -> Cursor:
    """Where to go on; one that cannot be read starts over, for reading twice is harmless."""
    start = Cursor(since=now - timedelta(hours=first_pull_hours))
    if text is None:
        return start
    try:
        return Cursor.model_validate_json(text)
    except ValidationError:
        _log.warning("kinguin.cursor_unreadable")
        return start


@dataclass(slots=True)
class Sweep:
    """One pull."""

    client: KinguinClient
    options: KinguinOptions
    was: Cursor
    now: datetime
    found: dict[str, Reservation] = field(default_factory=dict)

    async def run(self) -> OrderPage:
        """Read, and say how far we came; the time is taken before reading, so nothing falls between."""
        until = self.was.since + _SLICE
        more = until < self.now
        await self._read_window(until if more else None)
        if more:
            cursor = self.was.model_copy(update={"since": until})
        else:
            cursor = await self._read_the_rest()
        orders = [order for each in self.found.values() if (order := each.order()) is not None]
        return OrderPage(orders, cursor.model_dump_json(), more)

    async def _read_window(self, until: datetime | None) -> None:
        start = self.was.since - timedelta(seconds=self.options.overlap_seconds)
        filters = {"createdDateFrom": wire_time(start)}
        if until is not None:
            filters["createdDateTo"] = wire_time(until)
        await self._collect(filters)

    async def _read_the_rest(self) -> Cursor:
        for status in OPEN:
            await self._collect({"status": status})
        unasked = await self._ask_by_name()
        refunds_at = await self._read_refunds()
        still_open = [each.id for each in self.found.values() if each.status in OPEN]
        remembered = (still_open + unasked)[:_MOST_REMEMBERED]
        return Cursor(since=max(self.now, self.was.since), refunds_at=refunds_at, open=remembered)

    async def _ask_by_name(self) -> list[str]:
        """Ask what became of those that were open and are not seen any more; returns those left over."""
        gone = [ref for ref in self.was.open if ref not in self.found]
        for ref in gone[:_MOST_ASKED_BY_NAME]:
            reservation = await self.client.reservation(ref)
            if reservation is not None:
                self.found[ref] = reservation
        return gone[_MOST_ASKED_BY_NAME:]

    async def _read_refunds(self) -> datetime:
        last = self.was.refunds_at
        if last is not None and (self.now - last).total_seconds() < self.options.refund_sweep_seconds:
            return last
        start = wire_time(self.now - timedelta(days=self.options.refund_sweep_days))
        for status in TAKEN_BACK:
            await self._collect({"status": status, "createdDateFrom": start})
        return self.now

    async def _collect(self, filters: Mapping[str, str]) -> None:
        async for reservation in self.client.reservations(filters):
            self.found[reservation.id] = reservation
