"""Shows that an Excel sheet's codes are what was typed, and that cells that lost it are refused."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.cell import Cell

from core.codes.readers import Parsed, Reason, Refused, read_codes
from core.errors import UnreadableFile
from tests.unit.code_files import CODE, codes, refusals, sheet


def test_text_stays_exactly_as_it_is(tmp_path: Path) -> None:
    path = sheet(
        tmp_path,
        ["卡号", "卡密", "有效期"],
        ["000123", "=".join("AB"), date(2027, 5, 1)],
        ["1E5", "0", None],
    )
    rows = list(read_codes(path))
    assert codes(rows) == [("000123", "A=B", None), ("1E5", "0", None)]
    assert isinstance(rows[0], Parsed)
    assert rows[0].expires_at == datetime(2027, 5, 1, 23, 59, 59, 999999, UTC)


def test_numbers_become_their_digits(tmp_path: Path) -> None:
    path = sheet(tmp_path, [123456789012345, 1e14], [12, 7.0])
    assert codes(list(read_codes(path))) == [
        ("123456789012345", "100000000000000", None),
        ("12", "7", None),
    ]


def test_numbers_shown_with_leading_zeros_keep_them(tmp_path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    cell = book.active.cell(1, 1, 42)
    assert isinstance(cell, Cell)
    cell.number_format = "000000"
    book.save(tmp_path / "a.xlsx")
    assert codes(list(read_codes(tmp_path / "a.xlsx"))) == [(None, "000042", None)]


@pytest.mark.parametrize(
    "value",
    [1234567890123456, 1.2345678901234568e17, 0.5, True, "=A1", "#N/A", time(8, 30)],
)
def test_cells_that_lost_their_content_are_malformed(tmp_path: Path, value: object) -> None:
    path = sheet(tmp_path, ["code"], [value], ["B"])
    rows = list(read_codes(path))
    assert refusals(rows) == [(2, Reason.MALFORMED)]
    assert "1234567890" not in repr(rows)
    assert codes(rows[1:]) == [(None, "B", None)]


def test_a_lost_number_says_how_to_mend_it(tmp_path: Path) -> None:
    (row,) = read_codes(sheet(tmp_path, [1234567890123456]))
    assert isinstance(row, Refused)
    assert "format the column as text" in row.detail


def test_row_numbers_are_those_of_the_sheet(tmp_path: Path) -> None:
    path = sheet(tmp_path, [], ["# remark"], ["code"], [], [None, None], ["A"], ["  "], ["n----s"])
    rows = list(read_codes(path))
    assert [row.row for row in rows] == [6, 8]
    assert codes(rows) == [(None, "A", None), ("n", "s", None)]


def test_two_sheets_with_rows_are_refused_but_hidden_and_empty_ones_do_not_count(tmp_path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["A"])
    book.create_sheet("empty")
    hidden = book.create_sheet("hidden")
    hidden.append(["B"])
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "one.xlsx")
    book.create_sheet("more").append([CODE])
    book.save(tmp_path / "two.xlsx")
    assert codes(list(read_codes(tmp_path / "one.xlsx"))) == [(None, "A", None)]
    with pytest.raises(UnreadableFile, match="'Sheet' and 'more' both hold rows") as refusal:
        list(read_codes(tmp_path / "two.xlsx"))
    assert CODE not in str(refusal.value)


def test_a_number_that_is_no_date_is_not_quoted_in_a_warning(tmp_path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    cell = book.active.cell(1, 1, 987654321098)
    assert isinstance(cell, Cell)
    cell.number_format = "yyyy-mm-dd"
    book.save(tmp_path / "a.xlsx")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = list(read_codes(tmp_path / "a.xlsx"))
    assert refusals(rows) == [(1, Reason.MALFORMED)]
    assert caught == []


def test_a_workbook_is_known_by_its_content(tmp_path: Path) -> None:
    path = sheet(tmp_path, ["A"], name="codes.txt.xlsx").rename(tmp_path / "codes.csv")
    assert codes(list(read_codes(path))) == [(None, "A", None)]
