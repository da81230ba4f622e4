"""Proves the Eneba connector against the Eneba sandbox: the contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from connectors.eneba import Eneba
from connectors.kit.contract import ConnectorContract, account_for
from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.eneba_books import EnebaTerms
from connectors.sandbox.market import SandboxMarket
from core.types import ListingRef


class TestEneba(ConnectorContract):
    unknown_listing_ref: ClassVar[ListingRef] = ListingRef("00000000-0000-4000-8000-000000000000")
    callbacks_sign_the_body: ClassVar[bool] = False

    @pytest.fixture
    async def market(self) -> AsyncIterator[EnebaSandbox]:
        terms = EnebaTerms(
            action_delay_seconds=0.05,
            provide_retry_seconds=0.5,
            cancel_retry_seconds=0.1,
            abandon_after_seconds=0.1,
            largest_page=5,
        )
        async with EnebaSandbox(terms=terms) as market:
            market.add_listing("auction-1", "SKU-1", quantity=5, price_minor=1999)
            market.add_listing("auction-2", "SKU-2", quantity=5, price_minor=2999)
            yield market

    @pytest.fixture
    async def connector(self, market: EnebaSandbox) -> AsyncIterator[Eneba]:
        async with Eneba.open(account_for(market)) as connector:
            yield connector

    def add_listings(self, market: SandboxMarket, count: int) -> None:
        for _ in range(count):
            market.add_listing(f"auction-{len(market.listings) + 1}", "SKU-3", price_minor=999)
