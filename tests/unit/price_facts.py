"""Makes the facts of prices for tests: an hour, a shop in EUR, rivals and past changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.money.conversion import Conversion
from core.money.money import Money
from core.money.plans.rules import CHANNEL, Plan
from core.offers.price.facts import (
    ChangeMade,
    ListingFacts,
    PriceFacts,
    ShownPrice,
    Sighting,
)
from core.offers.price.plan import PricePlan, PriceStep
from tests.plain_plans import commission, plain_plan, plain_rule
from tests.unit.split_plans import CURRENCY, REST

# A Wednesday.
NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
FREE = plain_plan("own shop", 1, [REST])


def euros(text: str) -> Money:
    return Money.parse(text, CURRENCY)


def facts_of(
    base: Money | None, cost: Money | None = None, listing: ListingFacts | None = None
) -> PriceFacts:
    """Facts of a listing in the base's currency."""
    currency = base.currency if base else CURRENCY
    return PriceFacts(
        currency=currency,
        now=NOW,
        bases={base.currency: base.amount_minor} if base else {},
        unit_costs=() if cost is None else (cost,),
        listing=listing or ListingFacts(),
    )


def showing(facts: PriceFacts, gross: Money) -> PriceFacts:
    """The same facts, with a price that is shown already."""
    return replace(facts, published=ShownPrice(gross, gross))


def seen(seller: str, price: str, *, own: bool = False, age: timedelta = timedelta(0)) -> Sighting:
    return Sighting(seller, euros(price), own, NOW - age)


def change(before: str, after: str, ago: timedelta) -> ChangeMade:
    return ChangeMade(NOW - ago, euros(before).amount_minor, euros(after).amount_minor)


def rate(base: str, quote: str, numerator: int, denominator: int, age: timedelta) -> Conversion:
    return Conversion(base, quote, numerator, denominator, "a bank", NOW - age)


def channel_takes(rate_ppm: int, fixed_minor: int = 0, minimum_minor: int | None = None) -> Plan:
    rule = plain_rule(
        CHANNEL,
        rate_ppm=rate_ppm,
        fixed_minor=fixed_minor,
        minimum_minor=minimum_minor,
        currency=CURRENCY,
    )
    return plain_plan("one rule", 1, [rule, REST])


def net_of(plan: Plan, gross_minor: int) -> int:
    return gross_minor - commission(plan, Money(gross_minor, CURRENCY))


def levels(price: PricePlan) -> dict[str, int]:
    return {step.name: step.amount_minor for step in price.steps}


def step(price: PricePlan, name: str) -> PriceStep:
    (found,) = [each for each in price.steps if each.name == name]
    return found


def shown_minor(price: PricePlan) -> int:
    """What the listing shows; zero where it goes off."""
    return price.shown.gross.amount_minor if price.shown else 0
