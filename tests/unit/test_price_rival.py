"""Shows how a price answers rivals, and that two programs that watch each other do not race down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.money.money import Money
from core.offers.price.engine import plan_price
from core.offers.price.facts import (
    CHANGES_LOOKED_AT,
    ChangeMade,
    ListingFacts,
    PriceFacts,
    ShownPrice,
    Sighting,
)
from core.offers.price.rule import Damping, Follow, PriceRule, RivalRule
from tests.unit.price_facts import (
    FREE,
    NOW,
    change,
    euros,
    facts_of,
    levels,
    seen,
    showing,
    shown_minor,
    step,
)
from tests.unit.split_plans import CURRENCY

TARGET = 1000
COST = 500
MINUTE = timedelta(minutes=1)


def facts_among(*sightings: Sighting, changes: tuple[ChangeMade, ...] = ()) -> PriceFacts:
    return facts_of(euros("10.00"), euros("5.00"), ListingFacts(sightings=sightings, changes=changes))


def answer(facts: PriceFacts, rule: RivalRule, rounding: PriceRule | None = None) -> int:
    return shown_minor(plan_price(facts, replace(rounding or PriceRule(), rival=rule), FREE))


@pytest.mark.parametrize(
    ("rule", "minor"),
    [
        (RivalRule(Follow.UNDERCUT, step_minor=5), 945),
        (RivalRule(Follow.MATCH), 950),
        (RivalRule(Follow.STAY, place=1), 949),
        (RivalRule(Follow.STAY, place=2), 969),
        (RivalRule(Follow.STAY, place=3), 1000),
        (RivalRule(Follow.STAY, place=4), 1000),
        (RivalRule(Follow.STAY, place=3, above_ppm=100_000), 1049),
        (RivalRule(Follow.MATCH, ignore=("ANN",)), 970),
        (RivalRule(Follow.MATCH, below_ppm=40_000), 970),
        (RivalRule(Follow.MATCH, below_ppm=0), 1000),
    ],
)
def test_a_price_takes_its_place_among_rivals(rule: RivalRule, minor: int) -> None:
    rivals = [seen("ann", "9.50"), seen("bob", "9.70"), seen("cid", "10.50"), seen("ann", "9.90")]
    assert answer(facts_among(*rivals), rule) == minor


def test_own_offers_stale_sightings_and_the_sold_out_are_not_followed() -> None:
    rivals = (
        seen("us", "9.10", own=True),
        seen("old", "9.20", age=timedelta(hours=7)),
        replace(seen("empty", "9.30"), stock=0),
        Sighting("dollars", Money(940, "USD"), False, NOW),
        seen("bob", "9.70"),
    )
    price = plan_price(facts_among(*rivals), PriceRule(rival=RivalRule()), FREE)
    assert step(price, "rival").why == "matches bob at 9.70 EUR"
    assert shown_minor(price) == 970


def test_an_ending_does_not_lose_the_place_that_was_taken() -> None:
    endings = PriceRule(rounding_minor=100, ending_minor=99)
    rule = RivalRule(Follow.UNDERCUT, below_ppm=300_000)
    assert answer(facts_among(seen("ann", "9.50")), rule, endings) == 899
    # Under the floor no place is worth having.
    dear = replace(facts_among(seen("ann", "9.50")), unit_costs=(euros("9.20"),))
    assert answer(dear, rule, endings) == 999


def test_competition_does_not_move_a_price_twice_within_the_interval() -> None:
    moved = change("10.00", "9.60", ago=10 * MINUTE)
    facts = showing(facts_among(seen("ann", "9.50"), changes=(moved,)), euros("9.60"))
    assert answer(facts, RivalRule()) == 960
    assert answer(facts, RivalRule(damping=Damping(interval=9 * MINUTE))) == 950


def test_a_price_a_little_cheaper_than_needed_stays() -> None:
    facts = showing(facts_among(seen("ann", "9.53")), euros("9.50"))
    assert answer(facts, RivalRule(damping=Damping(slack_minor=3))) == 950
    assert answer(facts, RivalRule(damping=Damping(slack_minor=2))) == 953


def test_a_lost_race_ends_at_the_target_and_rests_there() -> None:
    cuts = tuple(change(f"{10 - n}.00", f"{9 - n}.00", (5 - n) * timedelta(hours=1)) for n in range(4))
    rule = RivalRule(below_ppm=900_000)
    losing = showing(facts_among(seen("ann", "5.50"), changes=cuts), euros("6.00"))
    price = plan_price(losing, PriceRule(rival=rule), FREE)
    assert step(price, "rival").why == "back to its target: 4 cuts in a row did not end the race"
    assert shown_minor(price) == TARGET
    resting = replace(losing.listing, changes=(*cuts, change("6.00", "10.00", timedelta(hours=1))))
    rested = showing(replace(losing, listing=resting), euros("10.00"))
    assert answer(rested, rule) == TARGET
    assert answer(replace(rested, now=NOW + timedelta(hours=5)), rule) == 550
    assert levels(price)["floor"] == TARGET


@dataclass(slots=True)
class Bot:
    """A seller in the simulation: ours, by the engine, or one that always undercuts."""

    price_minor: int
    decide: Callable[[Bot, Bot, datetime], int]
    changes: list[ChangeMade] = field(default_factory=list)
    lowest_minor: int = 10**9

    def move(self, other: Bot, now: datetime) -> None:
        wanted = self.decide(self, other, now)
        if wanted != self.price_minor:
            self.changes.append(ChangeMade(now, self.price_minor, wanted))
            self.price_minor = wanted
        self.lowest_minor = min(self.lowest_minor, wanted)


def ours(rule: PriceRule) -> Callable[[Bot, Bot, datetime], int]:
    def decide(bot: Bot, other: Bot, now: datetime) -> int:
        recent = tuple(made for made in bot.changes if made.at > now - CHANGES_LOOKED_AT)
        rival = Sighting("other", Money(other.price_minor, CURRENCY), False, now)
        shown = Money(bot.price_minor, CURRENCY)
        facts = PriceFacts(
            currency=CURRENCY,
            now=now,
            bases={CURRENCY: TARGET},
            unit_costs=(Money(COST, CURRENCY),),
            published=ShownPrice(shown, shown),
            listing=ListingFacts(changes=recent, sightings=(rival,)),
        )
        return shown_minor(plan_price(facts, rule, FREE))

    return decide


def undercutter(step_minor: int) -> Callable[[Bot, Bot, datetime], int]:
    return lambda bot, other, now: max(1, other.price_minor - step_minor)


@st.composite
def dampings(draw: st.DrawFn) -> Damping:
    return Damping(
        interval=draw(st.sampled_from([5, 15, 60])) * MINUTE,
        rounds=draw(st.integers(1, 6)),
        rest=timedelta(hours=draw(st.sampled_from([1, 6]))),
        slack_minor=draw(st.sampled_from([0, 3])),
    )


def raced(first: Bot, second: Bot, every: timedelta, hours: int) -> None:
    now = NOW
    while now < NOW + timedelta(hours=hours):
        now += every
        first.move(second, now)
        second.move(first, now)


@settings(max_examples=12, deadline=None)
@given(dampings(), dampings(), st.integers(1, 10))
def test_two_of_our_own_kind_do_not_race_to_the_floor(one: Damping, two: Damping, step_minor: int) -> None:
    """Neither goes lower than its cuts allow, changes stay bounded, and both come back to the target."""
    first, second = (
        Bot(
            TARGET,
            ours(PriceRule(rival=RivalRule(Follow.UNDERCUT, step_minor, below_ppm=400_000, damping=each))),
        )
        for each in (one, two)
    )
    raced(first, second, 5 * MINUTE, 24)
    deepest = TARGET - (one.rounds + two.rounds + 1) * step_minor
    for bot, damping in ((first, one), (second, two)):
        assert bot.lowest_minor >= deepest > COST
        assert len(bot.changes) <= timedelta(hours=24) / damping.interval + 1
        assert bot.price_minor >= deepest


@settings(max_examples=12, deadline=None)
@given(dampings(), st.integers(1, 50), st.integers(0, 400_000))
def test_a_rival_that_always_undercuts_does_not_pull_us_below_the_reserve(
    damping: Damping, step_minor: int, below_ppm: int
) -> None:
    rule = RivalRule(Follow.UNDERCUT, step_minor, below_ppm=below_ppm, damping=damping)
    bot, rival = Bot(TARGET, ours(PriceRule(rival=rule))), Bot(TARGET - 1, undercutter(1))
    raced(bot, rival, 5 * MINUTE, 24)
    assert bot.lowest_minor >= TARGET - TARGET * below_ppm // 1_000_000 > COST
    assert len(bot.changes) <= timedelta(hours=24) / damping.interval + 1
    assert rival.price_minor >= TARGET - TARGET * below_ppm // 1_000_000 - 1


def test_without_damping_the_same_two_would_race_to_the_reserve() -> None:
    """The race is real: this is what the damping is for."""
    loose = Damping(interval=MINUTE, rounds=10**6)
    rule = RivalRule(Follow.UNDERCUT, 10, below_ppm=400_000, damping=loose)
    first, second = Bot(TARGET, ours(PriceRule(rival=rule))), Bot(TARGET, ours(PriceRule(rival=rule)))
    raced(first, second, 5 * MINUTE, 6)
    assert first.lowest_minor < TARGET - 300
    assert len(first.changes) > 60
