"""Harbour keeps the kit's promises; run by the tests with the package installed, not collected here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from harbour_connector import Harbour
from harbour_sandbox import HarbourMarket, sign

from connectors.kit.contract import AnyConnector, ConnectorContract, account_for
from connectors.kit.messages import CallbackRequest
from connectors.sandbox.market import SandboxMarket


class TestHarbour(ConnectorContract):
    @pytest.fixture
    async def market(self) -> AsyncIterator[HarbourMarket]:
        async with HarbourMarket() as market:
            market.add_listing("H-1", "SKU-1", quantity=5, price_minor=1999)
            market.add_listing("H-2", "SKU-2", quantity=5, price_minor=2999)
            yield market

    @pytest.fixture
    async def connector(self, market: HarbourMarket) -> AsyncIterator[Harbour]:
        async with Harbour.open(account_for(market)) as connector:
            yield connector

    def add_listings(self, market: SandboxMarket, count: int) -> None:
        for _ in range(count):
            market.add_listing(f"H-{len(market.listings) + 1}", "SKU-3", price_minor=999)

    def sign_callback(
        self, market: SandboxMarket, connector: AnyConnector, genuine: CallbackRequest, body: bytes
    ) -> CallbackRequest:
        signature = {name.lower(): value for name, value in sign(datetime.now(UTC).isoformat(), body).items()}
        headers = {**genuine.headers, **signature}
        return CallbackRequest(genuine.method, genuine.path, headers, genuine.query, body)
