"""Kinguin's traps on the way out: net on write and gross on read, refusals, fees, tokens, limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from connectors.kinguin import Kinguin
from connectors.kit.connector import Account
from connectors.kit.contract import account_for, eventually
from connectors.kit.errors import AuthenticationFailed, OptionsRefused, SlowDown
from connectors.kit.messages import Delivery, OfferStatus
from connectors.sandbox.kinguin import KinguinSandbox
from connectors.sandbox.kinguin_terms import Commission
from core.money.money import Money
from core.types import CodePayload, LineCodes, LineRef, ListingRef, OfferObserved, OfferWanted, PriceBasis

OFFER = ListingRef("offer-1")
OTHER = ListingRef("offer-2")


@asynccontextmanager
async def opened(market: KinguinSandbox, **options: object) -> AsyncIterator[Kinguin]:
    account = account_for(market, {**market.connection_options(), **options})
    async with Kinguin.open(account) as connector:
        yield connector


@pytest.fixture
async def market() -> AsyncIterator[KinguinSandbox]:
    async with KinguinSandbox() as market:
        market.add_listing(OFFER, "SKU-1", quantity=5, price_minor=1660)
        market.add_listing(OTHER, "SKU-2", quantity=5, price_minor=1660)
        yield market


@pytest.fixture
async def kinguin(market: KinguinSandbox) -> AsyncIterator[Kinguin]:
    async with opened(market) as connector:
        yield connector


def wanted(
    quantity: int = 5,
    net_minor: int = 1500,
    *,
    ref: ListingRef = OFFER,
    on: bool = True,
    price_changed: bool = True,
    quantity_changed: bool = True,
) -> OfferWanted:
    net = Money(net_minor, "EUR")
    gross = Money(Commission().lowest_gross_of(net_minor), "EUR")
    return OfferWanted(ref, quantity, gross, net, on, price_changed, quantity_changed)


async def published(kinguin: Kinguin, offer: OfferWanted) -> None:
    [result] = await kinguin.publish_offers([offer])
    assert result.status is OfferStatus.PUBLISHED, result


async def observed(kinguin: Kinguin, ref: ListingRef = OFFER) -> OfferObserved:
    page = await kinguin.list_offers(None)
    return next(offer for offer in page.offers if offer.listing_ref == ref)


async def test_a_price_is_written_net_and_read_gross(market: KinguinSandbox, kinguin: Kinguin) -> None:
    await published(kinguin, wanted(net_minor=1500))
    seen = await observed(kinguin)
    assert seen.price == Money(1660, "EUR")
    assert seen.net_price == Money(1500, "EUR")
    assert market.listings[OFFER].price_minor == 1660


@pytest.mark.parametrize(("gross", "net"), [(10524, 10009), (10525, 10010), (10526, 10010), (10527, 10011)])
def test_the_sandbox_rounds_like_the_published_table(gross: int, net: int) -> None:
    assert Commission(percent_bp=500, fixed_minor=15).net_of(gross) == net


@given(net=some.integers(1, 1_000_000), percent=some.integers(0, 4_000), fixed=some.integers(0, 200))
def test_the_lowest_gross_price_is_the_lowest(net: int, percent: int, fixed: int) -> None:
    commission = Commission(percent, fixed)
    gross = commission.lowest_gross_of(net)
    assert commission.net_of(gross) == net
    assert commission.net_of(gross - 1) == net - 1


async def test_several_gross_prices_are_quoted_to_one_net_price_and_back_to_the_lowest() -> None:
    async with KinguinSandbox(commission=Commission(500, 15)) as market:
        market.add_listing(OFFER, "SKU-1")
        async with opened(market) as kinguin:
            quotes = [
                await kinguin.quote_fee(OFFER, Money(gross, "EUR"), PriceBasis.GROSS)
                for gross in (10525, 10526)
            ]
            assert [quote.net for quote in quotes] == [Money(10010, "EUR")] * 2
            back = await kinguin.quote_fee(OFFER, Money(10010, "EUR"), PriceBasis.NET)
            assert back.gross == Money(10525, "EUR")


async def test_an_unchanged_price_is_not_sent(market: KinguinSandbox, kinguin: Kinguin) -> None:
    await published(kinguin, wanted(9, net_minor=9999, price_changed=False))
    assert (market.listings[OFFER].quantity, market.listings[OFFER].price_minor) == (9, 1660)
    assert not market.offers[OFFER].price_changes


async def test_an_unchanged_quantity_is_not_sent(market: KinguinSandbox, kinguin: Kinguin) -> None:
    await published(kinguin, wanted(99, net_minor=2000, quantity_changed=False))
    assert market.listings[OFFER].quantity == 5


async def test_the_fourth_price_of_a_day_costs_a_fee_and_a_repeated_one_does_not(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    for net_minor in (1600, 1700, 1700, 1800):
        await published(kinguin, wanted(net_minor=net_minor))
    assert market.offers[OFFER].price_change_fees == 0
    await published(kinguin, wanted(net_minor=1900))
    assert market.offers[OFFER].price_change_fees == 1
    assert kinguin.traits.free_price_changes_per_day == 3


@pytest.mark.parametrize("offer", [wanted(0), wanted(5, on=False), wanted(0, on=False)])
async def test_what_is_not_to_be_sold_is_inactive(
    market: KinguinSandbox, kinguin: Kinguin, offer: OfferWanted
) -> None:
    await published(kinguin, offer)
    assert not market.listings[OFFER].on
    assert await market.buy(OFFER) is None
    await published(kinguin, wanted(5))
    assert await market.buy(OFFER) is not None


async def test_too_much_stock_is_a_final_refusal_that_says_why_and_does_not_hold_back_the_price(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    results = await kinguin.publish_offers([wanted(501, 2000), wanted(7, ref=OTHER)])
    assert [result.status for result in results] == [OfferStatus.REFUSED, OfferStatus.PUBLISHED]
    assert "Max declared stock" in results[0].detail
    assert market.listings[OFFER].quantity == 5
    assert market.listings[OFFER].price_minor == Commission().lowest_gross_of(2000)


async def test_a_price_that_is_too_low_is_refused_and_does_not_hold_back_the_stop(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    market.offers[OFFER].minimal_price_minor = 1000
    [result] = await kinguin.publish_offers([wanted(2, net_minor=500, on=False)])
    assert result.status is OfferStatus.REFUSED
    assert "Minimal price limit of 10.00 EUR" in result.detail
    assert (market.listings[OFFER].price_minor, market.listings[OFFER].quantity) == (1660, 2)
    assert not market.listings[OFFER].on


async def test_open_reservations_are_never_promised_again(market: KinguinSandbox, kinguin: Kinguin) -> None:
    await market.buy(OFFER)
    await published(kinguin, wanted(4))
    seen = await observed(kinguin)
    assert (market.listings[OFFER].quantity, seen.quantity, seen.held) == (3, 3, 1)


async def test_image_offers_declare_no_text_stock(market: KinguinSandbox) -> None:
    async with opened(market, image_offers=[OTHER]) as kinguin:
        await published(kinguin, wanted(6))
        await published(kinguin, wanted(6, ref=OTHER))
    assert [market.offers[ref].text_stock for ref in (OFFER, OTHER)] == [6, 0]


async def test_a_blocked_offer_is_seen_as_off(market: KinguinSandbox, kinguin: Kinguin) -> None:
    market.block(OFFER, "PRICEBLOCK")
    assert not (await observed(kinguin)).on
    assert (await observed(kinguin, OTHER)).on


async def test_an_account_without_offers_lists_none() -> None:
    async with KinguinSandbox() as market, opened(market) as kinguin:
        assert list((await kinguin.list_offers(None)).offers) == []
        assert "0 offers" in await kinguin.check_account()


async def test_no_currency_but_the_euro_is_taken(market: KinguinSandbox) -> None:
    account: Account = replace(account_for(market), currency="USD")
    with pytest.raises(OptionsRefused, match="EUR"):
        Kinguin.open(account)


async def test_a_short_webhook_token_is_refused(market: KinguinSandbox) -> None:
    with pytest.raises(OptionsRefused, match="webhook_token"):
        Kinguin.open(account_for(market, {**market.connection_options(), "webhook_token": "short"}))


async def test_a_forgotten_token_is_renewed_once_for_all_who_wait(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    await kinguin.check_account()
    market.gate.forget_tokens()
    await asyncio.gather(*(kinguin.list_offers(None) for _ in range(20)))
    assert market.gate.tokens_given == 2


async def test_tokens_that_never_work_are_a_matter_for_a_person() -> None:
    async with KinguinSandbox(token_seconds=-1) as market, opened(market) as kinguin:
        with pytest.raises(AuthenticationFailed):
            await kinguin.check_account()
        assert market.gate.tokens_given == 2


async def test_an_upload_beyond_the_limit_is_not_done_and_may_be_repeated() -> None:
    async with KinguinSandbox(limit_scale=0.0005) as market, opened(market) as kinguin:
        market.add_listing(OFFER, "SKU-1", quantity=2, price_minor=1660)
        orders = [await market.buy(OFFER), await market.buy(OFFER)]
        first, second = (order for order in orders if order is not None)
        for order in (first, second):
            code = LineCodes(LineRef(order.order_ref), OFFER, [CodePayload(f"KEY-{order.order_ref}")])
            delivery = Delivery(order.order_ref, "attempt", [code])
            if order is first:
                await kinguin.deliver_codes(delivery)
            else:
                with pytest.raises(SlowDown):
                    await kinguin.deliver_codes(delivery)
        await eventually(lambda: first.codes)
        assert not second.codes
