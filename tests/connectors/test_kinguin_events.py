"""Kinguin's traps in hearing of a sale: pulls that cannot ask for changes, webhooks that go wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.kinguin import Kinguin
from connectors.kit.contract import CallbackReceiver, account_for, eventually
from connectors.kit.errors import CallbackRefused
from connectors.kit.messages import CallbackRequest, Nothing
from connectors.sandbox.faults import Fault
from connectors.sandbox.kinguin import KinguinSandbox
from core.types import Payment
from tests.connectors.kinguin_bench import OFFER, bought, delivery_of, pulled, told

HOUR = timedelta(hours=1)


@pytest.fixture
async def market() -> AsyncIterator[KinguinSandbox]:
    async with KinguinSandbox(webhook_retry_seconds=0.1) as market:
        market.add_listing(OFFER, "SKU-1", quantity=5, price_minor=1660)
        yield market


@pytest.fixture
async def kinguin(market: KinguinSandbox) -> AsyncIterator[Kinguin]:
    async with Kinguin.open(account_for(market)) as connector:
        yield connector


@pytest.fixture
async def receiver(kinguin: Kinguin) -> AsyncIterator[CallbackReceiver]:
    async with CallbackReceiver(kinguin) as receiver:
        await kinguin.register_callbacks(receiver.url)
        yield receiver


# Pulling what cannot be asked for by its change.


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def patient(market: KinguinSandbox, clock: Clock) -> AsyncIterator[Kinguin]:
    async with Kinguin.open(replace(account_for(market), now=clock)) as connector:
        yield connector


async def test_an_order_that_stays_open_for_hours_is_not_lost_when_it_closes(
    market: KinguinSandbox, patient: Kinguin, clock: Clock
) -> None:
    order = await bought(market)
    orders, cursor = await pulled(patient, None)
    assert orders[order.order_ref].payment is Payment.PAID
    clock.ahead = 2 * HOUR
    orders, cursor = await pulled(patient, cursor)
    assert orders[order.order_ref].payment is Payment.PAID, "open orders are read whatever their age"
    await market.cancel(order.order_ref)
    clock.ahead = 3 * HOUR
    orders, cursor = await pulled(patient, cursor)
    assert orders[order.order_ref].payment is Payment.CANCELLED
    clock.ahead = 4 * HOUR
    orders, _ = await pulled(patient, cursor)
    assert orders == {}


async def test_a_refund_of_an_old_order_is_found(
    market: KinguinSandbox, patient: Kinguin, clock: Clock
) -> None:
    order = await bought(market)
    await patient.deliver_codes(delivery_of(order))
    _, cursor = await pulled(patient, None)
    clock.ahead = 2 * HOUR
    orders, cursor = await pulled(patient, cursor)
    clock.ahead = 3 * HOUR
    orders, cursor = await pulled(patient, cursor)
    assert orders == {}
    await market.refund(order.order_ref)
    clock.ahead = 4 * HOUR
    orders, _ = await pulled(patient, cursor)
    assert orders[order.order_ref].payment is Payment.REFUNDED


async def test_after_a_long_silence_the_time_is_caught_up_in_pieces(
    market: KinguinSandbox, patient: Kinguin, clock: Clock
) -> None:
    _, cursor = await pulled(patient, None)
    order = await bought(market)
    await market.cancel(order.order_ref)
    clock.ahead = 20 * HOUR
    page = await patient.pull_orders(cursor)
    assert page.more
    orders, _ = await pulled(patient, cursor)
    assert orders[order.order_ref].payment is Payment.CANCELLED


@pytest.mark.parametrize("cursor", ["", "7", "{}", "not json", '{"since": "yesterday"}'])
async def test_a_cursor_that_cannot_be_read_starts_over(
    market: KinguinSandbox, kinguin: Kinguin, cursor: str
) -> None:
    order = await bought(market)
    orders, _ = await pulled(kinguin, cursor)
    assert order.order_ref in orders


# Webhooks.


async def test_a_webhook_whose_answer_is_lost_comes_a_second_time(
    market: KinguinSandbox, kinguin: Kinguin, receiver: CallbackReceiver
) -> None:
    market.faults.once(Fault.LOST_REPLY)
    order = await market.buy(OFFER, abandon=True)
    assert order is not None
    await eventually(lambda: len(receiver.requests) == 3)
    assert sorted(sending.attempts for sending in market.envoy.sent) == [1, 2]
    assert market.envoy.dropped == 0


@pytest.mark.parametrize(
    "fault",
    [Fault.CALLBACK_DOUBLED, Fault.CALLBACK_LATE, Fault.CALLBACK_REORDERED, Fault.CALLBACK_LOST],
)
async def test_whatever_befalls_a_webhook_each_tells_a_whole_status_and_pulling_tells_the_last(
    market: KinguinSandbox, kinguin: Kinguin, receiver: CallbackReceiver, fault: Fault
) -> None:
    expected = {Fault.CALLBACK_DOUBLED: 4, Fault.CALLBACK_LOST: 2}.get(fault, 3)
    market.faults.once(fault)
    order = await bought(market)
    await eventually(lambda: len(receiver.requests) == expected)
    assert receiver.refusals == []
    assert (Payment.PAID, False) in told(receiver, order)
    await kinguin.deliver_codes(delivery_of(order))
    orders, _ = await pulled(kinguin, None)
    assert (orders[order.order_ref].payment, orders[order.order_ref].fulfilled) == (Payment.PAID, True)


async def test_webhooks_that_nobody_takes_are_dropped_and_pulling_finds_the_order(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    await kinguin.register_callbacks("http://127.0.0.1:9/nobody")
    order = await bought(market)
    await eventually(lambda: market.envoy.dropped == 3)
    orders, _ = await pulled(kinguin, None)
    assert orders[order.order_ref].payment is Payment.PAID


async def test_a_new_address_replaces_the_old_one_for_new_events_only(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    await kinguin.register_callbacks("http://127.0.0.1:9/nobody")
    await bought(market)
    async with CallbackReceiver(kinguin) as receiver:
        await kinguin.register_callbacks(receiver.url)
        await eventually(lambda: market.envoy.dropped == 3)
        assert receiver.requests == []
        order = await bought(market)
        await eventually(lambda: receiver.order(order.order_ref))


def webhook(market: KinguinSandbox, body: object, token: str | None = None) -> CallbackRequest:
    shown = str(market.connection_options()["webhook_token"]) if token is None else token
    return CallbackRequest("POST", "/", {"x-auth-token": shown}, {}, json.dumps(body).encode())


@pytest.mark.parametrize("token", ["", "wrong-token-of-some-length", "törichtes-token-ÿ"])
async def test_a_webhook_without_our_token_is_not_believed(
    market: KinguinSandbox, kinguin: Kinguin, token: str
) -> None:
    with pytest.raises(CallbackRefused) as refused:
        kinguin.verify_callback(webhook(market, {}, token))
    assert refused.value.status == 401


@pytest.mark.parametrize(
    "body",
    [
        {"senderName": "buyer", "message": "hello", "createdAt": "2026-03-06T15:58:49.088+0000"},
        {"orderId": "123", "productId": "321", "qtyOrdered": "20"},
        {"id": "offer-1", "status": "ACTIVE", "block": "PRICEBLOCK"},
    ],
)
async def test_webhooks_about_other_things_are_nothing(
    market: KinguinSandbox, kinguin: Kinguin, body: object
) -> None:
    assert isinstance(kinguin.parse_callback(webhook(market, body)), Nothing)


async def test_a_status_that_is_not_ours_to_act_on_is_nothing(
    market: KinguinSandbox, kinguin: Kinguin, receiver: CallbackReceiver
) -> None:
    await bought(market)
    await eventually(lambda: receiver.requests)
    body = json.loads(receiver.requests[0].body)
    for status in ("PROCESSING_PREORDER", "SOMETHING_NEW"):
        assert isinstance(kinguin.parse_callback(webhook(market, {**body, "status": status})), Nothing)
