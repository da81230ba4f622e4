"""What an operator writes becomes the terms that core decides by, exactly, in every currency."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from config.settings import Settings
from config.splits import SplitPlan as WrittenPlan
from config.splits import SplitRule as WrittenRule
from connectors.kit.errors import OptionsRefused
from connectors.kit.traits import Contract, RateLimit, Traits
from core.errors import PlanRefused
from core.money.money import Money
from core.money.plans.rules import CHANNEL, Base, Plan
from core.offers.matching import SkuFacts
from core.offers.stock.rules import CountBuffer, ListingPolicy
from core.offers.terms import ChannelTerms, Shortage
from core.types import ChannelId, ListingRef, PriceBasis
from scheduler.split_plans import split_plan
from scheduler.stock_terms import stock_policy
from scheduler.terms import bound_permille, channel_terms, pull_seconds
from tests.plain_plans import commission

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)

TRAITS = Traits(
    contract=Contract.ANSWERED,
    written_price=PriceBasis.NET,
    rate_limit=RateLimit(10, 1.0),
    reservation_is_authoritative=True,
    takes_partial_orders=True,
    hold_seconds=7200,
    largest_quantity=321,
)


def written(folder: Path, text: str) -> Settings:
    path = folder / "consignd.toml"
    path.write_text(text)
    return Settings.load(path, {})


def rule(party: str, **parts: object) -> WrittenRule:
    return WrittenRule.model_validate({"party": party, **parts})


def plan(*rules: WrittenRule) -> Plan:
    return split_plan("written", WrittenPlan(rules=(*rules, rule("consignor", rest=True))))


def terms(settings: Settings, traits: Traits = TRAITS, own: Plan | None = None) -> ChannelTerms:
    return channel_terms(settings, "shop", ChannelId(3), 7, own or plan(), traits)


def policy_of(settings: Settings, made: ChannelTerms) -> ListingPolicy:
    return stock_policy(settings.stock).of_listing(SkuFacts(), made.stock, None)


SHOP = """
[channels.shop]
connector = "eneba"
currency = "EUR"
split = "all"

[splits.all]
rules = [{ party = "consignor", rest = true }]
"""


@pytest.mark.parametrize(
    ("percent", "ppm"),
    [("0", 0), ("12", 120_000), ("1.4", 14_000), ("33.3333", 333_333), ("100", 1_000_000), ("0.0001", 1)],
)
def test_a_percentage_becomes_parts_per_million_exactly(percent: str, ppm: int) -> None:
    [first, _] = plan(rule("channel", rate_percent=Decimal(percent))).rules
    assert (first.party, first.base, first.rate_ppm) == (CHANNEL, Base.GROSS, ppm)


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("EUR", "0.25", 25), ("JPY", "25", 25), ("KWD", "0.125", 125), ("EUR", "3", 300)],
)
def test_amounts_become_minor_units_of_their_currency(currency: str, amount: str, minor: int) -> None:
    [first, _] = plan(
        rule(
            "channel",
            rate_percent=Decimal(1),
            fixed=Decimal(amount),
            minimum=Decimal(amount),
            maximum=Decimal(amount),
            currency=currency,
        )
    ).rules
    assert (first.fixed_minor, first.minimum_minor, first.maximum_minor) == (minor, minor, minor)
    assert first.currency == currency


def test_an_amount_finer_than_its_currency_is_refused() -> None:
    with pytest.raises(Exception, match="JPY"):
        plan(rule("channel", fixed=Decimal("0.5"), currency="JPY"))


def test_a_written_plan_takes_what_it_says() -> None:
    own = plan(
        rule("channel", rate_percent=Decimal("12"), fixed=Decimal("0.25"), currency="EUR"),
        rule("operator", base="after_channel", rate_percent=Decimal("5")),
    )
    assert commission(own, Money(1000, "EUR")) == 145
    assert [each.rest for each in own.rules] == [False, False, True]


def test_a_plan_in_another_currency_than_the_channel_s_is_refused(tmp_path: Path) -> None:
    own = plan(rule("channel", fixed=Decimal("0.25"), currency="USD"))
    with pytest.raises(PlanRefused, match=r"USD.*EUR|EUR.*USD"):
        terms(written(tmp_path, SHOP), own=own)


def test_a_marketplace_that_trades_in_one_currency_says_which(tmp_path: Path) -> None:
    with pytest.raises(OptionsRefused, match=r"channels\.shop\.currency.*PLN"):
        terms(written(tmp_path, SHOP), traits=replace(TRAITS, currency="PLN"))


def test_what_is_not_written_is_what_the_connector_declares(tmp_path: Path) -> None:
    made = terms(written(tmp_path, SHOP))
    assert made.tier == "shop"
    resting = policy_of(written(tmp_path, SHOP), made)
    assert (resting.share_ppm.value, resting.cap.value, resting.buffer.value) == (
        1_000_000,
        None,
        CountBuffer(0),
    )
    assert made.hold == timedelta(hours=2)
    assert made.largest_quantity == 321
    assert made.written_price is PriceBasis.NET
    assert made.reservation_is_authoritative
    assert made.takes_partial_orders
    assert made.shortage is Shortage.WAIT
    assert made.patience == timedelta(minutes=10)
    assert made.min_validity == timedelta(0)
    assert (made.channel_id, made.plan_id, made.name) == (3, 7, "shop")


def test_a_connector_that_sets_no_hold_leaves_it_to_the_operator(tmp_path: Path) -> None:
    settings = written(tmp_path, SHOP + "[sync]\nreservation_hold_seconds = 42\n")
    assert terms(settings, traits=replace(TRAITS, hold_seconds=0)).hold == timedelta(seconds=42)


def test_a_channel_s_own_words_come_before_everybody_s(tmp_path: Path) -> None:
    text = SHOP.replace(
        "[splits.all]",
        """shortage = "cancel"
shortage_patience_minutes = 2.5
min_validity_days = 30
poll_interval_seconds = 9
stock = { share = "0.25", cap = 7 }
price = { markup_percent = "-2.5", rounding_minor = 100, ending_minor = 99 }

[splits.all]""",
    )
    settings = written(
        tmp_path, text + "[stock]\nbound = 1.5\nbuffer = 2\ncap = 50\n[price]\nfloor_margin_percent = 3\n"
    )
    made = terms(settings)
    resting = policy_of(settings, made)
    assert (resting.share_ppm.value, resting.cap.value, resting.buffer.value) == (250_000, 7, CountBuffer(2))
    assert (resting.cap.source, resting.buffer.source) == ("channels.shop.stock.cap", "stock.buffer")
    price = made.price.rule_for(SkuFacts(), ListingRef("1"), NOW)
    assert (price.markup_ppm, price.floor_margin_ppm) == (-25_000, 30_000)
    assert (price.rounding_minor, price.ending_minor) == (100, 99)
    assert price.given["markup"] == "channels.shop.price.markup"
    assert made.shortage is Shortage.CANCEL
    assert made.patience == timedelta(minutes=2, seconds=30)
    assert made.min_validity == timedelta(days=30)
    assert bound_permille(settings) == 1500
    assert pull_seconds(settings, settings.channels["shop"]) == 9
