"""Shows that a sale is given away to the last minor unit, to whom, and that its entries balance."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PlanRefused
from core.money.money import Money
from core.money.splits import (
    Base,
    Party,
    Posting,
    Share,
    Split,
    SplitPlan,
    SplitRule,
    commission,
    plan_from_json,
    plan_to_json,
    postings,
    require_currency,
    reverse,
    split_line,
)
from tests.unit.split_plans import CURRENCY, REST, plans

prices = st.integers(0, 500) | st.integers(0, 10**9)
owners = st.lists(
    st.tuples(st.sampled_from(["Ada", "Bo", "Chen", "Dede"]), st.integers(0, 40)), min_size=1, max_size=6
).filter(lambda given_codes: sum(codes for _, codes in given_codes) > 0)

CHANNEL_12_PERCENT = SplitRule(
    Party.CHANNEL, rate_ppm=120_000, fixed_minor=25, minimum_minor=10, currency=CURRENCY
)
OPERATOR_5_PERCENT = SplitRule(Party.OPERATOR, Base.AFTER_CHANNEL, rate_ppm=50_000)
PLAN = SplitPlan.of("default", 1, [CHANNEL_12_PERCENT, OPERATOR_5_PERCENT, REST])


def euros(text: str) -> Money:
    return Money.parse(text, CURRENCY)


def split(plan: SplitPlan, price_minor: int, consignors: list[tuple[str, int]]) -> Split:
    quantity = sum(codes for _, codes in consignors)
    return split_line(plan, Money(price_minor, CURRENCY), quantity, consignors)


def by_party(found: Split) -> dict[Party, int]:
    amounts = dict.fromkeys(Party, 0)
    for part in found.shares:
        amounts[part.party] += part.amount_minor
    return amounts


def accounts(entries: list[Posting]) -> dict[tuple[str, str, str], int]:
    return {(entry.party, entry.party_name, entry.purpose): entry.amount_minor for entry in entries}


@given(plans(), prices, owners)
def test_shares_and_steps_sum_to_the_gross_price(
    plan: SplitPlan, price_minor: int, consignors: list[tuple[str, int]]
) -> None:
    gross_minor = price_minor * sum(codes for _, codes in consignors)
    found = split(plan, price_minor, consignors)
    assert sum(part.amount_minor for part in found.shares) == gross_minor
    assert sum(step.amount_minor for step in found.steps) == gross_minor


@given(plans(), prices, owners)
def test_the_channel_gets_its_commission_and_no_consignor_ever_loses(
    plan: SplitPlan, price_minor: int, consignors: list[tuple[str, int]]
) -> None:
    quantity = sum(codes for _, codes in consignors)
    found = split(plan, price_minor, consignors)
    channel_minor = by_party(found)[Party.CHANNEL]
    assert channel_minor == commission(plan, Money(price_minor, CURRENCY)) * quantity
    assert all(part.amount_minor >= 0 for part in found.shares if part.party is Party.CONSIGNOR)
    if by_party(found)[Party.OPERATOR] < 0:
        assert channel_minor > price_minor * quantity


@given(plans(), prices, owners)
def test_every_code_of_a_line_earns_its_consignor_the_same(
    plan: SplitPlan, price_minor: int, consignors: list[tuple[str, int]]
) -> None:
    (alone,) = [part for part in split(plan, price_minor, [("Ada", 1)]).shares if part.party_name]
    codes: Counter[str | None] = Counter()
    for name, owned in consignors:
        codes[name] += owned
    found = [part for part in split(plan, price_minor, consignors).shares if part.party_name]
    assert {part.party_name: part.amount_minor for part in found} == {
        name: owned * alone.amount_minor for name, owned in codes.items()
    }
    assert len(found) == len(codes)


@given(plans(), prices, st.integers(1, 50), st.integers(1, 50))
def test_two_lines_come_out_as_one_line_of_both(
    plan: SplitPlan, price_minor: int, first: int, second: int
) -> None:
    together = by_party(split(plan, price_minor, [("Ada", first + second)]))
    one, other = (by_party(split(plan, price_minor, [("Ada", codes)])) for codes in (first, second))
    assert together == {party: one[party] + other[party] for party in Party}


@given(plans(), prices, owners)
def test_entries_sum_to_zero_and_none_is_zero(
    plan: SplitPlan, price_minor: int, consignors: list[tuple[str, int]]
) -> None:
    entries = postings(split(plan, price_minor, consignors), "eneba", CURRENCY)
    assert sum(entry.amount_minor for entry in entries) == 0
    assert all(entry.amount_minor for entry in entries)
    assert len(accounts(entries)) == len(entries)
    assert {entry.currency for entry in entries} <= {CURRENCY}


@given(plans(), prices, owners)
def test_what_the_channel_owes_is_the_price_less_its_commission(
    plan: SplitPlan, price_minor: int, consignors: list[tuple[str, int]]
) -> None:
    found = split(plan, price_minor, consignors)
    kept_minor = by_party(found)[Party.CHANNEL]
    balances = accounts(postings(found, "eneba", CURRENCY))
    gross_minor = price_minor * found.quantity
    assert balances.get(("channel", "eneba", "receivable"), 0) == gross_minor - kept_minor
    assert balances.get(("channel", "eneba", "commission"), 0) == kept_minor
    assert balances.get(("channel", "eneba", "recharged"), 0) == -kept_minor
    assert balances.get(("operator", "", "commission"), 0) <= 0 <= balances.get(("operator", "", "loss"), 0)


@given(plans(), prices, owners)
def test_a_refund_leaves_every_account_at_zero(
    plan: SplitPlan, price_minor: int, consignors: list[tuple[str, int]]
) -> None:
    entries = postings(split(plan, price_minor, consignors), "eneba", CURRENCY)
    undone = accounts(reverse(entries))
    assert {account: -amount for account, amount in undone.items()} == accounts(entries)
    assert reverse(reverse(entries)) == entries


@given(st.integers(0, 1_000_000), st.integers(0, 500), st.integers(0, 300), st.integers(0, 300), prices)
def test_commission_stays_within_its_bounds(
    rate_ppm: int, fixed_minor: int, low: int, more: int, price_minor: int
) -> None:
    rule = SplitRule(
        Party.CHANNEL,
        rate_ppm=rate_ppm,
        fixed_minor=fixed_minor,
        minimum_minor=low,
        maximum_minor=low + more,
        currency=CURRENCY,
    )
    kept_minor = commission(SplitPlan.of("bounded", 1, [rule, REST]), Money(price_minor, CURRENCY))
    assert low <= kept_minor <= low + more
    if low < kept_minor < low + more:
        # Within half a minor unit of the exact amount.
        assert abs((kept_minor - fixed_minor) * 1_000_000 - price_minor * rate_ppm) <= 500_000


@given(plans())
def test_a_plan_comes_back_from_json_as_it_was(plan: SplitPlan) -> None:
    assert plan_from_json(plan.name, plan.version, plan_to_json(plan)) == plan


def test_twelve_per_cent_and_a_quarter_of_9_99() -> None:
    """1.1988 is 1.20, and 0.25: 1.45 for the channel; 5 % of 8.54 is 0.427, so 0.43; 8.11 is left."""
    found = split(PLAN, 999, [("Ada", 2), ("Bo", 1)])
    assert commission(PLAN, euros("9.99")) == 145
    assert found.shares == (
        Share(Party.CHANNEL, None, 3 * 145),
        Share(Party.OPERATOR, None, 3 * 43),
        Share(Party.CONSIGNOR, "Ada", 2 * 811),
        Share(Party.CONSIGNOR, "Bo", 811),
    )
    assert [(step.rule, step.base_minor, step.formula, step.amount_minor) for step in found.steps] == [
        (
            "1 channel",
            999,
            "12 % of 9.99 EUR + 0.25 EUR, at least 0.10 EUR = 1.45 EUR, x 3",
            435,
        ),
        ("2 operator", 854, "5 % of 8.54 EUR = 0.43 EUR, x 3", 129),
        ("3 consignor", 811, "the rest = 8.11 EUR, x 3", 2433),
    ]


def test_the_journal_of_a_sale_at_twenty() -> None:
    channel = SplitRule(Party.CHANNEL, rate_ppm=125_000)
    operator = SplitRule(Party.OPERATOR, rate_ppm=50_000)
    plan = SplitPlan.of("journal", 1, [channel, operator, REST])
    assert postings(split(plan, 2000, [("Ada", 1)]), "eneba", CURRENCY) == [
        Posting("channel", "eneba", "receivable", 1750, CURRENCY),
        Posting("channel", "eneba", "commission", 250, CURRENCY),
        Posting("channel", "eneba", "recharged", -250, CURRENCY),
        Posting("operator", "", "commission", -100, CURRENCY),
        Posting("consignor", "Ada", "payable", -1650, CURRENCY),
    ]


def test_a_price_below_the_commission_is_the_operators_loss() -> None:
    found = split(PLAN, 10, [("Ada", 1), ("Bo", 1)])
    assert by_party(found) == {Party.CHANNEL: 52, Party.OPERATOR: -32, Party.CONSIGNOR: 0}
    assert accounts(postings(found, "eneba", CURRENCY)) == {
        ("channel", "eneba", "receivable"): -32,
        ("channel", "eneba", "commission"): 52,
        ("channel", "eneba", "recharged"): -52,
        ("operator", "", "loss"): 32,
    }
    assert found.steps[-1].rule == "loss operator"
    assert found.steps[-1].amount_minor == -32


def test_an_operator_takes_only_what_the_channel_left() -> None:
    operator = SplitRule(Party.OPERATOR, fixed_minor=100, currency=CURRENCY)
    plan = SplitPlan.of("short", 1, [CHANNEL_12_PERCENT, operator, REST])
    found = split(plan, 100, [("Ada", 1)])
    assert by_party(found) == {Party.CHANNEL: 37, Party.OPERATOR: 63, Party.CONSIGNOR: 0}
    assert found.steps[1].formula == "1.00 EUR = 0.63 EUR (all that was left)"


def test_an_operator_who_took_first_gives_back_what_the_channel_lacks() -> None:
    operator = SplitRule(Party.OPERATOR, rate_ppm=800_000)
    plan = SplitPlan.of("operator first", 1, [operator, CHANNEL_12_PERCENT, REST])
    found = split(plan, 100, [("Ada", 1)])
    assert by_party(found) == {Party.CHANNEL: 37, Party.OPERATOR: 63, Party.CONSIGNOR: 0}


def test_a_code_given_away_for_nothing_posts_only_what_the_channel_charges() -> None:
    assert postings(split(SplitPlan.of("own shop", 1, [REST]), 0, [("Ada", 1)]), "shop", CURRENCY) == []
    balances = accounts(postings(split(PLAN, 0, [("Ada", 1)]), "eneba", CURRENCY))
    assert balances[("operator", "", "loss")] == 25


def test_without_commission_the_journal_has_no_empty_entries() -> None:
    plan = SplitPlan.of("own shop", 1, [REST])
    assert accounts(postings(split(plan, 700, [("Ada", 1)]), "shop", CURRENCY)) == {
        ("channel", "shop", "receivable"): 700,
        ("consignor", "Ada", "payable"): -700,
    }


def test_a_currency_without_cents_splits_whole_yen() -> None:
    plan = SplitPlan.of("yen", 1, [SplitRule(Party.CHANNEL, rate_ppm=125_000), OPERATOR_5_PERCENT, REST])
    found = split_line(plan, Money(1999, "JPY"), 1, [("Ada", 1)])
    assert [part.amount_minor for part in found.shares] == [250, 87, 1662]
    assert found.steps[0].formula == "12.5 % of 1999 JPY = 250 JPY"


def test_a_sale_in_another_currency_than_the_plans_amounts_is_refused() -> None:
    dollars = Money(999, "USD")
    said = r"split plan default, rule 1: its amounts are in EUR, the sale is in USD: give channels"
    with pytest.raises(PlanRefused, match=said):
        split_line(PLAN, dollars, 1, [("Ada", 1)])
    with pytest.raises(PlanRefused, match=said):
        commission(PLAN, dollars)
    with pytest.raises(PlanRefused, match=said):
        require_currency(PLAN, "USD")
    require_currency(PLAN, "EUR")


def test_a_plan_of_rates_alone_splits_any_currency() -> None:
    plan = SplitPlan.of("rates", 1, [SplitRule(Party.CHANNEL, rate_ppm=100_000), REST])
    for currency in ("EUR", "USD", "JPY", "KWD"):
        assert commission(plan, Money(1000, currency)) == 100


def gross(party: Party, rate_ppm: int) -> SplitRule:
    return SplitRule(party, rate_ppm=rate_ppm)


def after(party: Party, rate_ppm: int) -> SplitRule:
    return SplitRule(party, Base.AFTER_CHANNEL, rate_ppm=rate_ppm)


CHANNEL, OPERATOR = Party.CHANNEL, Party.OPERATOR
DOLLARS = SplitRule(OPERATOR, fixed_minor=5, currency="USD")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], "has 0 rules"),
        ([gross(OPERATOR, 1)] * 32 + [REST], "has 33 rules"),
        ([gross(CHANNEL, 1)], r"rule 1 \(channel\): exactly the last rule takes the rest"),
        ([REST, REST], r"rule 1 \(consignor\): exactly the last rule takes the rest"),
        ([SplitRule(OPERATOR, rest=True)], r"rule 1 \(operator\): the rest belongs to the consignor"),
        ([SplitRule(Party.CONSIGNOR, rate_ppm=1, rest=True)], "remove its rate and amounts"),
        (
            [SplitRule(Party.CONSIGNOR, fixed_minor=1, currency="EUR", rest=True)],
            "remove its rate and amounts",
        ),
        ([after(OPERATOR, 1), gross(CHANNEL, 1), REST], r"rule 2 \(channel\): a rule before it reckons"),
        ([gross(CHANNEL, 1), after(CHANNEL, 1), REST], r"rule 2 \(channel\): .* write base = gross"),
        ([gross(CHANNEL, -1), REST], r"rule 1 \(channel\): its rate is -0\.0001 %"),
        ([gross(CHANNEL, 1_000_001), REST], r"its rate is 100\.0001 %: write 0 to 100 %"),
        ([gross(CHANNEL, 600_000), gross(OPERATOR, 400_001), REST], r"rule 2 .* come to 100\.0001 %"),
        ([after(OPERATOR, 600_000), after(OPERATOR, 400_001), REST], r"rule 2 .* come to 100\.0001 %"),
        ([SplitRule(CHANNEL, fixed_minor=-1, currency="EUR"), REST], "an amount is below zero"),
        ([SplitRule(CHANNEL, minimum_minor=-1, currency="EUR"), REST], "an amount is below zero"),
        (
            [SplitRule(CHANNEL, minimum_minor=2, maximum_minor=1, currency="EUR"), REST],
            "minimum is above its maximum",
        ),
        ([SplitRule(CHANNEL, fixed_minor=1), REST], "amounts without a currency"),
        ([SplitRule(CHANNEL, maximum_minor=0), REST], "amounts without a currency"),
        ([SplitRule(CHANNEL, fixed_minor=1, currency="eur"), REST], "write three capital letters"),
        ([SplitRule(CHANNEL, fixed_minor=1, currency=""), REST], "write three capital letters"),
        ([CHANNEL_12_PERCENT, DOLLARS, REST], r"rule 2 \(operator\): it is of another currency"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused_by_rule(rules: list[SplitRule], said: str) -> None:
    with pytest.raises(PlanRefused, match=f"^split plan wrong.*{said}"):
        SplitPlan.of("wrong", 1, rules)


def test_rates_that_come_to_all_of_the_price_are_allowed() -> None:
    plan = SplitPlan.of("all", 1, [gross(CHANNEL, 600_000), gross(OPERATOR, 400_000), REST])
    assert by_party(split(plan, 999, [("Ada", 1)])) == {CHANNEL: 599, OPERATOR: 400, Party.CONSIGNOR: 0}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("{", "Invalid JSON"),
        ("{}", "rules: "),
        ("[]", "has 0 rules"),
        ('[{"party":"consignor","rest":true,"tier":1}]', r"0\.tier: Unexpected"),
        ('[{"party":"consignor","rest":1}]', r"0\.rest: "),
        ('[{"party":"state","rest":true}]', r"0\.party: "),
        ('[{"party":"consignor","rate_ppm":0.5,"rest":true}]', r"0\.rate_ppm: "),
        ('[{"party":"operator","rest":true}]', "the rest belongs to the consignor"),
    ],
)
def test_stored_rules_that_this_program_cannot_follow_are_refused(rules: str, said: str) -> None:
    with pytest.raises(PlanRefused, match=f"split plan stored.*{said}"):
        plan_from_json("stored", 3, rules)
