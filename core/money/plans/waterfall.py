"""Decides who gets what of a line by an ordered plan, to the last minor unit.

Pure; the same facts, the same split.

**By the unit.** A unit's price runs down the rules: each asks of its base, takes, and leaves the rest to
those after it. A line of n units is n such waterfalls. Rules per line or per order are reckoned once and
shared out over the units (and over the lines of the order by their gross) by largest remainder, ties to the
earlier. Hence every unit has a split of its own, and refunding it is exact.

**Order.** Without history (caps, tiers by units or turnover) a line's split depends on that line's facts
alone, so the order in which lines and sales are split makes no difference, nor whether two units are one
line or two. Rules per order need the order's lines as facts and nothing of the other lines' splits. With
history, what came before is a fact too: the order decides, except that the sum under marginal turnover
tiers is the same for every order and every cut.

**Too little.** A rule that asks for more than is left refuses the sale (OverAllocated), takes what is left,
or takes all the same at the operator's loss, as it says. What is short by roundings alone, at most two
minor units for each rate so far, is taken as it is left and refuses nothing.

**Signs.** A negative line is the exact negative of the positive one; a free one gives away zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from core.errors import FactMissing, OverAllocated, PlanRefused
from core.money.money import Money, share
from core.money.plans.amounts import ask
from core.money.plans.conditions import unmet
from core.money.plans.facts import CodesOf, Counted, SaleFacts
from core.money.plans.rules import Base, PartyKind, Plan, Rule, Scope, Short, TierBy, TierMode

_SLACK_PER_RULE_MINOR = 2


@dataclass(frozen=True, slots=True)
class Run:
    """Units of one consignor that are split alike; bases and amounts are of one unit, a number for each rule.

    The amounts and the loss, which is below zero and the operator's, sum to the price.
    """

    consignor: str
    count: int
    price_minor: int
    bases_minor: tuple[int, ...]
    asked_minor: tuple[int, ...]
    amounts_minor: tuple[int, ...]
    loss_minor: int


@dataclass(frozen=True, slots=True)
class Split:
    """How one line was given away; `unmet` says for each rule why it did not apply."""

    plan: Plan
    facts: SaleFacts
    runs: tuple[Run, ...]
    unmet: tuple[str | None, ...]

    @property
    def currency(self) -> str:
        """Of every amount."""
        return self.facts.unit_price.currency

    def amount_minor(self, index: int) -> int:
        """What a rule takes of the whole line."""
        return sum(run.count * run.amounts_minor[index] for run in self.runs)

    def base_minor(self, index: int) -> int:
        """The base of a rule, over the whole line."""
        return sum(run.count * run.bases_minor[index] for run in self.runs)


@dataclass(slots=True)
class _Column:
    """Units that are split alike, on their way down the rules."""

    codes: CodesOf
    left_minor: int
    channel_minor: int = 0
    bases: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)

    def note(self, rule: Rule, base_minor: int, asked_minor: int, taken_minor: int) -> None:
        self.bases.append(base_minor)
        self.asked.append(asked_minor)
        self.amounts.append(taken_minor)
        self.left_minor -= taken_minor
        if rule.party.kind is PartyKind.CHANNEL:
            self.channel_minor += taken_minor


def evaluate(plan: Plan, facts: SaleFacts) -> Split:
    """Give a line away. SaleUnsplit where the plan cannot: nothing is lost, the order waits."""
    require_currency(plan, facts.unit_price.currency)
    assert facts.quantity > 0, "a line of no units"
    if _is_negative(facts):
        return _negated(evaluate(plan, _mirrored(facts)), facts)
    columns = _columns(plan, facts)
    reasons: list[str | None] = []
    for number, rule in enumerate(plan.rules, 1):
        reasons.append(unmet(rule, facts))
        if reasons[-1] is None:
            _apply(plan, number, facts, columns)
        else:
            for column in columns:
                column.note(rule, 0, 0, 0)
    return Split(plan, facts, tuple(_run(plan, column, facts) for column in columns), tuple(reasons))


def _is_negative(facts: SaleFacts) -> bool:
    """Whether money goes back; a free line counts as the other lines of its order do."""
    price_minor = facts.unit_price.amount_minor
    return price_minor < 0 or (price_minor == 0 and any(line < 0 for line in facts.order_lines_minor))


def require_currency(plan: Plan, currency: str) -> None:
    """PlanRefused where the plan's amounts are of another currency than what is to be split."""
    if plan.currency is not None and plan.currency != currency:
        raise PlanRefused(
            f"split plan {plan.name}: its amounts are in {plan.currency}, the sale is in {currency}: give"
            f" channels that sell in {currency} a plan of their own"
        )


