"""Decides whether a connector publishes offers truly and reads them back truly."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from connectors.kit.abilities import ListsOffers, PublishesOffers
from connectors.kit.contract.base import ContractBase
from connectors.kit.contract.bench import AnyConnector, bounded, every_offer, having, patience
from connectors.kit.contract.receiver import CallbackReceiver
from connectors.kit.errors import OutcomeUnknown, TryLater
from connectors.kit.messages import OfferResult, OfferStatus
from connectors.sandbox.faults import Fault
from connectors.sandbox.market import SandboxMarket
from core.types import OfferWanted

_ROUNDS = 6


def statuses(results: Sequence[OfferResult]) -> list[OfferStatus]:
    return [result.status for result in results]


class OffersContract(ContractBase):
    """Publishing, and reading back."""

    @bounded
    async def test_what_is_published_is_observed(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        publisher, reader = having(connector, PublishesOffers), having(connector, ListsOffers)
        for quantity, price_minor in ((7, 1999), (1, 10_001), (0, 1234), (3, 777)):
            ref = self.listing(market).listing_ref
            offer = await self.wanted(market, connector, ref, quantity=quantity, price_minor=price_minor)
            assert statuses(await publisher.publish_offers([offer])) == [OfferStatus.PUBLISHED]
            self._shows(market, offer)
            offers, _ = await every_offer(reader)
            seen = next(each for each in offers if each.listing_ref == offer.listing_ref)
            assert (seen.quantity, seen.price) == (offer.quantity, offer.price)
            assert seen.on or quantity == 0

    @bounded
    async def test_a_full_batch_is_answered_in_order(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        publisher = having(connector, PublishesOffers)
        assert publisher.offers_per_call >= 1
        refs = list(market.listings)[::-1][: publisher.offers_per_call]
        offers = [
            await self.wanted(market, connector, ref, quantity=index + 2, price_minor=1500 + index)
            for index, ref in enumerate(refs)
        ]
        results = await publisher.publish_offers(offers)
        assert [result.listing_ref for result in results] == refs
        assert set(statuses(results)) == {OfferStatus.PUBLISHED}
        for offer in offers:
            self._shows(market, offer)

    @bounded
    async def test_an_empty_batch_asks_nothing(self, connector: AnyConnector) -> None:
        assert list(await having(connector, PublishesOffers).publish_offers([])) == []

    @bounded
    async def test_an_unknown_listing_is_refused_and_spoils_no_other(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        publisher = having(connector, PublishesOffers)
        good = await self.wanted(market, connector, self.listing(market).listing_ref, quantity=5)
        bad = OfferWanted(self.unknown_listing_ref, 5, good.price, good.net_price, on=True)
        assert statuses(await publisher.publish_offers([bad])) == [OfferStatus.REFUSED]
        if publisher.offers_per_call >= 2:
            assert statuses(await publisher.publish_offers([bad, good])) == [
                OfferStatus.REFUSED,
                OfferStatus.PUBLISHED,
            ]
            self._shows(market, good)

    @bounded
    async def test_publishing_twice_is_harmless(self, market: SandboxMarket, connector: AnyConnector) -> None:
        publisher = having(connector, PublishesOffers)
        offer = await self.wanted(market, connector, self.listing(market).listing_ref, quantity=4)
        for _ in range(2):
            assert statuses(await publisher.publish_offers([offer])) == [OfferStatus.PUBLISHED]
            self._shows(market, offer)

    @bounded
    async def test_only_the_quantity_changes_when_only_it_changed(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        publisher = having(connector, PublishesOffers)
        ref = self.listing(market).listing_ref
        first = await self.wanted(market, connector, ref, quantity=4)
        await publisher.publish_offers([first])
        second = OfferWanted(ref, 9, first.price, first.net_price, on=True, price_changed=False)
        assert statuses(await publisher.publish_offers([second])) == [OfferStatus.PUBLISHED]
        self._shows(market, second)

    @bounded
    async def test_what_is_off_cannot_be_bought(
        self,
        market: SandboxMarket,
        connector: AnyConnector,
        callback_receiver: CallbackReceiver | None,
    ) -> None:
        publisher = having(connector, PublishesOffers)
        ref = self.listing(market).listing_ref
        for on in (True, False, True):
            offer = await self.wanted(market, connector, ref, quantity=5, on=on)
            assert statuses(await publisher.publish_offers([offer])) == [OfferStatus.PUBLISHED]
            assert (await market.buy(ref) is not None) == on
            if isinstance(connector, ListsOffers) and not on:
                offers, _ = await every_offer(connector)
                seen = [each for each in offers if each.listing_ref == ref]
                assert not any(each.on and each.quantity for each in seen)

    @bounded
    @pytest.mark.parametrize("after", [0, 1, 2])
    @pytest.mark.parametrize(
        "fault", [Fault.TOO_MANY_REQUESTS, Fault.SERVER_ERROR, Fault.DROPPED_CONNECTION, Fault.LOST_REPLY]
    )
    async def test_publishing_converges_through_a_fault(
        self, market: SandboxMarket, connector: AnyConnector, fault: Fault, after: int
    ) -> None:
        publisher = having(connector, PublishesOffers)
        offer = await self.wanted(market, connector, self.listing(market).listing_ref, quantity=6)
        market.faults.once(fault, after)
        for _ in range(_ROUNDS):
            try:
                results = await publisher.publish_offers([offer])
            except TryLater as later:
                await patience(later)
                continue
            except OutcomeUnknown:
                continue
            assert len(results) == 1
            assert results[0].status is not OfferStatus.REFUSED, results
            if results[0].status is OfferStatus.PUBLISHED:
                break
        self._shows(market, offer)

    @bounded
    async def test_every_listing_is_listed_once(self, market: SandboxMarket, connector: AnyConnector) -> None:
        offers, _ = await every_offer(having(connector, ListsOffers))
        assert sorted(offer.listing_ref for offer in offers) == sorted(market.listings)
        for offer in offers:
            shown = market.listings[offer.listing_ref]
            assert (offer.price.amount_minor, offer.price.currency) == (shown.price_minor, market.currency)
            assert offer.quantity == shown.quantity

    @bounded
    async def test_paging_lists_every_listing_once(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        reader = having(connector, ListsOffers)
        self.add_listings(market, 1)
        for _ in range(_ROUNDS):
            offers, pages = await every_offer(reader)
            assert sorted(offer.listing_ref for offer in offers) == sorted(market.listings)
            if pages > 1:
                return
            self.add_listings(market, max(20, len(market.listings)))
        raise AssertionError(f"{len(market.listings)} listings still fit one page: give the sandbox pages")

    @staticmethod
    def _shows(market: SandboxMarket, offer: OfferWanted) -> None:
        shown = market.listings[offer.listing_ref]
        assert (shown.quantity, shown.price_minor) == (offer.quantity, offer.price.amount_minor)
