"""Decides who gets what of a sale: an ordered waterfall of rules, and the journal entries it becomes. Pure.

**By the unit.** Marketplaces charge for every key, so a plan splits the price of one unit and a line of n
units is n times that. Hence two lines of one and a line of two come out alike, and so does the refund of a
part of a line. Each rule takes `rate of its base, half rounded up, + fixed`, held between its minimum and
its maximum.

**Currency.** A rule that carries a currency splits lines of that currency alone; another one is refused
rather than left out. Write one plan per currency; `require_currency` says so before anything is sold.

**When there is too little.** The channel takes its commission whatever the price was: that is a fact, not a
wish. The rules of others take at most what is left. If the commission is more than that, the loss is the
operator's, who chose the price; a consignor's share is never below zero.

**The journal.** Debit is positive. A sale at 20.00 with 2.50 for the channel and 1.00 for the operator:

    channel   receivable   +17.50   asset: what the marketplace owes us, its commission already off
    channel   commission    +2.50   cost: what the marketplace charged
    channel   recharged     -2.50   income: the same commission, charged on to the sale
    operator  commission    -1.00   income: our fee
    consignor payable      -16.50   liability: what we owe the consignor

The debits say where the buyer's 20.00 are, the credits whose they are; each side is the gross price. We
sell as the consignor's agent, so our revenue is our fee and not the gross price. A marketplace that charges
other than expected moves `commission` alone, and what then stands between it and `recharged` is what we did
not pass on. A loss is debited to the operator's `loss`, never netted from the fees of other sales.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pydantic import ConfigDict, TypeAdapter, ValidationError

from core.errors import InvalidInput, PlanRefused
from core.money.money import Money, per_million, share

_WHOLE_PPM = 1_000_000
_RULES_AT_MOST = 32


class Party(StrEnum):
    """Who takes part in a sale."""

    CHANNEL = "channel"
    OPERATOR = "operator"
    CONSIGNOR = "consignor"


class Base(StrEnum):
    """What a rate is reckoned of."""

    GROSS = "gross"
    AFTER_CHANNEL = "after_channel"


@dataclass(frozen=True, slots=True)
class SplitRule:
    """What one party takes of one unit; amounts are minor units of `currency`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    party: Party
    base: Base = Base.GROSS
    rate_ppm: int = 0
    fixed_minor: int = 0
    minimum_minor: int | None = None
    maximum_minor: int | None = None
    rest: bool = False
    currency: str | None = None

    def take(self, base_minor: int) -> int:
        """What the rule asks of a base, whether or not it is there."""
        amount_minor = per_million(base_minor, self.rate_ppm) + self.fixed_minor
        if self.maximum_minor is not None:
            amount_minor = min(amount_minor, self.maximum_minor)
        if self.minimum_minor is not None:
            amount_minor = max(amount_minor, self.minimum_minor)
        return amount_minor

    def formula(self, base_minor: int, currency: str) -> str:
        """The rule in words, for people."""
        if self.rest:
            return "the rest"
        parts = [f"{percent(self.rate_ppm)} of {Money(base_minor, currency)}"] if self.rate_ppm else []
        parts += [str(Money(self.fixed_minor, currency))] if self.fixed_minor else []
        bounds = (("at least", self.minimum_minor), ("at most", self.maximum_minor))
        said = [f", {word} {Money(bound, currency)}" for word, bound in bounds if bound is not None]
        return (" + ".join(parts) or "nothing") + "".join(said)


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The ordered rules of one version of a plan; made by `of`, which refuses contradictions."""

    name: str
    version: int
    rules: tuple[SplitRule, ...]

    @classmethod
    def of(cls, name: str, version: int, rules: Iterable[SplitRule]) -> SplitPlan:
        """A plan that can split every sale of its currency; else PlanRefused, naming the rule."""
        plan = cls(name, version, tuple(rules))
        _refuse_contradictions(plan)
        return plan


@dataclass(frozen=True, slots=True)
class Share:
    """What one party gets of a line; consignors have a name, channel and operator are one each."""

    party: Party
    party_name: str | None
    amount_minor: int


@dataclass(frozen=True, slots=True)
class SplitStep:
    """What one rule did to a line, for people."""

    rule: str
    base_minor: int  # of one unit
    formula: str
    amount_minor: int  # of the whole line


@dataclass(frozen=True, slots=True)
class Take:
    """What one rule took of one unit; no rule: the loss that fell on the operator."""

    rule_no: int
    rule: SplitRule | None
    base_minor: int
    amount_minor: int
    short: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """A line given away to the last minor unit: the shares sum to its gross price."""

    shares: tuple[Share, ...]
    takes: tuple[Take, ...]
    quantity: int
    currency: str

    @property
    def steps(self) -> tuple[SplitStep, ...]:
        """The split rule by rule; its amounts sum to the gross price. Worded only when somebody asks."""
        return tuple(self._step(take) for take in self.takes)

    def _step(self, take: Take) -> SplitStep:
        if take.rule is None:
            rule, formula = (
                "loss operator",
                "the channel's commission is more than what was left of the price",
            )
        else:
            rule = f"{take.rule_no} {take.rule.party}"
            formula = take.rule.formula(take.base_minor, self.currency)
        unit = Money(take.amount_minor, self.currency)
        formula += f" = {unit}" + (" (all that was left)" if take.short else "")
        formula += f", x {self.quantity}" if self.quantity > 1 else ""
        return SplitStep(rule, take.base_minor, formula, take.amount_minor * self.quantity)


@dataclass(frozen=True, slots=True)
class Posting:
    """An entry to be: an account's four words and an amount, debit positive, never zero."""

    party: str
    party_name: str
    purpose: str
    amount_minor: int
    currency: str


