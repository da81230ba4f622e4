"""Decides how the API describes itself: OpenAPI 3.1, made from the routes' own declarations."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from web.access import roles_with
from web.api.problems import ProblemShape
from web.api.route import Route

_REF = "#/components/schemas/{model}"
_PATH_PART = re.compile(r"{(\w+)}")
_NUMBERS = frozenset({"order_id"})
_COMMON_ERRORS = {
    "401": "No token, or one that nobody has",
    "403": "The token's role may not do this",
    "429": "Too many wrong tokens from this address",
    "503": "Not now; try again after Retry-After",
}

Json = dict[str, object]
Mode = Literal["validation", "serialization"]


def openapi_bytes(routes: Sequence[Route], prefix: str) -> bytes:
    """The whole document."""
    schemas, components = _schemas(routes)
    paths: dict[str, Json] = {}
    for number, route in enumerate(routes):
        operation = _operation(number, route, schemas)
        paths.setdefault(prefix + route.path, {})[route.method.lower()] = operation
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "consignd",
            "version": "1",
            "description": "Stock, orders, channels and money of one consignd.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _schemas(routes: Sequence[Route]) -> tuple[dict[str, Json], Json]:
    """The schema of each body and answer by a key of its own, and the components they share."""
    parts: list[tuple[str, Mode, type[object]]] = [("problem", "serialization", ProblemShape)]
    for number, route in enumerate(routes):
        if not route.downloads:
            parts.append((f"{number} answer", "serialization", route.answer))
        if route.body is not None:
            parts.append((f"{number} body", "validation", route.body))
    by_key, definitions = TypeAdapter.json_schemas(
        [(key, mode, TypeAdapter(model)) for key, mode, model in parts], ref_template=_REF
    )
    return {key: dict(schema) for (key, _), schema in by_key.items()}, dict(definitions.get("$defs", {}))


def _operation(number: int, route: Route, schemas: dict[str, Json]) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"Roles: {', '.join(roles_with(route.right))}.",
        "tags": [route.path.split("/")[1]],
        "parameters": [*_path_parameters(route), *_query_parameters(route.query)],
        "responses": _responses(number, route, schemas),
    }
    if route.body is not None:
        kind = "multipart/form-data" if route.upload else "application/json"
        schema = schemas[f"{number} body"]
        if route.upload:
            schema = {"allOf": [schema, {"type": "object", "properties": {"file": {"type": "string"}}}]}
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema}}}
    return operation


def _responses(number: int, route: Route, schemas: dict[str, Json]) -> Json:
    kind = "text/event-stream" if route.stream else "application/json"
    content: Json = {media_type: {} for media_type in route.downloads}
    answer = {
        "description": route.summary,
        "content": content or {kind: {"schema": schemas[f"{number} answer"]}},
    }
    errors = dict(_COMMON_ERRORS)
    if "{" in route.path or route.body is not None:
        errors |= {"404": "Something named here is not known", "422": "Something here is not understood"}
    if route.method != "GET":
        errors["409"] = "The world moved on, or there is not enough stock"
    problem = {"content": {"application/problem+json": {"schema": schemas["problem"]}}}
    return {
        str(route.status): answer,
        **{status: {"description": text, **problem} for status, text in sorted(errors.items())},
    }


def _path_parameters(route: Route) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if name in _NUMBERS else "string"},
        }
        for name in _PATH_PART.findall(route.path)
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[Json]:
    if query is None:
        return []
    schema = query.model_json_schema(ref_template=_REF)
    definitions = schema.get("$defs", {})
    parameters: list[Json] = []
    for name, field in schema["properties"].items():
        parameters.append(
            {"name": name, "in": "query", "required": False, "schema": _inline(field, definitions)}
        )
    return parameters


def _inline(schema: object, definitions: Json) -> object:
    """A field's schema with what it refers to written out, as parameters share no components."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return definitions[reference.rsplit("/", 1)[1]]
        return {key: _inline(value, definitions) for key, value in schema.items()}
    return [_inline(value, definitions) for value in schema] if isinstance(schema, list) else schema
