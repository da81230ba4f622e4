"""Decides whether the shop's webhooks are believed, understood, registered and woken up again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connectors.kit.contract import CallbackReceiver, eventually
from connectors.kit.errors import CallbackRefused
from connectors.kit.messages import CallbackRequest, Nothing, OrdersTold
from connectors.sandbox.faults import Fault
from connectors.sandbox.woocommerce import WooCommerceSandbox
from connectors.woocommerce import WooCommerce
from core.types import Payment
from tests.connectors.woocommerce_bench import bought, connect, shop

_FORM = {"content-type": "application/x-www-form-urlencoded"}


@asynccontextmanager
async def called(market: WooCommerceSandbox, connector: WooCommerce) -> AsyncIterator[CallbackReceiver]:
    async with CallbackReceiver(connector) as receiver:
        await connector.register_callbacks(receiver.url)
        await eventually(lambda: len(receiver.callbacks) == 2)
        yield receiver


def told(receiver: CallbackReceiver) -> list[Payment]:
    return [
        order.payment
        for callback in receiver.callbacks
        if isinstance(callback, OrdersTold)
        for order in callback.orders
    ]


async def test_the_unsigned_pings_at_registration_are_taken_for_nothing() -> None:
    async with shop() as market, connect(market) as connector, called(market, connector) as receiver:
        assert [request.body for request in receiver.requests] == [b"webhook_id=1", b"webhook_id=2"]
        assert all("x-wc-webhook-signature" not in request.headers for request in receiver.requests)
        assert receiver.callbacks == [Nothing(), Nothing()]
        assert not any(hook.ping_is_due for hook in market.webhooks.hooks.values())


@pytest.mark.parametrize(
    "request_",
    [
        CallbackRequest("POST", "/c", _FORM, {}, b"webhook_id=1&order=2"),
        CallbackRequest("POST", "/c", _FORM, {}, b"webhook_id=x"),
        CallbackRequest("POST", "/c", _FORM, {}, b"webhook_id=1\n"),
        CallbackRequest("GET", "/c", _FORM, {}, b"webhook_id=1"),
        CallbackRequest("POST", "/c", {"content-type": "application/json"}, {}, b"webhook_id=1"),
        CallbackRequest("POST", "/c", {**_FORM, "x-wc-webhook-signature": ""}, {}, b"webhook_id=1"),
    ],
)
async def test_what_is_only_like_a_ping_is_refused(request_: CallbackRequest) -> None:
    async with shop() as market:
        with pytest.raises(CallbackRefused) as refused:
            connect(market).verify_callback(request_)
        assert refused.value.status == 401


async def test_a_webhook_tells_the_order_as_it_is_when_it_leaves() -> None:
    async with (
        shop(webhook_after_seconds=0.2) as market,
        connect(market) as connector,
        called(market, connector) as receiver,
    ):
        order = await bought(market)
        market.set_status(order, "cancelled")
        await eventually(lambda: told(receiver))
        assert set(told(receiver)) == {Payment.CANCELLED}


async def test_a_sale_is_told_and_its_refund_too() -> None:
    async with shop() as market, connect(market) as connector, called(market, connector) as receiver:
        order = await bought(market)
        await eventually(lambda: told(receiver))
        await market.refund(order.order_ref)
        await eventually(lambda: told(receiver)[-1] is Payment.REFUNDED)
        assert receiver.refusals == []


async def test_a_deletion_and_other_topics_are_nothing_to_us() -> None:
    async with shop() as market, connect(market) as connector, called(market, connector) as receiver:
        order = await bought(market)
        await eventually(lambda: told(receiver))
        genuine = receiver.requests[-1]
        for topic in ("order.deleted", "product.updated", "", "action.woocommerce_add_to_cart"):
            headers = {**genuine.headers, "x-wc-webhook-topic": topic}
            body = json.dumps({"id": int(order.order_ref)}).encode()
            request = CallbackRequest("POST", genuine.path, headers, {}, body)
            assert connector.parse_callback(request) == Nothing()


async def test_orders_from_before_our_time_are_not_told() -> None:
    async with (
        shop() as market,
        connect(market, orders_from="2199-01-01T00:00:00Z") as connector,
        called(market, connector) as receiver,
    ):
        await bought(market)
        await eventually(lambda: len(receiver.callbacks) > 2)
        assert set(map(type, receiver.callbacks)) == {Nothing}


async def test_registering_again_makes_no_second_pair() -> None:
    async with shop() as market, connect(market) as connector, called(market, connector) as receiver:
        for _ in range(3):
            await connector.register_callbacks(receiver.url)
        topics = [hook.topic for hook in market.webhooks.hooks.values()]
        assert topics == ["order.created", "order.updated"]


async def test_webhooks_of_others_are_left_alone() -> None:
    async with shop() as market, connect(market) as connector:
        other = market.webhooks.create("order.created", "http://127.0.0.1:9/other", "s" * 20, "other")
        other.status = "disabled"
        async with called(market, connector):
            assert (other.status, other.secret) == ("disabled", "s" * 20)
            assert len(market.webhooks.hooks) == 3


async def test_a_new_secret_is_written_into_the_webhooks() -> None:
    async with (
        shop() as market,
        connect(market) as connector,
        called(market, connector) as receiver,
        connect(market, webhook_secret="another-secret-0123") as renewed,
    ):
        await renewed.register_callbacks(receiver.url)
        receiver.connector = renewed
        await bought(market)
        await eventually(lambda: told(receiver))
        assert receiver.refusals == []


async def test_a_webhook_that_failed_too_often_is_disabled_and_woken_by_registering() -> None:
    async with shop() as market, connect(market) as connector:
        url = "http://127.0.0.1:9/nobody-listens"
        await connector.register_callbacks(url)
        created = market.webhooks.hooks[1]
        for _ in range(7):
            await bought(market)
        await eventually(lambda: created.status == "disabled")
        await connector.register_callbacks(url)
        assert created.status == "active"
        # The count stays: without a success in between the next failure disables it again.
        await bought(market)
        await eventually(lambda: created.status == "disabled")


async def test_a_webhook_that_a_person_paused_stays_paused() -> None:
    async with shop() as market, connect(market) as connector, called(market, connector) as receiver:
        market.webhooks.hooks[1].status = "paused"
        await connector.register_callbacks(receiver.url)
        assert market.webhooks.hooks[1].status == "paused"


async def test_a_lost_answer_counts_as_a_failure_and_is_not_sent_again() -> None:
    async with shop() as market, connect(market) as connector, called(market, connector) as receiver:
        market.faults.once(Fault.LOST_REPLY)
        await bought(market)
        await eventually(lambda: len(told(receiver)) == 2)
        await eventually(lambda: sum(hook.failures for hook in market.webhooks.hooks.values()) == 1)
        assert len(told(receiver)) == 2


@pytest.mark.parametrize(
    "fault", [Fault.CALLBACK_LOST, Fault.CALLBACK_DOUBLED, Fault.CALLBACK_LATE, Fault.CALLBACK_REORDERED]
)
async def test_webhooks_that_go_wrong_leave_the_poll_right(fault: Fault) -> None:
    async with shop() as market, connect(market) as connector, called(market, connector) as receiver:
        market.faults.once(fault)
        order = await bought(market)
        await eventually(lambda: told(receiver))
        page = await connector.pull_orders(None)
        assert [read.order_ref for read in page.orders] == [order.order_ref]
        assert set(told(receiver)) == {Payment.PAID}
