"""Decides which rows of a file are plain enough to be read many at a time, and reads them so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from core.codes.columns import Layout
from core.codes.rows import DASHES, Parsed
from core.types import CodePayload

# A longer row is read on its own, so that a run of thousands stays small.
_ROW_LIMIT_CHARACTERS = 1000
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_NUMBER, _SECRET, _PIN = range(3)
_PARTS = {1: (_SECRET,), 2: (_NUMBER, _SECRET), 3: (_NUMBER, _SECRET, _PIN)}


@dataclass(frozen=True, slots=True)
class Run:
    """Codes of rows one after another, by column; a column that the file lacks is None.

    All are printable ASCII, short, and hold neither space nor what any form of file cuts a row by.
    """

    first_row: int
    secrets: Sequence[str] = field(repr=False)
    numbers: Sequence[str] | None = field(repr=False)
    pins: Sequence[str] | None = field(repr=False)
    expires_at: datetime | None

    def __len__(self) -> int:
        return len(self.secrets)

    def split(self, count: int) -> tuple[Run, Run]:
        """The first so many rows, and those after them."""
        return self._between(0, count), self._between(count, len(self))

    def rows(self) -> Iterator[Parsed]:
        """The same, one by one."""
        for at, secret in enumerate(self.secrets):
            number = self.numbers[at] if self.numbers else None
            pin = self.pins[at] if self.pins else None
            yield Parsed(self.first_row + at, CodePayload(secret, number, pin), self.expires_at)

    def _between(self, start: int, stop: int) -> Run:
        return Run(
            self.first_row + start,
            self.secrets[start:stop],
            self.numbers[start:stop] if self.numbers else None,
            self.pins[start:stop] if self.pins else None,
            self.expires_at,
        )


@dataclass(frozen=True, slots=True)
class RunForm:
    """How the plain rows of a file look, and what each of their fields is."""

    rows: re.Pattern[str]
    separator: str
    roles: tuple[int | None, ...]

    def read(self, first_row: int, text: str, start: int, stop: int, expires_at: datetime | None) -> Run:
        """The run of rows between two places that `rows` matched."""
        # One list of strings instead of a tuple a row: the garbage collector has nothing to walk through.
        fields = text[start : stop - 1].replace("\n", self.separator).split(self.separator)
        columns = {role: fields[at :: len(self.roles)] for at, role in enumerate(self.roles)}
        return Run(first_row, columns[_SECRET], columns.get(_NUMBER), columns.get(_PIN), expires_at)


def form_of_layout(separator: str, layout: Layout) -> RunForm | None:
    """The plain rows of a table with a header; None where each row has its own expiry."""
    if layout.expiry is not None:
        return None
    roles: list[int | None] = [None] * layout.width
    roles[layout.secret] = _SECRET
    if layout.number is not None:
        roles[layout.number] = _NUMBER
    if layout.pin is not None:
        roles[layout.pin] = _PIN
    return _form(separator, tuple(roles))


def form_of_line(separator: str | None, line: str) -> RunForm | None:
    """Plain rows like this one, in a file without a header; without a separator, by the one it shows."""
    if separator is None:
        separator = next((mark for mark in (DASHES, "\t") if mark in line), ",")
    parts = _PARTS.get(line.count(separator) + 1)
    return _form(separator, parts) if parts else None


@lru_cache(maxsize=64)
def _form(separator: str, roles: tuple[int | None, ...]) -> RunForm:
    # A quotation mark or four dashes anywhere, or # in front, need a closer look.
    plain = re.escape("".join(character for character in _PRINTABLE if character not in f'"-{separator}'))
    # Each character fits in one way only, so a row that is not plain is left after one look. Possessive
    # quantifiers would say the same, but Python before 3.11.5 reads them wrongly and would cut a code short.
    named = rf"(?=[{plain}]|-(?!---))[{plain}]*(?:-(?!---)[{plain}]*)*"
    other = rf"[ {plain}]*(?:-(?!---)[ {plain}]*)*"
    row = re.escape(separator).join(other if role is None else named for role in roles)
    bounded = rf"(?!#)(?![^\n]{{{_ROW_LIMIT_CHARACTERS + 1}}}){row}\n"
    return RunForm(re.compile(f"(?:{bounded})+"), separator, roles)
