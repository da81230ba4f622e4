"""Shows that files of codes are read exactly, refused row by row, and never quoted in an error."""

from __future__ import annotations

import csv
import zipfile
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.cell import Cell

from core.codes.readers import CodeFile, Parsed, Reason, Refused, read_codes
from core.errors import UnreadableFile
from tests.unit.code_files import CODE, Triple, codes, refusals, rows_of, sheet


class TestPlainText:
    def test_a_code_a_line(self, tmp_path: Path) -> None:
        assert codes(rows_of(tmp_path, "a.txt", "A1\r\nB2\n\n  C3 \n")) == [
            (None, "A1", None),
            (None, "B2", None),
            (None, "C3", None),
        ]

    @pytest.mark.parametrize("separator", ["----", ",", "\t"])
    def test_number_secret_and_pin(self, tmp_path: Path, separator: str) -> None:
        lines = [separator.join(("001", "S1", "9")), separator.join(("002", "S2"))]
        assert codes(rows_of(tmp_path, "a.txt", "\n".join(lines))) == [
            ("001", "S1", "9"),
            ("002", "S2", None),
        ]

    def test_forms_may_be_mixed_after_a_bare_code(self, tmp_path: Path) -> None:
        assert codes(rows_of(tmp_path, "a.txt", "A\nn----s\nn,s,p\nn\ts")) == [
            (None, "A", None),
            ("n", "s", None),
            ("n", "s", "p"),
            ("n", "s", None),
        ]

    def test_half_a_row_is_not_sold_as_a_code(self, tmp_path: Path) -> None:
        rows = rows_of(tmp_path, "a.txt", f"n----s\n{CODE}\n{CODE}----\n----{CODE}\n")
        assert refusals(rows) == [(2, Reason.MALFORMED), (3, Reason.EMPTY), (4, Reason.MALFORMED)]
        assert refusals(rows_of(tmp_path, "b.txt", f"{CODE}----\nn----s")) == [(1, Reason.EMPTY)]
        assert refusals(rows_of(tmp_path, "b.csv", f"{CODE},\nn,s")) == [(1, Reason.MALFORMED)]

    def test_too_many_parts_are_malformed(self, tmp_path: Path) -> None:
        assert refusals(rows_of(tmp_path, "a.txt", f"{CODE}----b----c----d")) == [(1, Reason.MALFORMED)]

    def test_blank_and_comment_lines_are_left_out_but_counted(self, tmp_path: Path) -> None:
        rows = rows_of(tmp_path, "a", "# delivery 7\n\n   \nA\n#B\nC")
        assert [row.row for row in rows] == [4, 6]
        assert codes(rows) == [(None, "A", None), (None, "C", None)]

    def test_a_header_in_dashes_is_understood(self, tmp_path: Path) -> None:
        assert codes(rows_of(tmp_path, "a.txt", "卡密----卡号\nS----N")) == [("N", "S", None)]

    def test_quotation_marks_in_plain_text_belong_to_the_code(self, tmp_path: Path) -> None:
        assert codes(rows_of(tmp_path, "a.txt", 'A"B\n"C')) == [(None, 'A"B', None), (None, '"C', None)]

    def test_only_real_line_ends_end_a_line(self, tmp_path: Path) -> None:
        assert codes(rows_of(tmp_path, "a.txt", "A\u2028B\nC")) == [
            (None, "A\u2028B", None),
            (None, "C", None),
        ]

    def test_an_empty_file_has_no_rows(self, tmp_path: Path) -> None:
        assert rows_of(tmp_path, "a.txt", "") == []
        assert rows_of(tmp_path, "a.csv", "\ufeff\n# nothing\n") == []

    def test_control_characters_are_malformed(self, tmp_path: Path) -> None:
        assert refusals(rows_of(tmp_path, "a.txt", f"A\n{CODE}\x07")) == [(2, Reason.MALFORMED)]


