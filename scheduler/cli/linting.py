"""Says what is wrong with files that people wrote, before anything is done by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from config.problems import Problem, SettingsRefused
from scheduler.cli.exits import Exit
from scheduler.cli.output import note, print_json, say


@dataclass(frozen=True, slots=True)
class Written:
    """A file that could be read: what it calls itself, and the look at what it says."""

    name: str
    lint: Callable[[], Sequence[Problem]]


def show_lint(
    ctx: click.Context, files: Sequence[Path], read: Callable[[Path], Written], *, kind: str, as_json: bool
) -> None:
    """Look at every file and print what is wrong with any, 3 if anything is; the JSON calls them `kind`."""
    names: list[str] = []
    problems: list[Problem] = []
    for path in files:
        try:
            written = read(path)
            names.append(written.name)
            problems += written.lint()
        except SettingsRefused as refused:
            problems += refused.problems
    if as_json:
        print_json({"ok": not problems, kind: names, "problems": problems})
    else:
        for problem in problems:
            note(f"consignd: {problem}")
        if not problems:
            say(f"nothing is wrong with {', '.join(names)}")
    if problems:
        ctx.exit(Exit.SETTINGS)
