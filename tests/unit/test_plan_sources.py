"""Fee examples that marketplaces and their software publish come out as published."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.money.money import Money
from core.money.plans.facts import CodesOf, SaleFacts
from core.money.plans.lint import lint
from core.money.plans.rules import CHANNEL, CONSIGNOR, Plan, Rule, Short, Tier, TierBy, TierMode, Tiers
from core.money.plans.waterfall import evaluate

SOLD = datetime(2026, 11, 21, tzinfo=UTC)
REST = Rule("rest", CONSIGNOR, rest=True)


def kept(fee: Rule, price_minor: int) -> int:
    plan = Plan("published", (fee, REST), currency="USD")
    assert lint(plan) == []
    facts = SaleFacts(Money(price_minor, "USD"), (CodesOf("Ada", 1),), "mkt", SOLD)
    return evaluate(plan, facts).amount_minor(0)


def table(mode: TierMode, *steps: Tier, minimum_minor: int | None = None) -> Rule:
    tiers = Tiers(TierBy.AMOUNT, mode, steps)
    return Rule("fee", CHANNEL, tiers=tiers, minimum_minor=minimum_minor, when_short=Short.LOSS)


# Source: Discogs, "What are the fees for selling on Discogs?" (support article 360007521674): 8 %, at least
# 0.10, at most 150; its examples: 1 -> 0.10, 100 -> 8.00, 5,000 -> 150.
@pytest.mark.parametrize(("price", "fee"), [(100, 10), (10_000, 800), (500_000, 15_000)])
def test_discogs_minimum_and_maximum(price: int, fee: int) -> None:
    rule = Rule(
        "fee", CHANNEL, rate_ppm=80_000, minimum_minor=10, maximum_minor=15_000, when_short=Short.LOSS
    )
    assert kept(rule, price) == fee


# Source: RainWorx AuctionWorx administrator's guide, "Edit Fees", Aggregate %: 5 % under 25, 2.5 % under
# 100, 1 % above; its example: 123.00 -> 1.25 + 1.88 + 0.23 = 3.36. (Rounded once here: 1.25 + 1.875 + 0.23
# = 3.355 -> 3.36.)
def test_aggregate_percentages() -> None:
    rule = table(TierMode.MARGINAL, Tier(0, 50_000), Tier(2_500, 25_000), Tier(10_000, 10_000))
    assert kept(rule, 12_300) == 336
    assert kept(rule, 9_900) == 310  # 1.25 + 2.5 % of 74.00 = 1.85
    assert kept(rule, 2_500) == 125


# Source: OrigamiUSA, "File downloads are sold by The Source": seller share = 0.7 x list price - 0.12, least
# price 1.00, "58 % to 70 % of the list price".
@pytest.mark.parametrize(("price", "share"), [(100, 58), (1_000, 688)])
def test_origami_share(price: int, share: int) -> None:
    rule = Rule("fee", CHANNEL, rate_ppm=300_000, fixed_minor=12, when_short=Short.LOSS)
    assert price - kept(rule, price) == share


# Source: Amazon's referral fees as listed by topbsr.com (2021): compact appliances 15 % of the part up to
# 300.00 and 8 % of what is above, at least 0.30; baby products 8 % where the price is 10.00 or less, 15 %
# of all where it is more.
@pytest.mark.parametrize(
    ("price", "fee"),
    [
        (100, 30),  # 0.15, but at least 0.30
        (30_000, 4_500),
        (40_000, 5_300),  # 45.00 + 8 % of 100.00
    ],
)
def test_amazon_by_part(price: int, fee: int) -> None:
    rule = table(TierMode.MARGINAL, Tier(0, 150_000), Tier(30_000, 80_000), minimum_minor=30)
    assert kept(rule, price) == fee


@pytest.mark.parametrize(("price", "fee"), [(1_000, 80), (1_001, 150)])
def test_amazon_by_whole_price(price: int, fee: int) -> None:
    rule = table(TierMode.WHOLE, Tier(0, 80_000), Tier(1_001, 150_000), minimum_minor=30)
    assert kept(rule, price) == fee
