"""Decides what an order gets of a reward, or why nothing. Pure: same facts and history, same answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from core.campaigns.campaign import WHOLE_PPM, Campaign, PaysKind, Reward
from core.campaigns.drawing import DrawnFor, draw
from core.money.money import Money, per_million
from core.money.plans.amounts import ask
from core.money.plans.conditions import unmet
from core.money.plans.facts import Counted, Milestones, SaleFacts
from core.money.plans.rules import Base, PartyKind, Rule
from core.money.plans.vesting import parts


class Why(StrEnum):
    """Why a reward was refused, for programs."""

    CURRENCY = "currency"
    CONDITION = "condition"
    MINIMUM = "minimum_order"
    OWN_RING = "own_ring"
    COST_UNKNOWN = "cost_unknown"
    NOTHING = "nothing"
    WORTH_UNKNOWN = "worth_unknown"
    LIMIT = "limit"
    MARGIN = "margin"
    LIFETIME = "lifetime"
    DAY_BUDGET = "day_budget"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class LineFacts:
    """A line of the order; amounts are of the whole line. No cost: it is not known in this currency."""

    line_no: int
    sku: str
    tags: frozenset[str]
    gross_minor: int
    after_channel_minor: int = 0
    cost_minor: int | None = None


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """A delivered order, as far as campaigns ask.

    `operator_minor` is what the split gave the operator; `order_no` is 1 for the buyer's first order over all
    channels; `lifetime_minor` is what he bought of us so far, this order among it.
    """

    order_id: int
    channel: str
    order_ref: str
    currency: str
    sold_at: datetime
    delivered_at: datetime
    lines: tuple[LineFacts, ...]
    buyer: str | None = None
    order_no: int | None = None
    segments: frozenset[str] = frozenset()
    referrers: tuple[str, ...] = ()
    operator_minor: int = 0
    lifetime_minor: int = 0

    @property
    def gross_minor(self) -> int:
        """What the buyer paid."""
        return sum(line.gross_minor for line in self.lines)

    @property
    def margin_minor(self) -> int:
        """What the order leaves: by what its codes cost where that is known, else the operator's share."""
        costs = [line.cost_minor for line in self.lines if line.cost_minor is not None]
        if len(costs) < len(self.lines):
            return self.operator_minor
        return sum(line.after_channel_minor for line in self.lines) - sum(costs)


@dataclass(frozen=True, slots=True)
class Use:
    """What one of the buyer's marks (account, address, device) has had of the campaign."""

    kind: str
    grants: int = 0
    amount_minor: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """What came before this decision.

    `of_order_minor` and `of_buyer_minor` are rewards of all campaigns for this order, and for this buyer's
    own orders, less what came back. `rings` says of a referrer why nothing may be paid for this buyer.
    """

    counted: Counted = field(default_factory=Counted)
    spent_minor: int = 0
    spent_today_minor: int = 0
    of_order_minor: int = 0
    of_buyer_minor: int = 0
    uses: tuple[Use, ...] = ()
    rings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a grant, in what it is paid in, and when it vests."""

    amount: int
    vests_at: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """What an order gets. `given` is in what it is paid in; `amount_minor` what it counts for in money."""

    beneficiary: str
    given: int
    amount_minor: int
    base_minor: int
    eligible_minor: int
    line_nos: tuple[int, ...]
    parts: tuple[Part, ...]
    outcome_no: int | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why not. Where the reward counts over a period, what this order adds to its turnover."""

    why: Why
    reason: str
    base_minor: int = 0
    eligible_minor: int = 0
    line_nos: tuple[int, ...] = ()


Guard = Callable[[Campaign, Reward, OrderFacts, History, int], "Refused | str"]


@dataclass(frozen=True, slots=True)
class PointTerms:
    """What points of a programme come to in minor units, and the share that this buyer's level earns."""

    worth: Callable[[int], int]
    level: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class _Reckoned:
    base_minor: int
    eligible: tuple[LineFacts, ...]

    @property
    def eligible_minor(self) -> int:
        return sum(line.gross_minor for line in self.eligible)

    @property
    def line_nos(self) -> tuple[int, ...]:
        return tuple(line.line_no for line in self.eligible)


