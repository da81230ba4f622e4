"""Decides by its name alone whether a field holds a secret."""

from __future__ import annotations

import re
from functools import lru_cache

MASK = "********"

_SECRET_WORDS = frozenset(
    [
        "secret",
        "token",
        "password",
        "passwd",
        "passphrase",
        "authorization",
        "credential",
        "credentials",
        "cookie",
        "signature",
        "key",
        "code",
        "payload",
        "pin",
        "dsn",
        "apikey",
        "卡密",
    ]
)
_PLURALS = frozenset(f"{word}s" for word in _SECRET_WORDS)
# A name that ends so speaks about a secret and does not hold it: code_id, key_count, token_expires_at.
_ABOUT = frozenset(
    [
        "id",
        "ids",
        "ref",
        "refs",
        "kind",
        "state",
        "status",
        "name",
        "names",
        "role",
        "count",
        "total",
        "seconds",
        "at",
        "bytes",
        "minor",
    ]
)
# Codes that are numbers of a protocol, not goods.
_PROTOCOL_CODES = frozenset(
    [
        "status",
        "error",
        "exit",
        "reply",
        "response",
        "result",
        "return",
        "close",
        "currency",
        "country",
        "language",
    ]
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")


def names_secret(name: str) -> bool:
    """Whether a field of this name is masked, whatever it holds."""
    words = _words(name)
    if not words or words[-1] in _ABOUT or _is_protocol_code(words):
        return False
    return any(word in _SECRET_WORDS for word in words)


def names_secrets(name: str) -> bool:
    """Whether a field of this name holds several secrets; a number in it is only their count."""
    words = _words(name)
    return bool(words) and words[-1] not in _ABOUT and any(word in _PLURALS for word in words)


def _is_protocol_code(words: tuple[str, ...]) -> bool:
    return len(words) >= 2 and words[-1] == "code" and words[-2] in _PROTOCOL_CODES


@lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name))
