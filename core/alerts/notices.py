"""Moves notices to messages, and messages to their end: sent, tried again, or dead until a person looks.

A message is sent at least once. It is written down before it is sent, and that it was sent is written down
after. Who dies in between leaves a message that arrived or did not, nobody knows: it is sent once more, when
its claim has run out, and says so; as does one that a service took without an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.alerts.digest import MOST_IN_DIGEST, Notice, group
from core.alerts.messages import Text, compose
from core.alerts.phrases import WORDS
from core.alerts.rules import Route, Severity, Subject
from core.audit import note
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries

_SQL = load_queries("core.alerts", "notices.sql")
_TRY_ALONE_WRITING = _SQL["try_alone_writing"]
_DUE_NOTICES = _SQL["due_notices"]
_WRITTEN_SINCE = _SQL["written_since"]
_WRITE_MESSAGE = _SQL["write_message"]
_PUT_IN_MESSAGE = _SQL["put_in_message"]
_CLAIM = _SQL["claim"]
_SETTLE = _SQL["settle"]
_BURY = _SQL["bury"]
_REVIVE = _SQL["revive"]
_BACKLOG = _SQL["backlog"]
_DATABASE_TIME = load_queries("core.alerts", "incidents.sql")["database_time"]

# Over some three hours: an outage of a service is bridged, a wrong address need not be tried for ever.
MOST_ATTEMPTS = 10
_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 3_600.0
_ERROR_CHARACTERS = 500


class Outcome(StrEnum):
    """What became of an attempt to send."""

    SENT = "sent"
    FAILED = "failed"  # the service said no, or could not be reached
    UNKNOWN = "unknown"  # it may have arrived


@dataclass(frozen=True, slots=True)
class Message:
    """A message that this sender has claimed. `repeated`: an earlier attempt may have arrived."""

    message_id: int
    route: str
    text: Text
    attempts: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many messages wait to be sent, and how many were given up."""

    waiting: int
    dead: int


class NoticeBox:
    """The notices of one database, for the routes that this daemon knows."""

    def __init__(self, pool: Pool, routes: Mapping[str, Route], sender: str, console_url: str | None) -> None:
        self._pool = pool
        self._routes = routes
        self._sender = sender
        self._console_url = console_url

    async def write(self, now: datetime | None = None) -> int:
        """Make messages of the notices that are due; how many. None are made while another daemon does it."""
        async with self._pool.acquire() as conn, conn.transaction():
            alone: bool = await conn.fetchval(_TRY_ALONE_WRITING)
            if not alone:
                return 0
            at = await _time(conn, now)
            await conn.execute(_BURY, sorted(self._routes), at)
            return sum([await self._write_route(conn, route, at) for route in self._routes.values()])

    async def _write_route(self, conn: Connection, route: Route, now: datetime) -> int:
        rows = await conn.fetch(_DUE_NOTICES, route.name, now, MOST_IN_DIGEST)
        if not rows:
            return 0
        written = await conn.fetch(_WRITTEN_SINCE, route.name, now - route.window)
        messages = group([_notice(row) for row in rows], [row["written_at"] for row in written], route, now)
        for notices in messages:
            text = compose(notices, route.language, self._console_url)
            message_id: int = await conn.fetchval(
                _WRITE_MESSAGE, route.name, text.severity.value, text.title, text.body, now
            )
            await conn.execute(_PUT_IN_MESSAGE, [notice.notice_id for notice in notices], message_id)
        return len(messages)

    async def claim(self, claim_seconds: float, now: datetime | None = None) -> Message | None:
        """The next message to send; nobody else gets it for so long. Settle it in that time."""
        async with self._pool.acquire() as conn, conn.transaction():
            at = await _time(conn, now)
            row = await conn.fetchrow(_CLAIM, sorted(self._routes), self._sender, at, claim_seconds)
        if row is None:
            return None
        repeated: bool = row["doubtful"]
        body = str(row["body"])
        if repeated:
            body += "\n" + WORDS[self._routes[row["route"]].language]["repeated"]
        text = Text(row["title"], body, Severity(row["severity"]))
        return Message(row["message_id"], row["route"], text, row["attempts"], repeated)

    async def settle(
        self, message: Message, outcome: Outcome, error: str = "", now: datetime | None = None
    ) -> bool:
        """Write down what became of an attempt; False: the claim had run out, and another has it now."""
        async with self._pool.acquire() as conn, conn.transaction():
            at = await _time(conn, now)
            state = _state_after(message, outcome)
            done = await conn.execute(
                _SETTLE,
                message.message_id,
                self._sender,
                message.attempts,
                state,
                error[:_ERROR_CHARACTERS],
                outcome is Outcome.UNKNOWN,
                at + pause_after(message.attempts) if state == "waiting" else at,
                at,
            )
        return done == "UPDATE 1"

    async def backlog(self) -> Backlog:
        """How much is to be sent, and how much was given up."""
        row = await self._pool.fetchrow(_BACKLOG)
        assert row is not None, "a count answers with a row"
        return Backlog(row["waiting"], row["dead"])


async def revive(
    conn: Connection, message_ids: Sequence[int] | None, *, actor: str, reason: str, now: datetime
) -> list[int]:
    """Have dead messages tried again, these or all; those that were."""
    rows = await conn.fetch(_REVIVE, message_ids, now)
    for row in rows:
        subject = f"alert message {row['message_id']} to {row['route']}"
        await note(conn, at=now, actor=actor, action="retry", subject=subject, reason=reason)
    return sorted(row["message_id"] for row in rows)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts: half a minute, twice as long each time, an hour at most."""
    return timedelta(seconds=min(_FIRST_PAUSE_SECONDS * 2.0 ** (attempts - 1), _LONGEST_PAUSE_SECONDS))


def _state_after(message: Message, outcome: Outcome) -> str:
    if outcome is Outcome.SENT:
        return "sent"
    return "dead" if message.attempts >= MOST_ATTEMPTS else "waiting"


async def _time(conn: Connection, now: datetime | None) -> datetime:
    """The database's time, unless the caller keeps its own: daemons' clocks may differ."""
    if now is not None:
        return now
    at: datetime = await conn.fetchval(_DATABASE_TIME)
    return at


def _notice(row: Record) -> Notice:
    return Notice(
        notice_id=row["notice_id"],
        incident_id=row["incident_id"],
        kind=row["kind"],
        rule=row["rule"],
        metric=row["metric"],
        subject=Subject.parse(row["subject"]),
        severity=Severity(row["severity"]),
        cross=row["cross_line"],
        clear=row["clear_line"],
        value=row["value"],
        facts=row["facts"],
        at=row["at"],
        opened_at=row["opened_at"],
    )