class TestLimits:
    def test_a_field_and_a_row_that_are_too_long_are_refused_and_the_next_is_read(
        self, tmp_path: Path
    ) -> None:
        content = "\n".join((CODE * 2000, "n," + CODE * 100_000, "ok", "é" * 8192, "é" * 8193))
        rows = rows_of(tmp_path, "a.txt", content)
        assert refusals(rows) == [(1, Reason.TOO_LONG), (2, Reason.TOO_LONG), (5, Reason.TOO_LONG)]
        assert [row.row for row in rows if isinstance(row, Parsed)] == [3, 4]

    def test_a_line_of_just_the_limit_is_one_row(self, tmp_path: Path) -> None:
        rows = rows_of(tmp_path, "a.txt", "x" * (64 * 1024) + "\nok\n" + "x" * (64 * 1024 + 1))
        assert [(row.row, type(row)) for row in rows] == [(1, Refused), (2, Parsed), (3, Refused)]


class TestTables:
    def test_a_header_names_the_columns_in_any_order(self, tmp_path: Path) -> None:
        rows = rows_of(
            tmp_path,
            "a.csv",
            "Product,Expiry_Date,PIN, Redeem Code ,Card Number\nx,2027-01-31,1234,S,N\nx,,,T,",
        )
        assert codes(rows) == [("N", "S", "1234"), (None, "T", None)]
        assert [row.expires_at for row in rows if isinstance(row, Parsed)] == [
            datetime(2027, 1, 31, 23, 59, 59, 999999, UTC),
            None,
        ]

    @pytest.mark.parametrize(
        ("header", "found"),
        [
            ("卡号,卡密", ("1", "2", None)),
            ("卡号,密码", ("1", "2", None)),
            ("卡密,密码", (None, "1", "2")),
            ("number,pin", ("1", "2", None)),
            ("card number,pin", ("1", "2", None)),
            ("序列号;兑换码", ("1", "2", None)),
            ("Serial\tKEY", ("1", "2", None)),
            ("status,code", (None, "2", None)),
            ("\ufeffcode,note", (None, "1", None)),
        ],
    )
    def test_headers_of_both_languages(self, tmp_path: Path, header: str, found: Triple) -> None:
        separator = next(mark for mark in ",;\t" if mark in header)
        assert codes(rows_of(tmp_path, "a.csv", f"{header}\n1{separator}2\n")) == [found]

    @pytest.mark.parametrize("header", ["number,price", "序列号", "name,面值", "expires"])
    def test_a_header_without_the_code_is_refused_with_the_names(self, tmp_path: Path, header: str) -> None:
        with pytest.raises(UnreadableFile, match=r"a\.csv:2: no column for the code") as refusal:
            rows_of(tmp_path, "a.csv", f"# x\n{header}\n1,2\n")
        assert all(name in str(refusal.value) for name in header.split(","))
        assert "兑换码" in str(refusal.value)

    def test_two_columns_for_the_code_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match="'code' and 'Key' mean the same"):
            rows_of(tmp_path, "a.csv", "code,Key\n1,2\n")

    def test_a_header_that_may_hold_a_code_is_not_quoted(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match=r"column 2, unknown") as refusal:
            rows_of(tmp_path, "a.csv", f"price,{CODE},GEHEIM\n")
        assert "GEHEIM" not in str(refusal.value)

    def test_without_a_header_the_count_of_columns_tells(self, tmp_path: Path) -> None:
        assert codes(rows_of(tmp_path, "1.csv", "A\nB\n")) == [(None, "A", None), (None, "B", None)]
        assert codes(rows_of(tmp_path, "2.csv", "n,s\n")) == [("n", "s", None)]
        assert codes(rows_of(tmp_path, "3.csv", "n;s;p\nn;s;\n")) == [("n", "s", "p"), ("n", "s", None)]
        assert codes(rows_of(tmp_path, "4.tsv", "n,1\ts\n")) == [("n,1", "s", None)]
        assert codes(rows_of(tmp_path, "5.csv", "A,,\n")) == [(None, "A", None)]

    def test_a_single_column_with_dashes_is_split(self, tmp_path: Path) -> None:
        assert codes(rows_of(tmp_path, "a.csv", "code\nn----s----p\nS\n")) == [
            ("n", "s", "p"),
            (None, "S", None),
        ]
        assert codes(rows_of(tmp_path, "b.csv", "n----s\n")) == [("n", "s", None)]

    def test_quoted_fields_keep_separators_quotes_and_lines(self, tmp_path: Path) -> None:
        rows = rows_of(tmp_path, "a.csv", 'number,code\n"1,2","A""B"\n3,"C\nD"\n4,E\n"#5",F\n')
        assert codes(rows) == [("1,2", 'A"B', None), ("3", "C\nD", None), ("4", "E", None), ("#5", "F", None)]
        assert [row.row for row in rows] == [2, 3, 5, 6]

    def test_a_stray_quotation_mark_costs_one_row(self, tmp_path: Path) -> None:
        rows = rows_of(tmp_path, "a.csv", f'number,code\n1,"{CODE}\n2,B\n3,C"D\n4,"E"x\n5,F\n')
        assert refusals(rows) == [(2, Reason.MALFORMED), (5, Reason.MALFORMED)]
        assert [row.row for row in rows if isinstance(row, Parsed)] == [3, 4, 6]

    def test_rows_of_another_width(self, tmp_path: Path) -> None:
        rows = rows_of(tmp_path, "a.csv", f"number,code\n1,A,\n{CODE}\n1,{CODE},x\n,{CODE}\n")
        assert refusals(rows) == [(3, Reason.EMPTY), (4, Reason.MALFORMED)]

    def test_an_expiry_that_is_none_refuses_the_row(self, tmp_path: Path) -> None:
        rows = rows_of(tmp_path, "a.csv", f"code,expires\n{CODE},{CODE}\nB,12/31/2027\nC,永久\n")
        assert refusals(rows) == [(2, Reason.MALFORMED), (3, Reason.MALFORMED)]
        assert isinstance(rows[2], Parsed)
        assert rows[2].expires_at is None

    def test_the_default_expiry_fills_what_the_file_leaves_open(self, tmp_path: Path) -> None:
        default = datetime(2030, 1, 1, tzinfo=UTC)
        path = tmp_path / "a.csv"
        path.write_text("code,expires\nA,\nB,2028-01-01T00:00:00Z\nC,never\n")
        found = [r.expires_at for r in read_codes(path, expires_default=default) if isinstance(r, Parsed)]
        assert found == [default, datetime(2028, 1, 1, tzinfo=UTC), None]


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
    @pytest.mark.parametrize("ascii_rows", [0, 60_000])
    def test_every_encoding_that_files_come_in(self, tmp_path: Path, encoding: str, ascii_rows: int) -> None:
        content = "卡号,卡密\n" + "1,ABCDEFGHIJKLMNOP\n" * ascii_rows + "卡1,密2\n"
        if ascii_rows:
            content = content.replace("卡号,卡密", "number,code")
        rows = rows_of(tmp_path, "a.csv", content.encode(encoding))
        assert codes(rows[-1:]) == [("卡1", "密2", None)]
        assert len(rows) == ascii_rows + 1

    def test_bytes_of_no_encoding_refuse_their_row_only(self, tmp_path: Path) -> None:
        assert refusals(
            rows_of(tmp_path, "a.txt", b"A\n" + CODE.encode() + b"\xff\xff\nB\n\xe5\xaf\x86\n")
        ) == [(2, Reason.MALFORMED)]


