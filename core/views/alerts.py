"""Tells what the alert inbox shows: what stands, what stood, what was told to whom and what could not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from core.alerts.messages import headline_of
from core.alerts.rules import Fact, Metric, Severity, Side, Subject, side_of
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import UnknownIncident

_SQL = load_queries("core.views", "alerts.sql")
_INBOX = _SQL["inbox"]
_COUNTS = _SQL["counts"]
_NOTICES = _SQL["notices"]
_MESSAGES = _SQL["messages"]

Standing = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert. `headline` is in the asked language and tells the latest value; `side`: where it is bad.

    Values and lines are in the unit that the metric's name ends in, or counts. `seen_at`: when it was last
    measured to stand. `closed_why`: recovered, gone (not measured any more) or withdrawn (the rule is gone).
    """

    incident_id: int
    headline: str
    rule: str
    metric: Metric
    subject_kind: str
    subject_name: str
    severity: Severity
    side: Side
    cross: float
    clear: float
    first_value: float
    last_value: float
    facts: Mapping[str, Fact]
    crossed_at: datetime
    opened_at: datetime
    seen_at: datetime
    reminders: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_reason: str | None
    closed_at: datetime | None
    closed_why: str | None


@dataclass(frozen=True, slots=True)
class OpenCount:
    """How many alerts of a severity stand, and how many of those nobody has acknowledged."""

    severity: Severity
    open: int
    unseen: int


@dataclass(frozen=True, slots=True)
class AlertPage:
    """A page of alerts, newest first; what stands in all; and where the next page begins, if there is one."""

    alerts: tuple[AlertView, ...]
    counts: tuple[OpenCount, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class NoticeView:
    """What was told of an alert to one route. `state`: waiting, sending, sent or dead."""

    kind: str
    turn: int
    route: str
    at: datetime
    due_at: datetime
    message_id: int | None
    state: str
    attempts: int
    doubtful: bool
    ended_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """An alert with everything that was told of it."""

    alert: AlertView
    notices: tuple[NoticeView, ...]


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message as it was or would be sent. `doubtful`: some attempt may have arrived without our knowing."""

    message_id: int
    route: str
    severity: Severity
    title: str
    body: str
    state: str
    attempts: int
    doubtful: bool
    error: str
    written_at: datetime
    due_at: datetime
    ended_at: datetime | None
    incident_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are wanted; None: all."""

    standing: Standing | None = "open"
    severity: Severity | None = None
    subject: Subject | None = None


async def alert_page(
    conn: Connection,
    wanted: AlertFilter,
    *,
    before: int | None = None,
    limit: int = 50,
    language: str = "en",
) -> AlertPage:
    """Alerts older than one, newest first."""
    subject = str(wanted.subject) if wanted.subject else None
    rows = await conn.fetch(_INBOX, wanted.standing, wanted.severity, before, subject, None, limit + 1)
    shown = tuple(_alert(row, language) for row in rows[:limit])
    counts = {row["severity"]: (row["open"], row["unseen"]) for row in await conn.fetch(_COUNTS)}
    return AlertPage(
        shown,
        tuple(
            OpenCount(severity, *counts.get(severity.value, (0, 0)))
            for severity in sorted(Severity, key=lambda each: -each.rank)
        ),
        shown[-1].incident_id if len(rows) > limit else None,
    )


async def alert_detail(conn: Connection, incident_id: int, language: str = "en") -> AlertDetail:
    """One alert; UnknownIncident if there is none of that number."""
    row = await conn.fetchrow(_INBOX, None, None, None, None, incident_id, 1)
    if row is None:
        raise UnknownIncident(f"alert {incident_id}: no such alert; `consignd alerts history` lists them")
    notices = await conn.fetch(_NOTICES, incident_id)
    return AlertDetail(_alert(row, language), tuple(NoticeView(**dict(notice)) for notice in notices))


async def unseen_alerts(conn: Connection) -> int:
    """How many alerts stand that nobody has acknowledged."""
    return sum(int(row["unseen"]) for row in await conn.fetch(_COUNTS))


async def dead_messages(conn: Connection, limit: int = 200) -> tuple[MessageView, ...]:
    """Messages that were given up, newest first."""
    return tuple(_message(row) for row in await conn.fetch(_MESSAGES, "dead", limit))


async def sent_messages(conn: Connection, limit: int = 50) -> tuple[MessageView, ...]:
    """Messages that arrived, newest first; one of several alerts is a digest."""
    return tuple(_message(row) for row in await conn.fetch(_MESSAGES, "sent", limit))


def _alert(row: Record, language: str) -> AlertView:
    values = dict(row)
    subject, metric = Subject.parse(values.pop("subject")), Metric(values.pop("metric"))
    kind = "raised" if row["closed_why"] is None else "recovered"
    return AlertView(
        **values | {"severity": Severity(row["severity"])},
        metric=metric,
        side=side_of(metric),
        subject_kind=subject.kind,
        subject_name=subject.name,
        headline=headline_of(metric, subject, kind, row["last_value"], row["cross"], row["clear"], language),
    )


def _message(row: Record) -> MessageView:
    values = dict(row)
    return MessageView(
        **values | {"severity": Severity(row["severity"]), "incident_ids": tuple(row["incident_ids"])}
    )
