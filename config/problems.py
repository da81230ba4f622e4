"""Tells an operator what is wrong in the settings: where it stands and what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

# A place in the settings: names of tables and keys, and positions in arrays counted from 0.
KeyPath = tuple[str | int, ...]

_BARE = re.compile(r"^[A-Za-z0-9_-]+$")


def dotted(path: KeyPath) -> str:
    """A key path as TOML would write it: ("api", "tokens", 0, "name") is api.tokens[0].name."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        name = step if _BARE.match(step) else json.dumps(step, ensure_ascii=False)
        text += f".{name}" if text else name
    return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: a file or environment variable, the line in the file, the key, and what to write."""

    source: str
    line: int | None
    path: str
    text: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (where, self.path, self.text) if part)


class SettingsRefused(Exception):
    """The settings cannot be used as they are; `problems` names every reason, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems, "a refusal names at least one problem"
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
