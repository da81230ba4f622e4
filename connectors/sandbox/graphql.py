"""Decides whether a GraphQL request is sound: reads it, checks it against a schema, and shapes the answer.

As much of GraphQL as a sandbox marketplace needs: one operation a document, variables, aliases, arguments,
inline fragments. Everything it does not know is an error of the caller, as on a real server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.kit.json import Json

_TOKEN = re.compile(
    r"""[\s,\ufeff]+|\#[^\n]*"""
    r"""|(?P<string>"(?:[^"\\\n]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")"""
    r"""|(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<name>[_A-Za-z][_0-9A-Za-z]*)|(?P<mark>\.\.\.|[!$&():=@\[\]{|}])"""
)
_LONGEST_DOCUMENT = 1_000_000
_DEEPEST_SELECTION = 12


class GraphqlProblem(Exception):
    """The request is not sound; the text goes back to the caller in `errors`."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A `$name` in the document."""

    name: str


Value = bool | int | float | str | Variable | list["Value"] | dict[str, "Value"] | None


@dataclass(frozen=True, slots=True)
class Selection:
    """A field that is asked for, or with `on_type` alone an inline fragment."""

    name: str
    alias: str = ""
    arguments: Mapping[str, Value] = field(default_factory=dict)
    selections: Sequence[Selection] = ()
    on_type: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a document asks for."""

    kind: str
    variables: Mapping[str, str]
    selections: Sequence[Selection]


class Tokens:
    """A document as a row of tokens; shared by the reader of documents and that of schemas."""

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST_DOCUMENT:
            raise GraphqlProblem("Syntax Error: document too long")
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise GraphqlProblem(f"Syntax Error: unexpected character {text[place]!r}")
            if match.lastgroup is not None:
                self._tokens.append((match.lastgroup, match.group()))
            place = match.end()
        self._next = 0

    def kind(self) -> str:
        """The kind of the next token: string, number, name, mark, or end."""
        return self._tokens[self._next][0] if self._next < len(self._tokens) else "end"

    def sees(self, text: str) -> bool:
        """Whether the next token is this one."""
        return self._next < len(self._tokens) and self._tokens[self._next][1] == text

    def take(self, kind: str = "", text: str = "") -> str:
        """The next token's text; GraphqlProblem unless it is of that kind and text."""
        if self.kind() == "end":
            raise GraphqlProblem("Syntax Error: unexpected end of document")
        found_kind, found = self._tokens[self._next]
        if (kind and found_kind != kind) or (text and found != text):
            raise GraphqlProblem(f"Syntax Error: expected {text or kind}, found {found_kind}")
        self._next += 1
        return found

    def takes(self, text: str) -> bool:
        """Take the next token if it is this one."""
        if not self.sees(text):
            return False
        self._next += 1
        return True

    def type_text(self) -> str:
        """A type such as `[Int!]!`, as written."""
        if self.takes("["):
            inner = f"[{self.type_text()}"
            self.take(text="]")
            inner += "]"
        else:
            inner = self.take("name")
        return inner + ("!" if self.takes("!") else "")


def parse_document(text: str) -> Operation:
    """Read a document with exactly one operation."""
    tokens = Tokens(text)
    kind, variables = "query", {}
    if not tokens.sees("{"):
        kind = tokens.take("name")
        if kind not in ("query", "mutation"):
            raise GraphqlProblem(f"Syntax Error: unexpected name {kind!r}")
        if tokens.kind() == "name":
            tokens.take("name")
        variables = _variables(tokens)
    operation = Operation(kind, variables, _selections(tokens, 0))
    if tokens.kind() != "end":
        raise GraphqlProblem("Syntax Error: one operation a document")
    return operation


def _variables(tokens: Tokens) -> dict[str, str]:
    declared: dict[str, str] = {}
    if not tokens.takes("("):
        return declared
    while not tokens.takes(")"):
        tokens.take(text="$")
        name = tokens.take("name")
        tokens.take(text=":")
        if name in declared:
            raise GraphqlProblem(f'There can be only one variable named "${name}".')
        declared[name] = tokens.type_text()
    return declared


def _selections(tokens: Tokens, depth: int) -> list[Selection]:
    if depth > _DEEPEST_SELECTION:
        raise GraphqlProblem("Syntax Error: selections nested too deeply")
    tokens.take(text="{")
    found: list[Selection] = []
    while not tokens.takes("}"):
        found.append(_selection(tokens, depth))
    if not found:
        raise GraphqlProblem("Syntax Error: empty selection")
    return found


def _selection(tokens: Tokens, depth: int) -> Selection:
    if tokens.takes("..."):
        tokens.take(text="on")
        on_type = tokens.take("name")
        return Selection(name="", selections=_selections(tokens, depth + 1), on_type=on_type)
    name = alias = tokens.take("name")
    if tokens.takes(":"):
        name = tokens.take("name")
    arguments = _arguments(tokens) if tokens.takes("(") else {}
    inner = _selections(tokens, depth + 1) if tokens.sees("{") else []
    return Selection(name, alias, arguments, inner)


def _arguments(tokens: Tokens) -> dict[str, Value]:
    found: dict[str, Value] = {}
    while not tokens.takes(")"):
        name = tokens.take("name")
        tokens.take(text=":")
        found[name] = _value(tokens)
    return found


def _value(tokens: Tokens) -> Value:
    if tokens.takes("$"):
        return Variable(tokens.take("name"))
    if tokens.takes("["):
        items: list[Value] = []
        while not tokens.takes("]"):
            items.append(_value(tokens))
        return items
    if tokens.takes("{"):
        members: dict[str, Value] = {}
        while not tokens.takes("}"):
            name = tokens.take("name")
            tokens.take(text=":")
            members[name] = _value(tokens)
        return members
    if tokens.kind() in ("string", "number"):
        loaded: str | int | float = json.loads(tokens.take())
        return loaded
    word = tokens.take("name")
    words: dict[str, bool | None] = {"true": True, "false": False, "null": None}
    return words.get(word, word)


def shape(selections: Sequence[Selection], value: Json) -> Json:
    """Keep of a resolver's whole answer what the caller asked for, under the caller's names."""
    if isinstance(value, list):
        return [shape(selections, item) for item in value]
    if not isinstance(value, dict) or not selections:
        return value
    answer: dict[str, Json] = {}
    for selection in selections:
        if selection.on_type:
            inner = shape(selection.selections, value) if value["__typename"] == selection.on_type else {}
            assert isinstance(inner, dict), "an object is shaped into an object"
            answer.update(inner)
        else:
            answer[selection.alias] = shape(selection.selections, value[selection.name])
    return answer
