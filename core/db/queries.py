"""Moves SQL from the .sql files beside our modules into named queries.

A file is a row of queries, each opened by a marker line and, if it needs one, a comment on why it is so:

    -- name: reserve_group
    -- Serves waiting requests in one statement.
    WITH ...
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

_MARKER = re.compile(r"^-- name:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True, slots=True)
class Queries(Mapping[str, str]):
    """The queries of one file by name. Take each at import, so that a wrong name shows at once."""

    package: str
    file_name: str
    by_name: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        assert name in self.by_name, (
            f"{self.package}/{self.file_name}: no query {name!r}, only {sorted(self.by_name)}"
        )
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)


def load_queries(package: str, file_name: str) -> Queries:
    """Read a .sql file in the folder of a package: `load_queries("core.codes", "allocator.sql")`."""
    text = files(package).joinpath(file_name).read_text(encoding="utf-8")
    return Queries(package, file_name, MappingProxyType(parse_queries(text, f"{package}/{file_name}")))


def parse_queries(text: str, where: str) -> dict[str, str]:
    """Split a file at its markers; a nameless, doubled, misnamed or empty query is an error of ours."""
    before, *rest = _MARKER.split(text)
    assert not _statement(before), f"{where}: SQL stands before the first `-- name:` marker"
    queries: dict[str, str] = {}
    for name, body in zip(rest[::2], rest[1::2], strict=True):
        assert _NAME.match(name), f"{where}: {name!r} is not a lower-case name"
        assert name not in queries, f"{where}: {name} stands there twice"
        assert _statement(body), f"{where}: {name} is empty"
        queries[name] = body.strip().rstrip(";")
    return queries


def all_query_files() -> list[Queries]:
    """Every query file under core, in order of its place; migrations are not queries."""
    return list(_query_files("core", files("core")))


def _query_files(package: str, folder: Traversable) -> Iterator[Queries]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        inner = f"{package}.{entry.name}"
        if entry.is_dir() and inner != "core.db.migrations" and entry.name.isidentifier():
            yield from _query_files(inner, entry)
        elif entry.name.endswith(".sql"):
            yield load_queries(package, entry.name)


def _statement(text: str) -> str:
    """What is left without comment lines and white space."""
    return "".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip()
