"""Every query of every .sql file is understood by PostgreSQL on the migrated schema."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from core.db.pool import Connection
from core.db.queries import all_query_files, load_queries, parse_queries
from tests.database import TestServer

ALL = [
    pytest.param(sql, id=f"{queries.package}/{queries.file_name}:{name}")
    for queries in all_query_files()
    for name, sql in queries.items()
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conn(database_server: TestServer) -> AsyncIterator[Connection]:
    """One connection for all of them: preparing changes nothing."""
    name = await database_server.create()
    opened: Connection = await asyncpg.connect(database_server.dsn_of(name))
    yield opened
    opened.terminate()
    await database_server.drop(name)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("sql", ALL)
async def test_a_query_can_be_prepared(conn: Connection, sql: str) -> None:
    await conn.prepare(sql)


def test_a_file_gives_its_queries_by_name_without_the_semicolon() -> None:
    text = "-- About the file.\n\n-- name: one\n-- Why.\nSELECT 1;\n\n-- name: two\nSELECT\n    2;\n"
    assert parse_queries(text, "x.sql") == {"one": "-- Why.\nSELECT 1", "two": "SELECT\n    2"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1;\n-- name: one\nSELECT 1", "before the first"),
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2", "twice"),
        ("-- name: one\n-- only a comment\n-- name: two\nSELECT 2", "one is empty"),
        ("-- name: One-Two\nSELECT 1", "lower-case"),
    ],
)
def test_a_file_that_is_not_in_order_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        parse_queries(text, "x.sql")


def test_an_unknown_name_says_which_there_are() -> None:
    queries = load_queries("core.db", "migrate.sql")
    with pytest.raises(AssertionError, match=r"core\.db/migrate\.sql: no query 'absent'.*try_lock"):
        queries["absent"]


def test_migrations_are_not_queries() -> None:
    assert not [queries for queries in all_query_files() if "migrations" in queries.package]
