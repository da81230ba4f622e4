"""Cuts a text file into lines of bounded length, and decides how its lines are cut into fields."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from core.codes.columns import Layout, layout_of_header
from core.codes.rows import DASHES, ROW_LIMIT_BYTES
from core.codes.runs import Run, RunForm, form_of_layout, form_of_line

_SNIFFED_LINES = 20
_BLOCK_CHARACTERS = 4 * ROW_LIMIT_BYTES
_TAB_SUFFIXES = (".tsv", ".tab")


class Lines:
    """The lines of a text with their numbers, without line ends; None for one longer than a row may be.

    Only \\n, \\r\\n and \\r end a line: a code may hold what else Unicode calls a line separator.
    """

    def __init__(self, text: TextIO) -> None:
        self._text = text
        # What was read of the text; it is used up to `_at`.
        self._block = ""
        self._at = 0
        self._held: deque[str | None] = deque()
        self._row = 0

    def __iter__(self) -> Iterator[tuple[int, str | None]]:
        return self

    def __next__(self) -> tuple[int, str | None]:
        line = self._held.popleft() if self._held else self._read()
        self._row += 1
        return self._row, line

    def ahead(self, count: int) -> list[str | None]:
        """Up to so many of the coming lines, which stay to come."""
        try:
            while len(self._held) < count:
                self._held.append(self._read())
        except StopIteration:
            pass
        return list(self._held)[:count]

    def skip(self, count: int) -> None:
        """Leave out lines that `ahead` has shown."""
        for _ in range(count):
            self._held.popleft()
        self._row += count

    def run(self, form: RunForm, expires_at: datetime | None) -> Run | None:
        """The coming lines at once, as far as they are at hand and plain."""
        plain = None if self._held else form.rows.match(self._block, self._at)
        if plain is None:
            return None
        run = form.read(self._row + 1, self._block, self._at, plain.end(), expires_at)
        self._at = plain.end()
        self._row += len(run)
        return run

    def _read(self) -> str | None:
        end = self._block.find("\n", self._at)
        if end < 0:
            self._refill()
            end = self._block.find("\n", self._at)
        if end < 0 and len(self._block) > ROW_LIMIT_BYTES:
            self._skip_line()
            return None
        if end < 0:
            line, self._block = self._block, ""
            if not line:
                raise StopIteration
            return line
        line = self._block[self._at : end]
        self._at = end + 1
        return line if len(line) <= ROW_LIMIT_BYTES else None

    def _refill(self) -> None:
        self._block = self._block[self._at :] + self._text.read(_BLOCK_CHARACTERS)
        self._at = 0

    def _skip_line(self) -> None:
        """Pass over a line of which no end is in sight."""
        end = -1
        while self._block and end < 0:
            self._block = self._text.read(_BLOCK_CHARACTERS)
            end = self._block.find("\n")
        self._at = end + 1


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file's lines become fields; without a separator each line tells its own form."""

    separator: str | None
    layout: Layout | None = None
    header_row: int = 0
    # How many parts a row without a header must have; 0: as many as the first one, two at most.
    parts_least: int = 0

    def run_form(self, line: str) -> RunForm | None:
        """How the rows after this one look, if they are plain and like it."""
        if self.layout is None:
            return form_of_line(self.separator, line)
        assert self.separator is not None, "plain text has no header"
        return form_of_layout(self.separator, self.layout)

    def fields(self, line: str, lines: Lines) -> list[str] | None:
        """The fields of a line, and of those after it while a quoted field goes on; None for bad quotes."""
        separator = self.separator
        if separator is None:
            return _plain_fields(line)
        if '"' not in line or separator == DASHES:
            return line.split(separator)
        fields = _quoted(line, separator)
        return fields if fields is not None else self._many_lines(line, lines)

    def _many_lines(self, line: str, lines: Lines) -> list[str] | None:
        """A field quoted across lines, within the limit of a row; if it never closes, one line is lost."""
        assert self.separator is not None, "plain text has no quotes"
        text, count = line, 0
        while text.count('"') % 2:
            coming = lines.ahead(count + 1)
            if len(coming) == count:
                return None
            more = coming[count]
            if more is None or len(text) + len(more) > ROW_LIMIT_BYTES:
                return None
            text, count = f"{text}\n{more}", count + 1
        fields = _quoted(text, self.separator)
        if fields is not None:
            lines.skip(count)
        return fields


def sniff(where: str, table: bool, suffix: str, lines: Lines) -> Shape:
    """The shape of a file from its name and its first lines."""
    sample = [
        (row, line)
        for row, line in enumerate(lines.ahead(_SNIFFED_LINES), 1)
        if line and line[0] != "#" and not line.isspace()
    ]
    if not sample:
        return Shape("," if table else None)
    row, first = sample[0]
    candidates = ("\t",) if suffix in _TAB_SUFFIXES else (",", ";", "\t", DASHES)
    for separator in sorted(candidates, key=first.count, reverse=True):
        layout = layout_of_header(f"{where}:{row}", _cut(first, separator))
        if layout:
            return Shape(separator, layout, row)
    if suffix in _TAB_SUFFIXES:
        return _headless("\t", sample)
    if table or (first[0] == '"' and len(_quoted(first, ",") or ()) > 1):
        return _headless(_separator([line for _, line in sample]), sample)
    return Shape(None)


def _headless(separator: str, sample: Sequence[tuple[int, str]]) -> Shape:
    """A table without a header. It has numbers if any of its first rows has a second column."""
    second = any(any(map(str.strip, _cut(line, separator)[1:])) or DASHES in line for _, line in sample)
    return Shape(separator, parts_least=2 if second else 1)


def _separator(sample: Sequence[str]) -> str:
    """The separator that every line holds equally often; a comma where none or several do."""
    for separator in (",", ";", "\t"):
        counts = {len(_cut(line, separator)) for line in sample}
        if len(counts) == 1 and counts != {1}:
            return separator
    return max((",", ";", "\t"), key=sample[0].count)


def _cut(line: str, separator: str) -> list[str]:
    return (separator != DASHES and '"' in line and _quoted(line, separator)) or line.split(separator)


def _quoted(text: str, separator: str) -> list[str] | None:
    """One row of CSV; None if it is not one."""
    try:
        (fields,) = csv.reader([text], delimiter=separator, strict=True)
    except (csv.Error, ValueError):
        return None
    return fields


def _plain_fields(line: str) -> list[str]:
    """`number----secret----pin`, the same with tabs or commas, or a code alone."""
    for separator in (DASHES, "\t", ","):
        if separator in line:
            return line.split(separator)
    return [line]
