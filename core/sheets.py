"""Reads the rows of an Excel workbook as text, refusing cells that no longer hold what was typed."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from typing import IO, Protocol
from xml.etree.ElementTree import ParseError

from core.errors import UnreadableFile

# Excel keeps 15 digits of a number and writes zeros for the rest.
_MOST_DIGITS = 15
# openpyxl has no one error for a damaged part.
_DAMAGES = (
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    ParseError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
_LAST_ROW = 1_048_576
_ZEROS_ONLY = re.compile(r"0{2,}")


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A row with a cell that lost its content: how it was lost, and never what was left."""

    why: str


class _Cell(Protocol):
    @property
    def value(self) -> object: ...
    @property
    def data_type(self) -> str: ...
    @property
    def number_format(self) -> str | None: ...


class _CellLost(Exception):
    """A cell that lost its content; the text says how, and never what was left."""


def sheet_rows(
    where: str, file: IO[bytes], *, amounts: bool = False
) -> Iterator[tuple[int, list[str] | Spoiled]]:
    """Row number and cells of the one visible sheet that holds rows; blank rows are left out.

    Values are read as typed: formulas are not followed, and a number becomes the digits that it shows. A
    fraction spoils a code, but not one of a table of `amounts`; moments are then told to the second.
    """
    warnings.filterwarnings("ignore", module=r"openpyxl\.")  # some of its warnings quote a cell
    damaged = False
    try:
        yield from _rows(where, file, amounts)
    except _DAMAGES:
        damaged = True
    if damaged:
        # Raised outside the handler: some of openpyxl's errors quote a cell.
        raise UnreadableFile(
            f"{where}: is damaged or no Excel workbook; open it in Excel and save it as .xlsx again"
        )


def _rows(where: str, file: IO[bytes], amounts: bool) -> Iterator[tuple[int, list[str] | Spoiled]]:
    # A fifth of a second to load, which only those pay who read such a file.
    from openpyxl import load_workbook  # noqa: PLC0415

    book = load_workbook(file, read_only=True, data_only=False)
    try:
        held: Iterator[tuple[int, list[str] | Spoiled]] | None = None
        first_title = ""
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible":
                continue
            sheet.reset_dimensions()  # what some programs write there is wrong
            rows = _filled(where, sheet.iter_rows(), amounts)
            first = next(rows, None)
            if first is None:
                continue
            if held is not None:
                raise UnreadableFile(
                    f"{where}: the sheets {first_title!r} and {sheet.title!r} both hold rows; "
                    "save the one with the codes as a file of its own"
                )
            held, first_title = chain([first], rows), sheet.title
        if held is not None:
            yield from held
    finally:
        book.close()


def _filled(
    where: str, rows: Iterator[tuple[_Cell, ...]], amounts: bool
) -> Iterator[tuple[int, list[str] | Spoiled]]:
    for row, cells in enumerate(rows, 1):
        if row > _LAST_ROW:
            raise UnreadableFile(
                f"{where}: has more rows than Excel allows ({_LAST_ROW}); save it in Excel again"
            )
        try:
            texts = [_text(cell, amounts) for cell in cells]
        except _CellLost as error:
            yield row, Spoiled(str(error))
            continue
        if any(texts) and any(map(str.strip, texts)):
            yield row, texts


def _text(cell: _Cell, amounts: bool) -> str:
    value = cell.value
    if isinstance(value, str) and cell.data_type == "s":
        return value
    if value is None and cell.data_type != "f":
        return ""
    if amounts and isinstance(value, float) and not value.is_integer():
        # Excel keeps 15 digits, and shows no more.
        return f"{value:.15g}"
    if amounts and isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return _spelled(cell, value)


def _spelled(cell: _Cell, value: object) -> str:
    """A cell that is not text, as the text it stands for."""
    match cell.data_type:
        case "f":
            raise _CellLost("a cell is a formula; paste it as a value")
        case "e":
            raise _CellLost("a cell shows an Excel error")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == value.min.time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _CellLost("a cell is neither text nor a number nor a date; format the column as text")
    return _digits(value, cell.number_format)


def _digits(value: int | float, number_format: str | None) -> str:
    if isinstance(value, float) and not value.is_integer():
        raise _CellLost("a cell is a number with a fraction; format the column as text and enter it again")
    digits = str(int(value))
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise _CellLost(
            f"a cell is a number of more than {_MOST_DIGITS} digits, of which Excel has lost the last ones; "
            "format the column as text and enter it again"
        )
    shown = number_format or ""
    # A format of zeros is how people keep leading zeros in sight: the code is what they see.
    return digits.zfill(len(shown)) if _ZEROS_ONLY.fullmatch(shown) else digits
