"""Makes campaigns with as little said as possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from core.campaigns.campaign import Budget, Campaign, Guards, Pays, PaysKind, Reward
from core.money.plans.rules import Party, PartyKind, Rule
from tests.factories import NOW

BUYER = Party(PartyKind.BUYER)
WALLET = Pays(PaysKind.WALLET)
PAYABLE = Pays(PaysKind.PAYABLE)
NO_GUARDS = Guards(margin_warn_ppm=None, margin_stop_ppm=None, lifetime_ppm=None)


def reward(name: str = "back", rate_ppm: int = 0, *, pays: Pays = WALLET, **words: object) -> Reward:
    """A reward for the buyer; words are those of its rule."""
    rule = replace(Rule(name, BUYER, rate_ppm=rate_ppm), **words)  # type: ignore[arg-type]
    return Reward(rule, pays)


def campaign(
    *rewards: Reward, name: str = "spring", budget_minor: int = 1_000_000, **words: object
) -> Campaign:
    """Two months around now, nothing guarded, unless words say otherwise."""
    made = Campaign(
        name=name,
        currency="EUR",
        starts_at=NOW - timedelta(days=30),
        ends_at=NOW + timedelta(days=30),
        budget=Budget(budget_minor),
        rewards=rewards,
        guards=NO_GUARDS,
    )
    return replace(made, **words)  # type: ignore[arg-type]
