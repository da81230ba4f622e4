"""Decides how we connect to PostgreSQL: limits, time zone, JSON, the oldest server, and how errors name it.

asyncpg ships no types, so `Connection` and `Pool` say here what of it we use; they fit a connection of its
own and one lent by a pool alike. Rows (`Record`) and single values are untyped to the checker: name their
type where you read them, as in `count: int = await conn.fetchval(...)`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Literal, Protocol, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg
from asyncpg import Record

from core.errors import DatabaseRefused, ServerUnavailable

__all__ = ["DATABASE_FAILURES", "Acquired", "Connection", "Pool", "Record", "Statement", "Value", "open_pool"]

# What any call may raise while the server goes away: its own errors, the driver's (among them those of a
# connection that died in the middle of something), the socket's. A time-out is an OSError, too.
DATABASE_FAILURES: tuple[type[Exception], ...] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
OLDEST_MAJOR = 15
_COMMAND_SECONDS = 60.0

# A single value from the database: its query knows its type, the checker does not.
Value: TypeAlias = asyncpg.Record
Isolation: TypeAlias = Literal["serializable", "repeatable_read", "read_committed", "read_uncommitted"]
Listener: TypeAlias = Callable[[Value, int, str, str], Coroutine[None, None, None] | None]


class Statement(Protocol):
    """A prepared statement."""

    async def fetch(self, *args: object, timeout: float | None = None) -> list[Record]: ...
    async def fetchrow(self, *args: object, timeout: float | None = None) -> Record | None: ...
    async def fetchval(self, *args: object, column: int = 0, timeout: float | None = None) -> Value: ...
    async def explain(self, *args: object, analyze: bool = False) -> Value: ...


class Cursor(Protocol):
    """Rows fetched a few at a time, inside a transaction."""

    def __aiter__(self) -> AsyncIterator[Record]: ...


class _Executes(Protocol):
    """What a connection and a pool both do."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...
    async def executemany(
        self, command: str, args: Iterable[Sequence[object]], *, timeout: float | None = None
    ) -> None: ...
    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Record]: ...
    async def fetchrow(self, query: str, *args: object, timeout: float | None = None) -> Record | None: ...
    async def fetchval(
        self, query: str, *args: object, column: int = 0, timeout: float | None = None
    ) -> Value: ...
    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[object]] | AsyncIterable[Sequence[object]],
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
        timeout: float | None = None,
    ) -> str: ...


class Connection(_Executes, Protocol):
    """One connection, ours or lent by a pool."""

    def transaction(
        self, *, isolation: Isolation | None = None, readonly: bool = False, deferrable: bool = False
    ) -> AbstractAsyncContextManager[None]: ...
    def is_in_transaction(self) -> bool: ...
    async def prepare(self, query: str, *, timeout: float | None = None) -> Statement: ...
    def cursor(
        self, query: str, *args: object, prefetch: int | None = None, timeout: float | None = None
    ) -> Cursor: ...
    async def add_listener(self, channel: str, callback: Listener) -> None: ...
    async def remove_listener(self, channel: str, callback: Listener) -> None: ...
    def add_termination_listener(self, callback: Callable[[Value], object]) -> None: ...
    def remove_termination_listener(self, callback: Callable[[Value], object]) -> None: ...
    def get_server_pid(self) -> int: ...
    def is_closed(self) -> bool: ...
    async def close(self, *, timeout: float | None = None) -> None: ...
    def terminate(self) -> None: ...


class Acquired(Protocol):
    """A connection on loan: await it and release it yourself, or enter it."""

    def __await__(self) -> Generator[object, None, Connection]: ...
    async def __aenter__(self) -> Connection: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Pool(_Executes, Protocol):
    """Connections to one database, lent one at a time."""

    def acquire(self, *, timeout: float | None = None) -> Acquired: ...
    async def release(self, connection: Connection, *, timeout: float | None = None) -> None: ...
    def get_size(self) -> int: ...
    def get_idle_size(self) -> int: ...
    def get_max_size(self) -> int: ...
    async def expire_connections(self) -> None: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


async def open_pool(
    dsn: str,
    *,
    min_size: int = 2,
    max_size: int = 16,
    application_name: str,
    connect_timeout_seconds: float = 10.0,
) -> Pool:
    """Connect; the pool's first connections are open when it returns.

    Raises ServerUnavailable when the server does not let us in, DatabaseRefused when it is too old.
    """
    try:
        pool: Pool = await asyncpg.create_pool(
            dsn,
            min_size=min(min_size, max_size),
            max_size=max_size,
            timeout=connect_timeout_seconds,
            command_timeout=_COMMAND_SECONDS,
            server_settings={"application_name": application_name, "timezone": "UTC"},
            init=_prepare_connection,
            reset=_nothing_to_undo,
        )
    except (ValueError, asyncpg.InterfaceError):
        # The message may quote a piece of the password, so nothing of it is passed on.
        raise ServerUnavailable(
            "the database URL cannot be read: write postgresql://user:password@host:5432/database, "
            "with special characters of the password percent-encoded"
        ) from None
    except TimeoutError:
        raise ServerUnavailable(f"{_place(dsn)} did not answer in {connect_timeout_seconds:.0f} s") from None
    except (OSError, asyncpg.PostgresError) as error:
        raise ServerUnavailable(f"{_place(dsn)} cannot be reached: {error}; {_cure(error)}") from error
    return pool


async def _prepare_connection(conn: asyncpg.Connection) -> None:
    version = conn.get_server_version()
    if version.major < OLDEST_MAJOR:
        raise DatabaseRefused(
            f"the server is PostgreSQL {version.major}: use {OLDEST_MAJOR} or newer, "
            "or leave the database URL out and consignd runs its own"
        )
    for kind in ("json", "jsonb"):
        await conn.set_type_codec(kind, schema="pg_catalog", encoder=_encode, decoder=json.loads)


async def _nothing_to_undo(conn: asyncpg.Connection) -> None:
    """Spare a round trip whenever a connection is given back; what was open is rolled back even so.

    Hence nobody may leave a session setting, session lock or LISTEN behind: SET LOCAL, or terminate.
    """


def _encode(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _place(dsn: str) -> str:
    """Host and database of a DSN that could be parsed, never its user or password."""
    parts = urlsplit(dsn)
    host = parts.hostname or parse_qs(parts.query).get("host", ["the default host"])[0]
    port = parts.port or 5432
    return f"PostgreSQL on {host} port {port}, database {parts.path.lstrip('/') or '(default)'},"


def _cure(error: Exception) -> str:
    match error:
        case asyncpg.InvalidCatalogNameError():
            return "create the database first"
        case asyncpg.InvalidAuthorizationSpecificationError():
            return "mend user and password in the database URL"
        case asyncpg.TooManyConnectionsError():
            return "raise max_connections there, or lower the pool size here"
        case _:
            return "is it running, and is the database URL right?"
