"""Reads JSON from the world: bytes in, plain values or a named error out."""

from __future__ import annotations

import json

from connectors.kit.errors import ProtocolBroken

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


def parse_json(body: bytes, where: str) -> Json:
    """Decode a JSON body; ProtocolBroken names where it came from, never what it held."""
    try:
        value: Json = json.loads(body)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ProtocolBroken(f"{where}: the body is not JSON ({len(body)} bytes)") from None
    return value


def dump_json(value: Json) -> bytes:
    """Compact JSON bytes: the same bytes that are signed are sent."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
