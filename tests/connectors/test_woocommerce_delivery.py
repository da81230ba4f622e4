"""Decides whether a buyer at the shop gets the codes once, and the money back once."""

from __future__ import annotations

import asyncio

import pytest

from connectors.kit.contract import eventually
from connectors.kit.errors import ChannelRefused, OutcomeUnknown, TryLater
from connectors.kit.messages import Delivery, DeliveryFound
from connectors.sandbox.faults import Fault
from connectors.sandbox.market import SandboxOrderState
from connectors.sandbox.woocommerce import WooCommerceSandbox
from connectors.sandbox.woocommerce_shop import Note, ShopOrder
from connectors.woocommerce import WooCommerce
from connectors.woocommerce.notes import note_text
from core.types import CodePayload, LineCodes, ListingRef, OrderRef, PayloadKind
from tests.connectors.woocommerce_bench import (
    CARD,
    bought,
    connect,
    delivery,
    raw,
    read_order,
    shop,
    signed,
    texts,
)

# deliver_codes reads the order and its notes before it writes: the third request is the note.
_NOTE, _COMPLETION = 2, 4


async def ready(market: WooCommerceSandbox, connector: WooCommerce) -> tuple[ShopOrder, Delivery]:
    order = await bought(market)
    return order, delivery(await read_order(connector, order))


async def test_a_delivery_is_one_note_and_a_completed_order() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        await connector.deliver_codes(handed)
        assert order.codes == texts(handed)
        assert (order.status, order.meta) == ("completed", {"consignd_delivery": handed.attempt_key})
        assert [note.for_customer for note in order.notes] == [True]


@pytest.mark.parametrize(
    "code",
    ["AB--CD", "10x20", 'it\'s "quoted"', "a<b>&amp;c", r"back\slash\\twice", "é密 卡", "</pre>", "..."],
)
async def test_a_code_reaches_the_buyer_as_it_is(code: str) -> None:
    async with shop() as market, connect(market) as connector:
        order = await bought(market)
        await connector.deliver_codes(delivery(await read_order(connector, order), code))
        assert order.codes == [code]


async def test_every_product_of_an_order_is_named_before_its_codes() -> None:
    async with shop() as market, connect(market) as connector:
        market.add_listing("20:21", "PSN", title="PSN <50>", price_minor=5000)
        order = market.place([market.item(CARD, 1, gross_minor=999), market.item(ListingRef("20:21"), 2)])
        market.set_status(order, "processing")
        handed = delivery(await read_order(connector, order))
        await connector.deliver_codes(handed)
        assert sorted(order.codes) == sorted(texts(handed))
        text = order.notes[0].text
        assert text.index("Steam 20") < text.index(texts(handed)[0]) < text.index("PSN &lt;50&gt;")


async def test_both_halves_of_a_split_line_are_delivered() -> None:
    async with shop() as market, connect(market) as connector:
        order = market.place([market.item(CARD, 3, gross_minor=1000)])
        market.set_status(order, "processing")
        handed = delivery(await read_order(connector, order), "A-1", "A-2", "A-3")
        assert len(handed.lines) == 2
        await connector.deliver_codes(handed)
        assert order.codes == ["A-1", "A-2", "A-3"]


async def test_a_lost_reply_to_the_note_is_found_and_the_order_completed() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        market.faults.once(Fault.LOST_REPLY, _NOTE)
        with pytest.raises(OutcomeUnknown):
            await connector.deliver_codes(handed)
        assert order.status == "processing"
        assert await connector.find_delivery(handed.order_ref, handed.attempt_key) is DeliveryFound.DELIVERED
        assert order.status == "completed"
        assert len(order.notes) == 1


async def test_a_refund_between_note_and_completion_is_not_undone() -> None:
    """The completion is held up; meanwhile the buyer, who has the codes, gets the money back."""
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        market.faults.once(Fault.LATENCY, _COMPLETION)
        delivering = asyncio.create_task(connector.deliver_codes(handed))
        for _ in range(500):
            if order.codes:
                break
            await asyncio.sleep(0.01)
        await market.refund(order.order_ref)
        await delivering
        assert order.status == "refunded"
        assert len(order.notes) == 1
        assert await connector.find_delivery(handed.order_ref, handed.attempt_key) is DeliveryFound.DELIVERED
        assert order.status == "refunded"


