"""Reads a file whose body is a list of named rules, and places what is wrong in it by line and rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from config.mending import explain
from config.problems import KeyPath, Problem, SettingsRefused, dotted
from config.sources import Document

ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(document: Document, model: type[ModelT], rules: str, rule: str) -> ModelT:
    """The document as the model; SettingsRefused names each problem's line, key and rule.

    `rules` is the key of the list, `rule` what one of it is called.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as refused:
        source, lines = str(document.path), document.lines
        problems = [
            Problem(source, _nearest(lines, at), _named(at, document, rules, rule), text)
            for at, text in explain(refused, model)
        ]
        raise SettingsRefused(sorted(problems, key=lambda problem: problem.line or 0)) from None


def _nearest(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key, or of the closest table around it that stands in the file."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), None)


def _named(path: KeyPath, document: Document, rules: str, rule: str) -> str:
    """The key, and the name of the rule that it is in, where that has one."""
    written = document.data.get(rules)
    index = path[1] if len(path) > 1 and path[0] == rules else None
    if not isinstance(written, list) or not isinstance(index, int) or index >= len(written):
        return dotted(path)
    found = written[index]
    name = found.get("name") if isinstance(found, dict) else None
    return f"{dotted(path)} ({rule} {name})" if isinstance(name, str) else dotted(path)
