"""Decides whether the WooCommerce connector keeps the kit's promises against the sandbox shop."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from connectors.kit.contract import AnyConnector, ConnectorContract, account_for
from connectors.kit.messages import CallbackRequest
from connectors.sandbox.market import SandboxMarket, SandboxOrder
from connectors.sandbox.woocommerce import WooCommerceSandbox
from connectors.woocommerce import WooCommerce
from core.types import ListingRef


class TestWooCommerce(ConnectorContract):
    unknown_listing_ref = ListingRef("999999999")
    # More than a page of 100, all changed within one second.
    orders_for_paging = 105

    @pytest.fixture
    async def market(self) -> AsyncIterator[WooCommerceSandbox]:
        async with WooCommerceSandbox(webhook_after_seconds=0.05) as market:
            market.add_listing("12", "STEAM-20", title="Steam 20", quantity=5, price_minor=1999)
            market.add_listing("20:21", "PSN-50", title="50 EUR", quantity=5, price_minor=4999)
            market.add_listing("20:22", "PSN-100", title="100 EUR", quantity=5, price_minor=9999)
            yield market

    @pytest.fixture
    async def connector(self, market: SandboxMarket) -> AsyncIterator[WooCommerce]:
        async with WooCommerce.open(account_for(market)) as connector:
            yield connector

    def add_listings(self, market: SandboxMarket, count: int) -> None:
        for _ in range(count):
            market.add_listing(str(1000 + len(market.listings)), "SKU-3", price_minor=999)

    async def cancel_at_market(self, market: SandboxMarket, order: SandboxOrder) -> None:
        assert isinstance(market, WooCommerceSandbox)
        market.set_status(market.shop_orders[order.order_ref], "cancelled")

    def sign_callback(
        self, market: SandboxMarket, connector: AnyConnector, genuine: CallbackRequest, body: bytes
    ) -> CallbackRequest:
        secret = str(market.connection_options()["webhook_secret"])
        digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
        signature = base64.b64encode(digest).decode()
        return replace(genuine, headers={**genuine.headers, "x-wc-webhook-signature": signature}, body=body)
