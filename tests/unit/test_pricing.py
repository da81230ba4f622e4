"""Shows that a price pays us what we want, never less than the cost, and is the smallest that does."""

from __future__ import annotations

from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PlanRefused
from core.money.money import Money
from core.money.plans.rules import CHANNEL, OPERATOR, Base, Plan
from core.offers.price.engine import plan_price
from core.offers.price.plan import NoPrice, Priced, Reason
from core.offers.price.rule import PriceRule
from tests.plain_plans import gross_up, plain_plan, plain_rule
from tests.unit.price_facts import channel_takes, euros, facts_of, levels, net_of
from tests.unit.split_plans import CURRENCY, REST, plans

amounts = st.integers(1, 30_000)


class Wrong(TypedDict, total=False):
    markup_ppm: int
    floor_margin_ppm: int
    rounding_minor: int
    ending_minor: int


@st.composite
def price_rules(draw: st.DrawFn) -> PriceRule:
    rounding_minor = draw(st.sampled_from([1, 5, 10, 50, 100, 1000]))
    return PriceRule(
        markup_ppm=draw(st.integers(-500_000, 2_000_000)),
        floor_margin_ppm=draw(st.none() | st.integers(-300_000, 1_000_000)),
        rounding_minor=rounding_minor,
        ending_minor=draw(st.none() | st.integers(0, rounding_minor - 1)),
    )


def priced(base: Money, rule: PriceRule, plan: Plan, cost: Money | None) -> Priced:
    price = plan_price(facts_of(base, cost), rule, plan)
    assert isinstance(price, Priced), price
    return price


@given(plans(), st.integers(0, 2_000))
def test_gross_up_finds_the_smallest_price_that_pays_enough(plan: Plan, net_minor: int) -> None:
    found = gross_up(plan, Money(net_minor, CURRENCY)).amount_minor
    assert found == next(price for price in range(1, found + 1) if net_of(plan, price) >= net_minor)


@given(plans(channel_at_most_ppm=990_000), st.integers(10**6, 10**11))
def test_gross_up_of_a_large_amount_pays_enough_and_a_cent_less_does_not(plan: Plan, net_minor: int) -> None:
    found = gross_up(plan, Money(net_minor, CURRENCY)).amount_minor
    assert net_of(plan, found) >= net_minor
    assert net_of(plan, found - 1) < net_minor


@given(plans(), price_rules(), amounts, st.none() | st.integers(0, 30_000))
def test_a_price_pays_what_is_wanted_and_the_floor_and_is_the_smallest_allowed(
    plan: Plan, rule: PriceRule, base_minor: int, cost_minor: int | None
) -> None:
    cost = None if cost_minor is None else Money(cost_minor, CURRENCY)
    price = priced(Money(base_minor, CURRENCY), rule, plan, cost)
    wanted_minor = levels(price)["markup"]
    margin_ppm = 1_000_000 + (rule.floor_margin_ppm or 0)

    def enough(gross_minor: int) -> bool:
        net_minor = net_of(plan, gross_minor)
        above_floor = cost_minor is None or net_minor * 1_000_000 >= cost_minor * margin_ppm
        return above_floor and net_minor >= wanted_minor

    gross_minor = price.gross.amount_minor
    assert enough(gross_minor)
    assert gross_minor % rule.rounding_minor == (rule.ending_minor or 0)
    earlier = range(gross_minor - rule.rounding_minor, 0, -rule.rounding_minor)
    assert not any(enough(candidate) for candidate in earlier[:500])


@given(plans(), price_rules(), amounts, st.none() | st.integers(0, 30_000))
def test_net_is_what_commission_leaves_and_steps_end_at_the_gross(
    plan: Plan, rule: PriceRule, base_minor: int, cost_minor: int | None
) -> None:
    cost = None if cost_minor is None else Money(cost_minor, CURRENCY)
    price = priced(Money(base_minor, CURRENCY), rule, plan, cost)
    assert price.net == Money(net_of(plan, price.gross.amount_minor), CURRENCY)
    assert [step.name for step in price.steps] == ["base", "markup", "commission", "floor", "rounding"]
    assert price.steps[-1].amount_minor == price.gross.amount_minor
    assert levels(price)["commission"] <= levels(price)["floor"]
    assert all(step.why for step in price.steps)


def test_a_dearer_price_that_pays_less_is_not_taken() -> None:
    """Two rules of 30 % round up at the same prices: 2 cents pay less than 1, and 5 less than 4."""
    third = plain_rule(CHANNEL, rate_ppm=300_000)
    plan = plain_plan("twice", 1, [third, third, REST])
    assert [net_of(plan, price) for price in range(1, 6)] == [1, 0, 1, 2, 1]
    assert gross_up(plan, Money(2, CURRENCY)).amount_minor == 4
    price = priced(Money(2, CURRENCY), PriceRule(rounding_minor=5), plan, None)
    assert (price.gross.amount_minor, price.net.amount_minor) == (10, 4)


