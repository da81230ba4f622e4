"""Imports against a real server: what gets in, what is refused and why, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from core.codes.chunks import NEVER
from core.codes.importer import REFUSALS_KEPT, Importer, ImportOrder, ImportProgress, ImportReport
from core.codes.keys import Keyring
from core.codes.rows import Reason
from core.codes.vault import Vault
from core.codes.vault_store import open_vault
from core.db.pool import Pool, open_pool
from core.errors import InvalidInput, UnreadableFile
from core.money.money import Money
from tests.database import TestServer
from tests.db.imports import a_sku, count, holes, names, write
from tests.factories import NOW, add_consignor


async def test_codes_stand_on_one_shelf_in_the_order_of_the_file(
    pool: Pool, importer: Importer, order: ImportOrder, vault: Vault
) -> None:
    write(order, *names(0, 30))
    report = await importer.run(order)
    assert (report.read, report.imported, report.refused.total()) == (30, 30, 0)
    rows = await pool.fetch(
        "SELECT code.*, key_id, wrapped_key FROM code JOIN batch USING (batch_id) ORDER BY slot"
    )
    assert report.batch_id is not None
    key = vault.open_batch_key(report.batch_id, rows[0]["wrapped_key"], rows[0]["key_id"])
    opened = [vault.open(key, row["sealed"], row["fingerprint"]).secret for row in rows]
    assert opened == [f"CODE-{n:06d}" for n in range(30)]
    assert [row["slot"] for row in rows] == list(range(1, 31))
    shelf = await pool.fetchrow("SELECT expires_at = 'infinity' AS never, * FROM shelf")
    assert shelf is not None
    assert (shelf["never"], shelf["unit_cost_minor"], shelf["currency"]) == (True, 950, "EUR")
    assert await count(pool, "stock_mark") == 1


async def test_the_end_of_time_is_infinity_to_the_database(pool: Pool) -> None:
    assert await pool.fetchval("SELECT $1::timestamptz = 'infinity'", NEVER)


async def test_every_refused_row_is_told_with_its_reason(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, "OLD-1,", "OLD-2,")
    await importer.run(order)
    write(order, "NEW-1,", "OLD-1,", "NEW-1,", "GONE,2020-01-01", ",", "ODD,12/31/2030", "OLD-1,", "NEW-2,")
    report = await importer.run(order)
    assert (report.read, report.imported) == (8, 2)
    assert [(refusal.row, refusal.reason) for refusal in report.refusals] == [
        (3, Reason.ALREADY_KNOWN),
        (4, Reason.DUPLICATE_IN_FILE),
        (5, Reason.EXPIRED),
        (6, Reason.EMPTY),
        (7, Reason.MALFORMED),
        (8, Reason.ALREADY_KNOWN),
    ]
    assert not [r for r in report.refusals for code in ("OLD", "NEW", "GONE") if code in r.detail]


async def test_a_code_is_refused_whoever_brings_it_again(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, *names(0, 3))
    await importer.run(order)
    other = replace(
        order, sku=await a_sku(pool, lane=1), consignor_id=await add_consignor(pool), unit_cost=None
    )
    report = await importer.run(other)
    assert report.refused == {Reason.ALREADY_KNOWN: 3}
    assert report.batch_id is None
    assert await count(pool, "batch") == 1
    assert await count(pool, "shelf") == 1


async def test_importing_a_file_again_changes_nothing(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, *names(0, 12_000))
    assert (await importer.run(order)).imported == 12_000
    again = await importer.run(order)
    assert (again.imported, again.refused) == (0, {Reason.ALREADY_KNOWN: 12_000})
    assert (len(again.refusals), again.refusals_left_out) == (REFUSALS_KEPT, 11_000)
    assert await count(pool, "code") == 12_000
    assert await count(pool, "audit") == 3


async def test_a_dry_run_reports_the_same_and_writes_nothing(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, *names(5_000, 5_500))
    await importer.run(order)
    before = await whole_database(pool)
    write(order, *names(0, 11_000), *names(0, 10), *names(5_100, 5_110), "GONE,2020-01-01")
    dry = await importer.run(replace(order, dry_run=True))
    assert await whole_database(pool) == before
    real = await importer.run(order)
    assert (dry.read, dry.imported, dry.refused) == (real.read, real.imported, real.refused)
    assert dry.refused == {Reason.ALREADY_KNOWN: 510, Reason.DUPLICATE_IN_FILE: 10, Reason.EXPIRED: 1}
    assert dry.batch_id is None
    assert [(r.row, r.reason) for r in dry.refusals] == [(r.row, r.reason) for r in real.refusals]


async def test_doubles_far_apart_in_a_file_are_told_from_known_codes(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, *names(0, 12_000), *names(3, 5), *names(11_990, 12_000))
    report = await importer.run(order)
    assert (report.imported, report.refused) == (12_000, {Reason.DUPLICATE_IN_FILE: 12})
    assert await holes(pool) == 0


async def test_a_shelf_is_shared_by_codes_that_are_alike_and_by_no_others(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, "A,2030-01-01", "B,2031-01-01", "C,2030-01-01", "D,")
    await importer.run(order)
    write(order, "E,2030-01-01", "F,")
    await importer.run(order)
    assert await count(pool, "shelf") == 3
    write(order, "G,")
    await importer.run(replace(order, unit_cost=None))
    write(order, "H,")
    await importer.run(replace(order, unit_cost=Money(950, "USD")))
    assert await count(pool, "shelf") == 5
    assert await holes(pool) == 0


async def test_a_file_with_a_date_of_its_own_in_each_row_stands_on_as_many_shelves(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    write(order, *(f"CODE-{n},{start + timedelta(hours=n):%Y-%m-%dT%H:%M}" for n in range(3_000)))
    assert (await importer.run(order)).imported == 3_000
    assert await count(pool, "shelf") == 3_000


async def test_progress_is_told_up_to_the_last_byte(importer: Importer, order: ImportOrder) -> None:
    write(order, *names(0, 12_000))
    told: list[ImportProgress] = []
    await importer.run(order, told.append)
    assert [progress.imported for progress in told] == [5_000, 10_000, 12_000]
    assert told[-1].bytes_read == told[-1].size_bytes == order.path.stat().st_size


async def test_a_file_that_turns_unreadable_tells_how_much_of_it_is_in(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    """A workbook whose sheet breaks off after some 9,000 rows."""
    book = Workbook()
    sheet = book.create_sheet(index=0)
    for name in names(0, 12_000):
        sheet.append([name.rstrip(",")])
    whole = order.path.with_name("whole.xlsx")
    book.save(whole)
    broken = replace(order, path=order.path.with_name("broken.xlsx"))
    with ZipFile(whole) as source, ZipFile(broken.path, "w", ZIP_DEFLATED) as target:
        for name in source.namelist():
            part = source.read(name)
            target.writestr(name, part[: len(part) * 3 // 4] if "sheet1" in name else part)
    with pytest.raises(UnreadableFile, match=r"5000 codes before that place are in as batch \d+"):
        await importer.run(broken)
    assert await count(pool, "code") == 5_000
    again = await importer.run(replace(order, path=whole))
    assert (again.imported, again.refused) == (7_000, {Reason.ALREADY_KNOWN: 5_000})


async def test_a_file_that_cannot_be_read_at_all_leaves_nothing(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    order.path.write_bytes(b"PK\x03\x04 this is no workbook")
    with pytest.raises(UnreadableFile):
        await importer.run(order)
    assert await count(pool, "batch") == 0
    with pytest.raises(UnreadableFile, match="cannot be opened"):
        await importer.run(replace(order, path=order.path.with_name("absent.csv")))


async def test_an_order_that_makes_no_sense_is_refused(importer: Importer, order: ImportOrder) -> None:
    write(order, "A,")
    with pytest.raises(InvalidInput, match="unit cost"):
        await importer.run(replace(order, unit_cost=Money(-1, "EUR")))
    with pytest.raises(InvalidInput, match="actor"):
        await importer.run(replace(order, actor=" "))


async def test_the_default_expiry_holds_where_a_row_has_none_and_may_be_over(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, "A,", "B,2030-01-01")
    report = await importer.run(replace(order, expires_default=NOW))
    assert (report.imported, report.refused) == (1, {Reason.EXPIRED: 1})


async def test_every_import_says_in_the_audit_who_brought_what(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, "A,", "B,")
    report = await importer.run(order)
    await importer.run(order)
    rows = await pool.fetch("SELECT actor, action, subject, reason FROM audit ORDER BY audit_id")
    assert {row["actor"] for row in rows} == {"anna"}
    assert [(row["action"], row["subject"]) for row in rows] == [
        ("import", f"batch {report.batch_id}"),
        ("import ended", f"batch {report.batch_id}"),
        ("import ended", f"SKU {order.sku.sku_ref}"),
    ]
    assert rows[1]["reason"] == "codes.csv: 2 of 2 rows imported"


async def test_no_code_stands_in_clear_anywhere_in_the_database(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    secrets = [os.urandom(6).hex().upper() for _ in range(50)]
    numbers = [os.urandom(6).hex().upper() for _ in range(50)]
    write(order, *(",".join(pair) for pair in zip(numbers, secrets, strict=True)), header="number,secret")
    report = await importer.run(order)
    assert report.imported == 50
    # Rows of bytes are looked at as bytes too.
    dump = await whole_database(pool)
    raw = dump.upper()
    for word in secrets + numbers:
        assert word not in raw
        assert word.encode().hex().upper() not in raw


FILE = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["", "2020-01-01", "2030-01-01", "2031-01-01"])),
    max_size=25,
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(files=st.lists(FILE, min_size=1, max_size=4), chunk=st.integers(1, 7))
def test_every_row_read_is_imported_or_refused_and_every_code_stands_once(
    database_server: TestServer, tmp_path: Path, files: list[list[tuple[int, str]]], chunk: int
) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_conserves(database_server, tmp_path, files, chunk))


async def _conserves(
    server: TestServer, folder: Path, files: list[list[tuple[int, str]]], chunk: int
) -> None:
    async for pool in _own_pool(server):
        async with pool.acquire() as conn:
            vault = await open_vault(conn, Keyring.generate())
        importer = Importer(pool, vault, lambda: NOW, chunk_rows=chunk)
        known: set[int] = set()
        order = ImportOrder(
            path=folder / "codes.csv",
            sku=await a_sku(pool),
            consignor_id=await add_consignor(pool),
            consignor_priority=1,
            unit_cost=None,
            expires_default=None,
            actor="anna",
        )
        for rows in files:
            write(order, *(f"CODE-{number},{expiry}" for number, expiry in rows))
            dry = await importer.run(replace(order, dry_run=True))
            report = await importer.run(order)
            assert _outcome(dry) == _outcome(report) == _expected(rows, known)
            known |= {number for number, expiry in rows if expiry != "2020-01-01"}
        assert await count(pool, "code") == len(known)
        assert await holes(pool) == 0
        assert await count(pool, "batch") == await count(pool, "(SELECT DISTINCT batch_id FROM code) x")


async def _own_pool(server: TestServer) -> AsyncIterator[Pool]:
    name = await server.create()
    pool = await open_pool(server.dsn_of(name), min_size=1, max_size=2, application_name="test")
    try:
        yield pool
    finally:
        pool.terminate()
        await server.drop(name)


def _outcome(report: ImportReport) -> tuple[int, int, dict[Reason, int]]:
    return report.read, report.imported, dict(report.refused)


def _expected(rows: list[tuple[int, str]], known: set[int]) -> tuple[int, int, dict[Reason, int]]:
    """The same, worked out the plain way."""
    seen: set[int] = set()
    refused: dict[Reason, int] = {}
    for number, expiry in rows:
        reason = None
        if expiry == "2020-01-01":
            reason = Reason.EXPIRED
        elif number in known:
            reason = Reason.ALREADY_KNOWN
        elif number in seen:
            reason = Reason.DUPLICATE_IN_FILE
        else:
            seen.add(number)
        if reason:
            refused[reason] = refused.get(reason, 0) + 1
    return len(rows), len(seen), refused


async def whole_database(pool: Pool) -> str:
    """Every row of every table as text."""
    tables = await pool.fetch(
        "SELECT quote_ident(relname) AS name FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    dump = []
    for table in tables:
        rows = await pool.fetch(f"SELECT t::text AS row FROM {table['name']} t ORDER BY 1")
        dump += [f"{table['name']} {row['row']}" for row in rows]
    return "\n".join(dump)
