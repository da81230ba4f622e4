"""Decides where a pull goes on, so that no change is missed though pages shift and times are coarse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.kit.errors import ProtocolBroken

_SECOND = timedelta(seconds=1)
_FORMAT = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Changes after this moment, and which page of them; kept as text `moment/page`."""

    after: datetime
    page: int = 1

    def __str__(self) -> str:
        return f"{self.after:{_FORMAT}}/{self.page}"

    @property
    def modified_after(self) -> str:
        """The moment as the shop wants it, in UTC without a zone."""
        return f"{self.after:{_FORMAT}}"


def read_cursor(text: str | None, start: datetime) -> Cursor:
    """The cursor we handed out before; None begins just before `start`."""
    if text is None:
        return Cursor(start.astimezone(UTC).replace(microsecond=0) - _SECOND)
    moment, _, page = text.partition("/")
    try:
        return Cursor(datetime.strptime(moment, _FORMAT).replace(tzinfo=UTC), int(page))
    except ValueError:
        raise ProtocolBroken(f"cursor {text!r} is not one of ours") from None


def next_cursor(here: Cursor, modified: Sequence[datetime], *, more: bool, overlap: timedelta) -> Cursor:
    """Where to go on after a page whose changes happened at `modified`.

    On the last page: behind the newest change by the overlap, since a slow save shows up after its own
    time. On a full page: from the second of its last change, again from page 1, because a row that changes
    while we turn pages moves to the end and shifts an unread one onto a page already read. Pages are turned
    only when one second holds more than a page; then the next second is read from its start.
    """
    newest = max(modified, default=here.after)
    if not more:
        return Cursor(newest - overlap if modified else here.after)
    if newest - _SECOND > here.after:
        return Cursor(newest - _SECOND if here.page == 1 else here.after + _SECOND)
    return Cursor(here.after, here.page + 1)
