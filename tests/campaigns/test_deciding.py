"""Decisions about rewards, and the laws that hold for all of them: budgets, refunds, draws."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.campaigns.campaign import (
    WHOLE_PPM,
    Budget,
    Campaign,
    Guards,
    Limits,
    Multiplier,
    Outcome,
    Reward,
)
from core.campaigns.deciding import Granted, History, LineFacts, OrderFacts, Refused, Use, Why, decide
from core.campaigns.drawing import SEED_BYTES, SPACE, DrawnFor, chosen, commitment, draw, fair_place
from core.campaigns.guards import guard
from core.campaigns.returning import back_of_parts, owed_back
from core.campaigns.stored import campaign_from_json, campaign_to_json
from core.errors import PlanRefused
from core.money.plans.rules import Base, Condition, Moment, OnRefund, Party, Vesting
from tests.campaigns.made import PAYABLE, campaign, reward
from tests.factories import NOW

DAY = timedelta(days=1)
SEED = bytes(range(32))


def order(*prices_minor: int, **words: object) -> OrderFacts:
    """An order of the buyer's first, a line for each price, of which the channel leaves nine tenths."""
    lines = tuple(
        LineFacts(number, f"SKU-{number}", frozenset(), price, after_channel_minor=price * 9 // 10)
        for number, price in enumerate(prices_minor, 1)
    )
    facts = OrderFacts(
        order_id=1,
        channel="shop",
        order_ref="o-1",
        currency="EUR",
        sold_at=NOW,
        delivered_at=NOW,
        lines=lines,
        buyer="shop/ann",
        order_no=1,
        operator_minor=sum(prices_minor) // 5,
        lifetime_minor=sum(prices_minor),
    )
    return replace(facts, **words)  # type: ignore[arg-type]


def answer(made: Campaign, facts: OrderFacts, history: History | None = None) -> Granted | Refused:
    """About the first reward."""
    return decide(made, made.rewards[0], facts, history or History(), guard, seed=SEED)


def granted(made: Campaign, facts: OrderFacts, history: History | None = None) -> Granted:
    found = answer(made, facts, history)
    assert isinstance(found, Granted), found
    return found


def refused(made: Campaign, facts: OrderFacts, history: History | None = None) -> Why:
    found = answer(made, facts, history)
    assert isinstance(found, Refused), found
    return found.why


def test_a_rate_is_of_the_lines_that_meet_the_condition() -> None:
    steam = reward(rate_ppm=100_000, when=Condition(tags=("steam",)))
    facts = order(1000, 3000)
    tagged = replace(facts.lines[1], tags=frozenset({"steam"}))
    found = granted(campaign(steam), replace(facts, lines=(facts.lines[0], tagged)))
    assert (found.amount_minor, found.base_minor, found.line_nos) == (300, 3000, (2,))


def test_an_order_in_another_currency_gets_nothing() -> None:
    assert refused(campaign(reward(rate_ppm=1000)), order(1000, currency="USD")) is Why.CURRENCY


def test_a_margin_without_a_cost_is_not_guessed() -> None:
    by_margin = campaign(reward(rate_ppm=500_000, base=Base.MARGIN))
    assert refused(by_margin, order(1000)) is Why.COST_UNKNOWN
    facts = order(1000)
    known = replace(facts, lines=(replace(facts.lines[0], cost_minor=700),))
    assert granted(by_margin, known).amount_minor == 100


def test_windows_multiply_up_to_the_cap_and_never_beyond_the_maximum() -> None:
    def window(name: str, times_ppm: int) -> Multiplier:
        return Multiplier(name, times_ppm, NOW - DAY, NOW + DAY)

    base = reward(rate_ppm=50_000)
    doubled = campaign(base, multipliers=(window("a", 2_000_000),), multiplier_cap_ppm=3_000_000)
    assert granted(doubled, order(1000)).amount_minor == 100
    both = replace(doubled, multipliers=(window("a", 2_000_000), window("b", 2_000_000)))
    assert granted(both, order(1000)).amount_minor == 150
    most = campaign(reward(rate_ppm=50_000, maximum_minor=60), multipliers=doubled.multipliers)
    assert granted(replace(most, multiplier_cap_ppm=2_000_000), order(1000)).amount_minor == 60
    assert granted(doubled, order(1000, sold_at=NOW + DAY)).amount_minor == 50


def test_a_reward_in_parts_gives_all_of_it_away_with_dates() -> None:
    staged = reward(rate_ppm=100_000, vest=Vesting(Moment.HOLD, hold_days=7, parts=3, every_days=30))
    parts = granted(campaign(staged), order(1000)).parts
    assert [part.amount for part in parts] == [34, 33, 33]
    assert [part.vests_at for part in parts] == [NOW + 7 * DAY, NOW + 37 * DAY, NOW + 67 * DAY]


def test_a_referrer_in_a_ring_gets_nothing_and_neither_does_the_buyer() -> None:
    direct = reward("direct", rate_ppm=10_000, party=Party.parse("referrer-1"), pays=PAYABLE)
    both = campaign(reward(rate_ppm=10_000, when=Condition(referrer=1)), direct)
    history = History(rings={"Bea": "they share a device"})
    facts = order(1000, referrers=("Bea",))
    for each in both.rewards:
        found = decide(both, each, facts, history, guard)
        assert isinstance(found, Refused)
        assert (found.why, found.reason) == (Why.OWN_RING, "they share a device")
    allowed = replace(both, guards=replace(both.guards, own_rings=True))
    assert isinstance(decide(allowed, direct, facts, history, guard), Granted)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (History(spent_minor=901), Why.BUDGET),
        (History(spent_today_minor=401), Why.DAY_BUDGET),
        (History(of_order_minor=101), Why.MARGIN),
        (History(of_buyer_minor=51), Why.LIFETIME),
        (History(uses=(Use("device", grants=3),)), Why.LIMIT),
        (History(uses=(Use("account", amount_minor=151),)), Why.LIMIT),
    ],
)
def test_each_guard_lets_its_line_be_reached_and_not_crossed(before: History, why: Why) -> None:
    # 100 of an order of 1,000: margin 200, half of it at most 100 more; 15 % of what was bought is 150.
    made = campaign(
        reward(rate_ppm=100_000),
        budget=Budget(1000, per_day_minor=500),
        guards=Guards(margin_stop_ppm=WHOLE_PPM, lifetime_ppm=150_000),
        limits=Limits(grants_per_device=3, amount_per_account_minor=250),
    )
    assert refused(made, order(1000), before) is why
    less = History(
        spent_minor=max(0, before.spent_minor - 1),
        spent_today_minor=max(0, before.spent_today_minor - 1),
        of_order_minor=max(0, before.of_order_minor - 1),
        of_buyer_minor=max(0, before.of_buyer_minor - 1),
        uses=tuple(
            replace(use, grants=max(0, use.grants - 1), amount_minor=max(0, use.amount_minor - 1))
            for use in before.uses
        ),
    )
    assert granted(made, order(1000), less).amount_minor == 100