def _columns(plan: Plan, facts: SaleFacts) -> list[_Column]:
    """One for each consignor's codes of the same cost; one for each unit where units may differ."""
    price_minor = facts.unit_price.amount_minor
    each = any(rule.counts or rule.scope is not Scope.UNIT for rule in plan.rules)
    return [
        _Column(replace(codes, quantity=1) if each else codes, price_minor)
        for codes in facts.codes
        if codes.quantity
        for _ in range(codes.quantity if each else 1)
    ]


def _apply(plan: Plan, number: int, facts: SaleFacts, columns: Sequence[_Column]) -> None:
    rule = plan.rules[number - 1]
    bases = [_base(plan, number, facts, column) for column in columns]
    asked = _asked(rule, bases, columns, facts)
    for column, base_minor, asked_minor in zip(columns, bases, asked, strict=True):
        available_minor = max(0, column.left_minor)
        if rule.rest:
            base_minor = asked_minor = available_minor
        taken_minor = asked_minor
        if rule.when_short is not Short.LOSS and asked_minor > available_minor:
            if rule.when_short is Short.REFUSE:
                _refuse_over(plan, number, asked_minor, available_minor, facts)
            taken_minor = available_minor
        column.note(rule, base_minor, asked_minor, taken_minor)


def _asked(rule: Rule, bases: Sequence[int], columns: Sequence[_Column], facts: SaleFacts) -> Sequence[int]:
    if rule.rest:
        return bases
    before = facts.counted.get(rule.name, Counted())
    if rule.scope is not Scope.UNIT:
        return _asked_together(rule, bases, columns, facts, before)
    asked = []
    for base_minor, column in zip(bases, columns, strict=True):
        asked.append(ask(rule, base_minor, before, _units(rule, before, facts), facts.buyer_order_no))
        before = before.after(asked[-1], base_minor, column.codes.quantity)
    return asked


def _units(rule: Rule, before: Counted, facts: SaleFacts) -> int:
    """How many units a tier by units counts beside those before this one."""
    if rule.tiers is None or rule.tiers.by is not TierBy.UNITS or rule.tiers.mode is TierMode.MARGINAL:
        return 1
    first = facts.counted.get(rule.name, Counted()).units
    return first + facts.quantity - before.units


def _asked_together(
    rule: Rule, bases: Sequence[int], columns: Sequence[_Column], facts: SaleFacts, before: Counted
) -> list[int]:
    """One amount for the line, or this line's part of one amount for the order, over the units."""
    line_minor = sum(base * column.codes.quantity for base, column in zip(bases, columns, strict=True))
    if rule.scope is Scope.LINE or not facts.order_lines_minor:
        amount_minor = ask(rule, line_minor, before, facts.quantity, facts.buyer_order_no)
    else:
        lines = facts.order_lines_minor
        assert lines[facts.line_index] == facts.gross_minor, "the order's lines are not those of the sale"
        order_minor = ask(rule, sum(lines), before, facts.quantity, facts.buyer_order_no)
        amount_minor = _shared(order_minor, lines)[facts.line_index]
    return _shared(amount_minor, bases)


