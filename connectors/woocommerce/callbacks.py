"""Decides whether a webhook is the shop's, and what it tells."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from connectors.kit.errors import CallbackRefused, ProtocolBroken
from connectors.kit.json import parse_json
from connectors.kit.messages import Callback, CallbackRequest, Nothing, OrdersTold
from connectors.woocommerce.models import WooOrder, read
from connectors.woocommerce.options import WooCommerceOptions
from connectors.woocommerce.orders import channel_order, is_ours

_SIGNATURE = "x-wc-webhook-signature"
_PING = re.compile(rb"webhook_id=\d{1,19}")
_TELLING = ("order.created", "order.updated", "order.restored")


def is_ping(request: CallbackRequest) -> bool:
    """The unsigned form that WooCommerce posts when a webhook is made: believed because it tells nothing."""
    return (
        _SIGNATURE not in request.headers
        and request.method == "POST"
        and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        and _PING.fullmatch(request.body) is not None
    )


def verify(request: CallbackRequest, secret: str) -> None:
    """Raise CallbackRefused unless the body is signed with the webhooks' secret."""
    if is_ping(request):
        return
    digest = hmac.new(secret.encode(), request.body, hashlib.sha256).digest()
    expected = base64.b64encode(digest)
    given = request.headers.get(_SIGNATURE, "").encode(errors="replace")
    if not hmac.compare_digest(expected, given):
        raise CallbackRefused("the webhook is not signed with this channel's webhook_secret")


def parse(request: CallbackRequest, options: WooCommerceOptions) -> Callback:
    """What a verified webhook tells.

    The body is the order as it was when the webhook left, not when it was queued. A deletion carries the
    id alone and is no news to us: a shop that tidies up old orders has not taken them back.
    """
    if is_ping(request) or request.headers.get("x-wc-webhook-topic") not in _TELLING:
        return Nothing()
    try:
        order = read(WooOrder, parse_json(request.body, "webhook"), "webhook")
    except ProtocolBroken as error:
        raise CallbackRefused(str(error), 400) from None
    return OrdersTold([channel_order(order, options)]) if is_ours(order, options) else Nothing()
