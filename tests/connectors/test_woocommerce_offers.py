"""Decides whether offers are written into products as wanted, and products are read as buyers see them."""

from __future__ import annotations

from connectors.kit.messages import OfferStatus
from connectors.sandbox.woocommerce import WooCommerceSandbox
from connectors.woocommerce import WooCommerce
from core.types import ListingRef, OfferObserved
from tests.connectors.woocommerce_bench import CARD, connect, offer, raw, shop, signed


async def seen(connector: WooCommerce, ref: str) -> OfferObserved:
    page = await connector.list_offers(None)
    return next(each for each in page.offers if each.listing_ref == ref)


def with_variations(market: WooCommerceSandbox) -> None:
    for parent in (20, 30):
        for child in (1, 2):
            market.add_listing(f"{parent}:{parent + child}", f"SKU-{parent}-{child}", price_minor=500)


async def test_only_what_changed_is_written() -> None:
    async with shop() as market, connect(market) as connector:
        await connector.publish_offers([offer(CARD, 9, 777, price_changed=False)])
        assert (market.listings[CARD].quantity, market.listings[CARD].price_minor) == (9, 2000)
        await connector.publish_offers([offer(CARD, 4, 777, quantity_changed=False)])
        assert (market.listings[CARD].quantity, market.listings[CARD].price_minor) == (9, 777)


async def test_products_and_variations_of_several_parents_go_in_one_batch() -> None:
    async with shop() as market, connect(market) as connector:
        with_variations(market)
        refs = ["20:21", "12", "30:32", "20:22", "30:31"]
        results = await connector.publish_offers([offer(ref, n + 1) for n, ref in enumerate(refs)])
        assert [result.listing_ref for result in results] == refs
        assert {result.status for result in results} == {OfferStatus.PUBLISHED}
        assert [market.listings[ListingRef(ref)].quantity for ref in refs] == [1, 2, 3, 4, 5]


async def test_one_wrong_item_does_not_spoil_the_others() -> None:
    async with shop() as market, connect(market) as connector:
        with_variations(market)
        refs = ["999", "12", "20:999", "20:21", "12:34:56", "no-number", "0"]
        results = await connector.publish_offers([offer(ref, 3) for ref in refs])
        published = [result.listing_ref for result in results if result.status is OfferStatus.PUBLISHED]
        assert published == ["12", "20:21"]
        assert {result.status for result in results} == {OfferStatus.PUBLISHED, OfferStatus.REFUSED}
        assert "invalid_id" in results[0].detail
        assert "product:variation" in results[5].detail


async def test_the_shop_takes_no_more_than_a_hundred() -> None:
    async with shop() as market:
        path = "/products/batch"
        body = {"update": [{"id": 12, "stock_quantity": n} for n in range(101)]}
        status, told = await raw(market, "POST", path, signed(market, "POST", path), json=body)
        assert status == 413
        assert isinstance(told, dict)
        assert told["code"] == "woocommerce_rest_request_entity_too_large"
        assert market.listings[CARD].quantity == 50
        assert WooCommerce.offers_per_call == 100


async def test_off_is_told_apart_from_sold_out() -> None:
    async with shop() as market, connect(market) as connector:
        with_variations(market)
        for ref in (str(CARD), "20:21"):
            await connector.publish_offers([offer(ref, 0)])
            assert (await seen(connector, ref)).on
            await connector.publish_offers([offer(ref, 5, on=False)])
            observed = await seen(connector, ref)
            assert (observed.on, observed.quantity) == (False, 5)
            assert await market.buy(ListingRef(ref)) is None


async def test_a_sale_price_is_seen_and_taken_away() -> None:
    async with shop() as market, connect(market) as connector:
        market.shelves[CARD].sale_minor = 1
        assert (await seen(connector, CARD)).price.amount_minor == 1
        await connector.publish_offers([offer(CARD, 5, 2000)])
        assert (await seen(connector, CARD)).price.amount_minor == 2000


async def test_stock_that_is_not_managed_is_seen_and_mended() -> None:
    async with shop() as market, connect(market) as connector:
        market.shelves[CARD].manage_stock = False
        assert (await seen(connector, CARD)).quantity == connector.traits.largest_quantity
        await connector.publish_offers([offer(CARD, 2)])
        assert (await seen(connector, CARD)).quantity == 2
        assert await market.buy(CARD, 3) is None


async def test_backorders_are_switched_off_with_the_first_quantity() -> None:
    async with shop() as market, connect(market) as connector:
        market.shelves[CARD].backorders = "yes"
        await connector.publish_offers([offer(CARD, 1)])
        assert await market.buy(CARD, 2) is None


async def test_a_stock_below_zero_is_nothing_to_sell() -> None:
    async with shop() as market, connect(market) as connector:
        market.edit_by_hand(CARD, quantity=-10_002)
        assert (await seen(connector, CARD)).quantity == 0


async def test_a_product_that_only_holds_variations_is_no_listing() -> None:
    async with shop() as market, connect(market) as connector:
        with_variations(market)
        page = await connector.list_offers(None)
        assert sorted(each.listing_ref for each in page.offers) == ["12", "20:21", "20:22", "30:31", "30:32"]
        titled = next(each for each in page.offers if each.listing_ref == "20:21")
        assert (titled.title, titled.sku_ref) == ("Product 20 - SKU-20-1", "SKU-20-1")


async def test_a_hosts_limit_is_waited_out() -> None:
    async with shop(requests_per_second=2) as market, connect(market) as connector:
        for quantity in range(3):
            await connector.publish_offers([offer(CARD, quantity)])
        assert market.listings[CARD].quantity == 2
