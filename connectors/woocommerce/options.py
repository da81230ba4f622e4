"""Decides what an operator writes for a WooCommerce shop."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, SecretStr, field_validator

from connectors.kit.connector import Options

# WordPress decodes HTML entities in a webhook's secret before it signs: these characters stay as they are.
_PLAIN_SECRET = re.compile(r"[A-Za-z0-9_-]{16,200}")


class WooCommerceOptions(Options):
    """One shop: where it is, the REST key, the webhooks' secret, and from when on its orders are ours."""

    base_url: str
    consumer_key: SecretStr = Field(min_length=6)
    consumer_secret: SecretStr = Field(min_length=6)
    webhook_secret: SecretStr
    # Orders placed before this moment are never reported: whoever ran the shop then has served them.
    orders_from: AwareDatetime
    # How far behind the newest change a pull starts again, because a slow save shows up late.
    overlap_seconds: int = Field(default=120, ge=1, le=3600)
    # The shop's own "hold stock" setting, after which it cancels an unpaid order.
    pending_minutes: int = Field(default=60, ge=1, le=10_080)
    # How long an order waits for a bank transfer or a cheque before its codes are let go.
    on_hold_hours: int = Field(default=168, ge=1, le=2_160)
    # False: the refund is only written down in the shop, and a person pays the money back.
    refund_by_gateway: bool = True

    @field_validator("base_url")
    @classmethod
    def _shop_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("write the shop's address, such as https://shop.example")
        return value.rstrip("/")

    @field_validator("webhook_secret")
    @classmethod
    def _plain(cls, value: SecretStr) -> SecretStr:
        if not _PLAIN_SECRET.fullmatch(value.get_secret_value()):
            raise ValueError("write 16 to 200 letters, digits, - or _")
        return value

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.overlap_seconds)

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https://")
