"""A pool speaks UTC and JSON, refuses old servers, and names the place but never the password."""

from __future__ import annotations

import asyncio
import socket
import struct
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from core.db.pool import Pool, open_pool
from core.errors import DatabaseRefused, ServerUnavailable
from tests.database import TestServer


async def failure_of(dsn: str, *, connect_timeout_seconds: float = 10) -> str:
    """Everything that a log could show of a failed start: the text and the whole chain behind it."""
    with pytest.raises(ServerUnavailable) as caught:
        await open_pool(dsn, application_name="test", connect_timeout_seconds=connect_timeout_seconds)
    chain = "".join(traceback.format_exception_only(caught.value))
    cause = caught.value.__cause__
    return chain + ("".join(traceback.format_exception_only(cause)) if cause else "")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def server_of_version(version: str | None) -> AsyncIterator[int]:
    """A server that lets anybody in and says its version, or with None never says a word; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while version is not None:
            size = struct.unpack("!i", await reader.readexactly(4))[0]
            request = await reader.readexactly(size - 4)
            if request[:4] == struct.pack("!i", 196608):
                break
            writer.write(b"N")  # no TLS here
        if version is not None:
            parameter = b"server_version\0" + version.encode() + b"\0"
            writer.write(b"R" + struct.pack("!ii", 8, 0))
            writer.write(b"S" + struct.pack("!i", len(parameter) + 4) + parameter)
            writer.write(b"K" + struct.pack("!iii", 12, 1, 1) + b"Z" + struct.pack("!i", 5) + b"I")
        with suppress(asyncio.CancelledError):
            # A silent server reads to the end; the other hangs up at the first word, which is farewell.
            await reader.read(-1 if version is None else 1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_times_come_back_aware_and_in_utc(pool: Pool) -> None:
    when: datetime = await pool.fetchval("SELECT '2026-01-02 03:04:05+02'::timestamptz")
    assert when == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert await pool.fetchval("SHOW timezone") == "UTC"


@pytest.mark.parametrize("value", [None, True, 1, "卡密", [1, "two"], {"a": {"b": [None]}}])
async def test_json_goes_in_and_out_as_python_objects(pool: Pool, value: object) -> None:
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT $1::jsonb", value) == value
        assert await conn.fetchval("SELECT $1::json", value) == value


async def test_the_server_sees_who_is_connected(dsn: str) -> None:
    pool = await open_pool(dsn, max_size=1, application_name="consignd-pusher")
    assert await pool.fetchval("SELECT current_setting('application_name')") == "consignd-pusher"
    assert pool.get_max_size() == 1
    await pool.close()


async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    port = closed_port()
    text = await failure_of(f"postgresql://keeper:s3cret-word@127.0.0.1:{port}/stock")
    assert f"PostgreSQL on 127.0.0.1 port {port}, database stock, cannot be reached" in text
    assert "s3cret-word" not in text


async def test_a_server_that_keeps_silent_is_given_up() -> None:
    async with server_of_version(None) as port:
        text = await failure_of(
            f"postgresql://u:s3cret-word@127.0.0.1:{port}/stock", connect_timeout_seconds=0.2
        )
    assert "database stock, did not answer" in text
    assert "s3cret-word" not in text


@pytest.mark.parametrize(
    "dsn",
    [
        "mysql://u:s3cret-word@localhost/stock",
        "postgresql://u:s3cret-word/x@localhost/stock",
        "postgresql://u:s3cret-word#x@localhost/stock",
        "postgresql://u:x@s3cret-word:port/stock",
        "postgresql://u:[s3cret-word@localhost/stock",
        "s3cret-word",
    ],
)
async def test_a_url_that_cannot_be_read_is_refused_without_quoting_it(dsn: str) -> None:
    text = await failure_of(dsn, connect_timeout_seconds=1)
    assert "s3cret" not in text


async def test_a_missing_database_is_named_with_its_cure(database_server: TestServer) -> None:
    text = await failure_of(database_server.dsn_of("absent"))
    assert "database absent, cannot be reached" in text
    assert "create the database first" in text


async def test_a_server_too_old_is_refused() -> None:
    async with server_of_version("14.12") as port:
        with pytest.raises(DatabaseRefused, match=r"PostgreSQL 14: use 15 or newer"):
            await open_pool(f"postgresql://u@127.0.0.1:{port}/stock", application_name="test")
