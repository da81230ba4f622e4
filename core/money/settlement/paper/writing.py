"""Moves a statement into the form that somebody asks for, as bytes that come a piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum

from core.db.pool import Pool
from core.money.settlement.paper.html import html
from core.money.settlement.paper.pdf import pdf
from core.money.settlement.paper.sheets import Row, csv_parts, xlsx_parts
from core.money.settlement.paper.shown import code_cells, line_cells
from core.money.settlement.paper.words import Words
from core.money.settlement.statement import StatementReader, open_statement

# What is read on a screen, and what on paper; the sheets have everything.
_MOST_ON_SCREEN = 5_000
_MOST_ON_PAPER = 500


class Form(StrEnum):
    """The forms of a statement."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES = {
    Form.HTML: "text/html",
    Form.PDF: "application/pdf",
    Form.CSV: "text/csv",
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


async def statement_parts(pool: Pool, settlement_id: int, form: Form) -> AsyncIterator[bytes]:
    """The statement of a settlement. The same settlement in the same state gives the same bytes."""
    async with open_statement(pool, settlement_id) as reader:
        match form:
            case Form.CSV:
                async for part in csv_parts(reader):
                    yield part
            case Form.XLSX:
                async for part in xlsx_parts(reader):
                    yield part
            case Form.HTML:
                lines, codes = await _first(reader, _MOST_ON_SCREEN)
                yield await asyncio.to_thread(html, reader.statement, lines, codes)
            case Form.PDF:
                lines, codes = await _first(reader, _MOST_ON_PAPER)
                yield await asyncio.to_thread(pdf, reader.statement, lines, codes)


async def _first(reader: StatementReader, most: int) -> tuple[list[Row], list[Row]]:
    settlement = reader.statement.detail.settlement
    words = Words(settlement.language)
    lines: list[Row] = []
    async for page in reader.lines():
        lines += (line_cells(line, settlement, words) for line in page)
        if len(lines) >= most:
            break
    codes: list[Row] = []
    async for code in reader.codes():
        codes.append(code_cells(code, words))
        if len(codes) >= most:
            break
    return lines[:most], codes