def test_a_large_part_of_the_margin_is_warned_of_and_said_so() -> None:
    made = campaign(reward(rate_ppm=61_000), guards=Guards(lifetime_ppm=None))
    assert "more than 30 %" in granted(made, order(1000)).warning
    assert granted(replace(made, rewards=(reward(rate_ppm=60_000),)), order(1000)).warning == ""


amounts = st.integers(0, 10_000)


@given(
    prices=st.lists(st.integers(1, 20_000), max_size=30),
    budget=st.integers(1, 5_000),
    per_day=st.integers(1, 5_000),
    rate_ppm=st.integers(1, WHOLE_PPM),
)
def test_budgets_are_never_exceeded_in_any_order(
    prices: list[int], budget: int, per_day: int, rate_ppm: int
) -> None:
    made = campaign(reward(rate_ppm=rate_ppm), budget=Budget(budget, min(budget, per_day)))
    for day in (prices, prices[::-1]):
        spent = 0
        for price in day:
            found = answer(made, order(price), History(spent_minor=spent, spent_today_minor=spent))
            if isinstance(found, Granted):
                spent += found.amount_minor
                assert sum(part.amount for part in found.parts) == found.amount_minor
        assert spent <= min(budget, per_day)


@given(amount=amounts, refunds=st.lists(st.integers(1, 500), max_size=12), data=st.data())
def test_partial_refunds_take_back_what_one_does_and_a_full_one_takes_all(
    amount: int, refunds: list[int], data: st.DataObject
) -> None:
    eligible = max(1, sum(refunds) + data.draw(st.integers(0, 100)))
    how = data.draw(st.sampled_from([OnRefund.PROPORTIONAL, OnRefund.FULL]))
    seen = [owed_back(amount, how, eligible, sum(refunds[:n])) for n in range(len(refunds) + 1)]
    assert seen == sorted(seen)
    assert owed_back(amount, how, eligible, eligible) == amount
    assert owed_back(amount, OnRefund.KEPT, eligible, eligible) == 0


