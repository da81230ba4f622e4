"""Decides how notices become messages: one by one, or a storm as one digest. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.alerts.rules import Fact, Route, Severity, Subject

# However wild the storm, what is critical is told after this; the rest waits for the route's window.
_CRITICAL_WAIT = timedelta(minutes=1)
MOST_IN_DIGEST = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told of an incident, with the incident's words at that moment."""

    notice_id: int
    incident_id: int
    kind: str  # raised, recovered, gone, reminder
    rule: str
    metric: str
    subject: Subject
    severity: Severity
    cross: float
    clear: float
    value: float | None
    facts: dict[str, Fact]
    at: datetime
    opened_at: datetime


def group(
    due: Sequence[Notice], written_at: Sequence[datetime], route: Route, now: datetime
) -> list[list[Notice]]:
    """The messages to write now, each a list of notices; none while a storm's rest has to wait.

    `written_at`: when this route's last messages were written, those of its window at least. A few notices go
    one by one as long as the window has room. What comes at once in greater number is one digest. When the
    window is full, all that gathers waits for it to pass, a minute at most if it is critical.
    """
    if not due:
        return []
    recent = [at for at in written_at if now - at < route.window]
    room = route.most_messages - len(recent)
    if len(due) <= room:
        return [[notice] for notice in due]
    if room > 0 or _waited_enough(due, recent, now):
        return [list(due[:MOST_IN_DIGEST])]
    return []


def _waited_enough(due: Sequence[Notice], recent: Sequence[datetime], now: datetime) -> bool:
    # An end is good news and can wait with the rest, whatever it is the end of.
    critical = any(
        notice.severity is Severity.CRITICAL and notice.kind in ("raised", "reminder") for notice in due
    )
    return critical and now - max(recent, default=now - _CRITICAL_WAIT) >= _CRITICAL_WAIT
