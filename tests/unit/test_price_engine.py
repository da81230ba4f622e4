"""Shows what holds for every price, whatever the rule and the facts: floor, endings, brake, exactness."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from typing import get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from core.money.money import Money
from core.money.plans.rules import CHANNEL, CONSIGNOR, Plan
from core.offers.price.engine import plan_price
from core.offers.price.facts import (
    Budget,
    ChangeMade,
    Demand,
    ListingFacts,
    PriceException,
    PriceFacts,
    ShownPrice,
    Sighting,
)
from core.offers.price.fees import Fees
from core.offers.price.plan import Held, NoPrice, PriceChange, Priced
from core.offers.price.rule import (
    Aim,
    Brake,
    Ceiling,
    DemandRule,
    Direction,
    Follow,
    Pressure,
    PriceRule,
    RivalRule,
    Spending,
    StaleRung,
    StockRung,
    Target,
    Window,
)
from tests.plain_plans import plain_plan, plain_rule
from tests.unit.price_facts import NOW, euros, levels, shown_minor
from tests.unit.split_plans import CURRENCY, plans

amounts = st.integers(1, 30_000)
ppm = st.integers(-300_000, 300_000)
large = st.integers(1, 10**7)
bounds = st.integers(0, 500_000)
HOUR = timedelta(hours=1)


@st.composite
def rules(draw: st.DrawFn) -> PriceRule:
    rounding_minor = draw(st.sampled_from([1, 5, 10, 50, 100]))
    return PriceRule(
        markup_ppm=draw(ppm),
        floor_margin_ppm=draw(st.none() | ppm),
        rounding_minor=rounding_minor,
        ending_minor=draw(st.none() | st.integers(0, rounding_minor - 1)),
        direction=draw(st.sampled_from(Direction)),
        target=draw(st.none() | targets()),
        pressure=draw(st.none() | ladders()),
        demand=draw(st.none() | st.builds(DemandRule, st.integers(0, 500_000), st.integers(0, 500_000))),
        rival=draw(st.none() | rival_rules()),
        windows=draw(st.just(()) | windows().map(lambda window: (window,))),
        ceiling=draw(st.none() | amounts.map(lambda minor: Ceiling(Money(minor, CURRENCY)))),
        brake=draw(
            st.none() | st.builds(Brake, st.none() | st.integers(0, 500_000), st.integers(0, 500_000))
        ),
        spending=draw(st.builds(Spending, st.booleans(), st.integers(0, 50_000))),
    )


@st.composite
def targets(draw: st.DrawFn) -> Target:
    aim = draw(st.sampled_from(Aim))
    amount = None if aim is Aim.COST_PLUS else Money(draw(amounts), CURRENCY)
    return Target(aim, amount, draw(ppm))


def ladders() -> st.SearchStrategy[Pressure]:
    low = st.builds(lambda change, line: StockRung(change, below_ppm=line), ppm, st.integers(1, 1_000_000))
    high = st.builds(
        lambda change, line: StockRung(change, above_ppm=line), ppm, st.integers(1_000_000, 3_000_000)
    )
    stale = st.builds(StaleRung, ppm, st.integers(1, 60).map(lambda days: timedelta(days=days)))
    return st.builds(
        lambda stock, idle: Pressure(tuple(stock), tuple(idle)),
        st.lists(low | high, max_size=3),
        st.lists(stale, max_size=3),
    )


def rival_rules() -> st.SearchStrategy[RivalRule]:
    return st.builds(
        RivalRule,
        follow=st.sampled_from(Follow),
        step_minor=st.integers(1, 20),
        place=st.integers(1, 3),
        below_ppm=st.integers(0, 500_000),
        above_ppm=st.integers(0, 500_000),
    )


def windows() -> st.SearchStrategy[Window]:
    return st.builds(
        lambda begin, minor, quota: Window("flash", NOW + begin * HOUR, NOW + 3 * HOUR, minor, quota),
        st.integers(-3, 2),
        amounts.map(lambda minor: Money(minor, CURRENCY)),
        st.none() | st.integers(1, 5),
    )


@st.composite
def all_facts(draw: st.DrawFn) -> PriceFacts:
    money = amounts.map(lambda minor: Money(minor, CURRENCY))
    shown = draw(st.none() | money)
    sightings = st.builds(
        Sighting, st.sampled_from(["a", "b", "c"]), money, st.booleans(), st.just(NOW - HOUR)
    )
    changes = st.builds(
        ChangeMade, st.integers(1, 40).map(lambda hours: NOW - hours * HOUR), amounts, amounts
    )
    budget = st.builds(Budget, st.none() | st.integers(0, 2), fee=st.none() | st.just(euros("0.10")))
    demand = st.builds(
        Demand, st.floats(0, 50), st.none() | st.floats(0.1, 50), st.none() | st.floats(1, 100), st.just(NOW)
    )
    return PriceFacts(
        currency=CURRENCY,
        now=NOW,
        bases={CURRENCY: draw(amounts)},
        unit_costs=draw(st.just(()) | money.map(lambda cost: (cost,))),
        stock=draw(st.integers(0, 200)),
        published=ShownPrice(shown, shown) if shown else None,
        listing=ListingFacts(
            changes=tuple(sorted(draw(st.lists(changes, max_size=4)), key=lambda change: change.at)),
            sightings=tuple(draw(st.lists(sightings, max_size=4))),
            budget=draw(budget),
            demand=draw(st.none() | demand),
            sold_in={"flash": draw(st.integers(0, 5))},
        ),
    )


def least_net_minor(facts: PriceFacts, rule: PriceRule) -> int:
    cost = max((cost.amount_minor for cost in facts.unit_costs), default=0)
    return -(-cost * (1_000_000 + (rule.floor_margin_ppm or 0)) // 1_000_000)


def net_minor(facts: PriceFacts, plan: Plan, gross: Money) -> int:
    return Fees.of(plan, CURRENCY, facts.listing.fee, NOW).net(gross).amount_minor


@given(all_facts(), rules(), plans())
def test_no_price_is_ever_shown_under_the_floor(facts: PriceFacts, rule: PriceRule, plan: Plan) -> None:
    price = plan_price(facts, rule, plan)
    if price.shown is not None and facts.unit_costs:
        assert net_minor(facts, plan, price.shown.gross) >= least_net_minor(facts, rule)


@given(all_facts(), rules(), plans())
def test_the_steps_end_at_what_is_shown_and_each_says_why(
    facts: PriceFacts, rule: PriceRule, plan: Plan
) -> None:
    price = plan_price(facts, rule, plan)
    assert price.steps[-1].amount_minor == shown_minor(price)
    assert all(step.why and type(step.amount_minor) is int for step in price.steps)


@given(all_facts(), rules(), plans())
def test_a_price_has_its_ending_or_says_why_not(facts: PriceFacts, rule: PriceRule, plan: Plan) -> None:
    price = plan_price(facts, rule, plan)
    rounded = [step for step in price.steps if step.name == "rounding"]
    for step in rounded:
        ends_right = step.amount_minor % rule.rounding_minor == (rule.ending_minor or 0)
        assert ends_right or "not rounded" in step.why


@given(all_facts(), rules(), plans())
def test_no_change_is_larger_than_the_brake_allows(facts: PriceFacts, rule: PriceRule, plan: Plan) -> None:
    price = plan_price(facts, replace(rule, windows=()), plan)
    if rule.brake is None or rule.brake.step_ppm is None or facts.published is None or price.shown is None:
        return
    shown = facts.published.gross.amount_minor
    moved = abs(price.shown.gross.amount_minor - shown)
    assert moved * 1_000_000 <= shown * rule.brake.step_ppm
    if isinstance(price, Held):
        assert price.shown == facts.published


@given(all_facts(), rules(), plans())
def test_no_counted_change_is_made_that_nobody_allowed(
    facts: PriceFacts, rule: PriceRule, plan: Plan
) -> None:
    price = plan_price(facts, rule, plan)
    if facts.listing.budget.free_left == 0 and not rule.spending.pay and facts.published is not None:
        assert price.shown is None or price.shown.gross == facts.published.gross


@given(all_facts(), rules(), plans())
def test_the_ceiling_is_never_passed(facts: PriceFacts, rule: PriceRule, plan: Plan) -> None:
    price = plan_price(facts, rule, plan)
    if rule.ceiling is not None and isinstance(price, Priced) and price.steps[-1].name == "rounding":
        assert price.gross.amount_minor <= rule.ceiling.amount.amount_minor


@given(all_facts(), rules(), plans(), st.integers(1, 5_000))
def test_a_dearer_cost_never_makes_a_cheaper_price(
    facts: PriceFacts, rule: PriceRule, plan: Plan, more_minor: int
) -> None:
    cheap = replace(facts, unit_costs=(Money(1000, CURRENCY),), published=None)
    dear = replace(cheap, unit_costs=(Money(1000 + more_minor, CURRENCY),))
    still = replace(rule, direction=Direction.UP, brake=None)
    low, high = plan_price(cheap, still, plan), plan_price(dear, still, plan)
    if isinstance(low, Priced) and isinstance(high, Priced):
        assert low.net.amount_minor <= high.net.amount_minor


@given(all_facts(), rules(), plans())
def test_a_window_with_its_quota_sold_changes_nothing(facts: PriceFacts, rule: PriceRule, plan: Plan) -> None:
    sold_out = replace(facts, published=None, listing=replace(facts.listing, sold_in={"flash": 5}))
    price = plan_price(sold_out, rule, plan)
    if rule.windows and rule.windows[0].quota is not None:
        assert "window" not in levels(price)
        assert shown_minor(price) == shown_minor(plan_price(sold_out, replace(rule, windows=()), plan))


@given(all_facts(), rules(), plans())
def test_a_signed_exception_goes_below_the_floor_and_only_while_it_holds(
    facts: PriceFacts, rule: PriceRule, plan: Plan
) -> None:
    free = replace(
        facts,
        unit_costs=(Money(20_000, CURRENCY),),
        published=None,
        listing=replace(facts.listing, budget=Budget()),
    )
    cheap = replace(
        rule, target=Target(Aim.FIXED, Money(500, CURRENCY)), ceiling=None, windows=(), rival=None
    )
    cheap = replace(cheap, pressure=None, demand=None, floor_margin_ppm=0)
    signed = PriceException(Money(500, CURRENCY), "ann", "clearing out", NOW - HOUR, NOW + HOUR)
    allowed = replace(free, listing=replace(free.listing, exceptions=(signed,)))
    over = replace(allowed, now=NOW + HOUR)
    assert shown_minor(plan_price(allowed, cheap, plan)) == 500
    assert "ann allows 5.00 EUR" in plan_price(allowed, cheap, plan).steps[2].why
    for facts_without in (free, over):
        minor = shown_minor(plan_price(facts_without, cheap, plan))
        assert minor == 0 or minor >= 20_000


@given(
    st.sampled_from(["JPY", "EUR", "KWD"]),
    st.integers(1, 10**7),
    st.integers(0, 300_000),
    st.integers(0, 10**7),
)
def test_every_amount_is_a_whole_number_in_currencies_of_0_2_and_3_decimals(
    currency: str, base_minor: int, rate_ppm: int, cost_minor: int
) -> None:
    plan = plain_plan("p", 1, [plain_rule(CHANNEL, rate_ppm=rate_ppm), plain_rule(CONSIGNOR, rest=True)])
    facts = PriceFacts(
        currency=currency, now=NOW, bases={currency: base_minor}, unit_costs=(Money(cost_minor, currency),)
    )
    price = plan_price(facts, PriceRule(markup_ppm=123_456), plan)
    assert isinstance(price, Priced)
    assert all(type(step.amount_minor) is int for step in price.steps)
    assert price.gross.currency == currency
    assert price.net.amount_minor >= max(cost_minor, base_minor)


def test_whoever_sets_prices_has_no_way_to_say_a_quantity() -> None:
    """Nothing that leaves pricing has a field for it, at any depth."""
    found = {name for result in (Priced, Held, NoPrice, PriceChange) for name in _field_names(result)}
    assert "gross" in found
    assert not {name for name in found if "quantit" in name or "stock" in name or name in ("on", "count")}


def _field_names(kind: type) -> set[str]:
    names: set[str] = set()
    hints = get_type_hints(kind)
    for field in fields(kind):
        names.add(field.name)
        inner = hints[field.name]
        for part in (inner, *getattr(inner, "__args__", ())):
            if isinstance(part, type) and is_dataclass(part):
                names |= _field_names(part)
    return names
