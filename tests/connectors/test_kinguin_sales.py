"""Kinguin's traps in a sale: uploads against a deadline, two kinds of 409, keys at Kinguin."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from connectors.kinguin import Kinguin
from connectors.kinguin.client import Uploaded, read_upload
from connectors.kit.contract import CallbackReceiver, account_for, eventually
from connectors.kit.errors import ChannelRefused, OutcomeUnknown, TryLater
from connectors.kit.http import HttpReply
from connectors.kit.messages import DeliveryFound
from connectors.sandbox.faults import SOME, Fault, Faults
from connectors.sandbox.kinguin import KinguinSandbox
from connectors.sandbox.market import SandboxOrder, SandboxOrderState
from core.types import CodePayload, PayloadKind, Payment
from tests.connectors.kinguin_bench import OFFER, bought, delivery_of, pulled, told


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


# The sale.


async def test_a_sale_is_told_event_by_event(
    market: KinguinSandbox, kinguin: Kinguin, receiver: CallbackReceiver
) -> None:
    order = await bought(market)
    await eventually(lambda: told(receiver, order) == {(Payment.PENDING, False), (Payment.PAID, False)})
    await kinguin.deliver_codes(delivery_of(order))
    await eventually(lambda: (Payment.PAID, True) in told(receiver, order))
    assert (market.listings[OFFER].quantity, market.listings[OFFER].held) == (4, 0)
    assert receiver.refusals == []


async def test_several_pieces_are_as_many_reservations(market: KinguinSandbox, kinguin: Kinguin) -> None:
    assert await market.buy(OFFER, 3) is not None
    orders, _ = await pulled(kinguin, None)
    assert len(orders) == len(market.orders) == 3
    assert await market.buy(OFFER, 3) is None


async def test_an_abandoned_purchase_is_told_cancelled(
    market: KinguinSandbox, kinguin: Kinguin, receiver: CallbackReceiver
) -> None:
    order = await market.buy(OFFER, abandon=True)
    assert order is not None
    await eventually(lambda: (Payment.CANCELLED, False) in told(receiver, order))
    assert market.listings[OFFER].quantity == 5
    assert market.counts().orders == 0


async def test_a_missed_deadline_cancels_the_order_and_takes_no_code_any_more() -> None:
    async with KinguinSandbox(upload_deadline_seconds=0.1) as market:
        market.add_listing(OFFER, "SKU-1", quantity=1, price_minor=1660)
        async with Kinguin.open(account_for(market)) as kinguin:
            order = await bought(market)
            await eventually(lambda: order.state is SandboxOrderState.CANCELLED)
            with pytest.raises(ChannelRefused):
                await kinguin.deliver_codes(delivery_of(order))
            found = await kinguin.find_delivery(order.order_ref, "attempt-1")
            orders, _ = await pulled(kinguin, None)
    assert found is DeliveryFound.NOT_DELIVERED
    assert orders[order.order_ref].payment is Payment.CANCELLED
    assert (market.counts().oversold, market.cancel_fees, order.codes) == (1, 1, [])


async def test_an_upload_in_time_stops_the_clock() -> None:
    async with KinguinSandbox(upload_deadline_seconds=0.2, upload_seconds=0.4) as market:
        market.add_listing(OFFER, "SKU-1", quantity=1, price_minor=1660)
        async with Kinguin.open(account_for(market)) as kinguin:
            order = await bought(market)
            await kinguin.deliver_codes(delivery_of(order))
            await asyncio.sleep(0.3)
    assert order.state is SandboxOrderState.DELIVERED
    assert market.counts().oversold == 0


# Two kinds of 409, two kinds of 400.


async def test_two_uploads_at_once_are_told_to_come_again_and_then_that_it_is_done() -> None:
    async with KinguinSandbox(upload_seconds=0.3) as market:
        market.add_listing(OFFER, "SKU-1", quantity=1, price_minor=1660)
        async with Kinguin.open(account_for(market)) as kinguin:
            order = await bought(market)
            delivery = delivery_of(order)
            outcomes = await asyncio.gather(
                *(kinguin.deliver_codes(delivery) for _ in range(2)), return_exceptions=True
            )
            assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "TryLater"]
            await kinguin.deliver_codes(delivery)
    assert order.codes == [f"KEY-{order.order_ref}"]
    assert market.counts().duplicates_received == 0


@pytest.mark.parametrize(
    ("status", "body", "uploaded"),
    [
        (200, b"{}", Uploaded.TAKEN),
        (409, b'{"message": "Stock already uploaded"}', Uploaded.TAKEN_BEFORE),
        (409, b"STOCK ALREADY UPLOADED", Uploaded.TAKEN_BEFORE),
        (409, b'{"message": "Reservation is being proceeded by another action now."}', Uploaded.BUSY),
        (409, b"reservation is being processed by another action", Uploaded.BUSY),
        (409, b'{"error": "Please try again in few seconds"}', Uploaded.BUSY),
        (409, b"\xff\xfe", Uploaded.UNCLEAR),
        (409, b"", Uploaded.UNCLEAR),
        (400, b'{"message": "Invalid reservation ID"}', Uploaded.NOT_TAKEN),
        (400, b'{"message": "Only text stock allowed in this offer"}', Uploaded.TEXT_ONLY),
    ],
)
def test_the_words_tell_the_refusals_apart(status: int, body: bytes, uploaded: Uploaded) -> None:
    assert read_upload(HttpReply(status, {}, body, "POST /stock")) is uploaded


async def test_a_reservation_that_never_was_takes_no_code(market: KinguinSandbox, kinguin: Kinguin) -> None:
    order = await bought(market)
    stranger = replace(order, order_ref=type(order.order_ref)("no-such-reservation"))
    with pytest.raises(ChannelRefused):
        await kinguin.deliver_codes(delivery_of(stranger))
    assert await kinguin.find_delivery(stranger.order_ref, "attempt-1") is DeliveryFound.UNKNOWN


async def test_not_taken_and_not_readable_is_unknown_rather_than_refused(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    order = await bought(market)
    await kinguin.deliver_codes(delivery_of(order))
    # The upload itself passes; each of the four readings that follow fails.
    for reading in range(1, 5):
        market.faults.once(Fault.SERVER_ERROR, reading)
    with pytest.raises(OutcomeUnknown):
        await kinguin.deliver_codes(delivery_of(order, CodePayload("ANOTHER")))


async def test_a_second_code_for_one_line_is_counted_by_the_market(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    order = await bought(market)
    await kinguin.deliver_codes(delivery_of(order))
    await kinguin.deliver_codes(delivery_of(order, CodePayload("ANOTHER")))
    assert order.codes == [f"KEY-{order.order_ref}"]
    assert market.counts().duplicates_received > 0


async def test_an_image_is_uploaded_as_one(market: KinguinSandbox, kinguin: Kinguin) -> None:
    order = await bought(market)
    picture = base64.b64encode(b"\x89PNG picture").decode()
    code = CodePayload(picture, kind=PayloadKind.IMAGE, file_name="scan.PNG")
    await kinguin.deliver_codes(delivery_of(order, code))
    assert order.codes == [picture]


async def test_a_code_that_is_too_large_is_not_sent(market: KinguinSandbox, kinguin: Kinguin) -> None:
    order = await bought(market)
    with pytest.raises(ChannelRefused) as refused:
        await kinguin.deliver_codes(delivery_of(order, CodePayload("x" * 205_000)))
    assert "xxx" not in str(refused.value)
    assert market.gate.tokens_given == 0


async def test_a_token_that_expired_before_an_upload_does_no_harm(
    market: KinguinSandbox, kinguin: Kinguin
) -> None:
    order = await bought(market)
    await kinguin.check_account()
    market.gate.forget_tokens()
    await kinguin.deliver_codes(delivery_of(order))
    assert order.codes


# Keys that lie at Kinguin.


async def test_a_key_returned_unseen_goes_back_to_kinguin_and_is_sold_from_there(
    market: KinguinSandbox, kinguin: Kinguin, receiver: CallbackReceiver
) -> None:
    first = await bought(market)
    await kinguin.deliver_codes(delivery_of(first))
    await market.return_unseen(first.order_ref)
    assert market.listings[OFFER].quantity == 5
    [seen] = (await kinguin.list_offers(None)).offers
    assert seen.quantity == 4, "a key at Kinguin is no promise of ours"
    await eventually(lambda: (Payment.REFUNDED, False) in told(receiver, first))

    second = await bought(market)
    assert second.codes == first.codes
    await eventually(lambda: (Payment.PAID, True) in told(receiver, second))
    assert (Payment.PAID, False) not in told(receiver, second), "nobody is to upload what Kinguin serves"
    await kinguin.deliver_codes(delivery_of(second))
    assert await kinguin.find_delivery(second.order_ref, "attempt-1") is DeliveryFound.DELIVERED
    assert second.codes == first.codes
    assert market.counts().duplicates_received == 0


@pytest.mark.parametrize("way", ["refund", "reverse", "return_unseen"])
async def test_money_that_goes_back_is_told_and_pulled(
    market: KinguinSandbox, kinguin: Kinguin, receiver: CallbackReceiver, way: str
) -> None:
    order = await bought(market)
    await kinguin.deliver_codes(delivery_of(order))
    await getattr(market, way)(order.order_ref)
    await eventually(lambda: (Payment.REFUNDED, False) in told(receiver, order))
    orders, _ = await pulled(kinguin, None)
    assert orders[order.order_ref].payment is Payment.REFUNDED
    assert await kinguin.find_delivery(order.order_ref, "attempt-1") is DeliveryFound.DELIVERED


# Under faults.


async def test_every_order_is_served_once_through_many_small_faults() -> None:
    """Nothing but pulling and delivering, as the daemon does it, with webhooks all lost."""
    faults = Faults({**SOME, Fault.LATENCY: 0.0, Fault.LOST_REPLY: 0.1, Fault.SERVER_ERROR: 0.1}, seed=7)
    async with KinguinSandbox(faults=faults) as market:
        market.add_listing(OFFER, "SKU-1", quantity=15, price_minor=1660)
        async with Kinguin.open(account_for(market)) as kinguin:
            placed = [await bought(market) for _ in range(15)]
            waiting = {order.order_ref: order for order in placed}
            for _ in range(20):
                for order in list(waiting.values()):
                    if await _served(kinguin, order):
                        del waiting[order.order_ref]
    assert waiting == {}
    assert all(order.codes == [f"KEY-{order.order_ref}"] for order in placed)
    assert (market.counts().duplicates_received, market.counts().oversold) == (0, 0)


async def _served(kinguin: Kinguin, order: SandboxOrder) -> bool:
    try:
        await kinguin.deliver_codes(delivery_of(order))
    except TryLater:
        return False
    except OutcomeUnknown:
        try:
            found = await kinguin.find_delivery(order.order_ref, "attempt-1")
        except TryLater:
            return False
        return found is DeliveryFound.DELIVERED
    return True
