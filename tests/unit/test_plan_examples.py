"""The plans shipped as examples post exactly the entries worked out by hand beside each sale."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from config.plans import read_plan
from core.errors import FactMissing, OverAllocated
from core.money.money import Money
from core.money.plans.budgets import spend
from core.money.plans.facts import CodesOf, Counted
from core.money.plans.grossing import commission, gross_up
from core.money.plans.journal import moves, position, schedule
from core.money.plans.lint import lint
from core.money.plans.refunds import Refunded, refund_amount, refund_units
from core.money.plans.waterfall import evaluate
from scheduler.split_plans import plan_of
from tests.unit.plan_entries import (
    DELIVERED,
    FOLDER,
    SOLD,
    channel,
    entries,
    example,
    refund_postings,
    release_postings,
    sale,
    sold,
)

FILES = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_passes_the_linter_and_is_named_like_its_file(path: Path) -> None:
    plan = plan_of(read_plan(path))
    assert lint(plan) == []
    assert plan.name == path.stem


# Source: Gamivo's fee table as two seller integrations quote its public API document: general from 8 EUR 8
# % + 0.40, below 6 % + 0.25; PSN and Xbox cards 5 % + 0.20; Steam and other shop cards 3 % + 0.40; software
# 40 % + 0.40.
@pytest.mark.parametrize(
    ("price", "tags", "kept", "fee"),
    [
        ("19.99", ["game"], 200, 90),  # 8 % of 19.99 = 1.5992 -> 1.60, + 0.40; 5 % of 17.99 = 0.8995 -> 0.90
        ("8.00", ["game"], 104, 35),  # 0.64 + 0.40; 5 % of 6.96 = 0.348 -> 0.35
        ("7.99", ["game"], 73, 36),  # 0.4794 -> 0.48, + 0.25; 5 % of 7.26 = 0.363 -> 0.36
        ("50.00", ["psn"], 270, 237),  # 2.50 + 0.20; 5 % of 47.30 = 2.365 -> 2.37
        ("20.00", ["steam-card"], 100, 95),  # 0.60 + 0.40; 5 % of 19.00 = 0.95
        ("30.00", ["software"], 1240, 88),  # 12.00 + 0.40; 5 % of 17.60 = 0.88
    ],
)
def test_gamivo(price: str, tags: list[str], kept: int, fee: int) -> None:
    facts = sale(price, tags=frozenset(tags))
    gross = facts.gross_minor
    expected = channel(gross, kept) | {
        "operator commission": -fee,
        "consignor Ada payable": kept + fee - gross,
    }
    assert sold(evaluate(example("gamivo"), facts)) == expected


def test_gamivo_prices_are_found_on_the_cheap_side_of_the_jump() -> None:
    plan, facts = example("gamivo"), sale("1.00", tags=frozenset({"game"}))
    # gross = (net + fixed) / (1 - rate), as the marketplace's own page says, then up to the next cent that
    # pays it. 7.20: (7.20 + 0.25) / 0.94 = 7.9255; of 7.93 it keeps 0.4758 -> 0.48 + 0.25 and leaves 7.20.
    assert gross_up(plan, Money(720, "EUR"), facts, range(1, 10**9)) == Money(793, "EUR")
    # 7.27: below 8.00 at most 7.99 - 0.73 = 7.26 is left; from 8.00: (7.27 + 0.40) / 0.92 = 8.3370 -> 8.34.
    assert gross_up(plan, Money(727, "EUR"), facts, range(1, 10**9)) == Money(834, "EUR")
    assert commission(plan, replace(facts, unit_price=Money(834, "EUR"))) == 107  # 0.6672 -> 0.67, + 0.40


# Source: Kinguin's advertised retail commission, 10 % down to 3 % by quarterly turnover.
@pytest.mark.parametrize(
    ("before", "kept", "fee"),
    [
        (0, 200, 72),  # 10 % of 20.00; 4 % of 18.00
        (4_999_999, 200, 72),  # a cent below the second tier
        (5_000_000, 140, 74),  # 7 %; 4 % of 18.60 = 0.744
        (25_000_000, 60, 78),  # 3 %; 4 % of 19.40 = 0.776
    ],
)
def test_kinguin_by_turnover(before: int, kept: int, fee: int) -> None:
    facts = sale("20.00", counted={"commission": Counted(turnover_minor=before)})
    expected = channel(2000, kept) | {"operator commission": -fee, "consignor Ada payable": kept + fee - 2000}
    assert sold(evaluate(example("kinguin"), facts)) == expected


def test_marketplace_with_deposit_and_a_service_fee_that_is_not_given_back() -> None:
    # 100.00, one of two lines of an order (the other 50.00). 12 % = 12.00; of the fee 0.60 per order,
    # 100/150 = 0.40. Deposit 2 % = 2.00, held 30 days. 5 % of what the channel leaves, 87.60, = 4.38. Rest
    # 100 - 12.40 - 2 - 4.38 = 81.22.
    split = evaluate(example("marketplace"), sale("100.00", "CNY", order_lines_minor=(10_000, 5_000)))
    expected = channel(10_000, 1_240) | {"operator commission": -438, "consignor Ada payable": -8_122}
    assert sold(split) == expected | {"consignor Ada held": -200}
    nothing, month = Refunded.nothing(split), SOLD + timedelta(days=30)
    released = release_postings(split, nothing, DELIVERED, SOLD, month)
    assert entries(released) == {"consignor Ada payable": -200, "consignor Ada held": 200}
    # Refunded: the channel keeps 0.40 of its 12.40, so it takes 0.40 off our balance; the operator bears it.
    back = refund_postings(split, nothing, Refunded.everything(split), DELIVERED, SOLD)
    assert entries(back) == {
        "channel mkt receivable": -8_800,  # from +87.60 to -0.40
        "channel mkt commission": -1_200,
        "channel mkt recharged": 1_200,
        "operator commission": 438,
        "operator loss": 40,
        "consignor Ada payable": 8_122,
        "consignor Ada held": 200,
    }


def test_five_per_cent_of_what_is_redeemed() -> None:
    plan, sold_facts = example("redemption"), sale("100.00", "CNY")
    before = evaluate(plan, sold_facts)
    # Nothing is redeemed: nothing is owed to channel or shop, all of it waits.
    assert sold(before) == {"channel mkt receivable": 10_000, "consignor Ada held": -10_000}
    # 80.00 redeemed: channel 5 % = 4.00, shop 60 % = 48.00, operator 3 % = 2.40; the rest is 45.60.
    after = evaluate(plan, replace(sold_facts, unit_redeemed_minor=8_000))
    redeemed = replace(DELIVERED, redeemed_at=SOLD + timedelta(days=3))
    there = position(before, Refunded.nothing(before), DELIVERED, SOLD)
    here = position(after, Refunded.nothing(after), redeemed, SOLD + timedelta(days=3))
    assert entries(moves(there, here, "CNY")) == {
        "channel mkt receivable": -400,
        "channel mkt commission": 400,
        "channel mkt recharged": -400,
        "operator commission": -240,
        "party shop payable": -4_800,
        "consignor Ada payable": -4_560,
        "consignor Ada held": 10_000,
    }
    # Never redeemed: after 180 days it lapses to the operator.
    lapsed = release_postings(before, Refunded.nothing(before), DELIVERED, SOLD, SOLD + timedelta(days=180))
    assert entries(lapsed) == {"operator commission": -10_000, "consignor Ada held": 10_000}


def test_pay_per_conversion_and_the_cost_of_promotion() -> None:
    plan = example("conversion")
    # 40.00: 6 % + 0.25 = 2.65 and promotion 3 % = 1.20; promoter 1.50 after 14 days; 5 % of 36.15 = 1.8075
    # -> 1.81. Rest: 40 - 3.85 - 1.50 - 1.81 = 32.84.
    split = evaluate(plan, sale("40.00", segments=frozenset({"promoted"})))
    expected = channel(4_000, 385) | {"operator commission": -181, "consignor Ada payable": -3_284}
    assert sold(split) == expected | {"party promoter held": -150}
    # A quarter of the price goes back: 10.00. The commission gives back a quarter of 2.65 and so on, by
    # largest remainder of 10.00 over 2.65, 1.20, 1.50, 1.81, 32.84: 0.6625, 0.30, 0.375, 0.4525, 8.21 ->
    # 0.66, 0.30, 0.38 (the largest remainder), 0.45, 8.21. The promotion keeps its 1.20; the promoter gives
    # back all of 1.50. The consignor bears what that leaves: 10.00 - 0.66 - 1.50 - 0.45 - 8.21 = -0.82, so
    # is charged 0.82 less than 8.21: 7.39.
    nothing = Refunded.nothing(split)
    back = refund_postings(split, nothing, refund_amount(split, nothing, 1_000), DELIVERED, SOLD)
    assert entries(back) == {
        "channel mkt receivable": -934,  # 10.00 less the 0.66 of commission that comes back
        "channel mkt commission": -66,
        "channel mkt recharged": 66,
        "operator commission": 45,
        "consignor Ada payable": 739,
        "party promoter held": 150,
    }
    # Not promoted: 2.65; 5 % of 37.35 = 1.8675 -> 1.87.
    plain = channel(4_000, 265) | {"operator commission": -187, "consignor Ada payable": -3_548}
    assert sold(evaluate(plan, sale("40.00"))) == plain


def test_a_traffic_budget_is_set_aside_up_to_its_cap_and_spent() -> None:
    plan = example("traffic")
    # 3 x 100.00 at 5 %: 15.00. 6 % is 6.00 each, but 1,990.00 of the month's 2,000.00 are set aside
    # already: 6.00, 4.00, 0. 8 % of 95.00 = 7.60 each. Rest: 300 - 15 - 10 - 22.80 = 252.20.
    facts = sale("100.00", "CNY", 3, counted={"traffic": Counted(taken_minor=199_000)})
    expected = channel(30_000, 1_500) | {"operator commission": -2_280, "consignor Ada payable": -25_220}
    assert sold(evaluate(plan, facts)) == expected | {"budget traffic set_aside": -1_000}
    # An ad for 12.50 is taken off our balance: 10.00 from the budget, 2.50 is the operator's cost.
    assert entries(
        spend("traffic", Money(1_000, "CNY"), Money(1_250, "CNY"), ("channel", "mkt", "receivable"))
    ) == {
        "budget traffic set_aside": 1_000,
        "operator traffic promotion": 250,
        "channel mkt receivable": -1_250,
    }


def test_a_consignor_with_a_fixed_price() -> None:
    plan = example("consignor-fixed")
    # 20.00: 12 % + 0.25 = 2.65; the consignor 15.00, the operator the rest, 2.35.
    expected = channel(2_000, 265) | {"operator commission": -235, "consignor Ada payable": -1_500}
    assert sold(evaluate(plan, sale("20.00"))) == expected
    with pytest.raises(OverAllocated, match="price-of-the-code"):
        evaluate(plan, sale("10.00"))


def test_a_consignor_with_a_percentage() -> None:
    # 20.00: 12 % = 2.40; 85 % of 17.60 = 14.96, held 7 days; the operator 2.64.
    expected = channel(2_000, 240) | {"operator commission": -264, "consignor Ada held": -1_496}
    split = evaluate(example("consignor-percentage"), sale("20.00"))
    assert sold(split) == expected
    (due,) = schedule(split, Refunded.nothing(split), DELIVERED, SOLD)
    assert (due.rule, due.amount_minor, due.at) == ("consignor", 1_496, SOLD + timedelta(days=7))


def test_a_consignor_with_a_share_of_the_profit() -> None:
    plan = example("consignor-profit")
    # 20.00 for a code that cost 14.00: 12 % = 2.40, margin 20 - 2.40 - 14 = 3.60; 30 % of it 1.08; the
    # consignor has the cost and 70 %: 14.00 + 2.52 = 16.52.
    cost = (CodesOf("Ada", 1, 1_400),)
    expected = channel(2_000, 240) | {"operator commission": -108, "consignor Ada payable": -1_652}
    assert sold(evaluate(plan, sale("20.00", codes=cost))) == expected
    # Below cost there is no margin: 10.00 - 1.20 = 8.80, all of it the consignor's.
    loss = channel(1_000, 120) | {"consignor Ada payable": -880}
    assert sold(evaluate(plan, sale("10.00", codes=cost))) == loss
    with pytest.raises(FactMissing, match="Ada's codes"):
        evaluate(plan, sale("20.00"))


def test_two_levels_of_referral() -> None:
    plan = example("referral")
    # 2 x 50.00: 6 % = 6.00; 12 % = 12.00 and 4 % = 4.00, both held; 5 % of 94.00 = 4.70; rest 73.30.
    split = evaluate(plan, sale("50.00", "CNY", 2, referrers=("Eve", "Fay")))
    expected = channel(10_000, 600) | {"operator commission": -470, "consignor Ada payable": -7_330}
    assert sold(split) == expected | {"referrer Eve held": -1_200, "referrer Fay held": -400}
    # One of the two comes back: half of everything.
    nothing = Refunded.nothing(split)
    one = refund_units(split, nothing, "Ada", 1)
    assert entries(refund_postings(split, nothing, one, DELIVERED, SOLD)) == {
        name: -amount // 2 for name, amount in sold(split).items()
    }
    # Nobody brought the one who brought the buyer: 100 - 6 - 12 - 4.70 = 77.30.
    alone = channel(10_000, 600) | {"operator commission": -470, "consignor Ada payable": -7_730}
    only = evaluate(plan, sale("50.00", "CNY", 2, referrers=("Eve",)))
    assert sold(only) == alone | {"referrer Eve held": -1_200}


def test_rebates() -> None:
    plan, buyer = example("rebates"), "b-1"
    # 2 x 60.00, the buyer's fifth order, in the week: 6 % = 7.20; 12 % = 14.40; 120.00 reaches 100 ->
    # 12.00; 6 % = 7.20 in three parts; left 120 - 7.20 - 14.40 - 12 - 7.20 = 79.20; 10 % of it 7.92; rest
    # 71.28.
    split = evaluate(plan, sale("60.00", quantity=2, buyer=buyer, buyer_order_no=5))
    expected = channel(12_000, 720) | {"operator commission": -792, "consignor Ada payable": -7_128}
    assert sold(split) == expected | {"buyer b-1 rebate": -2_640, "buyer b-1 held": -720}
    due = schedule(split, Refunded.nothing(split), DELIVERED, SOLD)
    assert [(part.amount_minor, part.at) for part in due] == [
        (240, SOLD + timedelta(days=days)) for days in (30, 60, 90)
    ]
    # A first order of 150.00: 10 % would be 15.00, at most 10.00; 100 -> 12.00; 6 % = 9.00 twice (channel,
    # staged); left 150 - 9 - 10 - 12 - 9 = 110; 11.00; rest 99.00.
    first = evaluate(plan, sale("150.00", buyer=buyer, buyer_order_no=1))
    expected = channel(15_000, 900) | {"operator commission": -1_100, "consignor Ada payable": -9_900}
    assert sold(first) == expected | {"buyer b-1 rebate": -2_200, "buyer b-1 held": -900}
    # A fourth order after the week: only the staged 6 % of 10.00; left 10 - 0.60 - 0.60 = 8.80; 0.88; rest
    # 7.92.
    late = sale("10.00", buyer=buyer, buyer_order_no=4, sold_at=SOLD + timedelta(days=30))
    fourth = evaluate(plan, late)
    assert [fourth.amount_minor(index) for index in range(len(plan.rules))] == [60, 0, 0, 0, 60, 88, 792]
