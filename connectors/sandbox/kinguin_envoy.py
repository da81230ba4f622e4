"""Moves the Kinguin sandbox's webhooks: one subscription, two attempts, a history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from connectors.sandbox.faults import Fault
from connectors.sandbox.kinguin_terms import Body
from connectors.sandbox.market import SandboxMarket

_EVENTS = frozenset(
    {
        *("reserve", "give", "cancel", "delivered", "outofstock", "returned", "reversed", "refunded"),
        *("processingpreorder", "offerblocked", "processingingame", "chatmessage", "orderprocessing"),
    }
)
_ATTEMPTS = 2


@dataclass(slots=True)
class Subscription:
    """Where each event goes, and the headers that go with all of them."""

    endpoints: dict[str, str]
    headers: dict[str, str] = field(repr=False)


@dataclass(slots=True)
class Sending:
    """One webhook with what became of it."""

    event: str
    body: bytes = field(repr=False)
    body_ref: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    attempts: int = 0
    arrived: bool = False


class Envoy:
    """The webhook side of the marketplace."""

    def __init__(self, market: SandboxMarket, *, retry_after_seconds: float, timeout_seconds: float) -> None:
        self._market = market
        self._retry_after_seconds = retry_after_seconds
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self.subscription: Subscription | None = None
        self.sent: list[Sending] = []

    @property
    def dropped(self) -> int:
        """Webhooks that were tried twice in vain."""
        return sum(1 for sending in self.sent if sending.attempts >= _ATTEMPTS and not sending.arrived)

    def show(self) -> web.Response:
        """Answer what the merchant is subscribed to."""
        if self.subscription is None:
            return web.json_response({"status": 404, "message": "Subscription not found"}, status=404)
        headers = [{"name": name, "value": value} for name, value in self.subscription.headers.items()]
        return web.json_response({"endpoints": self.subscription.endpoints, "headers": headers})

    def subscribe(self, wanted: Mapping[str, Body], *, anew: bool) -> web.Response:
        """Take a subscription: it is made once and changed as often as one likes."""
        if anew and self.subscription is not None:
            return web.json_response({"status": 409, "message": "Subscription already exists"}, status=409)
        if not anew and self.subscription is None:
            return web.json_response({"status": 404, "message": "Subscription not found"}, status=404)
        read = _read_subscription(wanted)
        if read is None:
            return web.json_response({"status": 400, "message": "Invalid subscription"}, status=400)
        self.subscription = read
        return self.show()

    def history(self) -> web.Response:
        """Answer what was sent and how often it was tried."""
        return web.json_response(
            [
                {
                    "request": {
                        "toSent": {"body": sending.body.decode(), "bodyId": sending.body_ref},
                        "deployAttempts": sending.attempts,
                    }
                }
                for sending in self.sent
            ]
        )

    def emit(self, event: str, body_ref: str, body: Mapping[str, Body]) -> None:
        """Send an event to the URL that is subscribed now; later changes of it do not matter any more."""
        url = self.subscription.endpoints.get(event) if self.subscription else None
        if url is None or self.subscription is None:
            return
        content = json.dumps(body, separators=(",", ":")).encode()
        sending = Sending(event, content, body_ref, url, dict(self.subscription.headers))
        self.sent.append(sending)

        async def send() -> None:
            await self._attempt(sending, 1)

        self._market.send_callback(send)

    async def _attempt(self, sending: Sending, attempt: int) -> None:
        sending.attempts = max(sending.attempts, attempt)
        if await self._post(sending):
            sending.arrived = True
        elif attempt < _ATTEMPTS:

            async def again() -> None:
                await self._attempt(sending, attempt + 1)

            self._market.later(again, self._retry_after_seconds)

    async def _post(self, sending: Sending) -> bool:
        assert self._market.client is not None, "a market that sends is started"
        headers = {"Content-Type": "application/json", **sending.headers}
        try:
            async with self._market.client.post(
                sending.url, data=sending.body, headers=headers, timeout=self._timeout
            ) as reply:
                lost = self._market.faults.strikes(Fault.LOST_REPLY)
                return reply.status == 200 and not lost
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


def _read_subscription(wanted: Mapping[str, Body]) -> Subscription | None:
    """Read a subscription request; None when it names no event, an unknown one, or a header wrongly."""
    endpoints, headers = wanted.get("endpoints"), wanted.get("headers", [])
    if not isinstance(endpoints, dict) or not isinstance(headers, list) or not endpoints:
        return None
    read = Subscription({}, {})
    for event, url in endpoints.items():
        if event not in _EVENTS or not isinstance(url, str):
            return None
        read.endpoints[event] = url
    for header in headers:
        name = header.get("name") if isinstance(header, dict) else None
        value = header.get("value") if isinstance(header, dict) else None
        if not isinstance(name, str) or not isinstance(value, str):
            return None
        read.headers[name] = value
    return read
