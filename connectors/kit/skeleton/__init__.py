"""Moves the templates beside it into a new package: a connector that passes its own contract tests."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from connectors.kit.registry import installed_connectors
from core.errors import InvalidInput

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST_NAME = 40

# Template beside this file -> the file it becomes.
_FILES = {
    "pyproject.toml.tmpl": "pyproject.toml",
    "README.md.tmpl": "README.md",
    "connector.py.tmpl": "{name}_connector.py",
    "sandbox.py.tmpl": "{name}_sandbox.py",
    "test_connector.py.tmpl": "tests/test_{name}.py",
}


def write_skeleton(name: str, folder: Path) -> list[Path]:
    """Write a small installable connector package into `folder` and return the files written.

    Refuses, before it writes anything, a name that cannot be one and a file that is already there.
    """
    _check_name(name)
    words = {"name": name, "title": name.replace("_", " ").title(), "class_name": _class_name(name)}
    texts = {
        folder / target.format(name=name): Template(
            files(__package__).joinpath(template).read_text(encoding="utf-8")
        ).substitute(words)
        for template, target in _FILES.items()
    }
    _check_free(folder, list(texts))
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise InvalidInput(
            f"connector name {name!r}: write small letters, digits and single underscores, a letter first, "
            f"at most {_LONGEST_NAME} characters, such as acme or acme_shop"
        )
    if keyword.iskeyword(name):
        raise InvalidInput(f"connector name {name!r} is a word of Python: write, say, {name}_shop")
    if name in installed_connectors():
        raise InvalidInput(f"connector name {name!r} is taken by an installed connector: choose another")


def _check_free(folder: Path, paths: list[Path]) -> None:
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} is a file: name a folder, or one that does not exist yet")
    taken = [path for path in paths if path.exists()]
    if taken:
        raise InvalidInput(f"{taken[0]} is already there and is not overwritten: name another folder")


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
