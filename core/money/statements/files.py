"""Reads a channel's file, CSV or Excel, row by row through a mapping; what cannot be read is told by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import UnreadableFile
from core.money.payouts import ToldLine
from core.money.statements.mapping import CellRefused, RowReader, StatementMapping
from core.sheets import Spoiled, sheet_rows

_BYTES_AT_MOST = 256 * 1024 * 1024
_ZIP = b"PK\x03\x04"
_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class RowRefused:
    """A row that is not imported: which, in which column, and why."""

    row: int
    column: str
    why: str


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A file read to its end."""

    lines: tuple[ToldLine, ...]
    refused: tuple[RowRefused, ...]
    rows: int


def read_bytes(path: Path) -> bytes:
    """The file's content; UnreadableFile where it cannot be had, or is far beyond any statement."""
    try:
        if path.stat().st_size > _BYTES_AT_MOST:
            raise UnreadableFile(f"{path}: is above 256 MiB; split it by month and import the parts")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be opened ({error.strerror})") from None


def read_statement(where: str, content: bytes, mapping: StatementMapping) -> StatementFile:
    """All rows of a file: lines, and what is wrong with the others."""
    reader: RowReader | None = None
    lines: list[ToldLine] = []
    refused: list[RowRefused] = []
    rows = 0
    for row, cells in _rows(where, content, mapping):
        if row < mapping.header_row:
            continue
        if isinstance(cells, Spoiled):
            rows += 1
            refused.append(RowRefused(row, "", cells.why))
            continue
        if reader is None:
            reader = RowReader(mapping, cells)
            continue
        rows += 1
        try:
            lines += reader.lines(cells)
        except CellRefused as error:
            refused.append(RowRefused(row, error.column, error.why))
    if reader is None:
        raise UnreadableFile(f"{where}: no header in row {mapping.header_row}; mend header_row")
    kept, doubled = _apart(lines)
    return StatementFile(tuple(kept), (*refused, *doubled), rows)


def _apart(lines: Sequence[ToldLine]) -> tuple[list[ToldLine], list[RowRefused]]:
    """Lines by reference: one told twice alike is one, told twice with other money is refused."""
    first: dict[str, ToldLine] = {}
    doubled: list[RowRefused] = []
    for line in lines:
        known = first.setdefault(line.line_ref, line)
        if known != line:
            why = f"{line.line_ref!r} stands twice in the file with other content: choose another column"
            doubled.append(RowRefused(0, "ref", why))
    return list(first.values()), doubled


def _rows(
    where: str, content: bytes, mapping: StatementMapping
) -> Iterator[tuple[int, Sequence[str] | Spoiled]]:
    if content.startswith(_ZIP):
        yield from sheet_rows(where, io.BytesIO(content), amounts=True)
        return
    try:
        encoding = "utf-8-sig" if mapping.encoding.lower().replace("-", "") == "utf8" else mapping.encoding
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise UnreadableFile(
            f"{where}: is not {mapping.encoding}; write encoding in the mapping, such as cp1252 or utf-16"
        ) from None
    if "\0" in text:
        raise UnreadableFile(f"{where}: is not text; save it as CSV or .xlsx")
    delimiter = mapping.delimiter or _delimiter(text, mapping.header_row)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise UnreadableFile(f"{where}:{reader.line_num}: {error}; mend the quotation marks") from None


def _delimiter(text: str, header_row: int) -> str:
    """What divides the header most often."""
    head = text.splitlines()[header_row - 1 : header_row]
    return max(_DELIMITERS, key=lambda sign: head[0].count(sign)) if head else ","