def commission(plan: SplitPlan, gross: Money) -> int:
    """What the channel keeps of the gross price of one unit; it may be more than the price."""
    require_currency(plan, gross.currency)
    return _commission_minor(plan, gross.amount_minor)


def split_line(
    plan: SplitPlan, unit_price: Money, quantity: int, consignors: Sequence[tuple[str, int]]
) -> Split:
    """Give a line away. `consignors` says how many of its codes are whose; they sum to the quantity."""
    assert unit_price.amount_minor >= 0, f"a price below zero: {unit_price}"
    assert quantity > 0, "a line of no units"
    assert sum(codes for _, codes in consignors) == quantity, f"{consignors} are not {quantity} codes"
    require_currency(plan, unit_price.currency)
    takes = _takes(plan, unit_price.amount_minor)
    unit = dict.fromkeys(Party, 0)
    for take in takes:
        unit[take.rule.party if take.rule else Party.OPERATOR] += take.amount_minor
    parts = share(unit[Party.CONSIGNOR] * quantity, [codes for _, codes in consignors])
    named: dict[str, int] = {}
    for (name, _), part in zip(consignors, parts, strict=True):
        named[name] = named.get(name, 0) + part
    shares = (
        Share(Party.CHANNEL, None, unit[Party.CHANNEL] * quantity),
        Share(Party.OPERATOR, None, unit[Party.OPERATOR] * quantity),
        *(Share(Party.CONSIGNOR, name, part) for name, part in named.items()),
    )
    return Split(shares, takes, quantity, unit_price.currency)


def postings(split: Split, channel: str, currency: str) -> list[Posting]:
    """The entries of a sale as the module's text shows them; they sum to zero."""
    assert currency == split.currency, f"a split in {split.currency} posted in {currency}"
    gross_minor = sum(part.amount_minor for part in split.shares)
    kept_minor = sum(part.amount_minor for part in split.shares if part.party is Party.CHANNEL)
    entries = [
        Posting("channel", channel, "receivable", gross_minor - kept_minor, currency),
        Posting("channel", channel, "commission", kept_minor, currency),
    ]
    for part in split.shares:
        party, name, purpose = _account(part, channel)
        entries.append(Posting(party, name, purpose, -part.amount_minor, currency))
    return [entry for entry in entries if entry.amount_minor]


def reverse(entries: Iterable[Posting]) -> list[Posting]:
    """The exact negative: what a refund or a cancellation posts."""
    return [
        Posting(entry.party, entry.party_name, entry.purpose, -entry.amount_minor, entry.currency)
        for entry in entries
    ]


def require_currency(plan: SplitPlan, currency: str) -> None:
    """PlanRefused where the plan's amounts are of another currency than what is to be split."""
    for number, rule in enumerate(plan.rules, 1):
        if rule.currency is not None and rule.currency != currency:
            raise PlanRefused(
                f"split plan {plan.name}, rule {number}: its amounts are in {rule.currency}, the sale is in"
                f" {currency}: give channels that sell in {currency} a plan of their own"
            )


def plan_to_json(plan: SplitPlan) -> str:
    """The rules as a JSON array, every field written; name and version are columns of their own."""
    return _RULES.dump_json(plan.rules).decode()


def plan_from_json(name: str, version: int, rules: str) -> SplitPlan:
    """The plan whose rules were stored; a rule with words that this program does not know is refused."""
    try:
        return SplitPlan.of(name, version, _RULES.validate_json(rules, strict=True))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "rules"
        raise PlanRefused(f"split plan {name} version {version}, {where}: {first['msg']}") from None


