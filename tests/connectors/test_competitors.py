"""Other sellers: how the sandbox's bots move, and how Eneba's answers about them are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from connectors.eneba import Eneba
from connectors.eneba.publishing import mutations_for
from connectors.kit.contract import account_for
from connectors.kit.errors import ChannelRefused
from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.rivals import Rivals
from core.money.money import Money
from core.types import ListingRef, OfferWanted

FIRST, SECOND = ListingRef("auction-1"), ListingRef("auction-2")


@pytest.fixture
async def market() -> AsyncIterator[EnebaSandbox]:
    async with EnebaSandbox() as market:
        market.add_listing(FIRST, "SKU-1", quantity=5, price_minor=1999)
        market.add_listing(SECOND, "SKU-1", quantity=5, price_minor=2100)
        yield market


@pytest.fixture
async def eneba(market: EnebaSandbox) -> AsyncIterator[Eneba]:
    async with Eneba.open(account_for(market)) as connector:
        yield connector


def prices(seed: int, rounds: int = 200) -> list[int]:
    """What one bot asks, round by round, beside ours that stays and another bot."""
    rivals = Rivals(seed)
    bot = rivals.add("SKU", "bot", 2100, step_minor=3, least_minor=1500)
    rivals.add("SKU", "other bot", 2050, step_minor=7, least_minor=1600)
    seen = []
    for _ in range(rounds):
        rivals.move("SKU", 2000)
        seen.append(bot.price_minor)
    return seen


def test_the_same_seed_gives_the_same_prices() -> None:
    assert prices(1) == prices(1)
    assert prices(1) != prices(2)


def test_a_bot_undercuts_and_never_goes_below_its_least() -> None:
    seen = prices(3)
    assert min(seen) >= 1500
    assert any(later < earlier for earlier, later in pairwise(seen))
    assert any(later > earlier for earlier, later in pairwise(seen)), "it never retreats"


def test_a_seller_without_a_step_stands_still() -> None:
    rivals = Rivals()
    rivals.add("SKU", "calm", 2100)
    assert not rivals.move("SKU", 1000)
    assert [rival.price_minor for rival in rivals.of("SKU")] == [2100]
    assert not rivals.move("another", 1000)


async def test_who_has_nothing_in_stock_competes_with_nobody(market: EnebaSandbox, eneba: Eneba) -> None:
    market.rivals.add("SKU-1", "empty shelf", 900, quantity=0)
    market.rivals.add("SKU-1", "full shelf", 1900)
    [seen] = await eneba.watch_competitors([FIRST])
    assert seen.offers is not None
    assert [(offer.seller, offer.price) for offer in seen.offers if not offer.own] == [
        ("full shelf", Money(1900, "EUR"))
    ]


async def test_both_of_our_auctions_of_a_product_are_told_as_ours(market: EnebaSandbox, eneba: Eneba) -> None:
    market.rivals.add("SKU-1", "rival", 2000)
    for seen in await eneba.watch_competitors([FIRST, SECOND]):
        assert seen.offers is not None
        assert [offer.price.amount_minor for offer in seen.offers] == [1999, 2000, 2100]
        assert [offer.own for offer in seen.offers] == [True, False, True]


async def test_which_product_an_auction_sells_is_asked_once(market: EnebaSandbox, eneba: Eneba) -> None:
    await eneba.watch_competitors([FIRST, SECOND])
    before = market.door.requests_served
    await eneba.watch_competitors([SECOND, FIRST])
    assert market.door.requests_served - before == 1


async def test_an_account_in_a_currency_that_eneba_does_not_know_is_refused(
    market: EnebaSandbox,
) -> None:
    market.currency = "SEK"
    async with Eneba.open(account_for(market)) as connector:
        with pytest.raises(ChannelRefused, match="invalid value"):
            await connector.watch_competitors([FIRST])


async def test_what_is_observed_says_how_many_price_changes_are_free(
    market: EnebaSandbox, eneba: Eneba
) -> None:
    market.books.auctions[FIRST].use_free_change()
    offers = {offer.listing_ref: offer for offer in (await eneba.list_offers(None)).offers}
    assert (offers[FIRST].free_price_changes, offers[SECOND].free_price_changes) == (9, 10)
    assert offers[FIRST].next_free_change_seconds is not None
    assert offers[SECOND].next_free_change_seconds is None


@pytest.mark.parametrize("may_pay", [True, False])
async def test_a_change_is_paid_only_where_it_may_be(
    market: EnebaSandbox, eneba: Eneba, may_pay: bool
) -> None:
    for _ in range(market.terms.price_quota):
        market.books.auctions[FIRST].use_free_change()
    price = Money(1888, "EUR")
    offer = OfferWanted(FIRST, 5, price, price, on=True, quantity_changed=False, may_pay=may_pay)
    await eneba.publish_offers([offer])
    fees = [line for line in market.books.ledger.transactions if line.type == "AUCTION_EDIT_FEE"]
    assert len(fees) == may_pay
    assert (market.listings[FIRST].price_minor == 1888) is may_pay


def test_paying_is_never_allowed_by_default() -> None:
    price = Money(100, "EUR")
    items = [
        item
        for mutation in mutations_for([OfferWanted(FIRST, 1, price, price, on=True)])
        for item in mutation.items
    ]
    assert [
        item["preventPaidPriceChange"] for item in items if isinstance(item, dict) and "price" in item
    ] == [True]
