"""Decides whether a connector keeps the kit's promises: a pytest suite that its author inherits.

It needs pytest, pytest-asyncio (`asyncio_mode = "auto"`) and hypothesis, which running consignd does not;
nothing else in the kit imports it. A test whose ability the connector lacks is skipped and says so.
"""

from __future__ import annotations

import pytest

# Before the parts are imported: a failing assert then shows its values to the author.
_PARTS = (
    "account",
    "answers",
    "base",
    "bench",
    "callbacks",
    "competitors",
    "delivery",
    "money",
    "offers",
    "orders",
)
pytest.register_assert_rewrite(*(f"connectors.kit.contract.{part}" for part in _PARTS))

from connectors.kit.contract.account import AccountContract  # noqa: E402
from connectors.kit.contract.answers import AnswersContract  # noqa: E402
from connectors.kit.contract.bench import AnyConnector, account_for, eventually  # noqa: E402
from connectors.kit.contract.callbacks import CallbacksContract  # noqa: E402
from connectors.kit.contract.competitors import CompetitorsContract  # noqa: E402
from connectors.kit.contract.delivery import DeliveryContract  # noqa: E402
from connectors.kit.contract.money import MoneyContract  # noqa: E402
from connectors.kit.contract.offers import OffersContract  # noqa: E402
from connectors.kit.contract.orders import OrdersContract  # noqa: E402
from connectors.kit.contract.receiver import CallbackReceiver, Provide  # noqa: E402

__all__ = ["AnyConnector", "CallbackReceiver", "ConnectorContract", "Provide", "account_for", "eventually"]


class ConnectorContract(
    AccountContract,
    OffersContract,
    OrdersContract,
    CallbacksContract,
    AnswersContract,
    DeliveryContract,
    MoneyContract,
    CompetitorsContract,
):
    """Inherit it, give it a market and a connector, and run pytest:

        class TestAcme(ConnectorContract):
            unknown_listing_ref = ListingRef("no-such-listing")

            @pytest.fixture
            async def market(self) -> AsyncIterator[AcmeMarket]:
                async with AcmeMarket() as market:
                    market.add_listing("L-1", "SKU-1", quantity=5, price_minor=1999)
                    market.add_listing("L-2", "SKU-2", quantity=5, price_minor=2999)
                    yield market

            @pytest.fixture
            async def connector(self, market: AcmeMarket) -> AsyncIterator[Acme]:
                async with Acme.open(account_for(market)) as connector:
                    yield connector

            def add_listings(self, market: SandboxMarket, count: int) -> None:
                for _ in range(count):
                    market.add_listing(f"L-{len(market.listings) + 1}", "SKU-3", price_minor=999)

    Where the channel's protocol needs it, override also

    - `point_callbacks(market, connector, url)`: no call of the protocol tells the market where to call;
    - `sign_callback(market, connector, genuine, body)`: the market signs the body;
    - `callbacks_sign_the_body = False`: callbacks are authenticated by a header alone;
    - `cancel_at_market(market, order)`: a cancelled order is more than its state;
    - `orders_for_paging`: so many orders need a second page;
    - the fixture `callback_receiver`, to receive callbacks some other way.
    """
