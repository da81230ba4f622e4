"""Shows what plans with periods, orders and tables promise: sums that do not depend on the way there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput, OverAllocated, PlanRefused, SaleUnsplit
from core.money.money import Money
from core.money.plans.budgets import spend
from core.money.plans.facts import CodesOf, Counted, Milestones, SaleFacts
from core.money.plans.grossing import commission, gross_up
from core.money.plans.journal import sale_postings
from core.money.plans.memory import Questions
from core.money.plans.periods import counted_rules, period_start
from core.money.plans.refunds import Refunded, refund_amount, refund_units
from core.money.plans.rules import (
    CHANNEL,
    OPERATOR,
    Cap,
    Party,
    Per,
    Plan,
    Rule,
    Scope,
    Short,
    Tier,
    TierBy,
    TierMode,
    Tiers,
)
from core.money.plans.stored import plan_from_json
from core.money.plans.waterfall import evaluate
from tests.unit.drawn_plans import REST, SOLD_AT, milestones, moments, plans, sales

rates = st.integers(0, 300_000)
steps = st.lists(
    st.tuples(st.integers(0, 3_000), rates), min_size=1, max_size=4, unique_by=lambda s: s[0]
).map(lambda drawn: tuple(Tier(start, rate) for start, rate in sorted(drawn)))


def sale(price_minor: int, quantity: int = 1) -> SaleFacts:
    return SaleFacts(Money(price_minor, "EUR"), (CodesOf("Ada", quantity),), "shop", SOLD_AT)


@given(steps, st.lists(st.integers(0, 900), min_size=1, max_size=8))
def test_marginal_turnover_tiers_take_the_same_in_any_order_and_cut(
    table: tuple[Tier, ...], prices: list[int]
) -> None:
    rule = Rule(
        "fee", OPERATOR, tiers=Tiers(TierBy.TURNOVER, TierMode.MARGINAL, table), when_short=Short.LESS
    )
    plan = Plan("tiers", (rule, REST))

    def taken(in_order: list[int]) -> int:
        seen = Counted()
        for price in in_order:
            split = evaluate(plan, replace(sale(price), counted={"fee": seen}))
            seen = seen.after(split.amount_minor(0), price, 1)
        return seen.taken_minor

    assert taken(prices) == taken(sorted(prices)) == taken([sum(prices)])


@given(steps, st.integers(0, 900), st.integers(1, 6), st.integers(0, 2_000))
def test_a_line_of_many_is_many_lines_of_one(
    table: tuple[Tier, ...], price: int, quantity: int, cap_minor: int
) -> None:
    by_units = Tiers(TierBy.UNITS, TierMode.MARGINAL, tuple(replace(t, start=t.start // 500) for t in table))
    starts = [tier.start for tier in by_units.steps]
    assume(len(set(starts)) == len(starts))
    rules = (
        Rule("units", OPERATOR, tiers=by_units, when_short=Short.LESS),
        Rule(
            "capped",
            Party.parse("budget:ads"),
            rate_ppm=100_000,
            cap=Cap(cap_minor, Per.DAY),
            when_short=Short.LESS,
        ),
        REST,
    )
    plan = Plan("counting", rules)
    whole = evaluate(plan, sale(price, quantity))
    seen = {"units": Counted(), "capped": Counted()}
    for _ in range(quantity):
        one = evaluate(plan, replace(sale(price), counted=dict(seen)))
        for index, name in enumerate(seen):
            seen[name] = seen[name].after(one.amount_minor(index), price, 1)
    assert [whole.amount_minor(0), whole.amount_minor(1)] == [c.taken_minor for c in seen.values()]
    assert whole.amount_minor(1) <= cap_minor


@given(st.lists(st.integers(1, 9_000), min_size=1, max_size=5), st.integers(0, 500), rates)
def test_what_is_reckoned_per_order_is_shared_exactly_over_its_lines(
    lines: list[int], fixed_minor: int, rate_ppm: int
) -> None:
    rule = Rule(
        "fee", CHANNEL, rate_ppm=rate_ppm, fixed_minor=fixed_minor, scope=Scope.ORDER, when_short=Short.LOSS
    )
    plan = Plan("orders", (rule, REST))
    taken = [
        evaluate(plan, replace(sale(line), order_lines_minor=tuple(lines), line_index=index)).amount_minor(0)
        for index, line in enumerate(lines)
    ]
    alone = Plan("alone", (replace(rule, scope=Scope.UNIT), REST))
    assert sum(taken) == evaluate(alone, sale(sum(lines))).amount_minor(0)


@given(steps, st.integers(0, 200), st.integers(1, 4_000), st.sampled_from([(1, 0), (10, 9), (100, 99)]))
@settings(max_examples=60)
def test_the_smallest_price_is_found_across_tiers(
    table: tuple[Tier, ...], fixed_minor: int, net_minor: int, ending: tuple[int, int]
) -> None:
    first = tuple(replace(tier, fixed_minor=fixed_minor) for tier in table)
    rules = (
        Rule("table", CHANNEL, tiers=Tiers(TierBy.AMOUNT, TierMode.WHOLE, first), when_short=Short.LOSS),
        Rule("more", CHANNEL, rate_ppm=25_000, minimum_minor=3, when_short=Short.LOSS),
        REST,
    )
    plan = Plan("jumps", rules)
    candidates = range(ending[1] or 1, 20_000, ending[0])
    found = gross_up(plan, Money(net_minor, "EUR"), sale(1), candidates)
    by_hand = next(price for price in candidates if price - commission(plan, sale(price)) >= net_minor)
    assert found.amount_minor == by_hand


def test_no_price_is_said_so() -> None:
    plan = Plan("all", (Rule("all", CHANNEL, rate_ppm=1_000_000, when_short=Short.LOSS), REST))
    with pytest.raises(PlanRefused, match="no price of which the channel leaves"):
        gross_up(plan, Money(5, "EUR"), sale(1), range(1, 10**6))


@given(plans(), sales(), sales(), milestones(), milestones(), moments)
@settings(max_examples=200)
def test_sales_of_one_key_post_the_same(
    plan: Plan, one: SaleFacts, other: SaleFacts, reached: Milestones, later: Milestones, now: datetime
) -> None:
    # Everything that a plan may not ask for is another sale's.
    twin = replace(
        one, sku="other", tags=other.tags, segments=frozenset({"new"}), buyer_order_no=other.buyer_order_no
    )
    asked = Questions.of(plan)
    assume(asked.key(one, reached, now) == asked.key(twin, later, now))
    try:
        first, second = evaluate(plan, one), evaluate(plan, twin)
    except SaleUnsplit:
        assume(False)
        raise
    assert sale_postings(first, reached, now) == sale_postings(second, later, now)


def test_whole_tiers_by_units_hold_for_the_whole_line() -> None:
    table = Tiers(TierBy.UNITS, TierMode.WHOLE, (Tier(1, 0), Tier(3, 80_000), Tier(5, 120_000)))
    plan = Plan("bulk", (Rule("off", OPERATOR, tiers=table), REST))
    # Two before and three now are five: 12 % of 10.00 each.
    split = evaluate(plan, replace(sale(1_000, 3), counted={"off": Counted(units=2)}))
    assert split.amount_minor(0) == 3 * 120
    assert evaluate(plan, sale(1_000, 2)).amount_minor(0) == 0


def test_marginal_tiers_by_amount_reckon_each_part_in_its_own() -> None:
    table = Tiers(TierBy.AMOUNT, TierMode.MARGINAL, (Tier(0, 150_000), Tier(10_000, 80_000)))
    plan = Plan("steps", (Rule("fee", CHANNEL, tiers=table, when_short=Short.LOSS), REST))
    # 15 % of 100.00 and 8 % of 50.00: 15.00 + 4.00.
    assert evaluate(plan, sale(15_000)).amount_minor(0) == 1_900


def test_a_free_order_gives_away_nothing_or_the_operators_money() -> None:
    fee = Rule("fee", CHANNEL, fixed_minor=25, when_short=Short.LOSS)
    split = evaluate(Plan("free", (fee, REST)), sale(0, 2))
    assert {
        entry.purpose: entry.amount_minor for entry in sale_postings(split, Milestones(SOLD_AT), SOLD_AT)
    } == {
        "receivable": -50,
        "commission": 50,
        "recharged": -50,
        "loss": 50,
    }
    with pytest.raises(OverAllocated):
        evaluate(Plan("free", (replace(fee, when_short=Short.REFUSE), REST)), sale(0))
    one = refund_units(split, Refunded.nothing(split), "Ada", 1)
    assert one.free_units == (1,)
    with pytest.raises(InvalidInput, match="1 are left"):
        refund_units(split, one, "Ada", 2)


def test_more_than_the_line_is_never_refunded() -> None:
    split = evaluate(Plan("all", (REST,)), sale(1_000, 2))
    nothing = Refunded.nothing(split)
    with pytest.raises(InvalidInput, match=r"20.00 EUR of the line have not been"):
        refund_amount(split, nothing, 2_001)
    with pytest.raises(InvalidInput, match=r"0\.00 EUR cannot be refunded"):
        refund_amount(split, nothing, 0)
    with pytest.raises(InvalidInput, match="Bo's codes"):
        refund_units(split, nothing, "Bo", 1)
    with pytest.raises(InvalidInput, match="cannot be taken"):
        spend("ads", Money(5, "EUR"), Money(0, "EUR"), ("operator", "", "bank"))


def test_a_plan_without_a_rest_loses_nothing() -> None:
    with pytest.raises(PlanRefused, match=r"9\.90 EUR of a price of 10\.00 EUR is nobody's"):
        evaluate(Plan("part", (Rule("part", OPERATOR, rate_ppm=10_000),)), sale(1_000))


@pytest.mark.parametrize(
    ("per", "start"),
    [
        (Per.DAY, "2026-11-20"),
        (Per.WEEK, "2026-11-16"),
        (Per.MONTH, "2026-11-01"),
        (Per.QUARTER, "2026-10-01"),
        (Per.YEAR, "2026-01-01"),
        (Per.EVER, "1970-01-01"),
    ],
)
def test_periods_begin_in_utc(per: Per, start: str) -> None:
    # Half past midnight in Shanghai is the evening before in UTC.
    at = datetime.fromisoformat("2026-11-21T00:30:00+08:00")
    assert period_start(per, at) == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert period_start(per, at + timedelta(seconds=1)) == period_start(per, at)


def test_the_rules_that_count_are_known() -> None:
    table = Tiers(TierBy.TURNOVER, TierMode.WHOLE, (Tier(0, 1),), Per.QUARTER)
    rules = (Rule("tiers", OPERATOR, tiers=table), Rule("cap", OPERATOR, cap=Cap(5, Per.DAY)), REST)
    assert counted_rules(Plan("some", rules)) == {"tiers": Per.QUARTER, "cap": Per.DAY}


def test_a_stored_plan_with_unknown_words_is_refused() -> None:
    with pytest.raises(PlanRefused, match=r"split plan old version 3, rules\.0\.name: Field required"):
        plan_from_json("old", 3, '{"name": "old", "rules": [{}]}')
