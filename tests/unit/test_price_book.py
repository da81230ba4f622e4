"""Shows which rule gives which step, how free changes are spent, and what time and quotes do to a price."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money.money import Money
from core.offers.matching import SkuFacts, SkuMatch
from core.offers.price.book import PriceBook, PriceLayer, Rounding, SkuPriceLayer
from core.offers.price.budget import Wish, spend
from core.offers.price.engine import plan_price
from core.offers.price.facts import Budget, Demand, ListingFacts, QuotedFee, Verdict
from core.offers.price.fees import Fees
from core.offers.price.plan import Held, NoPrice, Priced, Reason
from core.offers.price.rule import (
    ALWAYS,
    Aim,
    Brake,
    DemandRule,
    Pressure,
    PriceRule,
    Span,
    Spending,
    StaleRung,
    StockRung,
    Target,
    Window,
)
from core.types import ListingId, ListingRef
from tests.plain_plans import commission
from tests.unit.price_facts import (
    FREE,
    NOW,
    change,
    channel_takes,
    euros,
    facts_of,
    rate,
    showing,
    shown_minor,
    step,
)
from tests.unit.split_plans import CURRENCY

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
REF = ListingRef("L-1")
STEAM = SkuFacts(tags=frozenset({"steam"}), brand="Steam", face_value=euros("20.00"))


def tagged(tag: str, markup_ppm: int, span: Span = ALWAYS) -> SkuPriceLayer:
    layer = PriceLayer(markup_ppm=markup_ppm, span=span, label=tag)
    return SkuPriceLayer(SkuMatch(tags=frozenset({tag})), layer)


BOOK = PriceBook(
    everywhere=PriceLayer(markup_ppm=100_000, floor_margin_ppm=0, brake=Brake(day_ppm=500_000)),
    by_sku=(
        tagged("steam", markup_ppm=200_000),
        tagged("steam", markup_ppm=300_000, span=Span(NOW + DAY, NOW + 2 * DAY)),
        tagged("xbox", markup_ppm=400_000),
    ),
    channel=PriceLayer(rounding=Rounding(100, 99), place="channels.shop.price"),
    by_listing={REF: PriceLayer(without=("brake",), place="channels.shop.listings.L-1.price")},
)


def test_the_later_layer_gives_the_step_and_is_named() -> None:
    rule = BOOK.rule_for(STEAM, REF, NOW)
    assert (rule.markup_ppm, rule.given["markup"]) == (200_000, "price.markup [steam]")
    assert (rule.rounding_minor, rule.given["rounding"]) == (100, "channels.shop.price.rounding")
    assert rule.brake is None
    assert BOOK.rule_for(SkuFacts(), ListingRef("L-2"), NOW).markup_ppm == 100_000
    assert BOOK.rule_for(STEAM, ListingRef("L-2"), NOW).brake == Brake(day_ppm=500_000)


def test_a_rule_for_a_time_leaves_the_rest_of_the_year_as_it_was() -> None:
    moments = (NOW, NOW + DAY, NOW + 2 * DAY)
    assert [BOOK.rule_for(STEAM, REF, at).markup_ppm for at in moments] == [200_000, 300_000, 200_000]


def test_a_dated_step_that_is_over_leaves_the_word_to_the_layer_below() -> None:
    over = Target(Aim.FIXED, euros("1.00"), span=Span(until=NOW))
    holds = Target(Aim.FIXED, euros("2.00"))
    book = PriceBook(everywhere=PriceLayer(target=holds), channel=PriceLayer(target=over))
    assert book.rule_for(SkuFacts(), REF, NOW).target == holds


def test_only_books_that_look_at_time_rivals_or_history_move_by_themselves() -> None:
    assert not PriceBook(everywhere=PriceLayer(markup_ppm=1)).moves_by_itself
    assert PriceBook(channel=PriceLayer(demand=DemandRule())).moves_by_itself
    assert BOOK.moves_by_itself


@pytest.mark.parametrize(
    ("stock", "idle", "minor"),
    [(9, 0, 1030), (10, 0, 1000), (200, 0, 1000), (201, 0, 950), (100, 30, 920), (201, 30, 874)],
)
def test_the_ladder_of_stock_pressure(stock: int, idle: int, minor: int) -> None:
    ladder = Pressure(
        stock=(StockRung(30_000, below_ppm=100_000), StockRung(-50_000, above_ppm=2_000_000)),
        stale=(StaleRung(-80_000, 30 * DAY),),
    )
    demand = Demand(usual_stock=100.0, last_sold_at=NOW - idle * DAY)
    facts = replace(facts_of(euros("10.00"), None, ListingFacts(demand=demand)), stock=stock)
    assert shown_minor(plan_price(facts, PriceRule(pressure=ladder), FREE)) == minor


def test_demand_moves_a_price_in_part_and_up_to_a_bound() -> None:
    weekday = (1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 0.5)
    demand = Demand(per_day=30.0, usual_per_day=20.0, weekday=weekday)
    facts = facts_of(euros("10.00"), None, ListingFacts(demand=demand))
    both = DemandRule(velocity_ppm=100_000, season_ppm=50_000)
    assert shown_minor(plan_price(facts, PriceRule(demand=both), FREE)) == 1075
    bounded = replace(both, at_most_ppm=20_000)
    assert shown_minor(plan_price(facts, PriceRule(demand=bounded), FREE)) == 1020
    unknown = facts_of(euros("10.00"))
    assert shown_minor(plan_price(unknown, PriceRule(demand=both), FREE)) == 1000


def test_an_old_rate_stops_repricing_and_the_old_price_stays() -> None:
    dollars = replace(facts_of(euros("10.00")), bases={"USD": 1000})
    fresh = replace(dollars, rates={("USD", "EUR"): rate("USD", "EUR", 9, 10, DAY)})
    price = plan_price(fresh, PriceRule(), FREE)
    assert (shown_minor(price), step(price, "base").why) == (
        900,
        "what we want to be paid (10.00 USD at 0.900000 (a bank, 2026-05-05 12:00))",
    )
    old = replace(dollars, rates={("USD", "EUR"): rate("USD", "EUR", 9, 10, 5 * DAY)})
    stopped = plan_price(showing(old, euros("8.50")), PriceRule(), FREE)
    assert isinstance(stopped, NoPrice)
    assert (stopped.reason, shown_minor(stopped)) == (Reason.RATE_TOO_OLD, 850)
    assert stopped.why.endswith("older than 4 days is not used: set a new one")


def test_a_rate_between_currencies_of_other_decimals_is_exact_and_rounds_up() -> None:
    assert rate("JPY", "EUR", 61, 10_000, DAY).convert(Money(1000, "JPY")) == euros("6.10")
    assert rate("EUR", "KWD", 1, 3, DAY).convert(euros("1.00")) == Money(334, "KWD")
    assert rate("KWD", "JPY", 500, 1, DAY).convert(Money(1001, "KWD")) == Money(501, "JPY")


def test_a_jump_is_held_until_a_person_approves_this_price() -> None:
    rule = PriceRule(brake=Brake(step_ppm=200_000))
    facts = showing(facts_of(euros("20.00")), euros("10.00"))
    held = plan_price(facts, rule, FREE)
    assert isinstance(held, Held)
    assert (held.asked.gross, shown_minor(held), held.refused) == (euros("20.00"), 1000, False)
    yes = Verdict(euros("20.00"), True, "ann", NOW - HOUR)
    approved = replace(facts, listing=ListingFacts(verdict=yes))
    assert shown_minor(plan_price(approved, rule, FREE)) == 2000
    further = replace(approved, bases={CURRENCY: 2001})
    assert isinstance(plan_price(further, rule, FREE), Held)
    no = replace(facts, listing=ListingFacts(verdict=replace(yes, approved=False)))
    refused = plan_price(no, rule, FREE)
    assert isinstance(refused, Held)
    assert refused.refused
    used = (change("10.00", "20.00", HOUR / 2), change("20.00", "10.00", HOUR / 4))
    spent = replace(facts, listing=ListingFacts(verdict=yes, changes=used))
    assert isinstance(plan_price(spent, rule, FREE), Held)


def test_many_small_steps_do_not_get_round_the_days_brake() -> None:
    rule = PriceRule(brake=Brake(step_ppm=100_000, day_ppm=150_000))
    climbed = (change("10.00", "10.80", 3 * HOUR), change("10.80", "11.40", HOUR))
    facts = showing(facts_of(euros("11.60"), None, ListingFacts(changes=climbed)), euros("11.40"))
    assert isinstance(plan_price(facts, rule, FREE), Held)
    back = replace(facts, bases={CURRENCY: 1090})
    assert shown_minor(plan_price(back, rule, FREE)) == 1090


def test_a_window_holds_while_it_lasts_passes_the_brake_and_comes_back() -> None:
    flash = Window("flash", NOW, NOW + HOUR, euros("6.00"), quota=3)
    rule = PriceRule(windows=(flash,), brake=Brake(step_ppm=100_000), rounding_minor=100, ending_minor=99)
    facts = showing(facts_of(euros("9.99"), euros("5.00")), euros("9.99"))
    assert shown_minor(plan_price(facts, rule, FREE)) == 600
    during = showing(facts, euros("6.00"))
    sold_out = replace(during, listing=ListingFacts(sold_in={"flash": 3}))
    over = replace(during, now=NOW + HOUR)
    assert [shown_minor(plan_price(each, rule, FREE)) for each in (sold_out, over)] == [999, 999]
    # A person's window is not below the floor either.
    dear = replace(facts, unit_costs=(euros("7.00"),))
    assert shown_minor(plan_price(dear, rule, FREE)) == 799


def test_a_counted_change_is_spent_only_when_it_is_worth_it() -> None:
    rule = PriceRule(spending=Spending(least_ppm=50_000))
    facts = showing(facts_of(euros("10.40"), None, ListingFacts(budget=Budget(1))), euros("10.00"))
    assert shown_minor(plan_price(facts, rule, FREE)) == 1000
    assert shown_minor(plan_price(replace(facts, bases={CURRENCY: 1060}), rule, FREE)) == 1060
    under = replace(facts, unit_costs=(euros("10.20"),))
    assert shown_minor(plan_price(under, rule, FREE)) == 1040


def test_without_a_free_change_the_old_price_stays_unless_paying_is_allowed() -> None:
    none_left = ListingFacts(budget=Budget(0, NOW + HOUR, fee=euros("0.10")))
    facts = showing(facts_of(euros("12.00"), None, none_left), euros("10.00"))
    kept = plan_price(facts, PriceRule(), FREE)
    assert isinstance(kept, Priced)
    assert (shown_minor(kept), kept.steps[-1].name) == (1000, "budget")
    assert shown_minor(plan_price(facts, PriceRule(spending=Spending(pay=True)), FREE)) == 1200
    stuck = plan_price(replace(facts, unit_costs=(euros("11.00"),)), PriceRule(), FREE)
    assert isinstance(stuck, NoPrice)
    assert (stuck.reason, stuck.shown) == (Reason.STUCK_UNDER_FLOOR, None)


wishes = st.builds(
    Wish,
    st.integers(1, 10**6).map(ListingId),
    st.sampled_from(["a", "b"]),
    st.integers(1, 1000),
    st.integers(1, 1000),
    st.floats(0, 100),
    st.booleans(),
)


@given(
    st.lists(wishes, max_size=12, unique_by=lambda wish: wish.listing_id),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_free_changes_of_a_pool_go_where_they_earn_most(made: list[Wish], a: int, b: int) -> None:
    left = {"a": a, "b": b}
    granted = spend(made, left)
    for pool in left:
        own = [wish for wish in made if wish.pool == pool]
        got = [wish for wish in own if wish.listing_id in granted]
        lost = [wish for wish in own if wish.listing_id not in granted]
        assert len(got) == min(left[pool], len(own))
        assert all((not g.urgent, -g.gain) <= (not w.urgent, -w.gain) for g in got for w in lost)


@given(st.integers(500, 20_000), st.integers(0, 200), st.integers(0, 10_000))
def test_the_channels_own_calculator_corrects_our_plan(at: int, more: int, net: int) -> None:
    split = channel_takes(100_000, 25)
    gross = Money(at, CURRENCY)
    left = Money(at - commission(split, gross) - more, CURRENCY)
    fees = Fees.of(split, CURRENCY, QuotedFee(gross, left, NOW), NOW)
    assert fees.net(gross) == left
    wanted = Money(net, CURRENCY)
    found = fees.gross_up(wanted)
    assert fees.net(found).amount_minor >= net
    assert found.amount_minor == 1 or fees.net_minor(found.amount_minor - 1) < net
    assert Fees.of(split, CURRENCY, QuotedFee(gross, left, NOW - 8 * DAY), NOW).quote is None


def test_cost_plus_keeps_the_old_price_while_no_code_is_free() -> None:
    rule = PriceRule(target=Target(Aim.COST_PLUS, margin_ppm=100_000))
    sold_out = plan_price(showing(facts_of(None), euros("9.00")), rule, FREE)
    assert isinstance(sold_out, NoPrice)
    assert (sold_out.reason, shown_minor(sold_out)) == (Reason.NO_COST, 900)
    assert shown_minor(plan_price(facts_of(None, euros("9.00")), rule, FREE)) == 990
