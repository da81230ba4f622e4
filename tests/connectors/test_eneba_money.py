"""Proves that fees and payout lines of Eneba are read without loss."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from connectors.eneba import Eneba
from connectors.eneba.client import error_of
from connectors.eneba.models import GraphqlError
from connectors.kit.contract import Provide
from connectors.kit.errors import ChannelRefused, TryLater
from connectors.kit.messages import PayoutKind, PayoutLine
from core.money.money import Money
from core.types import PriceBasis
from tests.connectors.eneba_bench import FIRST, QUICK, connector_at, ended, market_with, receiver_for


async def every_line(connector: Eneba) -> list[PayoutLine]:
    lines: list[PayoutLine] = []
    cursor: str | None = None
    while True:
        page = await connector.list_payout_lines(cursor)
        lines += page.lines
        cursor = page.cursor
        if not page.more:
            return lines


async def test_both_sides_of_a_price_are_eneba_s_own_sum() -> None:
    async with market_with() as market, connector_at(market) as connector:
        gross = await connector.quote_fee(FIRST, Money(10_000, "EUR"), PriceBasis.GROSS)
        assert (gross.gross.amount_minor, gross.net.amount_minor) == (10_000, 9375)
        net = await connector.quote_fee(FIRST, Money(9375, "EUR"), PriceBasis.NET)
        assert (net.gross.amount_minor, net.net.amount_minor) == (10_000, 9375)


async def test_a_sale_is_a_line_a_piece_and_its_commission_is_ours_to_pay() -> None:
    async with market_with() as market, connector_at(market) as connector, receiver_for(connector):
        order = await ended(await market.buy(FIRST, 2))
        lines = await every_line(connector)
        assert [(line.kind, line.amount.amount_minor) for line in lines] == [
            (PayoutKind.SALE, 1999),
            (PayoutKind.FEE, -145),
        ] * 2
        assert {line.order_ref for line in lines if line.kind is PayoutKind.SALE} == {order.order_ref}
        assert len({line.line_ref for line in lines}) == 4


async def test_a_refund_takes_exactly_back_what_the_sale_brought() -> None:
    async with market_with() as market, connector_at(market) as connector, receiver_for(connector):
        order = await ended(await market.buy(FIRST, 2))
        await market.refund(order.order_ref)
        lines = await every_line(connector)
        assert sum(line.amount.amount_minor for line in lines) == 0
        assert Counter(line.kind for line in lines)[PayoutKind.REFUND] == 2


async def test_penalties_and_edit_fees_are_named() -> None:
    async with (
        market_with() as market,
        connector_at(market) as connector,
        receiver_for(connector) as receiver,
    ):
        receiver.provides = Provide.NEVER
        await ended(await market.buy(FIRST))
        market.books.ledger.book("AUCTION_EDIT_FEE", 5, auction_ref=FIRST)
        [penalty, edit] = await every_line(connector)
        assert (penalty.kind, penalty.amount.amount_minor) == (PayoutKind.UNFULFILLED_FEE, -145)
        assert (edit.kind, edit.amount.amount_minor, edit.listing_ref) == (PayoutKind.EDIT_FEE, -5, FIRST)


async def test_a_type_nobody_told_us_of_is_reported_all_the_same() -> None:
    async with market_with() as market, connector_at(market) as connector:
        market.books.ledger.book("SOMETHING_NEW", 77, incoming=True)
        market.books.ledger.book("WITHDRAW", 5000)
        assert [(line.kind, line.amount.amount_minor) for line in await every_line(connector)] == [
            (PayoutKind.OTHER, 77),
            (PayoutKind.WITHDRAWAL, -5000),
        ]


async def test_every_page_of_the_ledger_is_read_once() -> None:
    async with market_with(replace(QUICK, largest_page=7)) as market, connector_at(market) as connector:
        for number in range(45):
            market.books.ledger.book("DEPOSIT", number + 1, incoming=True)
        amounts = [line.amount.amount_minor for line in await every_line(connector)]
        assert amounts == list(range(1, 46))


async def test_a_cancelled_transaction_moves_no_money_and_does_not_stop_the_cursor() -> None:
    async with market_with() as market, connector_at(market) as connector:
        market.books.ledger.book("WITHDRAW", 100)
        market.books.ledger.transactions[0] = replace(market.books.ledger.transactions[0], status="CANCELED")
        page = await connector.list_payout_lines(None)
        assert page.lines == []
        market.books.ledger.book("DEPOSIT", 5, incoming=True)
        assert [line.line_ref for line in (await connector.list_payout_lines(page.cursor)).lines] == [
            "t-000002"
        ]


async def test_the_ledgers_own_order_number_is_passed_on_as_it_is() -> None:
    async with (
        market_with(replace(QUICK, own_order_numbers=True)) as market,
        connector_at(market) as connector,
        receiver_for(connector),
    ):
        await ended(await market.buy(FIRST))
        assert {line.order_ref for line in await every_line(connector)} == {"o-000001", None}


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        (None, ChannelRefused),
        ({"code": "BAD_USER_INPUT"}, ChannelRefused),
        ({"category": "internal"}, TryLater),
        ({"code": "INTERNAL_SERVER_ERROR"}, TryLater),
    ],
)
def test_an_error_inside_eneba_may_pass_and_any_other_is_a_no(
    extensions: dict[str, str] | None, expected: type[Exception]
) -> None:
    error = GraphqlError.model_validate({"message": "why", "extensions": extensions, "locations": [{}]})
    assert isinstance(error_of("S_stock", [error]), expected)
    assert "why" in str(error_of("S_stock", [error]))
