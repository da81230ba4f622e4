"""Cuts a text file into lines of bounded length, and decides how its lines are cut into fields."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from core.codes.columns import Layout, layout_of_header
from core.codes.rows import DASHES, ROW_LIMIT_BYTES

_SNIFFED_LINES = 20
_TAB_SUFFIXES = (".tsv", ".tab")


class Lines:
    """The lines of a text with their numbers, without line ends; None for one longer than a row may be.

    Only \\n, \\r\\n and \\r end a line: a code may hold what else Unicode calls a line separator.
    """

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._readline = text.readline
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

    def _read(self) -> str | None:
        line = self._readline(ROW_LIMIT_BYTES + 1)
        if not line:
            raise StopIteration
        if line[-1] == "\n":
            return line[:-1]
        if len(line) <= ROW_LIMIT_BYTES:
            return line
        while line and line[-1] != "\n":
            line = self._readline(ROW_LIMIT_BYTES)
        return None


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file's lines become fields; without a separator each line tells its own form."""

    separator: str | None
    layout: Layout | None = None
    header_row: int = 0
    # How many parts a row without a header must have; 0: as many as the first one, two at most.
    parts_least: int = 0

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
