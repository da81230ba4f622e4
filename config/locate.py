"""Finds the line on which each key, table and array element of a TOML text stands."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

from config.problems import KeyPath

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_SYNTAX_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def locate(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of every key path of a text that tomllib accepts."""
    return _Scanner(text).scan()


def syntax_place(refused: tomllib.TOMLDecodeError, text: str) -> tuple[int, str]:
    """The line of a syntax error, and what is wrong there with its column."""
    message = str(refused)
    place = _SYNTAX_PLACE.search(message)
    said = message[: place.start()] if place else message
    said = said[:1].lower() + said[1:]
    if place and place[1]:
        return int(place[1]), f"not TOML at column {place[2]}: {said}"
    return max(1, len(text.splitlines())), f"not TOML at the end of the file: {said}"


class _Scanner:
    """Walks a valid TOML text once; since tomllib judged it before, only places are of interest here."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._lines: dict[KeyPath, int] = {}
        self._last_of: dict[KeyPath, int] = {}  # arrays of tables: the index of the table written last

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._assignment(table)
        return self._lines

    def _header(self) -> KeyPath:
        line, is_array = self._line(), self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        self._skip_blank()
        parts = self._key()
        self._skip_blank()
        self._at += 2 if is_array else 1
        path = self._through_arrays(parts[:-1]) + parts[-1:]
        if is_array:
            self._note(path, line)
            self._last_of[path] = self._last_of.get(path, -1) + 1
        path = self._into_array(path)
        self._note(path, line)
        self._lines[path] = line
        return path

    def _through_arrays(self, parts: KeyPath) -> KeyPath:
        path: KeyPath = ()
        for part in parts:
            path = self._into_array((*path, part))
        return path

    def _into_array(self, path: KeyPath) -> KeyPath:
        return (*path, self._last_of[path]) if path in self._last_of else path

    def _assignment(self, table: KeyPath) -> None:
        line = self._line()
        path = table + self._key()
        self._note(path, line)
        self._at = self._text.index("=", self._at) + 1
        self._skip_blank()
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        opening = self._text[self._at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            pattern = _STRING if opening in "\"'" else _SCALAR
            self._take(pattern)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._skip_blank() and self._text[self._at] != "]":
            self._note((*path, index), self._line())
            self._value((*path, index))
            self._skip_comma()
            index += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._skip_blank() and self._text[self._at] != "}":
            self._assignment(path)
            self._skip_comma()
        self._at += 1

    def _skip_comma(self) -> None:
        if self._skip_blank() and self._text[self._at] == ",":
            self._at += 1

    def _skip_blank(self) -> bool:
        """Step over white space and comments; false at the end of the text."""
        self._take(_BLANK)
        return self._at < len(self._text)

    def _key(self) -> KeyPath:
        # tomllib itself reads the quotes and escapes of a key.
        written: Mapping[str, object] = tomllib.loads(f"{self._take(_KEY)} = 0")
        path: KeyPath = ()
        while True:
            ((part, rest),) = written.items()
            path = (*path, part)
            if not isinstance(rest, dict):
                return path
            written = rest

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        assert found is not None, f"tomllib accepted what the scanner does not know, line {self._line()}"
        self._at = found.end()
        return found[0]

    def _note(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)
