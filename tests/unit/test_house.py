"""The house rules that a machine can check: how files open, how long things are, what may not stand there."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from core.orders.lifecycle import ALLOWED

ROOT = Path(__file__).parents[2]
ROOMS = ("config", "connectors", "core", "scheduler", "web")
MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 70
_SQL = re.compile(
    r"\b(SELECT\s|INSERT INTO\s|UPDATE\s+\S*\s*SET\b|DELETE FROM\s)"
    r"|\b(CREATE|ALTER|DROP|TRUNCATE)\s+[A-Z]{4,}\b"
)
_POSSESSIVE = re.compile(r"[\])}][+*?]\+|\(\?>")
# Taken apart so that this file does not break its own rule.
_UNWANTED = {
    "unfinished work": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b"),
    "a stub": re.compile("raise NotImplemented" + "Error"),
    "a path of one machine": re.compile("/wo" + "rk/|/ro" + r"ot/|[A-Z]:\\\\Users|/Users/\w+/"),
    "a registry's host": re.compile(
        r"pypi\.org/simp" + r"le|python" + r"hosted|registry\.npm" + r"js|/opt/py" + "pi"
    ),
}


@cache
def tracked() -> tuple[str, ...]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a checkout: the rules are for those who change the files")
    return tuple(name for name in done.stdout.splitlines() if (ROOT / name).is_file())


def named(*endings: str, rooms: tuple[str, ...] = ROOMS) -> list[str]:
    return [name for name in tracked() if name.endswith(endings) and name.split("/")[0] in rooms]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def trees() -> Iterator[tuple[str, ast.Module]]:
    for name in named(".py"):
        yield name, ast.parse(read(name))


def test_every_file_opens_with_a_sentence() -> None:
    silent = []
    for name, tree in trees():
        opening = (ast.get_docstring(tree) or "").split("\n\n")[0]
        if tree.body and not (re.match(r"[A-Z0-9]", opening) and opening.endswith((".", "?", ":"))):
            silent.append(name)
    assert silent == []


def test_no_file_is_longer_than_a_file_should_be() -> None:
    names = named(".py", ".sql", rooms=(*ROOMS, "tests", "benchmarks"))
    lengths = {name: len(read(name).splitlines()) for name in names}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {}
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MOST_FUNCTION_LINES:
                    long[f"{name}:{node.name}"] = lines
    assert long == {}


def test_the_types_are_not_talked_out_of() -> None:
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in ("typing", "typing_extensions"):
                found += [f"{name}: {alias.name}" for alias in node.names if alias.name in ("Any", "cast")]
            elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("typing.Any", "typing.cast"):
                found.append(f"{name}:{node.lineno}: {node.attr}")
        for token in tokenize.generate_tokens(io.StringIO(read(name)).readline):
            if token.type == tokenize.COMMENT and re.match(r"#\s*type:\s*ignore", token.string):
                found.append(f"{name}:{token.start[0]}: type ignored")
    assert found == []


def test_no_statement_is_put_together_from_pieces() -> None:
    """SQL stands in .sql files; nothing is ever written into it."""
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            if _SQL.search(_assembled(node)):
                found.append(f"{name}:{getattr(node, 'lineno', 0)}")
    assert found == []


def _assembled(node: ast.AST) -> str:
    """The fixed text of a string that something is put into."""
    match node:
        case ast.JoinedStr(values=parts) if any(isinstance(part, ast.FormattedValue) for part in parts):
            return "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format" | "join")):
            return text
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod() | ast.Add()):
            return text
        case _:
            return ""


def test_each_room_has_numbers_of_its_own_for_its_locks() -> None:
    rooms: dict[str, set[Path]] = {}
    for path in sorted((ROOT / "core").rglob("*.sql")):
        for number in re.findall(r"advisory\w*lock\(\s*(\d+),", path.read_text()):
            rooms.setdefault(number, set()).add(path.parent)
    shared = {number: sorted(map(str, found)) for number, found in rooms.items() if len(found) > 1}
    assert not shared, "two rooms would wait for each other"
    assert len(rooms) > 5


def test_the_names_of_our_rooms_are_ours_alone() -> None:
    owners = packages_distributions()
    assert {room: set(owners.get(room, ())) for room in ROOMS} == {room: {"consignd"} for room in ROOMS}


def test_the_schema_allows_exactly_the_moves_of_the_life_cycle() -> None:
    migrations = "\n".join(read(name) for name in sorted(named(".sql")) if "/migrations/" in name)
    last = migrations.rsplit("CONSTRAINT order_move_allowed CHECK (", 1)[1].split(";")[0]
    in_schema = set(re.findall(r"\b(\w+)>(\w+)\b", last))
    assert in_schema == {(before.value, after.value) for before, moves in ALLOWED.items() for after in moves}


def test_no_pattern_means_another_thing_to_an_older_python() -> None:
    """Possessive quantifiers and atomic groups are new in 3.11, and read wrongly before 3.11.5."""
    found = []
    for name, tree in trees():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and _POSSESSIVE.search(node.value)
            ):
                found.append(f"{name}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize("what", _UNWANTED)
def test_no_file_holds(what: str) -> None:
    found = []
    for name in tracked():
        try:
            lines = read(name).splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{name}:{n}" for n, line in enumerate(lines, 1) if _UNWANTED[what].search(line)]
    assert found == []
