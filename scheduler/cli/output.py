"""Writes results to standard output, as tables or JSON, and everything else to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from core.codes.allocator import Place
from core.money.money import Money

# Wide enough that nothing is cut off in a pipe.
_PIPE_COLUMNS = 250


class Cells:
    """A table under construction: every cell is shown as it is, never as markup or as a terminal's order."""

    def __init__(self, *columns: str, right: Iterable[str] = (), title: str | None = None) -> None:
        self._table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        aligned = set(right)
        for column in columns:
            self._table.add_column(column, justify="right" if column in aligned else "left", overflow="fold")

    def add(self, *cells: object) -> None:
        """Add a row."""
        self._table.add_row(*(shown(cell) for cell in cells))

    def show(self) -> None:
        """Print it; an empty table says so."""
        console = _console()
        if self._table.row_count:
            console.print(self._table)
        else:
            console.print("nothing to show")


def shown(value: object) -> str:
    """A value for a person: nothing for None, seconds for times, no control characters."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case _:
            return "".join(sign if sign.isprintable() else "\ufffd" for sign in str(value))


def amount(amount_minor: int | None, currency: str | None) -> str:
    """Minor units for a person; nothing where there is no amount."""
    return "" if amount_minor is None or currency is None else str(Money(amount_minor, currency))


def say(text: str) -> None:
    """A line of result for a person."""
    click.echo(shown(text))


def note(text: str) -> None:
    """A line that is not the result: on standard error."""
    click.echo(text, err=True)


def print_json(value: object) -> None:
    """One JSON document: dataclasses as objects, times in ISO 8601, everything else as it is."""
    in_full = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=not in_full))


def plain(value: object) -> object:
    """A value as JSON has it: a code's place in one word, other dataclasses as objects."""
    if isinstance(value, Place):
        return str(value)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(part) for part in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value


@contextmanager
def bar(what: str, *, as_json: bool) -> Iterator[Progress | None]:
    """A progress bar on standard error; None where nobody would see it."""
    if as_json or not sys.stderr.isatty():
        yield None
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        progress.add_task(what, total=None, said="")
        yield progress


def _console() -> Console:
    width = None if sys.stdout.isatty() else _PIPE_COLUMNS
    return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
