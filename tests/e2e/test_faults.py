"""End to end with faults exactly where they hurt; afterwards everything must have found its place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.eneba_books import EnebaTerms
from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.kinguin import KinguinSandbox
from connectors.sandbox.market import SandboxMarket, SandboxOrder, SandboxOrderState
from core.orders.orders import find_order
from core.types import OrderState
from tests.e2e.house import (
    House,
    Markets,
    buy,
    come_to_rest,
    listing_of,
    moves_of,
    open_house,
    patient_for,
    three_markets,
    until,
)

_ALL = ("eneba", "kinguin", "woocommerce")
_MOST_TRIES = 40


async def state_of(house: House, market: SandboxMarket, order: SandboxOrder) -> OrderState | None:
    async with house.core.pool.acquire() as conn:
        terms = house.channels.by_name[market.name].terms
        ours = await find_order(conn, terms.channel_id, order.order_ref)
    return ours.state if ours else None


async def ended(orders: Sequence[SandboxOrder]) -> None:
    waiting = (SandboxOrderState.PENDING, SandboxOrderState.PAID)
    await until(lambda: all(order.state not in waiting for order in orders), "the orders have ended")


# A reply that is lost after the work was done.


async def test_an_eneba_buyer_gets_the_same_codes_when_the_answer_with_them_was_lost(
    dsn: str, tmp_path: Path
) -> None:
    markets = three_markets()
    # There is a moment between the reservation and the payment.
    eneba = EnebaSandbox(
        terms=EnebaTerms(requests_per_minute=6000, payment_seconds=0.3, provide_retry_seconds=1.0)
    )
    async with open_house(
        dsn, tmp_path, markets=Markets(eneba, markets.kinguin, markets.woocommerce)
    ) as house:
        order = await buy(eneba, quantity=2)
        eneba.faults.rates[Fault.LOST_REPLY] = 1.0
        await until(lambda: bool(order.received), "codes left us")
        assert eneba.faults.happened[Fault.LOST_REPLY]
        assert not order.codes, "and did not arrive"
        eneba.faults.off()
        await ended([order])
        await come_to_rest(house)
        assert order.state is SandboxOrderState.DELIVERED
        assert len(order.received) > 1, "it was asked again"


@pytest.mark.parametrize("name", ["kinguin", "woocommerce"])
async def test_a_delivery_whose_reply_was_lost_is_asked_about_and_not_made_again(
    dsn: str, tmp_path: Path, name: str
) -> None:
    async with open_house(dsn, tmp_path) as house:
        market = house.markets.by_name[name]
        terms = house.channels.by_name[name].terms
        orders: list[SandboxOrder] = []
        market.faults.rates[Fault.LOST_REPLY] = 0.3
        while len(orders) < _MOST_TRIES and not await delivered_unheard(house, orders, market):
            orders.append(await buy(market))
            await asyncio.sleep(0.3)
        assert market.faults.happened[Fault.LOST_REPLY]
        await come_to_rest(house)
        histories = [await moves_of(house.core, terms, order.order_ref) for order in orders]
        assert any("unsure" in history for history in histories)
        assert all(len(order.received) == 1 for order in orders)


async def delivered_unheard(
    house: House, orders: Sequence[SandboxOrder], market: SandboxMarket
) -> SandboxOrder | None:
    """An order whose buyer has codes while we know that we do not know it."""
    terms = house.channels.by_name[market.name].terms
    for order in orders:
        if order.received and (await moves_of(house.core, terms, order.order_ref))[-1:] == ["unsure"]:
            return order
    return None


# Webhooks.


@pytest.mark.parametrize("name", _ALL)
async def test_doubled_late_and_reordered_callbacks_change_nothing(
    dsn: str, tmp_path: Path, name: str
) -> None:
    async with open_house(dsn, tmp_path) as house:
        market = house.markets.by_name[name]
        market.faults.rates |= {
            Fault.CALLBACK_DOUBLED: 0.7,
            Fault.CALLBACK_REORDERED: 0.5,
            Fault.CALLBACK_LATE: 0.2,
        }
        orders = [await buy(market, quantity=1 + n % 2) for n in range(6)]
        await ended(orders)
        assert market.faults.happened[Fault.CALLBACK_DOUBLED]
        assert market.faults.happened[Fault.CALLBACK_REORDERED]
        await come_to_rest(house)
        assert all(order.state is SandboxOrderState.DELIVERED for order in orders)


@pytest.mark.parametrize("name", ["kinguin", "woocommerce"])
async def test_an_order_whose_webhook_never_comes_is_found_by_the_poll(
    dsn: str, tmp_path: Path, name: str
) -> None:
    async with open_house(dsn, tmp_path) as house:
        market = house.markets.by_name[name]
        market.faults.rates[Fault.CALLBACK_LOST] = 1.0
        orders = [await buy(market) for _ in range(3)]
        await ended(orders)
        assert market.faults.happened[Fault.CALLBACK_LOST]
        await come_to_rest(house)
        assert all(order.state is SandboxOrderState.DELIVERED for order in orders)


async def test_an_order_cancelled_before_we_heard_of_it_stays_cancelled(dsn: str, tmp_path: Path) -> None:
    async with open_house(dsn, tmp_path) as house:
        market = house.markets.kinguin
        terms = house.channels.by_name["kinguin"].terms
        # The webhook of the reservation is overtaken by that of its cancellation.
        market.faults.once(Fault.CALLBACK_REORDERED)
        order = await market.buy(listing_of(market).listing_ref, abandon=True)
        assert order is not None
        assert market.faults.happened[Fault.CALLBACK_REORDERED] == 1

        async def known() -> bool:
            return bool(await moves_of(house.core, terms, order.order_ref))

        await until(known, "the cancellation was heard of")
        await until(lambda: all(sent.arrived for sent in market.envoy.sent), "both webhooks arrived")
        await come_to_rest(house)
        # The poll may have heard of the reservation while it stood; whoever comes late brings nothing back.
        moves = await moves_of(house.core, terms, order.order_ref)
        assert moves in (["cancelled"], ["reserved", "cancelled"])


# A marketplace that does not answer as it should.


@pytest.mark.parametrize("name", _ALL)
async def test_a_storm_of_429_is_sat_out(dsn: str, tmp_path: Path, name: str) -> None:
    async with open_house(dsn, tmp_path) as house:
        market = house.markets.by_name[name]
        market.faults.rates[Fault.TOO_MANY_REQUESTS] = 1.0
        orders = [await buy(market) for _ in range(3)]
        await until(lambda: market.faults.happened[Fault.TOO_MANY_REQUESTS] >= 3, "a storm of 429")
        market.faults.off()
        await ended(orders)
        await come_to_rest(house)
        assert all(order.state is SandboxOrderState.DELIVERED for order in orders)


@pytest.mark.parametrize("name", _ALL)
async def test_a_marketplace_that_fails_is_left_alone_and_holds_up_no_other(
    dsn: str, tmp_path: Path, name: str
) -> None:
    async with open_house(dsn, tmp_path) as house:
        market = house.markets.by_name[name]
        channel_id = house.channels.by_name[name].terms.channel_id
        market.faults.rates[Fault.SERVER_ERROR] = 1.0

        async def circuit_is_open() -> bool:
            found: bool = await house.core.pool.fetchval(
                "SELECT EXISTS (SELECT FROM channel_health WHERE channel_id = $1 AND NOT ok)", channel_id
            )
            return found and market.faults.happened[Fault.SERVER_ERROR] >= 8

        await house.sync()
        await until(circuit_is_open, "the channel is told to be failing")
        others = [await buy(each) for each in house.markets.all if each is not market]
        await ended(others)
        assert all(order.state is SandboxOrderState.DELIVERED for order in others)
        held_up = await market.buy(listing_of(market).listing_ref)
        assert held_up is not None
        market.faults.off()
        await ended([held_up])
        await come_to_rest(house)
        assert held_up.state is SandboxOrderState.DELIVERED


# A listing edited by hand.


@pytest.mark.parametrize("name", _ALL)
@pytest.mark.parametrize("what", ["quantity", "price", "off"])
async def test_a_listing_edited_by_hand_is_put_right(dsn: str, tmp_path: Path, name: str, what: str) -> None:
    async with open_house(dsn, tmp_path) as house:
        market = house.markets.by_name[name]
        listing = listing_of(market)
        await come_to_rest(house)
        quantity, price_minor = listing.quantity, listing.price_minor
        match what:
            case "quantity":
                market.edit_by_hand(listing.listing_ref, quantity=quantity + 7)
            case "price":
                market.edit_by_hand(listing.listing_ref, price_minor=price_minor - 300)
            case _:
                listing.on = False
        await house.sync()
        await until(
            lambda: (listing.quantity, listing.price_minor, listing.on) == (quantity, price_minor, True),
            "the listing shows what it should",
        )
        await come_to_rest(house)
        drifts: int = await house.core.pool.fetchval("SELECT sum(drifts)::int FROM offer")
        assert drifts == 1


# Stock, payment and time running out.


async def test_what_a_shop_sold_beyond_the_stock_is_cancelled_and_paid_back(dsn: str, tmp_path: Path) -> None:
    # Every channel may show every code; the shop hears of nothing while another sells the last ones.
    house_of_three = open_house(
        dsn, tmp_path, codes=3, written="[stock]\nbound = 3\n", adjust=patient_for(1.0)
    )
    async with house_of_three as house:
        shop, other = house.markets.woocommerce, house.markets.eneba
        await come_to_rest(house)
        shop.faults.rates[Fault.TOO_MANY_REQUESTS] = 1.0
        taken = await buy(other, quantity=3)
        await ended([taken])
        assert taken.state is SandboxOrderState.DELIVERED
        oversold = await buy(shop)
        await until(lambda: shop.faults.happened[Fault.TOO_MANY_REQUESTS] > 0, "the shop heard of nothing")
        await house.sync()
        shop.faults.off()
        await ended([oversold])
        await come_to_rest(house)
        assert oversold.state is SandboxOrderState.REFUNDED
        assert not oversold.received
        assert shop.counts().oversold == 1
        terms = house.channels.by_name["woocommerce"].terms
        assert await moves_of(house.core, terms, oversold.order_ref) == ["parked", "cancelled"]


async def test_codes_that_come_in_time_save_a_parked_order(dsn: str, tmp_path: Path) -> None:
    house_of_three = open_house(dsn, tmp_path, codes=2, written="[stock]\nbound = 3\n")
    async with house_of_three as house:
        shop, other = house.markets.woocommerce, house.markets.eneba
        await come_to_rest(house)
        shop.faults.rates[Fault.TOO_MANY_REQUESTS] = 1.0
        kept = await other.buy(listing_of(other).listing_ref, 2, abandon=True)
        assert kept is not None
        oversold = await buy(shop)
        shop.faults.off()
        await ended([kept, oversold])
        await come_to_rest(house)
        assert kept.state is SandboxOrderState.CANCELLED
        assert oversold.state is SandboxOrderState.DELIVERED


async def test_a_payment_that_comes_after_the_hold_still_gets_codes(dsn: str, tmp_path: Path) -> None:
    markets = three_markets()
    late = Markets(
        markets.eneba,
        KinguinSandbox(webhook_retry_seconds=2.0, upload_deadline_seconds=60.0, pay_after_seconds=4.0),
        markets.woocommerce,
    )
    async with open_house(dsn, tmp_path, markets=late, adjust=patient_for(1.0)) as house:
        order = await buy(late.kinguin)
        terms = house.channels.by_name["kinguin"].terms
        await ended([order])
        await come_to_rest(house)
        assert order.state is SandboxOrderState.DELIVERED
        moves = await moves_of(house.core, terms, order.order_ref)
        assert moves == ["reserved", "released", "accepted", "delivering", "delivered"]


async def test_a_key_that_missed_its_deadline_is_kept_from_sale_or_given_back(
    dsn: str, tmp_path: Path
) -> None:
    markets = three_markets()
    strict = Markets(
        markets.eneba,
        KinguinSandbox(faults=Faults(seed=3), webhook_retry_seconds=1.0, upload_deadline_seconds=2.0),
        markets.woocommerce,
    )
    async with open_house(dsn, tmp_path, markets=strict) as house:
        market = strict.kinguin
        market.faults.rates[Fault.SERVER_ERROR] = 1.0
        order = await buy(market)
        await ended([order])
        assert market.faults.happened[Fault.SERVER_ERROR]
        assert order.state is SandboxOrderState.CANCELLED
        assert market.cancel_fees == 1
        await come_to_rest(house)
        assert await state_of(house, market, order) is OrderState.CANCELLED
        assert not order.received


# Money that goes back.


@pytest.mark.parametrize("name", _ALL)
async def test_a_sale_taken_back_after_delivery_is_reversed_to_the_cent(
    dsn: str, tmp_path: Path, name: str
) -> None:
    async with open_house(dsn, tmp_path) as house:
        market = house.markets.by_name[name]
        market.faults.rates[Fault.CALLBACK_DOUBLED] = 1.0
        order, kept = await buy(market), await buy(market)
        await ended([order, kept])
        await come_to_rest(house)
        # Late as well: nobody may call it calm while the word is still on its way.
        market.faults.rates |= {Fault.CALLBACK_DOUBLED: 1.0, Fault.CALLBACK_LATE: 1.0}
        await market.refund(order.order_ref)
        await come_to_rest(house)
        assert market.faults.happened[Fault.CALLBACK_DOUBLED]
        assert await state_of(house, market, order) is OrderState.REFUNDED
        assert await state_of(house, market, kept) is OrderState.DELIVERED


async def test_a_refund_told_while_the_delivery_was_unsure_is_not_forgotten(dsn: str, tmp_path: Path) -> None:
    async with open_house(dsn, tmp_path, codes=300) as house:
        market = house.markets.woocommerce
        orders: list[SandboxOrder] = []
        market.faults.rates[Fault.LOST_REPLY] = 0.5
        while (order := await delivered_unheard(house, orders, market)) is None:
            assert len(orders) < _MOST_TRIES
            orders.append(await buy(market))
            await asyncio.sleep(0.3)
        await market.refund(order.order_ref)
        assert market.faults.happened[Fault.LOST_REPLY]
        await come_to_rest(house)
        assert await state_of(house, market, order) is OrderState.REFUNDED