def _shared(amount_minor: int, weights: Sequence[int]) -> list[int]:
    return share(amount_minor, weights if any(weights) else [1] * len(weights))


def _base(plan: Plan, number: int, facts: SaleFacts, column: _Column) -> int:
    gross_minor, tax_minor = facts.unit_price.amount_minor, facts.tax_minor(column.codes)
    after_channel_minor = max(0, gross_minor - column.channel_minor)
    match plan.rules[number - 1].base:
        case Base.GROSS:
            return gross_minor
        case Base.GROSS_LESS_TAX:
            return max(0, gross_minor - tax_minor)
        case Base.TAX:
            return tax_minor
        case Base.AFTER_CHANNEL:
            return after_channel_minor
        case Base.MARGIN:
            return max(0, after_channel_minor - _cost(plan, number, column))
        case Base.REDEEMED:
            return facts.unit_redeemed_minor or 0
        case Base.REMAINS:
            return max(0, column.left_minor)


def _cost(plan: Plan, number: int, column: _Column) -> int:
    cost_minor = column.codes.unit_cost_minor
    if cost_minor is None:
        raise FactMissing(
            f"split plan {plan.name}, rule {number} ({plan.rules[number - 1].name}): it shares the margin,"
            f" but what {column.codes.consignor}'s codes cost is not known in this currency: import it, or a"
            " rate"
        )
    return cost_minor


def _refuse_over(plan: Plan, number: int, asked_minor: int, left_minor: int, facts: SaleFacts) -> None:
    rounded = sum(rule.rounds for rule in plan.rules[:number])
    if asked_minor - left_minor <= _SLACK_PER_RULE_MINOR * rounded:
        return
    currency = facts.unit_price.currency
    raise OverAllocated(
        f"split plan {plan.name}, rule {number} ({plan.rules[number - 1].name}): of a price of"
        f" {facts.unit_price} the rules before it leave {Money(left_minor, currency)}, and it asks for"
        f" {Money(asked_minor, currency)}:"
        ' mend the plan, or let the rule take what is left with when_short = "less"'
    )


def _run(plan: Plan, column: _Column, facts: SaleFacts) -> Run:
    if column.left_minor > 0:
        raise PlanRefused(
            f"split plan {plan.name}: {Money(column.left_minor, facts.unit_price.currency)} of a price of"
            f" {facts.unit_price} is nobody's: let the last rule take the rest, without a condition"
        )
    return Run(
        consignor=column.codes.consignor,
        count=column.codes.quantity,
        price_minor=facts.unit_price.amount_minor,
        bases_minor=tuple(column.bases),
        asked_minor=tuple(column.asked),
        amounts_minor=tuple(column.amounts),
        loss_minor=column.left_minor,
    )


def _mirrored(facts: SaleFacts) -> SaleFacts:
    return replace(
        facts,
        unit_price=-facts.unit_price,
        codes=tuple(_mirrored_codes(codes) for codes in facts.codes),
        unit_tax_minor=abs(facts.unit_tax_minor),
        unit_redeemed_minor=None if facts.unit_redeemed_minor is None else abs(facts.unit_redeemed_minor),
        order_lines_minor=tuple(-line for line in facts.order_lines_minor),
    )


def _mirrored_codes(codes: CodesOf) -> CodesOf:
    tax_minor = codes.unit_tax_minor
    return codes if tax_minor is None else replace(codes, unit_tax_minor=abs(tax_minor))


def _negated(split: Split, facts: SaleFacts) -> Split:
    return replace(split, facts=facts, runs=tuple(_negated_run(run) for run in split.runs))


def _negated_run(run: Run) -> Run:
    return replace(
        run,
        price_minor=-run.price_minor,
        bases_minor=tuple(-base for base in run.bases_minor),
        asked_minor=tuple(-asked for asked in run.asked_minor),
        amounts_minor=tuple(-amount for amount in run.amounts_minor),
        loss_minor=-run.loss_minor,
    )
