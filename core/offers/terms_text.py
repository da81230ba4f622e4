"""Writes terms as a text that is the same in every process, so that daemons agree whether they changed. Pure.

`repr` would not do: the order of a set differs from process to process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AnySet
from dataclasses import fields, is_dataclass


def terms_digest(*values: object) -> str:
    """Of data classes, mappings, sets, tuples and plain values within each other: alike only if equal."""
    return hashlib.sha256("\n".join(map(_text, values)).encode()).hexdigest()


def _text(value: object) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        written = ", ".join(f"{each.name}={_text(getattr(value, each.name))}" for each in fields(value))
        return f"{type(value).__name__}({written})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(sorted(f"{_text(key)}: {_text(each)}" for key, each in value.items())) + "}"
    if isinstance(value, AnySet):
        return "{" + ", ".join(sorted(map(_text, value))) + "}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(_text, value)) + ")"
    return repr(value)
