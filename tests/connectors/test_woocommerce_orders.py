"""Decides whether orders are read right and none is missed: zones, shifting pages, odd totals."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from connectors.kit.contract.bench import every_order
from connectors.kit.errors import ProtocolBroken
from connectors.sandbox.woocommerce_shop import Item, ShopOrder
from connectors.woocommerce.models import DEVICE_META, REFERRER_META, WooLine
from connectors.woocommerce.orders import order_lines
from core.money.money import Money
from core.types import ListingRef, MarkKind, Payment, ToldMark
from tests.connectors.woocommerce_bench import CARD, Clock, bought, connect, delivery, read_order, shop


@pytest.mark.parametrize("zone_hours", [-11, 0, 8])
async def test_the_shops_own_zone_does_not_matter(zone_hours: int) -> None:
    clock = Clock()
    async with shop(now=clock, zone_hours=zone_hours) as market, connect(market) as connector:
        first = await bought(market)
        _, cursor = await every_order(connector, None)
        clock.pass_seconds(3600)
        second = await bought(market)
        orders, _ = await every_order(connector, cursor)
        assert second.order_ref in {order.order_ref for order in orders}
        read = await read_order(connector, first)
        assert read.placed_at == first.created


async def test_more_orders_in_one_second_than_a_page_holds_are_all_read() -> None:
    async with shop(now=Clock()) as market, connect(market) as connector:
        market.edit_by_hand(CARD, quantity=1000)
        placed = {(await bought(market)).order_ref for _ in range(250)}
        orders, cursor = await every_order(connector, None)
        assert {order.order_ref for order in orders} == placed
        assert {order.order_ref for order in (await every_order(connector, cursor))[0]} == placed


@pytest.mark.parametrize("seconds_apart", [0, 1, 60])
async def test_an_order_that_changes_between_two_pages_hides_no_other(seconds_apart: int) -> None:
    clock = Clock()
    async with shop(now=clock) as market, connect(market) as connector:
        market.edit_by_hand(CARD, quantity=1000)
        placed = []
        for _ in range(230):
            placed.append(await bought(market))
            clock.pass_seconds(seconds_apart)
        clock.pass_seconds(1)
        seen: set[str] = set()
        cursor, more, changing = None, True, iter(placed)
        while more:
            page = await connector.pull_orders(cursor)
            seen |= {order.order_ref for order in page.orders}
            cursor, more = page.cursor, page.more
            # The first of those already read moves to the end, and every later one moves up.
            if (changed := next(changing)) and len(seen) < 230:
                market.touch(changed)
        if seconds_apart == 0:
            # Within one second the last net is the overlap of the next pull.
            seen |= {order.order_ref for order in (await every_order(connector, cursor))[0]}
        assert seen == {order.order_ref for order in placed}


async def test_a_second_that_fills_a_page_hides_nothing_behind_it() -> None:
    clock = Clock()
    async with shop(now=clock) as market, connect(market) as connector:
        market.edit_by_hand(CARD, quantity=1000)
        placed = [await bought(market) for _ in range(100)]
        for _ in range(150):
            clock.pass_seconds(60)
            placed.append(await bought(market))
        seen: set[str] = set()
        cursor, more = None, True
        while more:
            page = await connector.pull_orders(cursor)
            cursor, more = page.cursor, page.more
            seen |= {order.order_ref for order in page.orders}
            if str(cursor).endswith("/2"):
                market.touch(placed[0])
        assert seen == {order.order_ref for order in placed}


async def test_a_save_that_shows_up_late_is_not_missed() -> None:
    clock = Clock()
    async with shop(now=clock) as market, connect(market) as connector:
        await bought(market)
        _, cursor = await every_order(connector, None)
        clock.pass_seconds(-90)
        late = await bought(market)
        orders, _ = await every_order(connector, cursor)
        assert late.order_ref in {order.order_ref for order in orders}


async def test_a_cursor_that_is_not_ours_is_refused() -> None:
    async with shop() as market, connect(market) as connector:
        with pytest.raises(ProtocolBroken, match="cursor"):
            await connector.pull_orders("what is this")


@pytest.mark.parametrize(
    ("status", "payment"),
    [
        ("pending", Payment.PENDING),
        ("on-hold", Payment.PENDING),
        ("processing", Payment.PAID),
        ("completed", Payment.PAID),
        ("cancelled", Payment.CANCELLED),
        ("failed", Payment.CANCELLED),
        ("refunded", Payment.REFUNDED),
        ("a-plug-in-made-this", Payment.PENDING),
    ],
)
async def test_each_status_has_one_meaning(status: str, payment: Payment) -> None:
    async with shop() as market, connect(market) as connector:
        order = market.place([market.item(CARD, 1)])
        market.set_status(order, status)
        assert (await read_order(connector, order)).payment is payment


async def test_an_order_that_waits_for_a_transfer_holds_longer_than_one_at_the_checkout() -> None:
    async with shop() as market, connect(market, pending_minutes=30, on_hold_hours=48) as connector:
        pending, on_hold = (market.place([market.item(CARD, 1)]) for _ in range(2))
        market.set_status(on_hold, "on-hold")
        assert (await read_order(connector, pending)).hold_until == pending.created + timedelta(minutes=30)
        assert (await read_order(connector, on_hold)).hold_until == on_hold.created + timedelta(hours=48)


async def test_carts_and_orders_from_before_our_time_are_left_alone() -> None:
    clock = Clock()
    async with shop(now=clock) as market:
        old = await bought(market)
        clock.pass_seconds(60)
        async with connect(market, orders_from=clock().isoformat()) as connector:
            cart = market.place([market.item(CARD, 1)])
            cart.status = "checkout-draft"
            market.touch(old)
            new = await bought(market)
            orders, _ = await every_order(connector, None)
            assert {order.order_ref for order in orders} == {new.order_ref}


async def test_a_completed_order_is_fulfilled_only_when_we_completed_it() -> None:
    async with shop() as market, connect(market) as connector:
        by_itself, by_us = await bought(market), await bought(market)
        market.set_status(by_itself, "completed")
        await connector.deliver_codes(delivery(await read_order(connector, by_us)))
        assert by_us.status == "completed"
        assert not (await read_order(connector, by_itself)).fulfilled
        assert (await read_order(connector, by_us)).fulfilled


async def test_products_that_are_not_ours_are_reported_too() -> None:
    async with shop() as market, connect(market) as connector:
        market.add_listing("20:21", "PSN", price_minor=5000)
        mug = Item(market.next_number(), 777, 0, "A mug", 1, 800, 160)
        order = market.place([market.item(ListingRef("20:21"), 2), mug])
        lines = (await read_order(connector, order)).lines
        assert [(line.listing_ref, line.quantity, line.unit_price.amount_minor) for line in lines] == [
            ("20:21", 2, 5000),
            ("777", 1, 960),
        ]


async def test_a_total_that_does_not_divide_becomes_two_lines() -> None:
    async with shop() as market, connect(market) as connector:
        order = market.place([market.item(CARD, 3, gross_minor=1000)])
        lines = (await read_order(connector, order)).lines
        assert [(line.quantity, line.unit_price.amount_minor) for line in lines] == [(2, 333), (1, 334)]
        assert len({line.line_ref for line in lines}) == 2
        assert {line.listing_ref for line in lines} == {CARD}


@given(
    quantity=some.integers(1, 5000),
    net_minor=some.integers(0, 10**9),
    tax_minor=some.integers(0, 10**8),
    currency=some.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_lines_sum_to_what_was_paid(quantity: int, net_minor: int, tax_minor: int, currency: str) -> None:
    digits = {"EUR": 2, "JPY": 0, "KWD": 3}[currency]

    def text(minor: int) -> str:
        whole, part = divmod(minor, 10**digits)
        return f"{whole}.{part:0{digits}d}" if digits else str(whole)

    line = WooLine(id=5, product_id=12, quantity=quantity, total=text(net_minor), total_tax=text(tax_minor))
    parts = order_lines(line, currency)
    assert sum(part.unit_price.amount_minor * part.quantity for part in parts) == net_minor + tax_minor
    assert sum(part.quantity for part in parts) == quantity
    assert len({part.line_ref for part in parts}) == len(parts) <= 2
    assert order_lines(line, currency) == parts


async def test_an_order_that_cannot_be_read_hides_no_other() -> None:
    async with shop() as market, connect(market) as connector:
        broken, sound = await bought(market), await bought(market)
        assert isinstance(broken, ShopOrder)
        broken.items[0].quantity = -1
        orders, _ = await every_order(connector, None)
        assert [order.order_ref for order in orders] == [sound.order_ref]


async def test_an_order_tells_who_brought_the_buyer_and_what_he_left() -> None:
    async with shop() as market, connect(market) as connector:
        order = await bought(market)
        order.email, order.ip_address = "Ann@Example.com", "203.0.113.7"
        order.address = ("Main Street 1", "10115", "DE")
        order.meta |= {REFERRER_META: " bob ", DEVICE_META: "d-1"}
        read = await read_order(connector, order)
        assert read.referrer == "bob"
        assert read.marks == (
            ToldMark(MarkKind.ACCOUNT, "Ann@Example.com"),
            ToldMark(MarkKind.ADDRESS, "Main Street 1, 10115, DE"),
            ToldMark(MarkKind.ADDRESS, "203.0.113.7"),
            ToldMark(MarkKind.DEVICE, "d-1"),
        )
        assert "203.0.113.7" not in repr(read), "what a buyer left is never shown"


async def test_an_order_that_tells_nothing_more_tells_no_browser_as_a_device() -> None:
    async with shop() as market, connect(market) as connector:
        order = await bought(market)
        order.email, order.address = "", ("Main Street 1", "", "DE")
        order.meta[REFERRER_META] = "  "
        read = await read_order(connector, order)
        assert (read.referrer, read.marks) == (None, ())


async def test_the_tax_of_a_line_is_told_to_the_last_minor_unit() -> None:
    async with shop(tax_percent=20) as market, connect(market) as connector:
        order = await bought(market, 3)
        order.items[0].total_minor, order.items[0].tax_minor = 833, 167
        read = await read_order(connector, order)
        assert [(line.quantity, line.unit_price.amount_minor) for line in read.lines] == [(2, 333), (1, 334)]
        assert [line.tax for line in read.lines] == [Money(111, "EUR"), Money(56, "EUR")]


async def test_a_shop_that_reckons_no_tax_tells_nothing_of_it() -> None:
    async with shop(tax_percent=0) as market, connect(market) as connector:
        assert [line.tax for line in (await read_order(connector, await bought(market))).lines] == [None]
