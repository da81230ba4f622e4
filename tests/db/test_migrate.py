"""Migrations go forward, one at a time, whole or not at all, and a schema that does not fit is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.db.migrate import check_schema, migrate, read_migrations
from core.db.pool import Connection, Pool, open_pool
from core.errors import DatabaseRefused, MigrationChanged, SchemaNewer, SchemaOlder

FIRST = "CREATE TABLE shelf (shelf_id bigint);\nINSERT INTO shelf VALUES (1);\n"
SECOND = "-- Why.\nALTER TABLE shelf ADD COLUMN unit_cost_minor bigint;\n"


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(empty_dsn, min_size=1, max_size=4, application_name="test")
    yield pool
    pool.terminate()


@pytest.fixture
async def conn(empty: Pool) -> AsyncIterator[Connection]:
    async with empty.acquire() as conn:
        yield conn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_shelves.sql").write_text(FIRST)
    return tmp_path


def add_second(folder: Path, sql: str = SECOND) -> None:
    (folder / "0002_costs.sql").write_text(sql)


async def test_what_is_missing_is_applied_once(conn: Connection, folder: Path) -> None:
    assert [applied.file_name for applied in await migrate(conn, folder)] == ["0001_shelves.sql"]
    assert await migrate(conn, folder) == []
    add_second(folder)
    assert [applied.version for applied in await migrate(conn, folder)] == [2]
    assert await conn.fetchval("SELECT count(unit_cost_minor) FROM shelf") == 0
    await check_schema(conn, folder)


async def test_a_schema_that_was_never_made_is_refused_with_the_command_to_run(
    conn: Connection, folder: Path
) -> None:
    with pytest.raises(SchemaOlder, match=r"lacks 0001_shelves\.sql: run `consignd migrate`"):
        await check_schema(conn, folder)


async def test_a_schema_that_is_behind_is_refused(conn: Connection, folder: Path) -> None:
    await migrate(conn, folder)
    add_second(folder)
    with pytest.raises(SchemaOlder, match=r"lacks 0002_costs\.sql"):
        await check_schema(conn, folder)


async def test_a_newer_schema_is_refused_by_an_older_program(conn: Connection, folder: Path) -> None:
    add_second(folder)
    await migrate(conn, folder)
    (folder / "0002_costs.sql").unlink()
    with pytest.raises(SchemaNewer, match=r"0002_costs\.sql.*upgrade the program"):
        await check_schema(conn, folder)
    with pytest.raises(SchemaNewer):
        await migrate(conn, folder)


async def test_an_applied_file_may_not_change(conn: Connection, folder: Path) -> None:
    await migrate(conn, folder)
    (folder / "0001_shelves.sql").write_text(FIRST + "-- and more\n")
    with pytest.raises(MigrationChanged, match=r"0001_shelves\.sql differs"):
        await check_schema(conn, folder)
    with pytest.raises(MigrationChanged):
        await migrate(conn, folder)


async def test_a_failure_leaves_nothing_of_its_file_and_names_the_line(
    conn: Connection, folder: Path
) -> None:
    add_second(folder, "CREATE TABLE half (n int);\n-- 卡密\nALTER TABLE shelf\n    ADD COLUMN x nonsense;\n")
    with pytest.raises(DatabaseRefused, match=r'0002_costs\.sql, line 4: type "nonsense" does not exist'):
        await migrate(conn, folder)
    assert await conn.fetchval("SELECT to_regclass('half')") is None
    assert await conn.fetchval("SELECT count(*) FROM shelf") == 1
    add_second(folder)
    assert [applied.version for applied in await migrate(conn, folder)] == [2]


async def test_a_failure_without_a_position_names_its_file(conn: Connection, folder: Path) -> None:
    add_second(folder, "SELECT 1 / (shelf_id - 1) FROM shelf;")
    with pytest.raises(DatabaseRefused, match=r"0002_costs\.sql: division by zero; nothing of this file"):
        await migrate(conn, folder)


async def test_a_file_that_ends_our_transaction_is_refused(conn: Connection, folder: Path) -> None:
    add_second(folder, SECOND + "COMMIT;\n")
    with pytest.raises(AssertionError, match="ends the transaction"):
        await migrate(conn, folder)


async def test_of_many_that_migrate_at_once_one_does_it(empty: Pool, folder: Path) -> None:
    add_second(folder, SECOND + "SELECT pg_sleep(0.2);\n")

    async def one() -> list[int]:
        async with empty.acquire() as conn:
            return [applied.version for applied in await migrate(conn, folder)]

    done = await asyncio.gather(*(one() for _ in range(4)))
    assert sorted(done) == [[], [], [], [1, 2]]


async def test_a_lock_that_stays_taken_is_given_up(empty: Pool, folder: Path) -> None:
    slow = "SELECT pg_sleep(1);"
    add_second(folder, slow)
    async with empty.acquire() as first, empty.acquire() as second:
        running = asyncio.create_task(migrate(first, folder))
        await asyncio.sleep(0.3)
        with pytest.raises(DatabaseRefused, match="another process has been migrating"):
            await migrate(second, folder, lock_timeout_seconds=0.1)
        assert len(await running) == 2


async def test_the_shipped_migrations_are_what_the_tests_run_on(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await check_schema(conn)
        assert await migrate(conn) == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("0003_gap.sql", "not numbered"), ("1_short.sql", "is named NNNN"), ("0001_twice.sql", "not")],
)
def test_a_file_out_of_order_is_our_mistake(folder: Path, name: str, complaint: str) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(AssertionError, match=complaint):
        read_migrations(folder)
