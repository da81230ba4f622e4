"""Decides what a GraphQL request may name: a schema in its own language, requests checked against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.kit.json import Json
from connectors.sandbox.graphql import GraphqlProblem, Operation, Selection, Tokens, Value, Variable

_LARGEST_INT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a type: its own type and its arguments' types."""

    type_text: str
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Schema:
    """Types and input types with their fields, enums, and which type implements which interface."""

    types: dict[str, dict[str, Member]] = field(default_factory=dict)
    inputs: dict[str, dict[str, Member]] = field(default_factory=dict)
    enums: dict[str, frozenset[str]] = field(default_factory=dict)
    implements: dict[str, str] = field(default_factory=dict)

    def check(self, operation: Operation, given: Mapping[str, Json]) -> None:
        """GraphqlProblem unless the operation names only what exists, with values of the right types."""
        for name, type_text in operation.variables.items():
            self._check_value(type_text, given.get(name), f'Variable "${name}"')
        self._check_selections(operation.kind.capitalize(), operation.selections, operation)

    def _check_selections(self, owner: str, selections: Sequence[Selection], operation: Operation) -> None:
        aliases = [selection.alias for selection in selections if not selection.on_type]
        if len(set(aliases)) != len(aliases):
            raise GraphqlProblem(f"Fields conflict on type {owner}: the same name twice")
        for selection in selections:
            if selection.on_type:
                self._check_fragment(owner, selection, operation)
            else:
                self._check_field(owner, selection, operation)

    def _check_fragment(self, owner: str, fragment: Selection, operation: Operation) -> None:
        if fragment.on_type != owner and self.implements.get(fragment.on_type) != owner:
            raise GraphqlProblem(f'Unknown type "{fragment.on_type}" in a fragment on {owner}')
        self._check_selections(fragment.on_type, fragment.selections, operation)

    def _check_field(self, owner: str, asked: Selection, operation: Operation) -> None:
        member = self.types[owner].get(asked.name)
        if member is None:
            raise GraphqlProblem(f'Cannot query field "{asked.name}" on type "{owner}".')
        for name, value in asked.arguments.items():
            if name not in member.arguments:
                raise GraphqlProblem(f'Unknown argument "{name}" on field "{owner}.{asked.name}".')
            self._check_argument(member.arguments[name], value, operation, f'Argument "{name}"')
        for name, type_text in member.arguments.items():
            if type_text.endswith("!") and name not in asked.arguments:
                raise GraphqlProblem(f'Argument "{name}" of "{owner}.{asked.name}" is required.')
        inner = member.type_text.strip("[]!")
        if (inner in self.types) != bool(asked.selections):
            raise GraphqlProblem(f'Field "{asked.name}" of type "{inner}": wrong selection of subfields.')
        if asked.selections:
            self._check_selections(inner, asked.selections, operation)

    def _check_argument(self, type_text: str, value: Value, operation: Operation, where: str) -> None:
        if isinstance(value, Variable):
            declared = operation.variables.get(value.name)
            if declared is None:
                raise GraphqlProblem(f'Variable "${value.name}" is not defined.')
            if declared not in (type_text, f"{type_text}!"):
                raise GraphqlProblem(f'Variable "${value.name}" of type "{declared}" used as "{type_text}".')
        elif isinstance(value, dict) and (members := self.inputs.get(type_text.rstrip("!"))) is not None:
            for name, member in value.items():
                if name not in members:
                    raise GraphqlProblem(f'{where}: field "{name}" is not defined by type "{type_text}".')
                self._check_argument(members[name].type_text, member, operation, f"{where}.{name}")
            self._check_required(members, value, where)
        else:
            self._check_value(type_text, plain(value, {}), where)

    def _check_required(self, members: Mapping[str, Member], value: Mapping[str, object], where: str) -> None:
        for name, member in members.items():
            if member.type_text.endswith("!") and value.get(name) is None:
                raise GraphqlProblem(f'{where}: field "{name}" of required type was not provided.')

    def _check_value(self, type_text: str, value: Json, where: str) -> None:
        required = type_text.endswith("!")
        inner = type_text.rstrip("!")
        if value is None:
            if required:
                raise GraphqlProblem(f'{where} of required type "{type_text}" was not provided.')
        elif inner.startswith("["):
            for item in value if isinstance(value, list) else [value]:
                self._check_value(inner[1:-1], item, where)
        elif inner in self.inputs:
            self._check_object(inner, value, where)
        elif not self._is_scalar(inner, value):
            raise GraphqlProblem(f'{where} got an invalid value: expected type "{inner}".')

    def _check_object(self, type_name: str, value: Json, where: str) -> None:
        if not isinstance(value, dict):
            raise GraphqlProblem(
                f'{where} got an invalid value: expected type "{type_name}" to be an object.'
            )
        members = self.inputs[type_name]
        for name, member in value.items():
            if name not in members:
                raise GraphqlProblem(f'{where}: field "{name}" is not defined by type "{type_name}".')
            self._check_value(members[name].type_text, member, f"{where}.{name}")
        self._check_required(members, value, where)

    def _is_scalar(self, type_name: str, value: Json) -> bool:
        if type_name in self.enums:
            return value in self.enums[type_name]
        if type_name == "Boolean":
            return isinstance(value, bool)
        if type_name == "Int":
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INT
        return isinstance(value, str)


def plain(value: Value, given: Mapping[str, Json]) -> Json:
    """A value of the document with its variables filled in."""
    if isinstance(value, Variable):
        return given.get(value.name)
    if isinstance(value, list):
        return [plain(item, given) for item in value]
    if isinstance(value, dict):
        return {name: plain(member, given) for name, member in value.items()}
    return value


def parse_schema(text: str) -> Schema:
    """Read a schema written in the schema language: type, input, enum, interface, implements."""
    tokens, schema = Tokens(text), Schema()
    while tokens.kind() != "end":
        keyword, name = tokens.take("name"), tokens.take("name")
        if tokens.takes("implements"):
            schema.implements[name] = tokens.take("name")
        tokens.take(text="{")
        if keyword == "enum":
            schema.enums[name] = _enum_values(tokens)
        else:
            (schema.inputs if keyword == "input" else schema.types)[name] = _members(tokens)
    return schema


def _enum_values(tokens: Tokens) -> frozenset[str]:
    values = set()
    while not tokens.takes("}"):
        values.add(tokens.take("name"))
    return frozenset(values)


def _members(tokens: Tokens) -> dict[str, Member]:
    members: dict[str, Member] = {}
    while not tokens.takes("}"):
        name, arguments = tokens.take("name"), {}
        if tokens.takes("("):
            while not tokens.takes(")"):
                argument = tokens.take("name")
                tokens.take(text=":")
                arguments[argument] = tokens.type_text()
        tokens.take(text=":")
        members[name] = Member(tokens.type_text(), arguments)
    return members
