"""Decides the entries when money set aside for a purpose is spent, or given back. Pure."""

from __future__ import annotations

from core.errors import InvalidInput
from core.money.money import Money
from core.money.posting import Posting


def spend(budget: str, set_aside: Money, amount: Money, paid_from: tuple[str, str, str]) -> list[Posting]:
    """What was paid for a purpose, such as traffic, off a channel's balance or from a bank.

    What was set aside pays first; what is above it is the operator's cost, under the budget's name.
    """
    _refuse_misfits(budget, set_aside, amount)
    covered_minor = min(set_aside.amount_minor, amount.amount_minor)
    entries = [
        Posting("budget", budget, "set_aside", covered_minor, amount.currency),
        Posting("operator", budget, "promotion", amount.amount_minor - covered_minor, amount.currency),
        Posting(*paid_from, -amount.amount_minor, amount.currency),
    ]
    return [entry for entry in entries if entry.amount_minor]


def release(budget: str, amount: Money) -> list[Posting]:
    """What is not needed for its purpose any more is the operator's."""
    _refuse_misfits(budget, amount, amount)
    return [
        Posting("budget", budget, "set_aside", amount.amount_minor, amount.currency),
        Posting("operator", budget, "released", -amount.amount_minor, amount.currency),
    ]


def _refuse_misfits(budget: str, set_aside: Money, amount: Money) -> None:
    if amount.amount_minor <= 0 or set_aside.amount_minor < 0 or amount.currency != set_aside.currency:
        raise InvalidInput(
            f"budget {budget}: {amount} cannot be taken of {set_aside}: write an amount above zero in its"
            " currency"
        )