@given(parts=st.lists(amounts, min_size=1, max_size=8), data=st.data())
def test_what_comes_back_is_taken_from_the_parts_to_come_and_never_given_again(
    parts: list[int], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, sum(parts)))
    second = data.draw(st.integers(first, sum(parts)))
    before, after = back_of_parts(parts, first), back_of_parts(parts, second)
    assert (sum(before), sum(after)) == (first, second)
    assert all(low <= high <= part for low, high, part in zip(before, after, parts, strict=True))


weights = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@given(weights=weights, space=st.integers(1, 2_000))
def test_every_place_is_as_likely_as_any_other_and_every_outcome_by_its_weight(
    weights: list[int], space: int
) -> None:
    total = sum(weights)
    if space < total:
        return
    places = [fair_place(number, total, space) for number in range(space)]
    kept = [place for place in places if place is not None]
    assert len(kept) == space - space % total
    assert all(kept.count(place) == space // total for place in range(total))
    outcomes = [chosen(place, weights) for place in range(total)]
    assert [outcomes.count(number) for number in range(1, len(weights) + 1)] == weights


@given(seed=st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES), ref=st.text(max_size=20), weights=weights)
def test_a_draw_done_again_is_the_same_and_hangs_on_the_order(
    seed: bytes, ref: str, weights: list[int]
) -> None:
    outcomes = [Outcome(weight) for weight in weights]
    drawn_for = DrawnFor("lucky", 1, "draw", "shop", ref)
    assert draw(seed, drawn_for, outcomes) == draw(seed, drawn_for, outcomes)
    assert drawn_for.message() != DrawnFor("lucky", 1, "draw", "shop", ref + "x").message()
    assert len(commitment(seed)) == SEED_BYTES


def test_draws_come_about_as_often_as_their_weights_say() -> None:
    outcomes = [Outcome(80), Outcome(19), Outcome(1)]
    drawn = [draw(SEED, DrawnFor("l", 1, "r", "shop", str(n)), outcomes) for n in range(5000)]
    # Four standard deviations on either side, of a seed that does not change.
    assert 3887 <= drawn.count(1) <= 4113
    assert 839 <= drawn.count(2) <= 1061
    assert 22 <= drawn.count(3) <= 78
    assert SPACE == 2**256


def test_words_are_not_taken_for_each_other() -> None:
    one, other = DrawnFor("a", 1, "b", "c", "d"), DrawnFor("a", 1, "b", "c,1:d", "")
    assert one.message() != other.message()


@given(rate_ppm=st.integers(0, WHOLE_PPM), maximum=st.none() | amounts, draws=st.booleans())
def test_a_stored_campaign_reads_back_as_it_was(rate_ppm: int, maximum: int | None, draws: bool) -> None:
    made = reward(rate_ppm=rate_ppm, maximum_minor=maximum)
    made = Reward(made.rule, made.pays, (Outcome(1), Outcome(2, fixed_minor=5)) if draws else (), 30)
    stored = campaign(made, multipliers=(Multiplier("m", 1, NOW, NOW + DAY),), limits=Limits(1, 2, 3, 4))
    assert campaign_from_json("spring", 1, campaign_to_json(stored)) == stored


def test_what_was_stored_by_a_newer_program_is_refused() -> None:
    stored = campaign_to_json(campaign(reward()))
    assert isinstance(stored, dict)
    with pytest.raises(PlanRefused, match="campaign spring version 3, novelty"):
        campaign_from_json("spring", 3, {**stored, "novelty": 1})
