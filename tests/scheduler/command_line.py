"""Runs `consignd` for tests, in this process or as a process of its own, and makes a house to run it on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from config.settings import Settings
from core.codes.importer import ImportOrder
from core.db.pool import Pool
from core.money.money import Money
from core.offers.catalogue import NewSku, add_consignor, add_sku, link_listing
from core.types import ChannelOrder, LineRef, ListingRef, OrderId, OrderLine, OrderRef, Payment
from scheduler.cli import main
from scheduler.composition import open_channels, open_core

CONSIGND = Path(sys.executable).with_name("consignd")

SHOP = """
[splits.default]
rules = [
    { party = "channel", rate_percent = "12", fixed = "0.25", currency = "EUR" },
    { party = "operator", base = "after_channel", rate_percent = "5" },
    { party = "consignor", rest = true },
]

[channels.shop]
connector = "woocommerce"
currency = "EUR"

[channels.shop.options]
base_url = "http://127.0.0.1:9"
consumer_key = "ck_0123456789abcdef"
consumer_secret = "cs_fedcba9876543210"
webhook_secret = "0123456789abcdef0123"
orders_from = "2026-01-01T00:00:00Z"
"""
SHOP_SECRETS = ("ck_0123456789abcdef", "cs_fedcba9876543210", "0123456789abcdef0123")


@dataclass(frozen=True, slots=True)
class House:
    """A database and a data directory of one test's own."""

    dsn: str
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to find them; nothing else of ours is left in the environment."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("CONSIGND_")}
        return kept | {"CONSIGND_DATABASE_URL": self.dsn, "CONSIGND_DATA_DIR": str(self.folder / "data")}

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Result:
        """Run a command in this process, from the test's folder."""
        return invoke(*arguments, environ={**self.environ, **(environ or {})})

    def json(self, *arguments: str) -> Any:
        """What a command that must succeed prints with --json."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def file(self, name: str, text: str) -> str:
        """A file in the test's folder; its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return str(path)


def invoke(*arguments: str, environ: Mapping[str, str] | None = None) -> Result:
    """Run a command in this process."""
    without = {name: None for name in os.environ if name.startswith("CONSIGND_")}
    return CliRunner(env={**without, **(environ or {})}).invoke(main, list(arguments))


def start(house: House, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the installed command as a process of its own."""
    return subprocess.Popen(
        [CONSIGND, *arguments],
        env={**house.environ, **(environ or {})},
        cwd=house.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def sell_one(house: House, *, codes: int = 3, order_ref: str = "1001", shop: str = SHOP) -> OrderId:
    """A shop that has sold and delivered one code of `codes`; `shop.toml` configures it."""
    config = house.file("shop.toml", shop)
    settings = Settings.load(Path(config), house.environ)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(_sell_one(settings, house, codes, OrderRef(order_ref)))


async def _sell_one(settings: Settings, house: House, codes: int, order_ref: OrderRef) -> OrderId:
    path = Path(house.file("sold.txt", "".join(f"SOLD-{n:04}\n" for n in range(codes))))
    async with open_core(settings) as core, open_channels(core) as channels:
        terms = channels.by_name["shop"].terms
        async with core.pool.acquire() as conn, conn.transaction():
            sku = await add_sku(conn, NewSku("CARD-20"), 2)
            consignor_id = await add_consignor(conn, "Kaart")
            await link_listing(conn, terms.channel_id, ListingRef("77"), sku, core.allocator)
        await core.importer.run(ImportOrder(path, sku, consignor_id, 100, Money(900, "EUR"), None, "test"))
        line = OrderLine(LineRef("1"), ListingRef("77"), 1, Money(2000, "EUR"))
        told = ChannelOrder(order_ref, Payment.PAID, [line], datetime.now(UTC))
        taken = await core.intake.take_in(terms, told, "test")
        assert taken.order_id is not None
        (attempt,) = await core.fulfilment.start(await core.fulfilment.due(terms, 10))
        await core.fulfilment.delivered(terms, attempt.order)
    return taken.order_id


async def count(pool: Pool, table: str) -> int:
    """How many rows a table has."""
    rows: int = await pool.fetchval(f"SELECT count(*) FROM {table}")
    return rows
