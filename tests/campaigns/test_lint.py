"""What is wrong with a campaign is told before it is published: where, what, and how to mend it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.campaigns import parse_campaign
from config.problems import SettingsRefused
from core.campaigns.campaign import (
    WHOLE_PPM,
    Budget,
    Campaign,
    Guards,
    Limits,
    Multiplier,
    Outcome,
    Pays,
    Reward,
)
from core.campaigns.deciding import Granted, History, decide
from core.campaigns.guards import guard
from core.campaigns.lint import lint
from core.money.plans.rules import (
    Base,
    Condition,
    Lapse,
    Moment,
    Party,
    PartyKind,
    Tier,
    TierBy,
    TierMode,
    Tiers,
    Vesting,
)
from scheduler.campaign_terms import PaidIn, draft_campaign, sound_campaign
from tests.campaigns.made import PAYABLE, campaign, reward
from tests.campaigns.test_deciding import order
from tests.factories import NOW

DAY = timedelta(days=1)
PLAIN = reward(rate_ppm=50_000)


def window(name: str, times_ppm: int, first: int = -1, last: int = 1, *rewards: str) -> Multiplier:
    return Multiplier(name, times_ppm, NOW + first * DAY, NOW + last * DAY, rewards)


def referrer(level: int, **words: object) -> Reward:
    return reward(
        f"level-{level}", rate_ppm=10_000, party=Party(PartyKind.REFERRER, level=level), pays=PAYABLE, **words
    )


WRONG: list[tuple[Campaign, str]] = [
    (campaign(), "it has 0 rewards"),
    (campaign(PLAIN, PLAIN), "2 rewards are named back"),
    (campaign(PLAIN, budget=Budget(0)), "no end to its cost"),
    (campaign(PLAIN, budget=Budget(10, 11)), "between zero and the total"),
    (campaign(PLAIN, ends_at=NOW - 40 * DAY), "ends before it begins"),
    (campaign(PLAIN, guards=Guards(400_000, 300_000)), "warns from 40 % of the margin"),
    (campaign(PLAIN, limits=Limits(grants_per_device=0)), "grants_per_device lets nobody"),
    (campaign(referrer(1), referrer(2), referrer(3)), "禁止传销条例"),
    (campaign(referrer(2)), "rewards the second level and nobody the first"),
    (campaign(reward(rate_ppm=1, party=Party(PartyKind.CONSIGNOR))), "gets no rewards"),
    (campaign(reward(rate_ppm=1, pays=PAYABLE)), "a buyer is not paid by settlement"),
    (campaign(reward(rate_ppm=1, party=Party(PartyKind.REFERRER, level=1))), "a referrer is paid by settle"),
    (campaign(reward(rate_ppm=1, base=Base.REDEEMED)), "no redeemed when rewards are given"),
    (campaign(reward(rate_ppm=1, lapse=Lapse(3))), "neither takes the rest nor lapses"),
    (campaign(reward(rate_ppm=1, vest=Vesting(Moment.REDEMPTION))), "wait for dates alone"),
    (campaign(reward(rate_ppm=1, vest=Vesting(Moment.HOLD))), "write hold_days"),
    (campaign(reward()), "it never takes anything"),
    (campaign(reward(rate_ppm=2_000_000)), "write 0 to 100 %"),
    (campaign(replace(PLAIN, expires_days=0)), "expires_days is 1 or more"),
    (campaign(replace(PLAIN, outcomes=(Outcome(1),))), "write them into the outcomes"),
    (campaign(replace(reward(), outcomes=(Outcome(0, 1), Outcome(1, 2)))), "has no weight"),
    (campaign(PLAIN, multipliers=(window("w", 2_000_000),)), "above multiplier_cap 1 times"),
    (
        campaign(
            PLAIN,
            multipliers=(window("w", 2_000_000), window("v", 2_000_000, 0, 3)),
            multiplier_cap_ppm=3_000_000,
        ),
        "reward back is up to 4 times while w and v are open together",
    ),
    (campaign(PLAIN, multipliers=(window("w", 1, 40, 50),)), "window w lies outside the campaign's dates"),
    (campaign(PLAIN, multipliers=(window("w", 1, 1, -1),)), "window w ends before it begins"),
    (campaign(PLAIN, multipliers=(window("w", 1, -1, 1, "none"),)), "no reward is named none"),
    (campaign(reward(fixed_minor=500)), "for an order of 0.01 EUR back can come to 5.00 EUR"),
    (campaign(reward("a", rate_ppm=600_000), reward("b", rate_ppm=600_000)), "a and b can come to"),
    (
        campaign(reward("coupon", fixed_minor=1, pays=Pays.parse("coupon:x"), vest=Vesting(parts=2))),
        "a coupon is not given in parts",
    ),
]


@pytest.mark.parametrize(("made", "told"), WRONG, ids=[told[:40] for _, told in WRONG])
def test_what_makes_no_sense_is_told_with_how_to_mend_it(made: Campaign, told: str) -> None:
    assert any(told in str(problem) for problem in lint(made)), [str(problem) for problem in lint(made)]


def test_rewards_that_no_order_meets_together_are_not_added_up() -> None:
    first = reward("first", rate_ppm=600_000, when=Condition(orders_to=1))
    later = reward("later", rate_ppm=600_000, when=Condition(orders_from=2))
    assert lint(campaign(first, later)) == []


@given(
    rates=st.lists(st.integers(0, 700_000), min_size=1, max_size=3),
    fixed=st.integers(0, 500),
    minimum_order=st.integers(1, 2_000),
    maximum=st.none() | st.integers(1, 800),
    times_ppm=st.integers(WHOLE_PPM, 3 * WHOLE_PPM),
    price=st.integers(1, 50_000),
)
def test_a_campaign_that_passes_never_gives_more_than_the_price(
    rates: list[int], fixed: int, minimum_order: int, maximum: int | None, times_ppm: int, price: int
) -> None:
    steps = (Tier(0, rates[0]), Tier(1000, rates[-1], fixed))
    rewards = [
        reward(f"r{n}", rate_ppm=rate, fixed_minor=fixed, maximum_minor=maximum)
        for n, rate in enumerate(rates)
    ]
    rewards.append(reward("tiers", tiers=Tiers(TierBy.AMOUNT, TierMode.WHOLE, steps)))
    made = campaign(
        *rewards,
        guards=Guards(None, None, None, minimum_order),
        multipliers=(window("w", times_ppm),),
        multiplier_cap_ppm=times_ppm,
    )
    if lint(made):
        return
    found = [decide(made, each, order(price), History(), guard) for each in made.rewards]
    given = sum(each.amount_minor for each in found if isinstance(each, Granted))
    assert given <= price + len(rewards)


FILE = """name = "spring"
currency = "EUR"
starts_at = 2026-11-01T00:00:00Z