def decide(
    campaign: Campaign,
    reward: Reward,
    facts: OrderFacts,
    history: History,
    guard: Guard,
    *,
    seed: bytes | None = None,
    points: PointTerms | None = None,
) -> Granted | Refused:
    """What an order gets of one reward, or why it gets nothing."""
    reckoned = _reckoned(campaign, reward.rule, facts, history)
    if isinstance(reckoned, Refused):
        return reckoned
    base_minor = reckoned.base_minor
    outcome_no = _drawn(campaign, reward, facts, seed)
    given = amount_of(campaign, reward, base_minor, facts, history.counted, outcome_no)
    if points is not None:
        given = int(given * points.level)
    parts = _parts(reward, facts, given)
    answer = _guarded(campaign, reward, facts, history, guard, parts, points)
    if isinstance(answer, Refused):
        return replace(
            answer, base_minor=base_minor, eligible_minor=reckoned.eligible_minor, line_nos=reckoned.line_nos
        )
    amount_minor, warning = answer
    return Granted(
        beneficiary=beneficiary_of(reward.rule, facts),
        given=given,
        amount_minor=amount_minor,
        base_minor=base_minor,
        eligible_minor=reckoned.eligible_minor,
        line_nos=reckoned.line_nos,
        parts=parts,
        outcome_no=outcome_no,
        warning=warning,
    )


def _reckoned(campaign: Campaign, rule: Rule, facts: OrderFacts, history: History) -> _Reckoned | Refused:
    """What of the order the reward is reckoned from, or why the order is none of its business."""
    if facts.currency != campaign.currency:
        return Refused(Why.CURRENCY, f"sold in {facts.currency}, the campaign is in {campaign.currency}")
    eligible, why_not = _eligible(rule, facts)
    if not eligible:
        return Refused(Why.CONDITION, why_not)
    if refused := _barred(campaign, rule, facts, history):
        return refused
    base_minor = _base(rule.base, eligible)
    if base_minor is None:
        return Refused(Why.COST_UNKNOWN, "what its codes cost is not known in this currency: import it")
    return _Reckoned(base_minor, eligible)


def _drawn(campaign: Campaign, reward: Reward, facts: OrderFacts, seed: bytes | None) -> int | None:
    """Which outcome this order draws, by its number; none where the reward draws nothing."""
    if not reward.outcomes:
        return None
    assert seed is not None, "a draw has a seed"
    drawn_for = DrawnFor(campaign.name, campaign.version, reward.rule.name, facts.channel, facts.order_ref)
    return draw(seed, drawn_for, reward.outcomes)


def amount_of(
    campaign: Campaign,
    reward: Reward,
    base_minor: int,
    facts: OrderFacts,
    counted: Counted,
    outcome_no: int | None,
) -> int:
    """What the rule comes to, its windows counted in; never beyond its maximum or cap."""
    rule = reward.rule
    if outcome_no is not None:
        outcome = reward.outcomes[outcome_no - 1]
        rule = replace(rule, rate_ppm=outcome.rate_ppm, fixed_minor=outcome.fixed_minor)
    amount = ask(rule, base_minor, counted, 1, facts.order_no)
    amount = per_million(amount, times_ppm(campaign, rule.name, facts.sold_at))
    if rule.maximum_minor is not None:
        amount = min(amount, rule.maximum_minor)
    if rule.cap is not None:
        amount = min(amount, max(0, rule.cap.amount_minor - counted.taken_minor))
    return amount


def times_ppm(campaign: Campaign, reward: str, at: datetime) -> int:
    """How many times a reward counts at a moment: all windows that are open, multiplied, up to the cap."""
    product = WHOLE_PPM
    for window in campaign.multipliers:
        named = not window.rewards or reward in window.rewards
        if named and window.starts_at <= at < window.ends_at:
            product = product * window.times_ppm // WHOLE_PPM
    return min(product, max(campaign.multiplier_cap_ppm, WHOLE_PPM))


def beneficiary_of(rule: Rule, facts: OrderFacts) -> str:
    """Who gets it, by the name that accounts carry; only where the rule's condition was met."""
    if rule.party.kind is PartyKind.REFERRER:
        return facts.referrers[rule.party.level - 1]
    assert facts.buyer is not None, "a rule for the buyer was met without one"
    return facts.buyer


