"""Decides what a price starts from: base price, fixed price, cost and margin, or wanted net proceeds.

Until the channel's commission is added, amounts are what we want to be paid; a fixed price is what the buyer
pays from the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import PlanRefused
from core.money.money import Money, per_million, percent
from core.offers.price.conversion import Converted, convert
from core.offers.price.facts import PriceFacts
from core.offers.price.fees import Fees
from core.offers.price.plan import PriceStep, Reason, Stop
from core.offers.price.rule import WHOLE_PPM, Aim, PriceRule, Target


@dataclass(frozen=True, slots=True)
class Start:
    """The price after target and commission. `exact`: a person wrote this very amount."""

    gross: Money
    net: Money
    exact: bool
    steps: tuple[PriceStep, ...]


def start(facts: PriceFacts, rule: PriceRule, fees: Fees) -> Start | Stop:
    """Target and gross-up."""
    target = rule.target
    if target is not None and target.aim is Aim.FIXED and target.span.holds(facts.now):
        return _fixed(facts, rule, fees, target)
    aimed = _aimed(facts, rule, target)
    if isinstance(aimed, Stop):
        return aimed
    wanted, steps = aimed
    gross = fees.gross_up(wanted)
    return Start(gross, wanted, False, (*steps, _commission(fees, gross)))


def dearest_cost(facts: PriceFacts, rule: PriceRule) -> Converted | Stop | None:
    """The dearest free code's cost in the channel's currency; None where no cost is known."""
    dearest: Converted | None = None
    for cost in facts.unit_costs:
        converted = convert(facts, rule, cost)
        if isinstance(converted, Stop):
            return converted
        if dearest is None or converted.amount.amount_minor > dearest.amount.amount_minor:
            dearest = converted
    return dearest


def with_margin(cost: Money, margin_ppm: int) -> Money:
    """A cost and a part of it, a part of a minor unit rounded up."""
    return Money(-(-cost.amount_minor * (WHOLE_PPM + margin_ppm) // WHOLE_PPM), cost.currency)


def _fixed(facts: PriceFacts, rule: PriceRule, fees: Fees, target: Target) -> Start | Stop:
    assert target.amount is not None, "a fixed target has an amount"
    converted = convert(facts, rule, target.amount)
    if isinstance(converted, Stop):
        return converted
    gross = converted.amount
    why = f"a fixed price of {target.amount}" + (f": {converted.how}" if converted.how else "")
    step = PriceStep("target", gross.amount_minor, why, rule.given.get("target", ""))
    return Start(gross, fees.net(gross), not converted.how, (step, _commission(fees, gross)))


def _aimed(
    facts: PriceFacts, rule: PriceRule, target: Target | None
) -> tuple[Money, tuple[PriceStep, ...]] | Stop:
    """What we want to be paid, and the steps to it."""
    if target is None or not target.span.holds(facts.now):
        return _base(facts, rule)
    given = rule.given.get("target", "")
    if target.aim is Aim.COST_PLUS:
        cost = dearest_cost(facts, rule)
        if cost is None:
            # Sold out as a rule: nothing to gain by moving a price that nobody can buy at.
            why = "the price is to be cost plus a margin, but no free code has a cost"
            return Stop(Reason.NO_COST, why, stays=True)
        if isinstance(cost, Stop):
            return cost
        wanted = with_margin(cost.amount, target.margin_ppm)
        why = f"unit cost {cost.amount} + {percent(target.margin_ppm)}" + _by(cost)
        return wanted, (PriceStep("target", wanted.amount_minor, why, given),)
    assert target.amount is not None, "a target of proceeds has an amount"
    converted = convert(facts, rule, target.amount)
    if isinstance(converted, Stop):
        return converted
    why = f"{converted.amount} is to reach us" + _by(converted)
    return converted.amount, (PriceStep("target", converted.amount.amount_minor, why, given),)


def _base(facts: PriceFacts, rule: PriceRule) -> tuple[Money, tuple[PriceStep, ...]] | Stop:
    """The SKU's base price and the mark-up."""
    converted = _own_base(facts, rule)
    if isinstance(converted, Stop):
        return converted
    base = converted.amount
    if base.amount_minor <= 0:
        raise PlanRefused(f"the base price is {base}: write one above zero")
    wanted = Money(base.amount_minor + per_million(base.amount_minor, rule.markup_ppm), base.currency)
    markup = f"{percent(rule.markup_ppm)} of {base} added"
    return wanted, (
        PriceStep("base", base.amount_minor, "what we want to be paid" + _by(converted)),
        PriceStep("markup", wanted.amount_minor, markup, rule.given.get("markup", "")),
    )


def _own_base(facts: PriceFacts, rule: PriceRule) -> Converted | Stop:
    """The base price in the channel's currency, or one converted: by a fresh rate, if any is."""
    if (own := facts.bases.get(facts.currency)) is not None:
        return Converted(Money(own, facts.currency))
    stop = Stop(Reason.NO_BASE, f"no base price: set one in {facts.currency}", stays=False)
    for currency in sorted(facts.bases, reverse=True):
        tried = convert(facts, rule, Money(facts.bases[currency], currency))
        if isinstance(tried, Converted):
            return tried
        why = f"no base price: set one in {facts.currency}; else {tried.why}"
        stop = tried if tried.reason is Reason.RATE_TOO_OLD else Stop(tried.reason, why, tried.stays)
    return stop


def _commission(fees: Fees, gross: Money) -> PriceStep:
    kept = gross - fees.net(gross)
    why = f"the channel keeps {kept}"
    if fees.quote is not None:
        why += f", by its own calculator ({fees.quote.at:%Y-%m-%d %H:%M})"
    return PriceStep("commission", gross.amount_minor, why)


def _by(converted: Converted) -> str:
    return f" ({converted.how})" if converted.how else ""
