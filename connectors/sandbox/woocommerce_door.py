"""Decides whether a request to the sandbox shop is the key holder's: OAuth 1.0a over plain http."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote, unquote

from aiohttp import web

WINDOW_SECONDS = 15 * 60
_NEEDED = (
    "oauth_consumer_key",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
)
_ALGORITHMS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
_IN_HEADER = re.compile(r'(oauth_[a-z_-]*)="?([^",]*)"?')


class Denied(Exception):
    """Why a request is turned away, as the shop says it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class OAuthDoor:
    """Checks key, signature, time and nonce as WooCommerce's own class does over plain http.

    Basic credentials are not even looked at there, so they end like no credentials at all.
    """

    def __init__(self, key: str, secret: str, now: Callable[[], datetime]) -> None:
        self._key = key
        self._secret = secret
        self._now = now
        self._used: dict[str, int] = {}

    def check(self, request: web.Request, home_url: str) -> None:
        """Raise Denied unless the request is signed, timely and new."""
        given = {**request.query, **_from_header(request.headers.get("Authorization", ""))}
        missing = [name for name in _NEEDED if not given.get(name)]
        if len(missing) == len(_NEEDED):
            raise Denied("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        if missing:
            text = f"Missing OAuth parameters {', '.join(missing)}"
            raise Denied("woocommerce_rest_authentication_missing_parameter", text)
        if given["oauth_consumer_key"] != self._key:
            raise _failed("Consumer key is invalid.")
        self._check_signature(request.method, f"{home_url}{request.path}", given)
        self._check_time_and_nonce(given)

    def _check_signature(self, method: str, url: str, given: dict[str, str]) -> None:
        algorithm = _ALGORITHMS.get(given["oauth_signature_method"])
        if algorithm is None:
            raise _failed("Invalid signature - signature method is invalid.")
        signed = {name: value for name, value in given.items() if name != "oauth_signature"}
        # The shop sorts by the bare names, and encodes each pair twice over in one go.
        pairs = [f"{_rfc3986(name)}={_rfc3986(signed[name])}" for name in sorted(signed)]
        text = f"{method}&{_rfc3986(url)}&" + "%26".join(_rfc3986(pair) for pair in pairs)
        digest = hmac.new(f"{self._secret}&".encode(), text.encode(), algorithm).digest()
        theirs = given["oauth_signature"].replace(" ", "+").encode()
        if not hmac.compare_digest(base64.b64encode(digest), theirs):
            raise _failed("Invalid signature - provided signature does not match.")

    def _check_time_and_nonce(self, given: dict[str, str]) -> None:
        now = int(self._now().timestamp())
        stamp = given["oauth_timestamp"]
        if not stamp.isdigit() or abs(int(stamp) - now) > WINDOW_SECONDS:
            raise _failed("Invalid timestamp.")
        if given["oauth_nonce"] in self._used:
            raise _failed("Invalid nonce - nonce has already been used.")
        self._used[given["oauth_nonce"]] = int(stamp)
        # Nonces are used in the order of time, so the outworn ones are the first.
        while self._used and (oldest := next(iter(self._used))) and self._used[oldest] < now - WINDOW_SECONDS:
            del self._used[oldest]


def _failed(message: str) -> Denied:
    return Denied("woocommerce_rest_authentication_error", message)


def _from_header(header: str) -> dict[str, str]:
    if not header.startswith("OAuth "):
        return {}
    return {name: unquote(value) for name, value in _IN_HEADER.findall(header)}


def _rfc3986(text: str) -> str:
    return quote(text, safe="~")
