"""Turns a model's refusals into sentences that say what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from config.problems import KeyPath
from config.sources import variable_of

_WRITE = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "string_type": "a text in quotes",
    "path_type": "a path in quotes",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "list_type": "an array",
    "tuple_type": "an array",
}
_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    Decimal: "a number",
    str: "a text",
    SecretStr: "a text",
    dict: "a table",
    list: "an array",
    datetime: "a date",
    date: "a date",
    time: "a time",
}


def explain(refused: ValidationError, model: type[BaseModel]) -> Iterator[tuple[KeyPath, str]]:
    """Each refusal as the key it is about and what to do; no value that was written is ever quoted."""
    for error in refused.errors(include_url=False):
        path = tuple(step for step in error["loc"] if step != "[key]")
        yield path, _sentence(error, path, model)


def _sentence(error: ErrorDetails, path: KeyPath, model: type[BaseModel]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return unknown_key(str(path[-1]), fields_at(path[:-1], model))
        case "missing":
            return f"missing: write {path[-1]} = ..."
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case "decimal_max_places":
            return f"too fine: write at most {error['ctx']['decimal_places']} decimals"
        case kind if kind in _WRITE:
            wanted = _WRITE[kind]
            return f"wrong type: write {wanted}{_not_a(error['input'], wanted)}{_pointer(error, path)}"
        case _:
            return _reworded(error["msg"].replace("'", '"'))


def _reworded(said: str) -> str:
    """The library's own sentence, as something to do."""
    wanted = said.removeprefix("Input should be ")
    if wanted == said:
        return said[:1].lower() + said[1:]
    return f"write a number {wanted}" if wanted.startswith(("greater", "less")) else f"write {wanted}"


def unknown_key(name: str, known: tuple[str, ...]) -> str:
    """What to say of a key that no model has, given those that stand beside it."""
    close = get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    if close:
        return f"unknown key; did you mean {close[0]}?"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key; remove it"


def _not_a(value: object, wanted: str) -> str:
    kind = _KINDS.get(type(value))
    return f", not {kind}" if kind and kind != wanted else ""


def _pointer(error: ErrorDetails, path: KeyPath) -> str:
    """A table where a text belongs is mostly a pointer to a secret, in the wrong place or misspelt."""
    if error["type"] != "string_type" or not isinstance(error["input"], dict):
        return ""
    if path[0] in ("database_url", "keys", "api", "alerts"):
        return ': { env = "NAME" } or { file = "PATH" }'
    if set(error["input"]) & {"env", "file"}:
        return f"; only secrets may point elsewhere, but the variable {variable_of(path)} sets this key too"
    return ""


def fields_at(path: KeyPath, model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a table may have; none for tables whose keys are free names."""
    found: object = model
    for step in path:
        found = _step_into(found, step)
    models = [part for part in _plain(found) if isinstance(part, type) and issubclass(part, BaseModel)]
    return tuple(models[0].model_fields) if models else ()


def _step_into(annotation: object, step: str | int) -> object:
    for part in _plain(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            field = part.model_fields.get(str(step))
            return field.annotation if field else None
        if get_origin(part) is dict:
            return get_args(part)[1]
        if get_origin(part) in (list, tuple):
            return get_args(part)[0]
    return None


def _plain(annotation: object) -> Iterator[object]:
    """The alternatives of a type, without what Annotated and None add to it."""
    if get_origin(annotation) is Annotated:
        yield from _plain(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _plain(part)
    elif annotation is not type(None):
        yield annotation
