"""Reads consignors' files of codes row by row: text, CSV, TSV, Excel, in the encodings they come in."""

from __future__ import annotations

import codecs
import io
import os
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from core.codes.columns import Layout, layout_of_header
from core.codes.lines import Lines, sniff
from core.codes.rows import (
    DASHES,
    ROW_LIMIT_BYTES,
    Parsed,
    Reason,
    Refused,
    Row,
    clean,
    columns_row,
    parts_row,
)
from core.codes.runs import Run
from core.errors import UnreadableFile
from core.sheets import Spoiled, sheet_rows

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["CodeFile", "Form", "Parsed", "Reason", "Refused", "Row", "Run", "read_codes"]

_BLOCK_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 16
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What a file begins with, when it is something else than its name says.
_OTHER_KINDS = {
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook, or has a password; save it as .xlsx without one",
    b"%PDF": "is a PDF; ask for the codes as CSV, or as text with a code a line",
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"Rar!": "is a RAR archive; unpack it first",
    b"7z\xbc\xaf": "is a 7z archive; unpack it first",
    b"{\\rtf": "is an RTF document; save it as plain text",
}
_ZIP = b"PK\x03\x04"


class Form(StrEnum):
    """How a file is written."""

    TEXT = "text"
    TABLE = "table"
    XLSX = "xlsx"


class CodeFile:
    """A file of codes: iterate over it once for its rows; `bytes_read` of `size_bytes` tells how far that is.

    Use it in a `with`. Blank lines and lines that begin with # are left out; every other row is a Parsed or a
    Refused; `pieces` hands over the same, plain rows many at a time. A file that is unreadable as a whole
    raises UnreadableFile, at once or at the row where it shows.
    """

    def __init__(self, path: Path, *, expires_default: datetime | None = None) -> None:
        self.path = path
        self.size_bytes = _size_bytes(path)
        self._expires_default = expires_default
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UnreadableFile(f"{path}: cannot be opened ({error.strerror})") from None
        self._count = _Counted(self._file)
        self._counted = io.BufferedReader(self._count, _BUFFER_BYTES)
        self.form, self._encoding = Form.TEXT, "utf-8"
        try:
            self.form = self._form()
            if self.form is not Form.XLSX:
                self._encoding = _encoding(path, self._file)
        except BaseException:
            self._file.close()
            raise

    @property
    def bytes_read(self) -> int:
        """How many of the file's bytes its rows have used up so far."""
        return min(self._count.bytes_read, self.size_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Row]:
        for piece in self.pieces():
            if isinstance(piece, Run):
                yield from piece.rows()
            else:
                yield piece

    def pieces(self) -> Iterator[Row | Run]:
        """The rows in their order, plain ones many at a time."""
        self._file.seek(0)
        if self.form is Form.XLSX:
            return self._sheet()
        return self._lines()

    def _form(self) -> Form:
        head = self._file.read(4096)
        for mark, what in _OTHER_KINDS.items():
            if head.startswith(mark):
                raise UnreadableFile(f"{self.path}: {what}")
        if head.startswith(_ZIP):
            return Form.XLSX
        suffix = self.path.suffix.lower()
        if suffix in (".xlsx", ".xlsm"):
            raise UnreadableFile(
                f"{self.path}: is not an Excel workbook, whatever its name says; export it again"
            )
        if b"\0" in head and not head.startswith(_UTF16_MARKS):
            raise UnreadableFile(f"{self.path}: is not text; save it as CSV or text in UTF-8, or as .xlsx")
        return Form.TABLE if suffix in (".csv", ".tsv", ".tab") else Form.TEXT

    def _sheet(self) -> Iterator[Row]:
        layout: Layout | None = None
        least = 0
        for row, cells in sheet_rows(str(self.path), self._counted):
            if isinstance(cells, Spoiled):
                yield Refused(row, Reason.MALFORMED, cells.why)
                continue
            filled = [cell for cell in cells if cell.strip()]
            if len(filled) == 1 and filled[0].startswith("# "):
                continue
            if sum(map(len, cells)) > ROW_LIMIT_BYTES:
                yield _too_long(row)
                continue
            if not least:
                layout = layout_of_header(f"{self.path}:{row}", cells)
                least = _least(_trimmed(cells))
                if layout:
                    continue
            if layout:
                yield columns_row(row, cells, layout, self._expires_default)
            else:
                yield parts_row(row, _trimmed(cells), self._expires_default, least)

    def _lines(self) -> Iterator[Row | Run]:
        lines = Lines(io.TextIOWrapper(self._counted, encoding=self._encoding, errors="replace"))
        shape = sniff(f"{self.path}", self.form is Form.TABLE, self.path.suffix.lower(), lines)
        layout, expires_at = shape.layout, self._expires_default
        least = shape.parts_least
        for row, line in lines:
            if line is None:
                yield _too_long(row)
                continue
            if not line or line[0] == "#" or row == shape.header_row or line.isspace():
                continue
            fields = shape.fields(line, lines)
            if fields is None:
                yield Refused(
                    row, Reason.MALFORMED, "a quotation mark is not closed, or more follows after it"
                )
                continue
            if layout is not None:
                read = columns_row(row, fields, layout, expires_at)
            else:
                if shape.separator is not None:
                    fields = _trimmed(fields)
                least = least or _least(fields)
                read = parts_row(row, fields, expires_at, least)
            yield read
            # The rows after a good one mostly look like it.
            if isinstance(read, Parsed) and (form := shape.run_form(line)):
                run = lines.run(form, expires_at)
                if run is not None:
                    yield run


def read_codes(path: Path, *, expires_default: datetime | None = None) -> Iterator[Row]:
    """The rows of a file of codes, for who needs no progress."""
    with CodeFile(path, expires_default=expires_default) as file:
        yield from file


class _Counted(io.RawIOBase):
    """A file that counts what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        block = self._file.read(len(view))
        view[: len(block)] = block
        self.bytes_read += len(block)
        return len(block)


def _size_bytes(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be opened ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFile(f"{path}: is not a file; save the codes in one first")
    return status.st_size


def _encoding(path: Path, file: IO[bytes]) -> str:
    """UTF-16 by its mark, else UTF-8 if all of the file is, else GB18030 if all of it is.

    The whole file is looked at: a sheet of codes is plain ASCII up to the first Chinese remark. If it is
    neither, it is taken as UTF-8 and the rows that are not are refused one by one.
    """
    file.seek(0)
    if file.read(2) in _UTF16_MARKS:
        return "utf-16"
    if not _decodes(file, "utf-8") and _decodes(file, "gb18030"):
        return "gb18030"
    return "utf-8-sig"


def _decodes(file: IO[bytes], encoding: str) -> bool:
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while block := file.read(_BLOCK_BYTES):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _too_long(row: int) -> Refused:
    return Refused(row, Reason.TOO_LONG, f"the row is longer than {ROW_LIMIT_BYTES} bytes")


def _trimmed(fields: list[str]) -> list[str]:
    """Fields without the empty ones at the end, which spreadsheets like to add."""
    width = len(fields)
    while width > 1 and not clean(fields[width - 1]):
        width -= 1
    return fields[:width]


def _least(fields: Sequence[str]) -> int:
    """How many parts every row of a file must have, from its first: one, or number and secret."""
    return 2 if len(fields) > 1 or DASHES in fields[0] else 1
