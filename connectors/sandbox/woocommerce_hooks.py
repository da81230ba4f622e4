"""Moves the sandbox shop's webhooks: queued, signed, sent late, never sent twice, disabled when refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable

import aiohttp

from connectors.sandbox.faults import Fault
from connectors.sandbox.market import SandboxMarket
from connectors.sandbox.woocommerce_shop import JsonObject, Refusal, ShopOrder, Webhook

TOPICS = ("order.created", "order.updated", "order.deleted")
STATUSES = ("active", "paused", "disabled")
_FAILURES_ALLOWED = 5


class Webhooks:
    """The shop's webhooks and their deliveries."""

    def __init__(
        self,
        market: SandboxMarket,
        show: Callable[[ShopOrder], JsonObject],
        after_seconds: float,
    ) -> None:
        self._market = market
        self._show = show
        self._after_seconds = after_seconds
        self.hooks: dict[int, Webhook] = {}

    def create(self, topic: str, delivery_url: str, secret: str, name: str) -> Webhook:
        """Register a webhook and ping its address, unsigned."""
        if topic not in TOPICS:
            text = "Webhook topic is required and must be valid."
            raise Refusal(400, "woocommerce_rest_shop_webhook_invalid_topic", text)
        _check_url(delivery_url)
        hook_id = len(self.hooks) + 1
        hook = Webhook(hook_id, topic, delivery_url, secret or secrets.token_hex(25), name)
        self.hooks[hook_id] = hook
        self._market.later(lambda: self._ping(hook))
        return hook

    def update(self, hook: Webhook, changes: JsonObject) -> None:
        """Change a webhook; its failure count stays until a delivery succeeds."""
        status, url, secret = (changes.get(name) for name in ("status", "delivery_url", "secret"))
        if isinstance(status, str) and status:
            if status not in STATUSES:
                text = "Webhook status must be valid."
                raise Refusal(400, "woocommerce_rest_shop_webhook_invalid_status", text)
            hook.status = status
        if isinstance(url, str) and url:
            _check_url(url)
            hook.ping_is_due |= hook.delivery_url != url
            hook.delivery_url = url
        if isinstance(secret, str) and secret:
            hook.secret = secret
        if hook.status == "active" and hook.ping_is_due:
            self._market.later(lambda: self._ping(hook))

    def announce(self, order: ShopOrder, event: str) -> None:
        """Queue an event of an order for each webhook that wants it; the body is made when it leaves."""
        for hook in self.hooks.values():
            if hook.topic == f"order.{event}" and hook.status == "active":
                self._queue(hook, order)

    def _queue(self, hook: Webhook, order: ShopOrder) -> None:
        self._market.send_callback(lambda: self._deliver(hook, order), self._after_seconds)

    async def _deliver(self, hook: Webhook, order: ShopOrder) -> None:
        deleted = hook.topic.endswith(".deleted")
        payload: JsonObject = {"id": int(order.order_ref)} if deleted else self._show(order)
        body = json.dumps(payload).encode()
        digest = hmac.new(hook.secret.encode(), body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "WooCommerce/11.0.1 Hookshot (WordPress/7.1)",
            "X-WC-Webhook-Source": f"{self._market.url}/",
            "X-WC-Webhook-Topic": hook.topic,
            "X-WC-Webhook-Resource": "order",
            "X-WC-Webhook-Event": hook.topic.partition(".")[2],
            "X-WC-Webhook-Signature": base64.b64encode(digest).decode(),
            "X-WC-Webhook-ID": str(hook.hook_id),
            "X-WC-Webhook-Delivery-ID": secrets.token_hex(16),
        }
        status = await self._post(hook.delivery_url, headers, body)
        if self._market.faults.strikes(Fault.LOST_REPLY):
            status = 0
        self._count(hook, status)

    @staticmethod
    def _count(hook: Webhook, status: int) -> None:
        """A failure is never repeated; the one after more than five in a row disables the webhook."""
        if 200 <= status < 303:
            hook.failures = 0
        elif hook.failures > _FAILURES_ALLOWED:
            hook.status = "disabled"
        else:
            hook.failures += 1

    async def _ping(self, hook: Webhook) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = f"webhook_id={hook.hook_id}".encode()
        if await self._post(hook.delivery_url, headers, body) == 200:
            hook.ping_is_due = False

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer; 0 when there was none."""
        assert self._market.client is not None
        try:
            async with self._market.client.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as reply:
                return reply.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        text = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise Refusal(400, "woocommerce_rest_shop_webhook_invalid_delivery_url", text)