class TestUnreadableFiles:
    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"save it as \.xlsx"),
            ("a.xlsx", b"code\nA\n", "is not an Excel workbook"),
            ("a.pdf", b"%PDF-1.7", "ask for the codes as CSV"),
            ("a.csv.gz", b"\x1f\x8b\x08", "unpack it"),
            ("a.txt", b"c\0o\0d\0e\0", "save it as CSV or text in UTF-8"),
            ("a.xlsx", b"PK\x03\x04 and no more", "is damaged"),
        ],
    )
    def test_other_kinds_are_named_with_the_way_out(
        self, tmp_path: Path, name: str, content: bytes, says: str
    ) -> None:
        with pytest.raises(UnreadableFile, match=says):
            rows_of(tmp_path, name, content)

    def test_an_archive_that_is_no_workbook(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("codes.txt", CODE)
        with pytest.raises(UnreadableFile, match="is damaged or no Excel workbook") as refusal:
            list(read_codes(tmp_path / "a.zip"))
        assert refusal.value.__context__ is None

    def test_missing_files_and_folders(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableFile, match="No such file"):
            list(read_codes(tmp_path / "none.csv"))
        with pytest.raises(UnreadableFile, match="is not a file"):
            list(read_codes(tmp_path))


class TestProgress:
    @pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
    def test_bytes_read_grow_to_the_size(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        if name == "a.csv":
            path.write_text("\n".join(f"{n},CODE-{n}" for n in range(20_000)))
        else:
            sheet(tmp_path, *([f"N{n}", f"CODE-{n}"] for n in range(2_000)), name=name)
        with CodeFile(path) as file:
            assert file.bytes_read == 0
            seen = [file.bytes_read for _ in file]
            assert seen == sorted(seen)
            assert file.size_bytes == path.stat().st_size
            assert seen[0] > 0
            assert file.bytes_read == file.size_bytes


words = st.text(
    st.characters(categories=["L", "N", "P", "S"], codec="gb18030"), min_size=1, max_size=20
).filter(lambda text: "----" not in text and "\ufffd" not in text and text == text.strip("\ufeff"))
plain_words = st.text("ABCXYZ0189-.é卡密", min_size=1, max_size=20).filter(
    lambda text: "----" not in text and not text.startswith("-") and not text.endswith("-")
)
# The digit in front keeps a first row from being a header's names.
tables = st.lists(st.tuples(words.map(lambda word: "1" + word), words, words), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    tables,
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
)
def test_tables_are_read_as_they_were_written(
    table: list[tuple[str, str, str]], separator: str, encoding: str, quoted: bool
) -> None:
    written = StringIO()
    writer = csv.writer(written, delimiter=separator, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow(("number", "code", "pin"))
    writer.writerows(table)
    with TemporaryDirectory() as folder:
        assert codes(rows_of(Path(folder), "a.csv", written.getvalue().encode(encoding))) == table


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(plain_words, plain_words, plain_words), min_size=1, max_size=6), st.booleans())
def test_plain_text_is_read_as_it_was_written(table: list[tuple[str, str, str]], chinese: bool) -> None:
    content = "1----2----3\n" + "\n".join("----".join(row) for row in table)
    with TemporaryDirectory() as folder:
        found = codes(rows_of(Path(folder), "a.txt", content.encode("gb18030" if chinese else "utf-8")))
    assert found[0] == ("1", "2", "3")
    assert [tuple(map(str, row)) for row in found[1:]] == table


@settings(max_examples=25, deadline=None)
@given(tables)
def test_sheets_are_read_as_they_were_written(table: list[tuple[str, str, str]]) -> None:
    with TemporaryDirectory() as name:
        book = Workbook()
        assert book.active is not None
        for row, fields in enumerate([("number", "code", "pin"), *table], 1):
            for column, field in enumerate(fields, 1):
                cell = book.active.cell(row, column, field)
                assert isinstance(cell, Cell)
                cell.data_type = "s"  # a text that begins with = is no formula
        book.save(Path(name) / "a.xlsx")
        assert codes(list(read_codes(Path(name) / "a.xlsx"))) == table


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["a.txt", "a.csv", "a.tsv", "a.xlsx", "a"]), st.binary(max_size=200), st.booleans())
def test_any_bytes_are_rows_or_a_named_error(name: str, content: bytes, workbook: bool) -> None:
    with TemporaryDirectory() as folder:
        try:
            rows = rows_of(Path(folder), name, b"PK\x03\x04" + content if workbook else content)
        except UnreadableFile:
            return
    assert [row.row for row in rows] == sorted({row.row for row in rows})


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from([CODE, ",", "\n", '"', "----", "\t", "code", "1", "\x00", "\ud7ff"]), max_size=30
    )
)
def test_no_refusal_and_no_error_quotes_a_code(pieces: list[str]) -> None:
    with TemporaryDirectory() as folder:
        for name in ("a.txt", "a.csv"):
            try:
                shown = repr(rows_of(Path(folder), name, "".join(pieces)))
            except UnreadableFile as error:
                shown = repr(error)
            assert CODE not in shown