async def test_a_note_that_never_went_out_is_not_found() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        market.faults.once(Fault.DROPPED_CONNECTION, _NOTE)
        with pytest.raises(OutcomeUnknown):
            await connector.deliver_codes(handed)
        found = await connector.find_delivery(handed.order_ref, handed.attempt_key)
        assert found is DeliveryFound.NOT_DELIVERED
        await connector.deliver_codes(handed)
        assert order.received == [tuple(texts(handed))]


async def test_a_repetition_after_a_crash_behind_the_note_sends_no_second_one() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        market.write_note(order, note_text(handed.lines, {}, handed.attempt_key), for_customer=True)
        await connector.deliver_codes(handed)
        assert order.status == "completed"
        assert len(order.notes) == 1


async def test_a_shop_that_will_not_complete_leaves_the_outcome_open() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        for attempt in range(4):
            market.faults.once(Fault.SERVER_ERROR, _COMPLETION + attempt)
        with pytest.raises(OutcomeUnknown, match="codes are out"):
            await connector.deliver_codes(handed)
        assert order.codes
        assert await connector.find_delivery(handed.order_ref, handed.attempt_key) is DeliveryFound.DELIVERED
        assert order.status == "completed"


async def test_notes_that_people_write_are_no_delivery() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        market.write_note(order, "Your codes: we are on it!", for_customer=True)
        market.write_note(order, "Your codes:\nDelivery reference: x", for_customer=False)
        found = await connector.find_delivery(handed.order_ref, handed.attempt_key)
        assert found is DeliveryFound.NOT_DELIVERED


async def test_a_mark_without_its_note_is_a_delivery() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        await connector.deliver_codes(handed)
        order.notes.clear()
        market.set_status(order, "processing")
        assert await connector.find_delivery(handed.order_ref, "another") is DeliveryFound.DELIVERED
        await connector.deliver_codes(handed)
        assert order.notes == []


async def test_an_unpaid_order_gets_nothing_yet() -> None:
    async with shop() as market, connect(market) as connector:
        order = market.place([market.item(CARD, 1)])
        handed = delivery(await read_order(connector, order))
        with pytest.raises(TryLater, match="not paid"):
            await connector.deliver_codes(handed)
        assert order.notes == []


async def test_an_order_taken_back_after_the_note_is_not_completed_again() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        market.write_note(order, note_text(handed.lines, {}, handed.attempt_key), for_customer=True)
        await market.refund(order.order_ref)
        assert await connector.find_delivery(handed.order_ref, handed.attempt_key) is DeliveryFound.DELIVERED
        assert order.status == "refunded"


class CancellingShop(WooCommerceSandbox):
    """A shop that cancels an order in the moment in which its buyer is told."""

    def write_note(self, order: ShopOrder, text: str, *, for_customer: bool) -> Note:
        """The cancellation is first, by a hair."""
        self.set_status(order, "cancelled")
        return super().write_note(order, text, for_customer=for_customer)


async def test_an_order_that_is_cancelled_while_its_buyer_is_told_stays_cancelled() -> None:
    async with shop(CancellingShop) as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        await connector.deliver_codes(handed)
        assert (order.status, order.state) == ("cancelled", SandboxOrderState.CANCELLED)
        assert order.codes == texts(handed), "the buyer has read them all the same"


async def test_an_image_is_refused_before_anything_is_sent() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        line = handed.lines[0]
        image = CodePayload("aGVsbG8=", kind=PayloadKind.IMAGE, file_name="card.png")
        with pytest.raises(ChannelRefused, match="image"):
            await connector.deliver_codes(
                Delivery(handed.order_ref, "a-1", [LineCodes(line.line_ref, line.listing_ref, [image])])
            )
        assert order.notes == []


@pytest.mark.parametrize("ref", ["424242", "not-a-number", "../products"])
async def test_an_order_that_is_gone_cannot_be_answered_for(ref: str) -> None:
    async with shop() as market, connect(market) as connector:
        assert await connector.find_delivery(OrderRef(ref), "a-1") is DeliveryFound.UNKNOWN
        with pytest.raises(ChannelRefused):
            await connector.cancel_order(OrderRef(ref), "gone")


async def test_a_paid_order_is_refunded_once() -> None:
    async with shop() as market, connect(market) as connector:
        order = await bought(market, 2)
        for _ in range(2):
            await connector.cancel_order(order.order_ref, "sold out")
        assert order.refunds == [(4000, "sold out")]
        assert order.state is SandboxOrderState.REFUNDED


