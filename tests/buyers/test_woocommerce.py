"""A WooCommerce shop tells who brought a buyer, what he left and the tax; the house splits by it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from config.settings import Settings
from connectors.kit.abilities import PullsOrders
from connectors.sandbox.woocommerce_shop import ShopOrder
from connectors.woocommerce.models import DEVICE_META, REFERRER_META
from core.codes.importer import ImportOrder
from core.money.money import Money
from core.offers.catalogue import NewSku, add_consignor, add_sku, link_listing
from core.types import OrderId
from core.views.ledger import ExplainedLine, explain_order
from scheduler.composition import Channels, Core, open_channels, open_core, utc_now
from tests.connectors.woocommerce_bench import CARD, Clock, shop
from tests.scheduler.command_line import House
from tests.scheduler.conftest import house

__all__ = ["house"]

PLAN = """
name = "friends"

[[rules]]
name = "tax"
party = "budget:tax"
base = "tax"
rate_percent = "100"

[[rules]]
name = "commission"
party = "channel"
rate_percent = "10"

[[rules]]
name = "friend"
party = "referrer-1"
base = "gross_less_tax"
rate_percent = "10"
when = { segments = ["known"] }
when_short = "less"

[[rules]]
name = "rest"
party = "consignor"
rest = true
"""
SETTINGS = """
[splits.default]
file = "friends.toml"

[buyers]
marks_days = 30

[segments.known]
orders_from = 1

[channels.shop]
connector = "woocommerce"
currency = "EUR"

[channels.shop.options]
"""


def write_settings(house: House, options: dict[str, object]) -> Settings:
    house.file("friends.toml", PLAN)
    lines = "".join(f'{name} = "{value}"\n' for name, value in options.items())
    return Settings.load(Path(house.file("shop.toml", SETTINGS + lines)), house.environ)


async def stock(core: Core, channels: Channels, house: House) -> None:
    terms = channels.by_name["shop"].terms
    path = Path(house.file("codes.txt", "".join(f"CODE-{n:04}\n" for n in range(9))))
    async with core.pool.acquire() as conn, conn.transaction():
        sku = await add_sku(conn, NewSku("STEAM-20"), 2)
        consignor_id = await add_consignor(conn, "Ada")
        await link_listing(conn, terms.channel_id, CARD, sku, core.allocator)
    await core.importer.run(ImportOrder(path, sku, consignor_id, 100, Money(900, "EUR"), None, "test"))


async def serve(core: Core, channels: Channels) -> dict[str, OrderId]:
    """Take in whatever the shop tells, and deliver it."""
    served = channels.by_name["shop"]
    assert isinstance(served.connector, PullsOrders)
    page = await served.connector.pull_orders(None)
    taken = {}
    for told in page.orders:
        order_id = (await core.intake.take_in(served.terms, told, "pull")).order_id
        assert order_id is not None
        taken[str(told.order_ref)] = order_id
    for attempt in await core.fulfilment.start(await core.fulfilment.due(served.terms, 10)):
        await core.fulfilment.delivered(served.terms, attempt.order)
    return taken


async def line_of(core: Core, order_id: OrderId) -> ExplainedLine:
    async with core.pool.acquire() as conn:
        (line,) = (await explain_order(conn, order_id)).lines
    assert line.agrees
    return line


async def test_what_a_shop_tells_is_what_its_sales_are_split_by(house: House) -> None:
    clock = Clock()
    clock.moment = utc_now() - timedelta(seconds=100)
    async with shop(tax_percent=20, now=clock) as market:
        settings = write_settings(house, dict(market.connection_options()))
        async with open_core(settings) as core, open_channels(core) as channels:
            await stock(core, channels, house)

            async def buy(email: str, device: str, referrer: str = "") -> str:
                # The shop's times are whole seconds.
                clock.pass_seconds(10)
                order = await market.buy(CARD)
                assert isinstance(order, ShopOrder)
                order.email, order.meta = email, {DEVICE_META: device, REFERRER_META: referrer}
                market.touch(order)
                return str(order.order_ref)

            first = await buy("ann@example.com", "d-1", "shop/bob@example.com")
            taken = await serve(core, channels)
            again = await buy("ann@example.com", "d-1")
            own = await buy("bob@example.com", "d-2")
            taken |= await serve(core, channels)
            shared = await buy("ann@example.com", "d-2")
            taken |= await serve(core, channels)

            lines = {ref: await line_of(core, order_id) for ref, order_id in taken.items()}
            async with core.pool.acquire() as conn:
                kinds = await conn.fetch("SELECT kind, count(*) FROM buyer_mark GROUP BY kind ORDER BY kind")
    # 20.00 with 20 % of tax inside: 3.33, as the shop rounds it down.
    assert {line.facts.tax_minor for line in lines.values()} == {333}
    assert {line.facts.tax_from for line in lines.values()} == {"told by the channel"}
    friend = {ref: line.steps[2].amount_minor for ref, line in lines.items()}
    # 10 % of 16.67; nothing of a first order, nothing for whoever nobody brought, nothing within a ring.
    assert friend == {first: 0, again: 167, own: 0, shared: 0}
    assert "not known" in lines[first].steps[2].formula
    assert lines[again].facts.referrers == ("shop/bob@example.com",)
    (why,) = lines[shared].facts.left_out
    assert "have left the same device" in why
    assert [tuple(row) for row in kinds] == [("account", 2), ("device", 3)]
