"""Proves how Eneba's questions are registered, believed, read and answered."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from connectors.kit.contract import eventually
from connectors.kit.errors import CallbackRefused, ChannelRefused
from connectors.kit.json import Json
from connectors.kit.messages import CallbackRequest, CancelAsked, ProvideAsked, ReserveAsked
from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.eneba_books import CallbackType
from core.money.money import Money
from core.types import (
    CodePayload,
    LineCodes,
    LineRef,
    ListingRef,
    OrderRef,
    PayloadKind,
    Payment,
)
from tests.connectors.eneba_bench import (
    FIRST,
    QUICK,
    SECOND,
    connector_at,
    ended,
    market_with,
    receiver_for,
)

ORDER = OrderRef("7c642706-106c-47ec-aea9-b6c9510feba7")
TOKEN = "sandbox-callback-token"
PICTURE = base64.b64encode(b"\x89PNG not really").decode()


def request(body: Json, authorization: str = f"Bearer {TOKEN}") -> CallbackRequest:
    headers = {"authorization": authorization, "content-type": "application/json"}
    return CallbackRequest("POST", "/callbacks/eneba", headers, {}, json.dumps(body).encode())


def reserve(**changed: Json) -> dict[str, Json]:
    """A reservation as integrators have seen it: amounts as text, and more than the documents say."""
    auction: dict[str, Json] = {
        "auctionId": FIRST,
        "keyCount": 2,
        "price": {"amount": "1999", "currency": "EUR"},
        "priceWithoutCommission": {"amount": "1854", "currency": "EUR"},
        "campaignFee": None,
        "extraInfo": '{"a": 1}',
    }
    body: dict[str, Json] = {
        "action": "RESERVE",
        "orderId": ORDER,
        "originalOrderId": None,
        "wholesale": False,
    }
    return {**body, "auctions": [auction], **changed}


def auction_of(ref: str, **changed: Json) -> dict[str, Json]:
    return {"auctionId": ref, "keyCount": 1, "price": {"amount": 500, "currency": "EUR"}, **changed}


def callback_ids(market: EnebaSandbox) -> list[str]:
    return [known.callback_ref for known in market.books.callbacks]


async def test_registering_again_changes_nothing() -> None:
    async with market_with() as market, connector_at(market) as connector:
        url = "https://shop.example.com/callbacks/eneba"
        await connector.register_callbacks(url)
        known = callback_ids(market)
        assert {each.type for each in market.books.callbacks} == set(CallbackType)
        await connector.register_callbacks(url)
        assert callback_ids(market) == known


@pytest.mark.parametrize("one_per_type", [True, False])
async def test_a_changed_url_or_token_replaces_what_is_on_file(one_per_type: bool) -> None:
    terms = replace(QUICK, one_callback_per_type=one_per_type)
    async with market_with(terms) as market, connector_at(market) as connector:
        await connector.register_callbacks("https://shop.example.com/old")
        await connector.register_callbacks("https://shop.example.com/new")
        assert {each.url for each in market.books.callbacks} == {"https://shop.example.com/new"}
        token = 'another "quoted" \\ token'
        async with connector_at(market, callback_token=token) as other:
            await other.register_callbacks("https://shop.example.com/new")
        assert [each.authorization for each in market.books.callbacks] == [token] * 3


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/callbacks",
        "https://192.0.2.7/callbacks",
        "https://shop.example.com/callbacks?channel=1",
        "https://shop.example.com/" + "x" * 1100,
    ],
)
async def test_a_url_against_the_rules_is_refused_and_the_old_one_stays(url: str) -> None:
    async with (
        market_with(replace(QUICK, one_callback_per_type=False)) as market,
        connector_at(market) as connector,
    ):
        await connector.register_callbacks("https://shop.example.com/old")
        with pytest.raises(ChannelRefused, match="URL"):
            await connector.register_callbacks(url)
        assert {each.url for each in market.books.callbacks} == {"https://shop.example.com/old"}


async def test_a_reservation_is_read_with_amounts_as_text_and_fields_unknown_to_us() -> None:
    async with market_with() as market, connector_at(market) as connector:
        asked = connector.parse_callback(request(reserve()))
        assert isinstance(asked, ReserveAsked)
        assert (asked.order.order_ref, asked.order.payment) == (ORDER, Payment.PENDING)
        [line] = asked.order.lines
        assert (line.listing_ref, line.quantity, line.unit_price) == (FIRST, 2, Money(1999, "EUR"))


async def test_several_auctions_in_one_order_are_several_lines() -> None:
    async with market_with() as market, connector_at(market) as connector:
        asked = connector.parse_callback(request(reserve(auctions=[auction_of(FIRST), auction_of(SECOND)])))
        assert isinstance(asked, ReserveAsked)
        assert [str(line.line_ref) for line in asked.order.lines] == [FIRST, SECOND]


@pytest.mark.parametrize(
    "body",
    [
        reserve(auctions=[]),
        reserve(auctions=[auction_of(FIRST), auction_of(FIRST)]),
        reserve(auctions=[auction_of(FIRST, keyCount=0)]),
        reserve(auctions=[auction_of(FIRST, keyCount=10**9)]),
        reserve(auctions=[auction_of(FIRST, price={"amount": "19.99", "currency": "EUR"})]),
        reserve(auctions=[auction_of(FIRST, price={"amount": "-1", "currency": "EUR"})]),
        reserve(auctions=[auction_of(FIRST, price={"amount": "100", "currency": "euro"})]),
        reserve(orderId=""),
        reserve(originalOrderId="7c642706-106c-47ec-aea9-000000000000"),
        {"action": "RESERVE", "orderId": ORDER, "auctionId": FIRST, "keyId": "key"},
        {"action": "REPLACE", "orderId": ORDER},
        {"action": "PROVIDE"},
        ["PROVIDE"],
        None,
    ],
)
async def test_what_cannot_be_read_is_refused_with_400(body: Json) -> None:
    async with market_with() as market, connector_at(market) as connector:
        with pytest.raises(CallbackRefused) as refused:
            connector.parse_callback(request(body))
        assert refused.value.status == 400


@pytest.mark.parametrize(
    "authorization",
    ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer  {TOKEN}", "Bearer ", "Bearer \udcff"],
)
async def test_only_the_registered_bearer_value_is_believed(authorization: str) -> None:
    async with market_with() as market, connector_at(market) as connector:
        connector.verify_callback(request(reserve()))
        with pytest.raises(CallbackRefused) as refused:
            connector.verify_callback(request(reserve(), authorization))
        assert refused.value.status == 401
        assert TOKEN not in str(refused.value)


async def test_answers_are_exactly_what_the_protocol_shows() -> None:
    async with market_with() as market, connector_at(market) as connector:
        asked = connector.parse_callback(request(reserve()))
        assert isinstance(asked, ReserveAsked)
        for granted in (True, False):
            reply = connector.answer_reserve(asked, granted=granted)
            assert reply.status == 200
            assert json.loads(reply.body) == {"action": "RESERVE", "orderId": ORDER, "success": granted}
        lines = [
            LineCodes(LineRef(FIRST), FIRST, [CodePayload("SECRET", number="NUMBER", pin="PIN")]),
            LineCodes(
                LineRef(SECOND), SECOND, [CodePayload(PICTURE, kind=PayloadKind.IMAGE, file_name="card.png")]
            ),
        ]
        reply = connector.answer_provide(ProvideAsked(ORDER), lines)
        assert reply.status == 200
        assert json.loads(reply.body) == {
            "action": "PROVIDE",
            "orderId": ORDER,
            "success": True,
            "auctions": [
                {"auctionId": FIRST, "keys": [{"type": "TEXT", "value": "NUMBER SECRET PIN"}]},
                {"auctionId": SECOND, "keys": [{"type": "IMAGE", "value": PICTURE, "filename": "card.png"}]},
            ],
        }
        never = connector.answer_provide(ProvideAsked(ORDER), None)
        assert json.loads(never.body) == {"action": "PROVIDE", "orderId": ORDER, "success": False}
        assert connector.answer_provide_later(ProvideAsked(ORDER)).status == 503
        cancelled = connector.answer_cancel(CancelAsked(ORDER))
        assert (cancelled.status, cancelled.body) == (200, b"")


async def test_an_order_over_two_auctions_gets_the_right_keys_for_each() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        order = await ended(await market.buy_together({FIRST: 2, SECOND: 1}))
        assert order.codes == [code.text() for line in receiver.codes(order.order_ref) for code in line.codes]
        assert [market.listings[ref].quantity for ref in (FIRST, SECOND)] == [3, 4]


async def test_an_image_without_a_name_is_given_one() -> None:
    async with market_with() as market, connector_at(market) as connector:
        line = LineCodes(LineRef("a"), ListingRef("a"), [CodePayload(PICTURE, kind=PayloadKind.IMAGE)])
        reply = json.loads(connector.answer_provide(ProvideAsked(ORDER), [line]).body)
        assert reply["auctions"][0]["keys"][0]["filename"]


async def test_an_abandoned_order_is_cancelled_by_its_own_reference() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        order = await market.buy(FIRST, abandon=True)
        assert order is not None
        await eventually(lambda: receiver.asked(CancelAsked))
        assert CancelAsked(order.order_ref) in receiver.callbacks
        assert receiver.asked(ProvideAsked) == 0
        assert market.listings[FIRST].quantity == 5
