"""Decides whether a connector tells truly what other sellers ask."""

from __future__ import annotations

from connectors.kit.abilities import WatchesCompetitors
from connectors.kit.contract.base import ContractBase
from connectors.kit.contract.bench import AnyConnector, bounded, having
from connectors.kit.messages import Competition
from connectors.sandbox.market import SandboxMarket
from core.types import ListingRef


class CompetitorsContract(ContractBase):
    """Other sellers' offers. The market's own `rivals` are who sells beside us."""

    @bounded
    async def test_what_rivals_ask_is_read_listing_by_listing(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        watching = having(connector, WatchesCompetitors)
        await self.put_on_sale(market, connector)
        first, second = self.listing(market), self.listing(market, 1)
        market.rivals.add(first.sku_ref, "cheap-keys", 1799)
        market.rivals.add(first.sku_ref, "dear-keys", 2599)
        seen = await watching.watch_competitors([second.listing_ref, first.listing_ref])
        assert [each.listing_ref for each in seen] == [second.listing_ref, first.listing_ref]
        assert _strangers(seen[1]) == {("cheap-keys", 1799), ("dear-keys", 2599)}
        assert _strangers(seen[0]) == set()
        assert {offer.price.currency for offer in seen[1].offers or ()} == {market.currency}

    @bounded
    async def test_our_own_offer_is_told_from_the_others(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        watching = having(connector, WatchesCompetitors)
        await self.put_on_sale(market, connector)
        listing = self.listing(market)
        market.rivals.add(listing.sku_ref, "cheap-keys", 1799)
        [seen] = await watching.watch_competitors([listing.listing_ref])
        assert seen.offers is not None
        own = [offer.price.amount_minor for offer in seen.offers if offer.own]
        # A channel may leave our own offer out; it must not show it as a stranger's.
        assert own in ([], [market.listings[listing.listing_ref].price_minor])
        assert len(seen.offers) - len(own) == 1

    @bounded
    async def test_a_rival_who_moves_is_seen_where_he_is_now(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        watching = having(connector, WatchesCompetitors)
        listing = self.listing(market)
        rival = market.rivals.add(listing.sku_ref, "bot", 1799, step_minor=1)
        for price_minor in (1799, 1500, 1650):
            rival.price_minor = price_minor
            [seen] = await watching.watch_competitors([listing.listing_ref])
            assert _strangers(seen) == {("bot", price_minor)}

    @bounded
    async def test_an_unknown_listing_spoils_no_other_look(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        watching = having(connector, WatchesCompetitors)
        listing = self.listing(market)
        market.rivals.add(listing.sku_ref, "cheap-keys", 1799)
        [known] = await watching.watch_competitors([listing.listing_ref])
        assert _strangers(known) == {("cheap-keys", 1799)}
        [unknown] = await watching.watch_competitors([self.unknown_listing_ref])
        assert unknown.offers is None
        assert unknown.detail
        if watching.listings_per_look >= 2:
            both = await watching.watch_competitors([self.unknown_listing_ref, listing.listing_ref])
            assert both[0].offers is None
            assert _strangers(both[1]) == {("cheap-keys", 1799)}

    @bounded
    async def test_a_full_look_is_answered_in_order(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        watching = having(connector, WatchesCompetitors)
        assert watching.listings_per_look >= 1
        refs: list[ListingRef] = list(market.listings)[::-1][: watching.listings_per_look]
        seen = await watching.watch_competitors(refs)
        assert [each.listing_ref for each in seen] == refs
        assert await watching.watch_competitors([]) == []


def _strangers(seen: Competition) -> set[tuple[str, int]]:
    assert seen.offers is not None, seen.detail
    return {(offer.seller, offer.price.amount_minor) for offer in seen.offers if not offer.own}
