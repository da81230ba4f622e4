"""Shows the settings in force: every value with its origin, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr

from config.problems import KeyPath, dotted
from config.scrub import SecretScrubber
from config.secret_names import MASK
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Effective:
    """One value in force, as TOML would write it, and where it was written."""

    path: str
    value_text: str
    origin: str


def describe(settings: Settings) -> list[Effective]:
    """Every value in force, in the order of the tables; "unset" where nothing is written or assumed."""
    scrubber = SecretScrubber(settings.secret_values())
    return [
        Effective(dotted(path), scrubber.text(_written(value)), settings.origin(path))
        for path, value in _leaves(settings, ())
    ]


def _leaves(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    steps: list[tuple[str | int, object]]
    if isinstance(value, BaseModel):
        steps = list(value)
    elif isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list | tuple):
        steps = list(enumerate(value))
    else:
        steps = []
    if not steps:
        yield path, value
    for step, part in steps:
        yield from _leaves(part, (*path, step))


def _written(value: object) -> str:
    match value:
        case None:
            return "unset"
        case SecretStr():
            return MASK
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case dict():
            return "{}"
        case list() | tuple():
            return "[]"
        case _:
            return str(value)