[[rewards]]
name = "back"
party = "buyer"
pays = "wallets"
rate_percent = "5"
"""


def test_a_file_is_refused_by_line_and_key_all_at_once() -> None:
    with pytest.raises(SettingsRefused) as refused:
        parse_campaign(FILE, "spring.toml")
    told = str(refused.value)
    assert "spring.toml: budget: a campaign without a budget has no end to its cost" in told
    assert "spring.toml: ends_at: a campaign has an end" in told
    assert "spring.toml:8: rewards[0].pays (reward back)" in told


GOOD = FILE.replace("wallets", "wallet").replace(
    "\n[[rewards]]", "ends_at = 2026-12-01T00:00:00Z\n[budget]\ntotal = 10\n[[rewards]]", 1
)


def test_the_linter_places_what_it_finds() -> None:
    written = GOOD + '[[rewards]]\nname = "third"\nparty = "referrer-3"\npays = "payable"\nrate_percent = 1\n'
    with pytest.raises(SettingsRefused) as refused:
        sound_campaign(parse_campaign(written, "spring.toml"))
    assert "spring.toml:12: rewards[1] (third): a third level of referral is refused" in str(refused.value)


def test_a_draft_is_a_campaign_or_what_is_wrong_with_it() -> None:
    assert draft_campaign(GOOD).problems == ()
    assert draft_campaign("name = ").campaign is None
    (told,) = draft_campaign(GOOD.replace("total = 10", "total = 0")).problems
    assert "campaign:5: budget: a campaign without a budget" in told


def test_points_are_whole_whatever_the_currency_is(tmp_path: Path) -> None:
    points = GOOD.replace('"wallet"', '"points:club"').replace('rate_percent = "5"', "fixed = 5")
    read = sound_campaign(parse_campaign(points, str(tmp_path)))
    assert read.rewards[0].rule.fixed_minor == 5
    with pytest.raises(SettingsRefused, match="points are whole numbers"):
        sound_campaign(parse_campaign(points.replace("fixed = 5", "fixed = 0.5"), "x"))
    with pytest.raises(SettingsRefused, match="points_per_unit stands in place of rate_percent"):
        sound_campaign(parse_campaign(GOOD + "points_per_unit = 1\n", "x"))


@pytest.mark.parametrize(
    ("pays", "told"),
    [
        (
            "points:stars",
            "no programme of points is named stars: write [points.stars] in the settings",
        ),
        ("points:dollars", "points of dollars are in USD, the campaign in EUR: name another"),
        (
            "coupon:gone",
            "no series of coupons is named gone: write [coupons.gone] in the settings",
        ),
        ("points:club", None),
        ("coupon:thanks", None),
        ("wallet", None),
    ],
)
def test_what_the_settings_do_not_name_is_not_published(pays: str, told: str | None) -> None:
    paid_in = PaidIn({"club": "EUR", "dollars": "USD"}, frozenset({"thanks"}))
    amount = "minimum_order = 5\n"
    written = GOOD.replace('"wallet"', f'"{pays}"').replace('rate_percent = "5"', "fixed = 5")
    written = written.replace("[[rewards]]", f"[guards]\n{amount}[[rewards]]", 1)
    assert draft_campaign(written).problems == ()
    problems = draft_campaign(written, paid_in).problems
    if told is None:
        assert problems == ()
    else:
        (problem,) = problems
        assert told in problem
        assert "rewards[0]" in problem
