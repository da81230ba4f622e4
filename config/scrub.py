"""Takes secrets out of everything that is about to be logged: by field name, by value, and by form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote, quote_plus

from config.secret_names import MASK, names_secret, names_secrets

# Shorter values would blot out ordinary words.
SHORTEST_CHARACTERS = 6
_DEEPEST = 12
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/:@]*):([^\s/@]+)@")
_BEARER = re.compile(r"\b(Bearer|Basic|Token)\s+[A-Za-z0-9+/=._~-]{6,}")
_PARAMETER = re.compile(r"(?P<before>[?&;](?P<name>[\w.-]+)=)[^&;\s\"'<>]+")


class SecretScrubber:
    """Masks known secrets; a structlog processor. Secrets that come up later are added with register()."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None
        self.register(secrets)

    def register(self, secrets: Iterable[str]) -> None:
        """Mask these values too, as they are and as an address or a repr writes them."""
        forms = {form for secret in secrets for form in _forms(secret)}
        self._secrets |= {form for form in forms if len(form) >= SHORTEST_CHARACTERS}
        if self._secrets:
            # The longest first, lest a secret that contains another leaves its rest behind.
            longest_first = sorted(self._secrets, key=lambda secret: (-len(secret), secret))
            self._known = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, object]
    ) -> Mapping[str, object]:
        return {self.text(name): self._field(name, value, 0) for name, value in event.items()}

    def text(self, text: str) -> str:
        """The text without known secrets, passwords in addresses, bearer tokens and secret parameters."""
        if self._known:
            text = self._known.sub(MASK, text)
        if "://" in text:
            text = _PASSWORD_IN_URL.sub(rf"\1:{MASK}@", text)
        text = _PARAMETER.sub(_masked_parameter, text) if "=" in text else text
        return _BEARER.sub(rf"\1 {MASK}", text)

    def _field(self, name: str, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        if names_secret(name):
            return MASK
        if names_secrets(name) and not isinstance(value, int | float | Decimal):
            return MASK
        return self._value(value, depth)

    def _value(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool | int | float):
            return self._number(value)
        if depth >= _DEEPEST:
            return MASK
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): self._field(str(name), part, depth + 1) for name, part in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(part, depth + 1) for part in value]
        return self.text(_written(value))

    def _number(self, value: object) -> object:
        # A PIN may be written as a number.
        written = str(value)
        return value if self.text(written) == written else MASK


def _masked_parameter(found: re.Match[str]) -> str:
    return f"{found['before']}{MASK}" if names_secret(found["name"]) else found[0]


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), repr(secret)[1:-1]}


def _written(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    try:
        return repr(value)
    except Exception:  # a foreign repr may raise anything, and a log line must not end an order
        return f"<{type(value).__name__} without repr>"
