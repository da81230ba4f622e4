"""Reads what the operator wrote, from one file and the environment, and remembers where each value stands."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from config.locate import locate, syntax_place
from config.problems import KeyPath, Problem, SettingsRefused

PREFIX = "CONSIGND_"
DELIMITER = "__"
FILE_VARIABLE = "CONSIGND_CONFIG"
USUAL_FILE = Path("consignd.toml")
_FILE_BYTES = 1 << 20

Tree = dict[str, object]


@dataclass(frozen=True, slots=True)
class Document:
    """The settings file: its content as plain values, and the line of each."""

    path: Path
    data: Tree
    lines: Mapping[KeyPath, int]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where each value comes from: the environment, a line of the file, or nowhere (a default)."""

    document: Document | None
    environment: Tree
    variables: Mapping[str, str]  # names in capitals: as they are written in the environment

    def of(self, path: KeyPath) -> tuple[str, int | None] | None:
        """The source and line of exactly this value; None when it is a default."""
        line = self.document.lines.get(path) if self.document else None
        above = _at(self.environment, path)
        # A table that both write is the file's; the variables only change some of its keys.
        shared = isinstance(above, dict) and line is not None
        if above is not None and not shared and (name := self._variable(path)):
            return name, None
        return (str(self.document.path), line) if self.document and line else None

    def nearest(self, path: KeyPath) -> tuple[str, int | None]:
        """The source and line of this value, or of the closest table around it that somebody wrote."""
        for length in range(len(path), 0, -1):
            if found := self.of(path[:length]):
                return found
        return (str(self.document.path) if self.document else "settings"), None

    def _variable(self, path: KeyPath) -> str | None:
        for length in range(len(path), 0, -1):
            name = variable_of(path[:length])
            if name in self.variables:
                return self.variables[name]
        # A table that exists only because variables below it are set is named by the first of them.
        below = variable_of(path) + DELIMITER
        return next((name for key, name in sorted(self.variables.items()) if key.startswith(below)), None)


class EnvironmentSource(EnvSettingsSource):
    """The environment variables of a mapping handed in, so that nobody has to change the process's own."""

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(
            settings,
            case_sensitive=False,
            env_prefix=PREFIX,
            env_ignore_empty=True,
            env_nested_delimiter=DELIMITER,
        )

    def _load_env_vars(self) -> Mapping[str, str | None]:
        # CONSIGND_CONFIG names the file and is no setting of its own.
        return {name.lower(): text for name, text in self._environ.items() if text and name != FILE_VARIABLE}

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: str) -> object:
        """Tables and arrays come as JSON; text that is none is left for the model to refuse by name."""
        try:
            decoded: object = json.loads(value, parse_float=_decimal)
        except (ValueError, RecursionError):
            return value
        return decoded


def find_file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: the one named, $CONSIGND_CONFIG, ./consignd.toml, or none."""
    if file is not None:
        return file
    if named := environ.get(FILE_VARIABLE):
        return Path(named)
    return USUAL_FILE if USUAL_FILE.is_file() else None


def read_document(path: Path) -> Document:
    """Parse a settings file; SettingsRefused names the line of a syntax error."""
    return parse_document(_read(path), path)


def parse_document(text: str, path: Path) -> Document:
    """The same of a text that came from elsewhere; problems are told as of a file of that name."""
    try:
        data: Tree = tomllib.loads(text, parse_float=_decimal)
        lines = locate(text)
    except tomllib.TOMLDecodeError as refused:
        line, said = syntax_place(refused, text)
        raise SettingsRefused([Problem(str(path), line, "", said)]) from None
    except (ValueError, RecursionError):
        said = "holds a number or a nesting too large to read: write a smaller one"
        raise SettingsRefused([Problem(str(path), None, "", said)]) from None
    return Document(path, data, lines)


def merge(below: Mapping[str, object], above: Mapping[str, object]) -> Tree:
    """Lay one tree over another: tables are joined, everything else above wins."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def variable_of(path: KeyPath) -> str:
    """The environment variable that sets a key: web.port is CONSIGND_WEB__PORT."""
    return PREFIX + DELIMITER.join(str(step) for step in path).upper()


def variables_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Every variable that is meant for us, by its name in capitals."""
    return {
        name.upper(): name
        for name, text in environ.items()
        if text and name.upper().startswith(PREFIX) and name != FILE_VARIABLE
    }


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_BYTES + 1)
    except (OSError, ValueError) as refused:
        reason = refused.strerror if isinstance(refused, OSError) else "not a path"
        text = f"cannot be read ({reason}): name another file with --config or {FILE_VARIABLE}"
        raise SettingsRefused([Problem(str(path), None, "", text)]) from None
    if len(raw) > _FILE_BYTES:
        raise SettingsRefused([Problem(str(path), None, "", "larger than 1 MiB: this is no settings file")])
    try:
        # Editors on Windows put a byte order mark before the text.
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as refused:
        line = raw.count(b"\n", 0, refused.start) + 1
        raise SettingsRefused([Problem(str(path), line, "", "not UTF-8: save the file as UTF-8")]) from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{len(text)} digits are no number") from None


def _at(tree: object, path: KeyPath) -> object:
    """The value at a path, None if there is none."""
    for step in path:
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree
