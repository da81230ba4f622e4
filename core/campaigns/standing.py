"""Carries what campaigns have given from one decision of a batch to the next, in memory alone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from core.campaigns.campaign import Campaign, PaysKind, Reward
from core.campaigns.deciding import Granted, History, Refused, Use, Why, beneficiary_of
from core.campaigns.facts import Judged
from core.campaigns.publishing import Version
from core.money.plans.facts import Counted
from core.money.plans.periods import period_start
from core.money.plans.rules import PartyKind, Per
from core.types import BuyerId

# Campaign, kind, mark.
UseKey = tuple[str, str, str]
# Campaign, reward, beneficiary, start of the period.
CounterKey = tuple[str, str, str, datetime]
# What no history can change: nothing is counted.
_PLAIN = frozenset(
    {Why.CURRENCY, Why.CONDITION, Why.MINIMUM, Why.OWN_RING, Why.COST_UNKNOWN, Why.WORTH_UNKNOWN}
)


@dataclass(frozen=True, slots=True)
class Asking:
    """What is to be decided: a reward of a version, for an order."""

    version: Version
    reward: Reward
    judged: Judged

    @property
    def campaign(self) -> Campaign:
        """The campaign that promises it."""
        return self.version.campaign

    @property
    def day(self) -> tuple[str, date]:
        """Whose budget of which day it would come from."""
        return self.campaign.name, day_of(self.judged.facts.delivered_at)

    @property
    def counter(self) -> CounterKey | None:
        """What counts the reward over a period for its beneficiary; None: nothing does, or nobody gets it."""
        rule, facts = self.reward.rule, self.judged.facts
        refers = rule.party.kind is PartyKind.REFERRER
        if not rule.counts or facts.buyer is None or (refers and len(facts.referrers) < rule.party.level):
            return None
        by_tiers = rule.tiers.per if rule.tiers is not None else Per.EVER
        per = rule.cap.per if rule.cap is not None else by_tiers
        return self.campaign.name, rule.name, beneficiary_of(rule, facts), period_start(per, facts.sold_at)


def day_of(moment: datetime) -> date:
    """The day in UTC, by which budgets are counted."""
    return moment.astimezone(UTC).date()


def counts(answer: Granted | Refused) -> bool:
    """Whether the order counts for the reward's period, whether or not it got anything."""
    plain = isinstance(answer, Refused) and answer.why in _PLAIN
    return bool(answer.line_nos) and not plain


@dataclass(slots=True)
class Standing:
    """What stands before the next decision. What is decided is counted at once."""

    # Kinds and marks of each person: account, addresses, devices.
    marks: Mapping[BuyerId, tuple[tuple[str, str], ...]]
    spent: Counter[str] = field(default_factory=Counter)
    spent_on: Counter[tuple[str, date]] = field(default_factory=Counter)
    of_order: Counter[tuple[int, str]] = field(default_factory=Counter)
    of_person: Counter[tuple[BuyerId | None, str]] = field(default_factory=Counter)
    uses: dict[UseKey, Use] = field(default_factory=dict)
    counted: dict[CounterKey, Counted] = field(default_factory=dict)
    # Points that were given on the way, by person and programme.
    earned: Counter[tuple[BuyerId | None, str]] = field(default_factory=Counter)

    def use_keys(self, asking: Asking) -> tuple[UseKey, ...]:
        """What tells this buyer from another, for this reward: each reward is counted for itself."""
        person_id, reward = asking.judged.person_id, asking.reward.rule.name
        if person_id is None:
            return ()
        name = asking.campaign.name
        return tuple((name, kind, f"{reward}: {mark}") for kind, mark in self.marks[person_id])

    def before(self, asking: Asking) -> History:
        """What came before a decision."""
        facts, counter = asking.judged.facts, asking.counter
        return History(
            counted=Counted() if counter is None else self.counted.get(counter, Counted()),
            spent_minor=self.spent[asking.campaign.name],
            spent_today_minor=self.spent_on[asking.day],
            of_order_minor=self.of_order[facts.order_id, facts.currency],
            of_buyer_minor=self.of_person[asking.judged.person_id, facts.currency],
            uses=tuple(self.uses.get(key, Use(key[1])) for key in self.use_keys(asking)),
            rings=asking.judged.rings,
        )

    def count(self, asking: Asking, answer: Granted | Refused) -> None:
        """Count what was decided."""
        if isinstance(answer, Granted):
            self._count_granted(asking, answer)
        if counts(answer) and (counter := asking.counter) is not None:
            known = self.counted.get(counter, Counted())
            self.counted[counter] = known.after(given_of(answer), answer.base_minor, 1)

    def _count_granted(self, asking: Asking, granted: Granted) -> None:
        facts, person_id, amount_minor = asking.judged.facts, asking.judged.person_id, granted.amount_minor
        self.spent[asking.campaign.name] += amount_minor
        self.spent_on[asking.day] += amount_minor
        self.of_order[facts.order_id, facts.currency] += amount_minor
        if asking.reward.rule.party.kind is PartyKind.BUYER:
            self.of_person[person_id, facts.currency] += amount_minor
        if asking.reward.pays.kind is PaysKind.POINTS:
            self.earned[person_id, asking.reward.pays.name] += granted.given
        for key in self.use_keys(asking):
            had = self.uses.get(key, Use(key[1]))
            self.uses[key] = Use(had.kind, had.grants + 1, had.amount_minor + amount_minor)


def given_of(answer: Granted | Refused) -> int:
    """What was given, in what it is paid in."""
    return answer.given if isinstance(answer, Granted) else 0
