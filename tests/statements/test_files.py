"""A channel's file is read through a saved mapping; what cannot be read is told, nothing comes in twice."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from core.db.pool import Pool
from core.errors import InvalidInput, UnknownChannel, UnknownMapping, UnreadableFile
from core.money.statements.files import read_statement
from core.money.statements.importing import StatementImporter, find_mapping, save_mapping
from core.money.statements.mapping import mapping_from_json, mapping_to_json, read_mapping
from tests.factories import NOW
from tests.statements.bench import Desk

PLAIN: dict[str, Any] = {
    "columns": {"booked_at": "Date", "amount": "Amount", "kind": "Type", "ref": "Ref", "order_ref": "Order"},
    "currency": "EUR",
    "kinds": {"Sale": "sale", "Fee": "fee", "Payout": "withdrawal"},
}
GERMAN: dict[str, Any] = {
    "columns": {"booked_at": "Datum", "amount": "Betrag", "kind": "Art", "fee": "Gebühr"},
    "currency": "EUR",
    "decimal_mark": ",",
    "date_format": "%d.%m.%Y %H:%M",
    "time_zone": "Europe/Berlin",
    "sign": "by_kind",
    "encoding": "cp1252",
    "kinds": {"Verkauf": "sale", "Erstattung": "refund", "Auszahlung": "withdrawal"},
}


def read(mapping: dict[str, Any], content: bytes) -> list[tuple[str, str, int]]:
    file = read_statement("f.csv", content, read_mapping(mapping))
    assert file.refused == ()
    return [(line.line_ref, line.kind, line.amount.amount_minor) for line in file.lines]


def test_a_plain_file_is_read_by_its_columns() -> None:
    text = b"Ref,Date,Type,Amount,Order\nt-1,2026-11-20,sale,19.99,o-1\nt-2,2026-11-20T10:00:00Z,Fee,-1.45,\n"
    assert read(PLAIN, text) == [("t-1", "sale", 1999), ("t-2", "fee", -145)]


def test_commas_semicolons_time_zones_and_a_column_of_fees_are_understood() -> None:
    text = (
        "Datum;Art;Betrag;Gebühr\n"
        "20.11.2026 01:00;Verkauf;1.019,99;1,45\n"
        "20.11.2026 01:00;Erstattung;19,99;1,45\n"
        "21.11.2026 01:00;Auszahlung;1 000,00;\n"
    ).encode("cp1252")
    file = read_statement("f.csv", text, read_mapping(GERMAN))
    assert [(line.kind, line.amount.amount_minor) for line in file.lines] == [
        ("sale", 101_999),
        ("fee", -145),
        ("refund", -1999),
        ("fee", 145),
        ("withdrawal", -100_000),
    ]
    assert file.lines[0].booked_at == datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
    assert file.lines[1].line_ref == f"{file.lines[0].line_ref}/fee"


@pytest.mark.parametrize(
    ("written", "expected"),
    [("(5.00)", -500), ("5.00-", -500), ("\u22125", -500), ("1,234.5", 123_450), ("+7", 700), (".5", 50)],
)
def test_amounts_are_read_as_people_write_them(written: str, expected: int) -> None:
    text = f'Ref,Date,Type,Amount,Order\n1,2026-11-20,sale,"{written}",\n'.encode()
    assert read(PLAIN, text) == [("1", "sale", expected)]


def test_an_excel_file_is_read_like_a_csv() -> None:
    book, content = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Ref", "Date", "Type", "Amount", "Order"])
    sheet.append(["t-1", datetime(2026, 11, 20, 9, 30), "Sale", 0.1 + 0.2, "o-1"])  # noqa: DTZ001
    sheet.append([2, "2026-11-20", "Fee", -1, None])
    book.save(content)
    assert read(PLAIN, content.getvalue()) == [("t-1", "sale", 30), ("2", "fee", -100)]


@pytest.mark.parametrize(
    ("row", "column", "why"),
    [
        ("1,yesterday,sale,1,", "Date", "'yesterday' is not a date as iso"),
        ("1,2026-11-20,bribe,1,", "Type", "'bribe' is not among the mapping's kinds"),
        ("1,2026-11-20,sale,,", "Amount", "no amount"),
        ("1,2026-11-20,sale,1.999,", "Amount", "EUR has 2 decimals"),
        ("1,2026-11-20,sale,much,", "Amount", "write a decimal number"),
        ('1,2026-11-20,sale,"1.000,50",', "Amount", "stands after the decimal mark"),
    ],
)
def test_a_bad_row_is_refused_by_row_column_and_why(row: str, column: str, why: str) -> None:
    text = f"Ref,Date,Type,Amount,Order\n{row}\nok,2026-11-20,sale,1,\n".encode()
    file = read_statement("f.csv", text, read_mapping(PLAIN))
    assert [line.line_ref for line in file.lines] == ["ok"]
    [refused] = file.refused
    assert (refused.row, refused.column) == (2, column)
    assert why in refused.why


def test_one_reference_for_two_amounts_is_refused() -> None:
    text = b"Ref,Date,Type,Amount,Order\n1,2026-11-20,sale,1,\n1,2026-11-20,sale,1,\n1,2026-11-20,sale,2,\n"
    file = read_statement("f.csv", text, read_mapping(PLAIN))
    assert (len(file.lines), len(file.refused)) == (1, 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no header in row 1"),
        (b"Ref,Date\n1,2\n", "no column 'Amount', 'Type', 'Order'"),
        (b"\xff\xfe\x00", "is not utf-8"),
        (b'Ref,Date,Type,Amount,Order\n"1"x,2\n', "mend the quotation marks"),
        (b"PK\x03\x04 broken", "damaged or no Excel workbook"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(content: bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read_statement("f.csv", content, read_mapping(PLAIN))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"columns": {"booked_at": "Date"}}, "write either amount"),
        ({"columns": {"booked_at": "D", "amount": "A", "kind": "T"}, "kinds": {}}, "kinds: say what"),
        ({"columns": {"booked_at": "D", "amount": "A"}}, "write either columns.kind"),
        ({"currency": None}, "columns.currency"),
        ({"kinds": {"Sale": "gift"}}, "kinds.Sale"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"encoding": "klingon"}, "encoding"),
        ({"surprise": 1}, "surprise"),
        ({"kinds": {"x": "adjustment"}, "sign": "by_kind"}, "whose an adjustment is"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read_mapping({**PLAIN, **change})


def test_a_mapping_is_stored_as_it_was_read() -> None:
    for written in (PLAIN, GERMAN):
        mapping = read_mapping(written)
        assert mapping_from_json(mapping_to_json(mapping)) == mapping


async def saved(pool: Pool, written: dict[str, Any] | None = None) -> int:
    async with pool.acquire() as conn, conn.transaction():
        found = await save_mapping(conn, "plain", read_mapping(written or PLAIN), actor="Ada", now=NOW)
    return found.version


async def test_a_mapping_saved_again_is_the_next_version_only_if_it_differs(pool: Pool) -> None:
    assert [await saved(pool), await saved(pool), await saved(pool, GERMAN)] == [1, 1, 2]
    async with pool.acquire() as conn:
        assert (await find_mapping(conn, "plain")).mapping == read_mapping(GERMAN)
        with pytest.raises(UnknownMapping, match="'gone' is not known"):
            await find_mapping(conn, "gone")


async def test_a_file_is_imported_once_and_matched_to_the_last_cent(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("o-1", 1999, 145)
    await saved(pool)
    head = b"Ref,Date,Type,Amount,Order\n"
    rows = head + b"t-1,2026-11-20,Sale,19.99,o-1\nt-2,2026-11-20,Fee,-1.45,o-1\nbad,x,y,z,\n"
    importer, channel = StatementImporter(pool, lambda: NOW), desk.shop.channel
    tried = await importer.run(channel, "plain", "nov.csv", rows, actor="Ada", dry_run=True)
    assert (tried.statement_id, tried.rows, tried.lines, tried.new, len(tried.refused)) == (None, 3, 2, 2, 1)
    assert await pool.fetchval("SELECT count(*) FROM payout_line") == 0
    done = await importer.run(channel, "plain", "nov.csv", rows, actor="Ada")
    assert (done.new, (await desk.match()).lines) == (2, 2)
    again = await importer.run(channel, "plain", "nov.csv", rows, actor="Ada")
    assert (again.new, again.statement_id) == (0, done.statement_id)
    other = await importer.run(channel, "plain", "nov.csv", rows.replace(b"19.99", b"18.99"), actor="Ada")
    assert (other.new, [refused.column for refused in other.refused]) == (0, ["Type", "amount"])
    assert "19.99 EUR before, and is 18.99 EUR here" in other.refused[1].why
    assert await desk.open_kinds() == {}
    await desk.reckon()


async def test_rows_without_a_reference_are_told_apart_and_known_again(pool: Pool) -> None:
    desk = await Desk.open(pool)
    written = {**PLAIN, "columns": {"booked_at": "Date", "amount": "Amount"}, "kind": "sale", "kinds": {}}
    await saved(pool, written)
    importer, rows = StatementImporter(pool, lambda: NOW), b"Date,Amount\n2026-11-20,5\n2026-11-20,5\n"
    for expected in (2, 0):
        done = await importer.run(desk.shop.channel, "plain", "a.csv", rows, actor="Ada")
        assert (done.lines, done.new) == (2, expected)
    more = rows + b"2026-11-21,5\n"
    assert (await importer.run(desk.shop.channel, "plain", "b.csv", more, actor="Ada")).new == 1


async def test_an_import_names_a_channel_and_a_mapping_that_are_known(pool: Pool) -> None:
    desk, importer = await Desk.open(pool), StatementImporter(pool, lambda: NOW)
    with pytest.raises(UnknownChannel):
        await importer.run("nowhere", "plain", "a.csv", b"", actor="Ada")
    with pytest.raises(UnknownMapping):
        await importer.run(desk.shop.channel, "plain", "a.csv", b"", actor="Ada")
    await saved(pool)
    with pytest.raises(UnreadableFile):
        await importer.run(desk.shop.channel, "plain", "a.csv", b"", actor="Ada")
