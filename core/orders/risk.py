"""Decides whether an order passes, is held for a person, or is refused, by its worth and size. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.money.money import Money
from core.types import Payment


class RiskVerdict(StrEnum):
    """What becomes of an order."""

    PASS = "pass"  # noqa: S105 (no password)
    HOLD = "hold"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class RiskRule:
    """Above what an order is held or refused; None: never. Amounts are minor units of `currency`."""

    hold_above_minor: int | None = None
    refuse_above_minor: int | None = None
    hold_above_quantity: int | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        amounts = (self.hold_above_minor, self.refuse_above_minor)
        assert self.currency is not None or amounts == (None, None), "amounts without a currency"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and why in words for a person; nothing where the order passes."""

    verdict: RiskVerdict
    why: str = ""


def judge(rule: RiskRule, gross_minor: int, quantity: int, payment: Payment) -> Judgement:
    """What becomes of an order of so many pieces at this price in all.

    An order that is not paid yet is only refused, never held: nothing leaves the house for it, and it is
    judged again when its money comes.
    """
    if rule.refuse_above_minor is not None and gross_minor > rule.refuse_above_minor:
        why = f"risk: {_above(rule, gross_minor, rule.refuse_above_minor)}, where orders are refused"
        return Judgement(RiskVerdict.REFUSE, why)
    if payment is not Payment.PAID:
        return Judgement(RiskVerdict.PASS)
    if rule.hold_above_minor is not None and gross_minor > rule.hold_above_minor:
        why = f"risk: {_above(rule, gross_minor, rule.hold_above_minor)}, where a person has to look"
        return Judgement(RiskVerdict.HOLD, why)
    if rule.hold_above_quantity is not None and quantity > rule.hold_above_quantity:
        why = f"risk: {quantity} pieces are above {rule.hold_above_quantity}, where a person has to look"
        return Judgement(RiskVerdict.HOLD, why)
    return Judgement(RiskVerdict.PASS)


def _above(rule: RiskRule, gross_minor: int, limit_minor: int) -> str:
    assert rule.currency is not None, "the rule was checked when it was made"
    return f"{Money(gross_minor, rule.currency)} is above {Money(limit_minor, rule.currency)}"