def test_a_price_worked_by_hand() -> None:
    """9.00 + 10 % = 9.90; 12 % + 0.25 of 11.53 leaves 9.90; the floor 10.29 needs 11.98; it ends at 11.99."""
    rule = PriceRule(markup_ppm=100_000, floor_margin_ppm=50_000, rounding_minor=100, ending_minor=99)
    price = priced(euros("9.00"), rule, channel_takes(120_000, 25), euros("9.80"))
    assert (price.gross, price.net) == (euros("11.99"), euros("10.30"))
    assert [(step.name, step.amount_minor) for step in price.steps] == [
        ("base", 900),
        ("markup", 990),
        ("commission", 1153),
        ("floor", 1198),
        ("rounding", 1199),
    ]
    assert price.steps[2].why == "the channel keeps 1.63 EUR"
    assert price.steps[3].why == "we are never paid less than 10.29 EUR: unit cost 9.80 EUR + 5 %"


def test_a_minimum_commission_is_grossed_up_too() -> None:
    assert gross_up(channel_takes(50_000, minimum_minor=40), euros("1.00")) == euros("1.40")
    assert gross_up(channel_takes(50_000, minimum_minor=40), euros("19.00")) == euros("20.00")
    assert gross_up(channel_takes(50_000, minimum_minor=50_000), euros("1.00")) == euros("501.00")


def test_a_maximum_commission_is_grossed_up_too() -> None:
    rule = plain_rule(CHANNEL, rate_ppm=100_000, maximum_minor=500, currency=CURRENCY)
    plan = plain_plan("capped", 1, [rule, REST])
    assert gross_up(plan, euros("900.00")) == euros("905.00")
    assert gross_up(plan, euros("9.00")) == euros("10.00")


def test_a_channel_without_commission_shows_what_we_want() -> None:
    plan = plain_plan("own shop", 1, [REST])
    price = priced(euros("7.31"), PriceRule(), plan, euros("5.00"))
    assert price.gross == price.net == euros("7.31")


def test_other_parties_do_not_raise_the_price() -> None:
    operator = plain_rule(OPERATOR, Base.AFTER_CHANNEL, rate_ppm=500_000)
    plan = plain_plan("dear operator", 1, [operator, REST])
    assert priced(euros("7.31"), PriceRule(), plan, None).gross == euros("7.31")


def test_the_floor_never_lets_us_be_paid_a_part_of_a_cent_too_little() -> None:
    price = priced(euros("0.01"), PriceRule(floor_margin_ppm=10_001), channel_takes(0), euros("1.00"))
    assert price.net == euros("1.02")


def test_the_cost_is_the_floor_when_no_margin_is_asked_for() -> None:
    assert priced(euros("1.00"), PriceRule(), channel_takes(0), euros("3.00")).net == euros("3.00")


def test_a_cost_that_cannot_be_converted_gives_no_price_and_says_so() -> None:
    price = plan_price(facts_of(euros("1.00"), Money(5000, "USD")), PriceRule(), channel_takes(0))
    assert isinstance(price, NoPrice)
    assert price.reason is Reason.NO_RATE
    assert price.why == "there is no rate from USD to EUR for 50.00 USD: set one"


def test_an_unknown_cost_gives_no_floor_and_says_so() -> None:
    price = priced(euros("1.00"), PriceRule(), channel_takes(0), None)
    assert price.steps[3].why == "the unit cost is not known: no floor"


def test_a_discount_to_nothing_still_costs_a_cent() -> None:
    assert priced(euros("1.00"), PriceRule(markup_ppm=-1_000_000), channel_takes(0), None).gross == euros(
        "0.01"
    )


@pytest.mark.parametrize("base_minor", [0, -1])
def test_a_base_price_of_nothing_is_refused(base_minor: int) -> None:
    price = plan_price(facts_of(Money(base_minor, CURRENCY)), PriceRule(), channel_takes(0))
    assert isinstance(price, NoPrice)
    assert price.why.endswith("write one above zero")


def test_a_channel_that_takes_everything_has_no_price() -> None:
    with pytest.raises(PlanRefused, match=r"no price of which the channel leaves 1\.00 EUR"):
        gross_up(channel_takes(1_000_000), euros("1.00"))


def test_a_plan_of_another_currency_is_refused() -> None:
    price = plan_price(facts_of(Money(100, "USD")), PriceRule(), channel_takes(0, 25))
    assert isinstance(price, NoPrice)
    assert "its amounts are in EUR, the sale is in USD" in price.why


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong(markup_ppm=-1_000_001),
        Wrong(floor_margin_ppm=-1_000_001),
        Wrong(rounding_minor=0),
        Wrong(rounding_minor=100, ending_minor=100),
        Wrong(ending_minor=-1),
    ],
    ids=str,
)
def test_a_price_rule_that_makes_no_sense_is_refused(wrong: Wrong) -> None:
    with pytest.raises(PlanRefused, match="price rule"):
        PriceRule(**wrong)
