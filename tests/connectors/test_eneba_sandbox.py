"""Proves that the Eneba sandbox sells as the protocol says: penalties, faults, keys of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as some

from connectors.kit.contract import CallbackReceiver, Provide, eventually
from connectors.kit.contract.bench import codes_for
from connectors.kit.messages import CancelAsked, ProvideAsked, ReserveAsked
from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.eneba_books import EnebaTerms
from connectors.sandbox.eneba_health import HealthRules, ratio
from connectors.sandbox.faults import MANY, Fault, Faults
from connectors.sandbox.market import SandboxOrderState
from core.types import LineCodes, OrderRef
from tests.connectors.eneba_bench import (
    FIRST,
    LENIENT,
    QUICK,
    SECOND,
    auction,
    connector_at,
    ended,
    market_with,
    offer,
    published,
    receiver_for,
)

STRICT = HealthRules()


def ledger(market: EnebaSandbox) -> list[tuple[str, str, int]]:
    return [(line.type, line.direction, line.amount_minor) for line in market.books.ledger.transactions]


async def test_codes_that_never_come_cost_the_commission_and_a_cancelled_order() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        receiver.provides = Provide.NEVER
        order = await ended(await market.buy(FIRST, 2))
        assert (order.state, order.oversold) == (SandboxOrderState.CANCELLED, True)
        assert receiver.asked(ProvideAsked) == 3
        await eventually(lambda: receiver.asked(CancelAsked))
        assert ledger(market) == [("AUCTION_UNFULFILLED_SALE_FEE", "OUT", 2 * (120 + 25))]
        assert market.counts().oversold == 1


async def test_two_answers_of_not_yet_leave_one_attempt() -> None:
    async with (
        market_with(replace(QUICK, provide_retry_seconds=0.3)) as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        receiver.provides = Provide.LATER
        order = await market.buy(FIRST)
        await eventually(lambda: receiver.asked(ProvideAsked) == 2)
        receiver.provides = Provide.NOW
        assert (await ended(order)).state is SandboxOrderState.DELIVERED
        assert receiver.asked(ProvideAsked) == 3


async def test_a_lost_reply_to_provide_is_asked_again_and_answered_the_same() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        market.faults.once(Fault.LOST_REPLY, 1)
        # The first chance is the reservation's reply, the second the provision's.
        order = await ended(await market.buy(FIRST))
        assert order.state is SandboxOrderState.DELIVERED
        assert receiver.asked(ProvideAsked) == 2
        assert len(order.received) == 2
        assert market.counts().duplicates_received == 0


class Fickle(CallbackReceiver):
    """A seller that hands over other codes each time it is asked."""

    def codes(self, order_ref: OrderRef) -> list[LineCodes]:
        order = self.order(order_ref)
        assert order is not None, "reserved before"
        return codes_for(order, series=str(self.asked(ProvideAsked)))


async def test_other_codes_at_the_second_attempt_are_counted_as_duplicates() -> None:
    async with market_with() as market, connector_at(market) as connector, Fickle(connector) as receiver:
        await connector.register_callbacks(receiver.url)
        market.faults.once(Fault.LOST_REPLY, 1)
        await ended(await market.buy(FIRST))
        assert market.counts().duplicates_received == 1


async def test_a_lost_reply_to_reserve_sells_nothing_though_the_seller_said_yes() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        market.faults.once(Fault.LOST_REPLY)
        assert await market.buy(FIRST) is None
        assert receiver.asked(ReserveAsked) == 1
        assert receiver.asked(CancelAsked) == 0, "the documents do not promise a cancellation here"
        assert market.listings[FIRST].quantity == 5


async def test_doubled_and_overtaken_questions_change_nothing() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        for fault in (Fault.CALLBACK_DOUBLED, Fault.CALLBACK_REORDERED):
            market.faults.once(fault)
            market.faults.once(fault, 1)
        order = await ended(await market.buy(FIRST))
        await eventually(lambda: receiver.asked(ReserveAsked) == 3 and receiver.asked(ProvideAsked) == 3)
        assert order.state is SandboxOrderState.DELIVERED
        assert market.counts().duplicates_received == 0


async def test_questions_lost_on_the_way_are_not_the_sellers_fault() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        for number in (1, 2, 3):
            market.faults.once(Fault.CALLBACK_LOST, number)
        order = await ended(await market.buy(FIRST))
        assert (order.state, order.oversold) == (SandboxOrderState.REFUNDED, False)
        assert receiver.asked(ProvideAsked) == 0


async def test_a_seller_without_callbacks_sells_nothing() -> None:
    async with market_with() as market:
        assert await market.buy(FIRST) is None
        assert market.results[-1].failure == "no callback of this type is registered"


async def test_more_than_declared_is_not_even_asked_for() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        assert await market.buy(FIRST, 6) is None
        assert await market.buy(FIRST, 0) is None
        assert receiver.asked(ReserveAsked) == 0


async def test_many_buyers_at_once_do_not_buy_more_than_declared() -> None:
    async with market_with() as market, connector_at(market) as connector, receiver_for(connector):
        orders = await asyncio.gather(*(market.buy(FIRST) for _ in range(20)))
        sold = [await ended(order) for order in orders if order is not None]
        assert len(sold) == 5
        assert market.listings[FIRST].quantity == 0
        assert len({code for order in sold for code in order.codes}) == 5


async def test_keys_at_eneba_sell_first_and_without_a_word() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        order = await ended(await market.buy(FIRST))
        market.return_unseen(order.order_ref)
        asked = len(receiver.callbacks)
        again = await ended(await market.buy(FIRST))
        assert again.codes == order.codes
        assert len(receiver.callbacks) == asked


async def test_too_many_refused_reservations_hide_the_auction() -> None:
    async with (
        market_with(health=STRICT) as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        receiver.grants = False
        assert [await market.buy(FIRST) for _ in range(2)] == [None, None]
        receiver.grants = True
        assert await market.buy(FIRST) is None
        assert receiver.asked(ReserveAsked) == 2, "a hidden auction has no buyers"
        assert await market.buy(SECOND) is not None
        [first, _] = (await connector.list_offers(None)).offers
        assert first.on, "being hidden does not show in the status"


async def test_a_hidden_auction_comes_back_after_its_time() -> None:
    async with (
        market_with(health=replace(STRICT, hidden_seconds=0.2)) as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        receiver.grants = False
        assert [await market.buy(FIRST) for _ in range(2)] == [None, None]
        receiver.grants = True
        await eventually(lambda: not auction(market).health.hidden)
        assert await market.buy(FIRST) is not None


async def test_three_failed_provisions_in_a_row_disable_the_auction() -> None:
    async with (
        market_with(health=replace(LENIENT, failures_in_a_row=3)) as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        receiver.provides = Provide.NEVER
        for _ in range(3):
            await ended(await market.buy(FIRST))
        assert await market.buy(FIRST) is None
        receiver.provides = Provide.NOW
        await published(connector, offer())
        assert (await ended(await market.buy(FIRST))).codes


@given(failed=some.integers(0, 200), completed=some.integers(0, 200))
def test_more_failures_never_look_healthier(failed: int, completed: int) -> None:
    assert ratio(failed + 1, completed) >= ratio(failed, completed)
    assert ratio(failed, completed + 1) <= ratio(failed, completed)


async def test_a_market_full_of_faults_ends_every_order_and_gets_no_code_twice() -> None:
    faults = Faults({fault: rate for fault, rate in MANY.items() if fault is not Fault.LATENCY}, seed=7)
    async with market_with(replace(QUICK, late_seconds=0.02)) as market, connector_at(market) as connector:
        market.listings[FIRST].quantity = 60
        async with receiver_for(connector):
            market.faults = faults
            orders = await asyncio.gather(*(market.buy(FIRST, abandon=n % 9 == 0) for n in range(60)))
            for order in orders:
                if order is not None:
                    await ended(order)
        counts = market.counts()
        assert (counts.duplicates_received, counts.oversold) == (0, 0)
        assert counts.delivered > 0
        assert sum(faults.happened.values()) > 0


@given(net_minor=some.integers(1, 10**7))
def test_the_gross_price_is_the_lowest_that_leaves_the_net(net_minor: int) -> None:
    terms = EnebaTerms()
    gross = terms.gross_minor(net_minor)
    assert gross - terms.commission_minor(gross) >= net_minor
    assert gross - 1 - terms.commission_minor(gross - 1) < net_minor


async def test_a_receiver_that_is_gone_fails_the_reservation() -> None:
    async with market_with() as market, connector_at(market) as connector:
        async with CallbackReceiver(connector) as receiver:
            await connector.register_callbacks(receiver.url)
        assert await market.buy(FIRST) is None
        assert "failed_request" in str(market.results[-1].failure)