def percent(rate_ppm: int) -> str:
    """A rate as people write it: 125000 is "12.5 %"."""
    return f"{Decimal(rate_ppm).scaleb(-4).normalize():f} %"


_RULES = TypeAdapter(tuple[SplitRule, ...])


def _account(part: Share, channel: str) -> tuple[str, str, str]:
    """Whose account, and for what, a share is credited to."""
    if part.party is Party.CHANNEL:
        return "channel", channel, "recharged"
    if part.party is Party.OPERATOR:
        return "operator", "", "commission" if part.amount_minor >= 0 else "loss"
    assert part.party_name is not None, "a consignor without a name"
    return "consignor", part.party_name, "payable"


def _commission_minor(plan: SplitPlan, gross_minor: int) -> int:
    return sum(rule.take(gross_minor) for rule in plan.rules if rule.party is Party.CHANNEL)


def _takes(plan: SplitPlan, gross_minor: int) -> tuple[Take, ...]:
    """The waterfall over one unit; what it takes sums to the gross price."""
    left_minor = gross_minor
    after_channel_minor = max(0, gross_minor - _commission_minor(plan, gross_minor))
    takes = []
    for number, rule in enumerate(plan.rules, 1):
        available_minor = max(0, left_minor)
        base_minor = gross_minor if rule.base is Base.GROSS else after_channel_minor
        base_minor = available_minor if rule.rest else base_minor
        asked_minor = available_minor if rule.rest else rule.take(base_minor)
        taken_minor = asked_minor if rule.party is Party.CHANNEL else min(asked_minor, available_minor)
        takes.append(Take(number, rule, base_minor, taken_minor, short=taken_minor < asked_minor))
        left_minor -= taken_minor
    if left_minor < 0:
        takes.append(Take(len(takes) + 1, None, gross_minor, left_minor))
    return tuple(takes)


def _refuse_contradictions(plan: SplitPlan) -> None:
    if not 1 <= len(plan.rules) <= _RULES_AT_MOST:
        raise PlanRefused(
            f"split plan {plan.name} has {len(plan.rules)} rules: write 1 to {_RULES_AT_MOST},"
            " the last giving the rest to the consignor"
        )
    for number, rule in enumerate(plan.rules, 1):
        wrong = _wrong_with(rule) or _wrong_with_place(plan, number)
        if wrong:
            raise PlanRefused(f"split plan {plan.name}, rule {number} ({rule.party}): {wrong}")


def _wrong_with(rule: SplitRule) -> str | None:
    amounts = [rule.fixed_minor or None, rule.minimum_minor, rule.maximum_minor]
    written = [amount for amount in amounts if amount is not None]
    if not 0 <= rule.rate_ppm <= _WHOLE_PPM:
        return f"its rate is {percent(rule.rate_ppm)}: write 0 to 100 %"
    if written and min(written) < 0:
        return "an amount is below zero: a rule only takes, it never gives"
    if rule.rest and (rule.rate_ppm or written):
        return "it takes the rest: remove its rate and amounts"
    if written and rule.currency is None:
        return "it has amounts without a currency: name it"
    low, high = rule.minimum_minor, rule.maximum_minor
    if low is not None and high is not None and low > high:
        return "its minimum is above its maximum: exchange them"
    return _wrong_with_currency(rule.currency)


def _wrong_with_currency(currency: str | None) -> str | None:
    if currency is None:
        return None
    try:
        Money(0, currency)
    except InvalidInput as error:
        return str(error)
    return None


def _wrong_with_place(plan: SplitPlan, number: int) -> str | None:
    """What is wrong with a rule because of the rules before it, or because it is the last or not."""
    rule, before = plan.rules[number - 1], plan.rules[: number - 1]
    if rule.rest != (number == len(plan.rules)):
        return "exactly the last rule takes the rest: write rest = true there and nowhere else"
    if rule.rest and rule.party is not Party.CONSIGNOR:
        return "the rest belongs to the consignor: let this rule be the consignor's"
    if rule.party is Party.CHANNEL and rule.base is not Base.GROSS:
        return "the channel's commission is reckoned of the gross price: write base = gross"
    if rule.party is Party.CHANNEL and any(other.base is Base.AFTER_CHANNEL for other in before):
        return "a rule before it reckons after_channel: move the channel's rules to the front"
    if any(other.currency not in (None, rule.currency) for other in before if rule.currency):
        return "it is of another currency than a rule before it: write one plan per currency"
    total_ppm = sum(other.rate_ppm for other in (*before, rule) if other.base is rule.base)
    if total_ppm > _WHOLE_PPM:
        return f"with it the rates of {rule.base} come to {percent(total_ppm)}: keep them within 100 %"
    return None
