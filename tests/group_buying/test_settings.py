"""What an operator writes of group offers and flash sales: what is refused, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from connectors.kit.errors import OptionsRefused
from connectors.kit.traits import Contract
from core.flash.limits import limited_sales
from core.group_buying.offers import GroupOffer
from core.money.money import Money
from core.types import ListingRef
from scheduler.group_terms import sell_to_groups, with_group_offers
from scheduler.price_terms import price_book
from tests.scheduler.bench import Bench, Mute, open_bench
from tests.scheduler.command_line import SHOP

TRIO = """
[group_offers.trio]
channel = "stall-0"
listings = ["stall-0-listing"]
size = 3
hours = 48
price = 17.99
"""
CHANNEL = SHOP.replace("channels.shop", "channels.stall-0")


def load(folder: Path, text: str) -> Settings:
    file = folder / "consignd.toml"
    file.write_text(f'data_dir = "{folder}"\n{text}')
    return Settings.load(file, {})


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("size = 6", "less than or equal to 5"),
        ("hours = 12", "24"),
        ("hours = 73", "72"),
        ("price = 0", "0"),
        ('channel = "nobody"', "no channel is named nobody: name one of stall-0"),
        ('sku = "CARD"', "write listings, or sku: one of them"),
        ("listings = []", "write listings, or sku: one of them"),
        ('listings = ["1", "1"]', "stands there twice"),
        ("at_least = 2", "at_least goes with on_failure"),
        ('on_failure = "complete"\nat_least = 4', "at_least is above size"),
        ("limit_per_buyer = 0", "1"),
        ("seats = 3", "seats"),
    ],
)
def test_what_makes_no_sense_is_refused_by_line(tmp_path: Path, line: str, told: str) -> None:
    key = line.split(" ")[0]
    kept = "\n".join(row for row in TRIO.strip().splitlines() if not row.startswith(f"{key} "))
    with pytest.raises(SettingsRefused) as refused:
        load(tmp_path, f"{CHANNEL}\n{kept}\n{line}\n")
    assert told in str(refused.value)
    assert "consignd.toml:" in str(refused.value)


async def test_an_offer_sets_the_price_of_its_listings_above_the_floor(dsn: str, tmp_path: Path) -> None:
    async with open_bench(dsn, tmp_path) as bench:
        settings = load(tmp_path, CHANNEL + TRIO)
        terms = with_group_offers(settings, bench.stall.terms, Mute.traits, {})
        assert terms.group_offers == {"stall-0-listing": GroupOffer("trio", 3, timedelta(hours=48))}
        (window,) = terms.price.by_listing[ListingRef("stall-0-listing")].windows or ()
        assert window.price == Money(1799, "EUR")


async def test_an_offer_for_a_sku_holds_for_all_its_listings_there(dsn: str, tmp_path: Path) -> None:
    async with open_bench(dsn, tmp_path) as bench:
        for_sku = TRIO.replace('listings = ["stall-0-listing"]', 'sku = "GAME-EUR-20"')
        terms = await resolved(bench, load(tmp_path, CHANNEL + for_sku))
        assert list(terms) == ["stall-0-listing"]
        with pytest.raises(OptionsRefused, match=r"group_offers\.trio\.sku: SKU 'NONE' is not known"):
            await resolved(bench, load(tmp_path, CHANNEL + for_sku.replace("GAME-EUR-20", "NONE")))


async def resolved(bench: Bench, settings: Settings) -> dict[ListingRef, GroupOffer]:
    async with bench.core.pool.acquire() as conn:
        terms = await sell_to_groups(conn, settings, bench.stall.terms, Mute.traits)
    return dict(terms.group_offers)


async def test_what_only_terms_can_tell_is_refused_too(dsn: str, tmp_path: Path) -> None:
    async with open_bench(dsn, tmp_path) as bench:
        terms = bench.stall.terms
        asking = replace(Mute.traits, contract=Contract.ANSWERED)
        with pytest.raises(OptionsRefused, match="only an own shop"):
            with_group_offers(load(tmp_path, CHANNEL + TRIO), terms, asking, {})
        twice = CHANNEL + TRIO + TRIO.replace("offers.trio", "offers.again")
        with pytest.raises(OptionsRefused, match="is of group offer trio already"):
            with_group_offers(load(tmp_path, twice), terms, Mute.traits, {})
        with pytest.raises(OptionsRefused, match=r"group_offers\.trio\.price"):
            with_group_offers(
                load(tmp_path, CHANNEL + TRIO.replace("17.99", "17.999")), terms, Mute.traits, {}
            )
        own = """
[[channels.stall-0.listings]]
ref = "stall-0-listing"
price = { target = { fixed = 20, currency = "EUR" } }
"""
        settings = load(tmp_path, CHANNEL + own + TRIO)
        priced = replace(terms, price=price_book(settings, "stall-0"))
        with pytest.raises(OptionsRefused, match="sets the price of this listing"):
            with_group_offers(settings, priced, Mute.traits, {})


def test_a_sale_with_a_limit_is_looked_for_only_while_it_is_on(tmp_path: Path) -> None:
    sale = """
[price]
windows = [
    { name = "night", from_at = 2026-12-01T18:00:00Z, until = 2026-12-02T00:00:00Z, price = 15, currency = "EUR", quota = 50, per_buyer = 2 },
    { name = "day", from_at = 2026-12-03T18:00:00Z, until = 2026-12-04T00:00:00Z, price = 15, currency = "EUR" },
]
"""  # noqa: E501
    book = price_book(load(tmp_path, CHANNEL + sale), "stall-0")
    (span,) = limited_sales(book)
    assert span.from_at is not None
    assert span.from_at.day == 1
    with pytest.raises(SettingsRefused):
        load(tmp_path, CHANNEL + sale.replace("per_buyer = 2", "per_buyer = 0"))
