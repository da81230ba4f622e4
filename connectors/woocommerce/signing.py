"""Decides how a request proves who sends it: OAuth 1.0a without a token over http, Basic over https."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The shop's REST key."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


def basic_header(credentials: Credentials) -> dict[str, str]:
    """The header that WooCommerce believes over https only."""
    pair = f"{credentials.key}:{credentials.secret}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def oauth_parameters(
    method: str,
    url: str,
    query: Mapping[str, str],
    credentials: Credentials,
    *,
    nonce: str,
    timestamp: int,
) -> dict[str, str]:
    """The query parameters that sign one request (RFC 5849, one-legged, HMAC-SHA256).

    They go into the query and not into a header: PHP does not get the header on every server.
    """
    oauth = {
        "oauth_consumer_key": credentials.key,
        "oauth_nonce": nonce,
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(timestamp),
    }
    base = signature_base(method, url, {**query, **oauth})
    digest = hmac.new(f"{_encoded(credentials.secret)}&".encode(), base.encode(), hashlib.sha256).digest()
    return {**oauth, "oauth_signature": base64.b64encode(digest).decode()}


def signature_base(method: str, url: str, parameters: Mapping[str, str]) -> str:
    """The text that is signed (RFC 5849, section 3.4.1)."""
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in parameters.items())
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join((method.upper(), _encoded(_base_uri(url)), _encoded(joined)))


def _base_uri(url: str) -> str:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    is_default = parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{host}{'' if is_default else f':{parts.port}'}{parts.path or '/'}"


def _encoded(text: str) -> str:
    return quote(text, safe="-._~")
