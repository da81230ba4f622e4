"""Proves how offers reach Eneba: batches, actions, the quota of free price changes, tokens and limits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.eneba import Eneba
from connectors.kit.contract import account_for
from connectors.kit.errors import AuthenticationFailed, ChannelRefused, OptionsRefused, TryLater
from connectors.kit.messages import OfferStatus
from core.money.money import Money
from core.types import ListingRef, OfferWanted
from tests.connectors.eneba_bench import (
    FIRST,
    QUICK,
    SECOND,
    UNKNOWN,
    auction,
    connector_at,
    market_with,
    offer,
    only_price,
    only_quantity,
    published,
    results,
)


async def test_a_batch_is_one_request_of_mutations_and_the_polls_of_its_actions() -> None:
    async with market_with() as market, connector_at(market) as connector:
        refs = [FIRST, SECOND]
        for number in range(3, 101):
            refs.append(market.add_listing(f"auction-{number}", "SKU-3", price_minor=999).listing_ref)
        await connector.check_account()
        before = market.door.requests_served
        offers = [
            offer(ref, quantity=number + 1, price_minor=500 + number) for number, ref in enumerate(refs)
        ]
        assert set(await published(connector, *offers)) == {OfferStatus.PUBLISHED}
        shown = [market.listings[ref] for ref in refs]
        assert [(each.quantity, each.price_minor) for each in shown] == [
            (wanted.quantity, wanted.price.amount_minor) for wanted in offers
        ]
        polls = market.door.requests_served - before - 1
        assert 1 <= polls < 20


async def test_what_did_not_change_is_not_sent() -> None:
    async with market_with() as market, connector_at(market) as connector:
        wanted = offer(quantity=3, price_minor=1500)
        assert await published(connector, wanted) == [OfferStatus.PUBLISHED]
        market.edit_by_hand(FIRST, quantity=1, price_minor=1)
        assert await published(connector, only_price(wanted)) == [OfferStatus.PUBLISHED]
        assert (market.listings[FIRST].quantity, market.listings[FIRST].price_minor) == (1, 1500)
        market.edit_by_hand(FIRST, price_minor=1)
        assert await published(connector, only_quantity(wanted)) == [OfferStatus.PUBLISHED]
        assert (market.listings[FIRST].quantity, market.listings[FIRST].price_minor) == (3, 1)


async def test_an_action_that_has_not_started_is_unknown_when_the_wait_is_over() -> None:
    slow = replace(QUICK, action_delay_seconds=3.0)
    async with market_with(slow) as market:
        async with connector_at(market, action_wait_seconds=0.1, action_poll_seconds=0.02) as connector:
            assert await published(connector, offer(quantity=2)) == [OfferStatus.UNKNOWN]
        assert market.listings[FIRST].quantity == 5


async def test_a_failed_action_changed_nothing_and_may_go_again() -> None:
    async with market_with() as market, connector_at(market) as connector:
        market.api.failing_actions = 10
        [result] = await results(connector, offer(quantity=2, price_minor=1000))
        assert result.status is OfferStatus.TRY_LATER
        assert result.after_seconds > 0
        assert (market.listings[FIRST].quantity, market.listings[FIRST].price_minor) == (5, 1999)
        market.api.failing_actions = 0
        assert await published(connector, offer(quantity=2, price_minor=1000)) == [OfferStatus.PUBLISHED]


async def test_without_actions_the_reply_itself_is_the_end() -> None:
    async with market_with(replace(QUICK, actions=False)) as market, connector_at(market) as connector:
        assert await published(connector, offer(quantity=2)) == [OfferStatus.PUBLISHED]
        assert market.listings[FIRST].quantity == 2
        before = market.door.requests_served
        assert await published(connector, offer(quantity=4)) == [OfferStatus.PUBLISHED]
        assert market.door.requests_served == before + 1, "the schema was learned at the first call"


async def test_a_price_change_over_the_quota_waits_and_costs_nothing() -> None:
    async with market_with(replace(QUICK, price_quota=2)) as market, connector_at(market) as connector:
        for price_minor in (1500, 1600):
            assert await published(connector, offer(price_minor=price_minor)) == [OfferStatus.PUBLISHED]
        [result] = await results(connector, offer(price_minor=1700, quantity=3))
        assert result.status is OfferStatus.TRY_LATER
        assert "free price changes" in result.detail
        assert 0 < result.after_seconds <= 60
        assert market.listings[FIRST].price_minor == 1600
        assert market.listings[FIRST].quantity == 3, "the quantity does not wait for the price"
        assert market.books.ledger.transactions == []


async def test_an_offer_goes_off_even_when_its_price_is_refused() -> None:
    async with market_with(replace(QUICK, price_quota=0)) as market, connector_at(market) as connector:
        [result] = await results(connector, offer(price_minor=1700, on=False))
        assert result.status is OfferStatus.TRY_LATER
        assert not market.listings[FIRST].on
        assert await market.buy(FIRST) is None


async def test_the_same_price_again_takes_no_free_change() -> None:
    async with market_with(replace(QUICK, price_quota=1)) as market, connector_at(market) as connector:
        for _ in range(4):
            assert await published(connector, offer(price_minor=1500)) == [OfferStatus.PUBLISHED]
        assert auction(market).free_changes()[0] == 0


async def test_a_price_that_breaks_the_rules_is_refused_for_good_and_spoils_no_other() -> None:
    async with market_with() as market, connector_at(market) as connector:
        wrong = OfferWanted(FIRST, 4, Money(1500, "USD"), Money(1500, "USD"), on=True)
        answers = await results(connector, wrong, offer(SECOND, quantity=4, price_minor=2000))
        assert [answer.status for answer in answers] == [OfferStatus.REFUSED, OfferStatus.PUBLISHED]
        assert "EUR" in answers[0].detail
        assert market.listings[SECOND].price_minor == 2000


async def test_one_unknown_auction_among_fifty_does_not_stop_the_others() -> None:
    async with market_with() as market, connector_at(market) as connector:
        refs = [FIRST, SECOND, UNKNOWN]
        for number in range(3, 60):
            refs.append(market.add_listing(f"auction-{number}", "SKU-3", price_minor=999).listing_ref)
        offers = [replace(offer(ref, quantity=9), price_changed=False) for ref in refs]
        answers = dict(zip(refs, await published(connector, *offers), strict=True))
        assert answers.pop(UNKNOWN) is OfferStatus.REFUSED
        assert set(answers.values()) == {OfferStatus.PUBLISHED}
        assert {market.listings[ref].quantity for ref in answers} == {9}


async def test_nothing_left_is_declared_as_null_and_read_back_as_none() -> None:
    async with market_with() as market, connector_at(market) as connector:
        assert await published(connector, offer(quantity=0)) == [OfferStatus.PUBLISHED]
        assert not auction(market).declares_stock
        page = await connector.list_offers(None)
        assert [each.quantity for each in page.offers] == [0, 5]
        assert await published(connector, offer(quantity=2)) == [OfferStatus.PUBLISHED]
        assert auction(market).declares_stock


async def test_keys_at_eneba_are_held_and_not_part_of_the_quantity() -> None:
    async with market_with() as market, connector_at(market) as connector:
        auction(market).on_hand += ["KEY-1", "KEY-2"]
        market.listings[FIRST].held = 1
        page = await connector.list_offers(None)
        assert (page.offers[0].quantity, page.offers[0].held) == (5, 3)


async def test_a_token_that_died_early_is_renewed_once_by_all_who_wait() -> None:
    async with market_with() as market, connector_at(market) as connector:
        await connector.check_account()
        market.door.expire_tokens()
        await asyncio.gather(*(connector.check_account() for _ in range(8)))
        assert market.door.tokens_granted == 2


async def test_a_token_is_renewed_before_it_ends() -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC)]
    async with market_with(replace(QUICK, token_seconds=600)) as market:
        account = replace(account_for(market), now=lambda: moments[-1])
        async with Eneba.open(account) as connector:
            for passed, granted in ((0, 1), (500, 1), (550, 2), (600, 2)):
                moments.append(moments[0] + timedelta(seconds=passed))
                await connector.check_account()
                assert market.door.tokens_granted == granted


async def test_a_market_that_refuses_its_own_token_is_asked_once_more_and_no_further() -> None:
    async with market_with() as market, connector_at(market) as connector:
        market.door.tokens_accepted = False
        with pytest.raises(AuthenticationFailed):
            await connector.check_account()
        assert (market.door.tokens_granted, market.door.requests_served) == (2, 2)


async def test_an_address_off_the_allowlist_is_told_so() -> None:
    async with market_with() as market, connector_at(market) as connector:
        market.door.address_allowed = False
        with pytest.raises(AuthenticationFailed, match="allowlist"):
            await connector.check_account()


async def test_too_many_requests_are_refused_and_not_repeated_for_ever() -> None:
    async with (
        market_with(replace(QUICK, requests_per_minute=2)) as market,
        connector_at(market) as connector,
    ):
        for _ in range(2):
            await connector.check_account()
        with pytest.raises(TryLater):
            await connector.check_account()


async def test_a_fee_of_an_auction_that_is_not_ours_is_refused() -> None:
    async with market_with() as market, connector_at(market) as connector:
        with pytest.raises(ChannelRefused, match="not among"):
            await connector.quote_fee(UNKNOWN, Money(1000, "EUR"), connector.traits.written_price)


async def test_a_short_callback_token_is_refused() -> None:
    async with market_with() as market:
        options = {**market.connection_options(), "callback_token": "short"}
        with pytest.raises(OptionsRefused, match="callback_token"):
            Eneba.open(account_for(market, options))


async def test_a_disabled_auction_is_observed_off_and_comes_back_when_switched_on() -> None:
    async with market_with() as market, connector_at(market) as connector:
        auction(market).disabled = True
        page = await connector.list_offers(None)
        assert [each.on for each in page.offers] == [False, True]
        assert await published(connector, offer()) == [OfferStatus.PUBLISHED]
        assert auction(market).for_sale
        assert market.listings[ListingRef("auction-1")].on