async def test_a_refund_whose_reply_is_lost_is_not_paid_twice() -> None:
    async with shop() as market, connect(market) as connector:
        order = await bought(market)
        # After the order and its notes are read comes the refund.
        market.faults.once(Fault.LOST_REPLY, 2)
        with pytest.raises(OutcomeUnknown):
            await connector.cancel_order(order.order_ref, "sold out")
        await connector.cancel_order(order.order_ref, "sold out")
        assert order.refunds == [(2000, "sold out")]


async def test_a_server_error_on_a_refund_leaves_the_outcome_open() -> None:
    async with shop() as market, connect(market) as connector:
        order = await bought(market)
        market.faults.once(Fault.SERVER_ERROR, 2)
        with pytest.raises(OutcomeUnknown):
            await connector.cancel_order(order.order_ref, "sold out")
        assert order.refunds == []


async def test_what_was_refunded_by_hand_is_not_refunded_again() -> None:
    async with shop() as market, connect(market) as connector:
        order = await bought(market)
        order.refunds.append((500, "sorry"))
        await connector.cancel_order(order.order_ref, "sold out")
        assert order.refunded_minor == 2000


async def test_a_gateway_that_cannot_refund_is_a_final_no_for_people() -> None:
    async with shop(gateway_refunds=False) as market:
        async with connect(market) as connector:
            order = await bought(market)
            with pytest.raises(ChannelRefused, match="automatic refunds"):
                await connector.cancel_order(order.order_ref, "sold out")
        async with connect(market, refund_by_gateway=False) as by_hand:
            await by_hand.cancel_order(order.order_ref, "sold out")
        assert order.status == "refunded"


async def test_an_unpaid_order_is_cancelled_and_its_stock_comes_back() -> None:
    async with shop() as market, connect(market) as connector:
        order = market.place([market.item(CARD, 2)])
        market.set_status(order, "on-hold")
        assert market.listings[CARD].quantity == 48
        for _ in range(2):
            await connector.cancel_order(order.order_ref, "sold out")
        assert (order.status, order.refunds, market.listings[CARD].quantity) == ("cancelled", [], 50)


async def test_an_order_that_cost_nothing_is_cancelled() -> None:
    async with shop() as market, connect(market) as connector:
        order = market.place([market.item(CARD, 1, gross_minor=0)])
        market.set_status(order, "processing")
        await connector.cancel_order(order.order_ref, "sold out")
        assert order.status == "cancelled"


async def test_a_delivered_order_is_not_cancelled_for_stock() -> None:
    async with shop() as market, connect(market) as connector:
        order, handed = await ready(market, connector)
        await connector.deliver_codes(handed)
        with pytest.raises(ChannelRefused, match="has the codes"):
            await connector.cancel_order(order.order_ref, "sold out")
        assert order.refunds == []


async def test_the_checkout_refuses_what_others_hold_or_have_bought() -> None:
    async with shop(hold_seconds=0.2) as market:
        market.edit_by_hand(CARD, quantity=3)
        held = await market.buy(CARD, 2, abandon=True)
        assert isinstance(held, ShopOrder)
        assert await market.buy(CARD, 2) is None
        assert await market.buy(CARD, 1) is not None
        assert (market.listings[CARD].quantity, market.listings[CARD].held) == (2, 2)
        await eventually(lambda: held.status == "cancelled")
        assert (market.listings[CARD].quantity, market.listings[CARD].held) == (2, 0)
        assert await market.buy(CARD, 2) is not None
        assert market.counts().orders == 2


async def test_an_order_made_by_a_program_oversells() -> None:
    async with shop() as market:
        body = {"set_paid": True, "line_items": [{"product_id": 12, "quantity": 60}]}
        status, _ = await raw(market, "POST", "/orders", signed(market, "POST", "/orders"), json=body)
        assert status == 201
        assert market.listings[CARD].quantity == -10


async def test_a_buyer_who_gets_nothing_counts_as_oversold() -> None:
    async with shop(patience_seconds=0.1) as market, connect(market) as connector:
        served, unserved = await bought(market), await bought(market)
        await connector.deliver_codes(delivery(await read_order(connector, served)))
        await eventually(lambda: unserved.status == "cancelled")
        assert (served.status, served.oversold, unserved.oversold) == ("completed", False, True)
        counts = market.counts()
        assert (counts.orders, counts.delivered, counts.oversold) == (2, 1, 1)