def _eligible(rule: Rule, facts: OrderFacts) -> tuple[tuple[LineFacts, ...], str]:
    """The lines that meet the condition; else why the first does not."""
    found: list[LineFacts] = []
    reasons: list[str] = []
    for line in facts.lines:
        why_not = unmet(rule, _as_sale(facts, line))
        if why_not is None and facts.buyer is None:
            why_not = "the channel does not tell who the buyer is"
        if why_not is None:
            found.append(line)
        else:
            reasons.append(why_not)
    return tuple(found), reasons[0] if reasons else "it has no lines"


def _as_sale(facts: OrderFacts, line: LineFacts) -> SaleFacts:
    return SaleFacts(
        unit_price=Money(line.gross_minor, facts.currency),
        codes=(),
        channel=facts.channel,
        sold_at=facts.sold_at,
        sku=line.sku,
        tags=line.tags,
        segments=facts.segments,
        buyer=facts.buyer,
        buyer_order_no=facts.order_no,
        referrers=facts.referrers,
    )


def _barred(campaign: Campaign, rule: Rule, facts: OrderFacts, history: History) -> Refused | None:
    minimum_minor = campaign.guards.minimum_order_minor
    if facts.gross_minor < minimum_minor:
        paid, wanted = (Money(minor, facts.currency) for minor in (facts.gross_minor, minimum_minor))
        return Refused(Why.MINIMUM, f"the order is {paid}; it is for {wanted} and above")
    if campaign.guards.own_rings or not _refers(campaign):
        return None
    level = rule.party.level if rule.party.kind is PartyKind.REFERRER else 1
    for referrer in facts.referrers[level - 1 : level]:
        if why := history.rings.get(referrer):
            return Refused(Why.OWN_RING, why)
    return None


def _refers(campaign: Campaign) -> bool:
    """Whether it rewards that somebody was brought, on either side."""
    rules = [reward.rule for reward in campaign.rewards]
    return any(rule.party.kind is PartyKind.REFERRER or rule.when.referrer for rule in rules)


def _base(base: Base, lines: Sequence[LineFacts]) -> int | None:
    match base:
        case Base.GROSS:
            return sum(line.gross_minor for line in lines)
        case Base.AFTER_CHANNEL:
            return sum(max(0, line.after_channel_minor) for line in lines)
        case Base.MARGIN:
            return _margin(lines)
        case _:
            raise AssertionError(f"a published campaign reckons of {base}")


def _margin(lines: Sequence[LineFacts]) -> int | None:
    margin_minor = 0
    for line in lines:
        if line.cost_minor is None:
            return None
        margin_minor += max(0, line.after_channel_minor - line.cost_minor)
    return margin_minor


def _guarded(
    campaign: Campaign,
    reward: Reward,
    facts: OrderFacts,
    history: History,
    guard: Guard,
    parts: Sequence[Part],
    points: PointTerms | None,
) -> tuple[int, str] | Refused:
    """What it counts for, and the guards' warning; or why not."""
    if not parts:
        return Refused(Why.NOTHING, "it comes to nothing for this order")
    amount_minor = sum(part.amount for part in parts)
    if reward.pays.kind is PaysKind.POINTS:
        if points is None:
            what = f"no programme of points in {campaign.currency} is named {reward.pays.name}"
            return Refused(Why.WORTH_UNKNOWN, what)
        # Each part is a lot of its own, and each is worth a whole number of minor units.
        amount_minor = sum(points.worth(part.amount) for part in parts)
    answer = guard(campaign, reward, facts, history, amount_minor)
    return answer if isinstance(answer, Refused) else (amount_minor, answer)


def _parts(reward: Reward, facts: OrderFacts, given: int) -> tuple[Part, ...]:
    """The parts that are something, each with its date: delivery and holds are all that rewards wait for."""
    milestones = Milestones(facts.sold_at, facts.delivered_at, hold=timedelta())
    found = []
    for part in parts(reward.rule, given, milestones):
        assert part.due_at is not None, "a published reward waits for a date"
        if part.amount_minor:
            found.append(Part(part.amount_minor, part.due_at))
    return tuple(found)
