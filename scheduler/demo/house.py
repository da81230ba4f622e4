"""Sets the demo's house up: settings that point at the sandboxes, the catalogue, and codes to sell."""

from __future__ import annotations

import random
import secrets
import socket
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.settings import Settings
from connectors.sandbox.market import SandboxMarket
from core.codes.importer import ImportOrder
from core.money.money import Money
from core.offers.catalogue import NewSku, add_consignor, add_sku, link_listing, set_base_price
from core.types import ListingRef, Sku
from scheduler.composition import Channels, Core
from scheduler.demo.markets import DemoSku, channel_name, listing_ref_of

_CONSIGNORS = ("Kaart & Co", "Prepaid Nord", "operator")
_ALPHABET = string.ascii_uppercase + string.digits

_SETTINGS = """
data_dir = "{data_dir}"

[web]
port = {port}
public_url = "http://127.0.0.1:{port}"

[log]
level = "{log_level}"

[[api.tokens]]
name = "demo"
role = "admin"
token = "{token}"

[sync]
push_interval_seconds = 0.5
pull_interval_seconds = 2
reconcile_interval_seconds = 5
lease_seconds = 10

[splits.marketplace]
rules = [
    {{ party = "channel", rate_percent = "12", fixed = "0.25", currency = "EUR", minimum = "0.10" }},
    {{ party = "operator", base = "after_channel", rate_percent = "5" }},
    {{ party = "consignor", rest = true }},
]

[splits.own-shop]
rules = [
    {{ party = "channel", rate_percent = "1.4", fixed = "0.25", currency = "EUR" }},
    {{ party = "operator", rate_percent = "8" }},
    {{ party = "consignor", rest = true }},
]
"""

_CHANNEL = """
[channels.{name}]
connector = "{connector}"
currency = "EUR"
split = "{split}"
shortage = "cancel"
price = {{ rounding_minor = 1 }}

[channels.{name}.options]
"""


@dataclass(frozen=True, slots=True)
class House:
    """Where the demo lives and how to get in."""

    settings: Settings
    token: str


def write_settings(data_dir: Path, markets: Sequence[SandboxMarket], log_level: str) -> House:
    """Write the settings file an operator would have written, and read it back."""
    token = secrets.token_urlsafe(24)
    text = _SETTINGS.format(data_dir=data_dir, port=free_port(), token=token, log_level=log_level)
    for market in markets:
        split = "own-shop" if market.name == "woocommerce" else "marketplace"
        text += _CHANNEL.format(name=channel_name(market), connector=market.name, split=split)
        text += "".join(f"{name} = {toml(value)}\n" for name, value in market.connection_options().items())
    path = data_dir / "consignd.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    return House(Settings.load(path, {}), token)


def toml(value: object) -> str:
    """A plain value in TOML's spelling."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def stock_up(core: Core, skus: Sequence[DemoSku], folder: Path, seed: int) -> int:
    """Add the SKUs and import generated codes for each from a file; how many codes came in."""
    rng = random.Random(seed)
    imported = 0
    for number, demo in enumerate(skus):
        async with core.pool.acquire() as conn, conn.transaction():
            face = Money(demo.face_minor, "EUR")
            new = NewSku(demo.sku_ref, demo.title, demo.brand, face_value=face)
            sku = await add_sku(conn, new, core.settings.sync.lanes)
            await set_base_price(conn, sku, Money(demo.base_minor, "EUR"), core.allocator)
        imported += await bring_codes(core, sku, demo, folder, number, rng)
    return imported


async def bring_codes(
    core: Core, sku: Sku, demo: DemoSku, folder: Path, number: int, rng: random.Random
) -> int:
    """One consignor's file of fresh codes for a SKU."""
    consignor = _CONSIGNORS[number % len(_CONSIGNORS)]
    path = write_codes(folder, demo, rng, number)
    async with core.pool.acquire() as conn:
        consignor_id = await add_consignor(conn, consignor)
    expires = datetime.now(UTC) + timedelta(days=rng.choice((60, 180, 400)))
    report = await core.importer.run(
        ImportOrder(
            path=path,
            sku=sku,
            consignor_id=consignor_id,
            consignor_priority=100,
            unit_cost=Money(demo.face_minor * 80 // 100, "EUR"),
            expires_default=expires,
            actor="demo",
        )
    )
    path.unlink()
    return report.imported


def write_codes(folder: Path, demo: DemoSku, rng: random.Random, number: int) -> Path:
    """A file of codes as consignors send them: a code a line, or number and secret."""
    path = folder / f"{demo.sku_ref}-{rng.randrange(10**9)}.txt"
    with path.open("w") as file:
        for _ in range(demo.codes):
            secret = "-".join("".join(rng.choices(_ALPHABET, k=5)) for _ in range(3))
            file.write(f"{rng.randrange(10**15, 10**16)}----{secret}\n" if number % 3 == 1 else f"{secret}\n")
    return path


async def link_everything(
    core: Core, channels: Channels, markets: Sequence[SandboxMarket], skus: Sequence[DemoSku]
) -> int:
    """Say which SKU each listing sells; how many listings there are."""
    count = 0
    async with core.pool.acquire() as conn:
        for market in markets:
            channel_id = channels.by_name[channel_name(market)].terms.channel_id
            for number, demo in enumerate(skus):
                async with conn.transaction():
                    sku = await add_sku(conn, NewSku(demo.sku_ref), core.settings.sync.lanes)
                    ref = ListingRef(listing_ref_of(market, number))
                    await link_listing(conn, channel_id, ref, sku, core.allocator)
                count += 1
    return count
