"""Decides who may call the Kinguin sandbox and how often: OAuth2 tokens and requests per minute."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Mapping

from aiohttp import web

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105 (the sandbox's own, worth nothing elsewhere)

_MINUTE_SECONDS = 60.0
_WRITES_PER_MINUTE = 2_000
_READS_PER_MINUTE = 4_000


class Gate:
    """Tokens given out, and the last minute's requests."""

    def __init__(self, *, token_seconds: float, limit_scale: float) -> None:
        self.tokens_given = 0
        self._token_seconds = token_seconds
        self._good_until: dict[str, float] = {}
        self._limits = {
            "writes": max(1, int(_WRITES_PER_MINUTE * limit_scale)),
            "reads": max(1, int(_READS_PER_MINUTE * limit_scale)),
        }
        self._seen: dict[str, deque[float]] = {"writes": deque(), "reads": deque()}

    def give_token(self, form: Mapping[str, object]) -> web.Response:
        """Answer a token request by the client-credentials grant."""
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return web.json_response({"error": "invalid_client"}, status=401)
        token = secrets.token_urlsafe(24)
        self._good_until[token] = time.monotonic() + self._token_seconds
        self.tokens_given += 1
        return web.json_response(
            {"access_token": token, "token_type": "bearer", "expires_in": max(0, int(self._token_seconds))}
        )

    def forget_tokens(self) -> None:
        """Every token given so far stops working."""
        self._good_until.clear()

    def refusal(self, request: web.Request) -> web.Response | None:
        """Why a request does not come in; None when it does."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._good_until.get(token, 0.0) < time.monotonic():
            return web.json_response({"status": 401, "message": "Unauthorized"}, status=401)
        if self._is_over_limit("reads" if request.method == "GET" else "writes"):
            return web.json_response({"status": 429, "message": "Too Many Requests"}, status=429)
        return None

    def _is_over_limit(self, kind: str) -> bool:
        seen, now = self._seen[kind], time.monotonic()
        while seen and seen[0] <= now - _MINUTE_SECONDS:
            seen.popleft()
        if len(seen) >= self._limits[kind]:
            return True
        seen.append(now)
        return False
