"""Writes a statement as CSV and as an Excel workbook, a piece at a time, however many lines it has."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from openpyxl import Workbook
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from core.money.settlement.paper.shown import CODE_HEADS, LINE_HEADS, code_cells, line_cells, shown
from core.money.settlement.paper.words import Words
from core.money.settlement.statement import StatementReader

Row = tuple[str, ...]
Rows = Sequence[Row]

_FORMULA = ("=", "+", "@", "\t", "\r")
_CHUNK = 65_536
_ROWS_A_PIECE = 1000
# The archive's own times would make each writing another file.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(<)")


async def csv_parts(reader: StatementReader) -> AsyncIterator[bytes]:
    """One table after the other, each with a row of its own that names it."""
    words = Words(reader.statement.detail.settlement.language)
    first = True
    async for name, rows in _tables(reader, words):
        text = io.StringIO()
        if first:
            # Excel takes a file for UTF-8 only if it says so.
            text.write("\ufeff")
        writer = csv.writer(text, lineterminator="\r\n")
        if name:
            writer.writerows(([] if first else [[]]) + [[name]])
        writer.writerows([_harmless(cell) for cell in row] for row in rows)
        first = False
        yield text.getvalue().encode()


async def xlsx_parts(reader: StatementReader) -> AsyncIterator[bytes]:
    """A workbook with a sheet for each table."""
    settlement = reader.statement.detail.settlement
    words = Words(settlement.language)
    with TemporaryDirectory(prefix="consignd-") as folder:
        written, fixed = Path(folder) / "written.xlsx", Path(folder) / "fixed.xlsx"
        book = Workbook(write_only=True)
        book.properties.creator = "consignd"
        book.properties.created = settlement.drawn_at.astimezone(UTC).replace(tzinfo=None)
        sheet: WriteOnlyWorksheet | None = None
        async for name, rows in _tables(reader, words):
            if name:
                sheet = book.create_sheet(name)
            assert sheet is not None, "the first rows of a table name it"
            await asyncio.to_thread(_append, sheet, rows)
        await asyncio.to_thread(book.save, written)
        await asyncio.to_thread(_fix, written, fixed, settlement.drawn_at)
        with fixed.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


async def _tables(reader: StatementReader, words: Words) -> AsyncIterator[tuple[str, Rows]]:
    """Every table's rows in pieces; the first piece of each has its name."""
    settlement = reader.statement.detail.settlement
    texts = shown(reader.statement, words)
    yield words("summary"), [(texts.title,), *texts.facts, *texts.balance, *texts.payment]
    if texts.held:
        yield words("held"), texts.held
    yield words("lines"), [tuple(words(head) for head in LINE_HEADS)]
    async for page in reader.lines():
        yield "", [line_cells(line, settlement, words) for line in page]
    if not texts.batches:
        return
    yield words("batches"), [texts.batch_heads, *texts.batches]
    yield words("codes"), [tuple(words(head) for head in CODE_HEADS)]
    piece: list[Row] = []
    async for code in reader.codes():
        piece.append(code_cells(code, words))
        if len(piece) == _ROWS_A_PIECE:
            yield "", piece
            piece = []
    if piece:
        yield "", piece


def _harmless(cell: str) -> str:
    """No cell that a spreadsheet would take for a formula; a number below zero is none."""
    risky = cell.startswith(_FORMULA) or (cell.startswith("-") and not cell[1:2].isdigit())
    return f"'{cell}" if risky else cell


def _append(sheet: WriteOnlyWorksheet, rows: Iterable[Row]) -> None:
    for row in rows:
        # Text stays text: Excel cuts long numbers and reckons what begins like a formula.
        sheet.append([_harmless(cell) for cell in row])


def _fix(written: Path, fixed: Path, at: datetime) -> None:
    """Write the archive anew without the times of its making."""
    stamp = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}".encode()
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(fixed, "w") as new:
        for entry in old.infolist():
            info = zipfile.ZipInfo(entry.filename, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            if entry.filename == "docProps/core.xml":
                new.writestr(info, _MODIFIED.sub(rb"\g<1>" + stamp + rb"\g<2>", old.read(entry)))
                continue
            with old.open(entry) as source, new.open(info, "w", force_zip64=True) as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
