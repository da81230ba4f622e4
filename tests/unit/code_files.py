"""Writes the files of codes that tests read, and says in short what was read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from openpyxl import Workbook

from core.codes.readers import Parsed, Reason, Refused, Row, read_codes

CODE = "GEHEIM-7788"
Triple = tuple[str | None, str, str | None]


def rows_of(folder: Path, name: str, content: bytes | str) -> list[Row]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_codes(path))


def codes(rows: list[Row]) -> list[Triple]:
    assert all(isinstance(row, Parsed) for row in rows), rows
    return [(r.payload.number, r.payload.secret, r.payload.pin) for r in rows if isinstance(r, Parsed)]


def refusals(rows: list[Row]) -> list[tuple[int, Reason]]:
    assert CODE not in repr(rows)
    return [(row.row, row.reason) for row in rows if isinstance(row, Refused)]


def sheet(folder: Path, *rows: Sequence[object], name: str = "codes.xlsx") -> Path:
    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    book.save(folder / name)
    return folder / name
