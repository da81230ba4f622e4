"""Groups at the shop, from checkout to codes or refund: full, failed, and completed by rule."""

from __future__ import annotations

from pathlib import Path

from connectors.sandbox.market import SandboxOrderState
from connectors.sandbox.woocommerce import WooCommerceSandbox
from connectors.sandbox.woocommerce_shop import ShopOrder
from core.types import ListingRef
from core.views.groups import groups
from scheduler.composition import utc_now
from tests.e2e.house import House, come_to_rest, open_house, until

_TRIO = """
[group_offers.trio]
channel = "woocommerce"
listings = ["1000"]
size = 3
price = 17.99
"""
_BY_RULE = """
[group_offers.loose]
channel = "woocommerce"
listings = ["1000"]
size = 4
price = 17.99
on_failure = "complete"
at_least = 2
"""
# Buyers in these tests do not lose patience, and time passes for groups when the test says so.
_OVER = "UPDATE buying_group SET opened_at = opened_at - interval '3 days', ends_at = now()"


def buy_in_group(shop: WooCommerceSandbox, email: str, group: str = "") -> ShopOrder:
    """A buyer pays at the checkout; the shop's plug-in has noted the group on his order."""
    order = shop.place([shop.item(ListingRef("1000"), 1)])
    order.email = email
    if group:
        order.meta["consignd_group"] = group
    shop.set_status(order, "processing")
    return order


async def taken(house: House, count: int) -> bool:
    """Whether so many seats are taken."""
    async with house.core.pool.acquire() as conn:
        return sum(each.taken for each in await groups(conn, utc_now())) == count


async def shown(house: House) -> int:
    """The price that the shop shows."""
    return house.markets.woocommerce.listings[ListingRef("1000")].price_minor


async def test_a_group_that_is_full_gets_its_codes_together(dsn: str, tmp_path: Path) -> None:
    async with open_house(dsn, tmp_path, codes=20, written=_TRIO) as house:
        shop = house.markets.woocommerce
        assert await shown(house) == 1799
        orders = [buy_in_group(shop, f"{name}@example.com", "friends") for name in ("ann", "bob")]
        await until(lambda: taken(house, 2), "both sit in the group")
        assert [order.state for order in orders] == [SandboxOrderState.PAID] * 2
        orders.append(buy_in_group(shop, "cid@example.com", "friends"))
        await until(
            lambda: all(order.state is SandboxOrderState.DELIVERED for order in orders),
            "all three have codes",
        )
        await come_to_rest(house)
        async with house.core.pool.acquire() as conn:
            (full,) = await groups(conn, utc_now(), only_open=False)
        assert (full.ref, full.state) == ("friends", "full")


async def test_a_group_that_fails_is_refunded_and_its_codes_are_sold_again(dsn: str, tmp_path: Path) -> None:
    async with open_house(dsn, tmp_path, codes=20, written=_TRIO) as house:
        shop = house.markets.woocommerce
        orders = [buy_in_group(shop, f"{name}@example.com") for name in ("ann", "bob")]
        # The same buyer again: there is no second seat for him.
        again = buy_in_group(shop, "ann@example.com")
        await until(lambda: taken(house, 2), "both sit in the group")
        await until(lambda: again.state is SandboxOrderState.REFUNDED, "the one too many is refunded")
        await house.core.pool.execute(_OVER)
        await until(
            lambda: all(order.state is SandboxOrderState.REFUNDED for order in orders), "both are refunded"
        )
        assert [order.refunded_minor for order in (*orders, again)] == [1799] * 3
        assert not any(order.codes for order in orders)
        await come_to_rest(house)
        pool = house.core.pool
        assert await pool.fetchval("SELECT count(*) FROM refund_due WHERE settled_at IS NULL") == 0
        assert await pool.fetchval("SELECT sum(free) FROM stock_of_house()") == 20


async def test_a_group_that_is_short_is_completed_by_rule(dsn: str, tmp_path: Path) -> None:
    async with open_house(dsn, tmp_path, codes=20, written=_BY_RULE) as house:
        shop = house.markets.woocommerce
        orders = [buy_in_group(shop, f"{name}@example.com") for name in ("ann", "bob")]
        await until(lambda: taken(house, 2), "both sit in the group")
        await house.core.pool.execute(_OVER)
        await until(
            lambda: all(order.state is SandboxOrderState.DELIVERED for order in orders), "both have codes"
        )
        await come_to_rest(house)
