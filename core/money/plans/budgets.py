"""Decides the entries when money set aside for a purpose is spent. Pure."""

from __future__ import annotations

from core.errors import InvalidInput
from core.money.money import Money
from core.money.posting import Posting


def spend(budget: str, set_aside: Money, amount: Money, channel: str) -> list[Posting]:
    """What a channel took off our balance for a purpose, such as traffic.

    What was set aside pays first; what is above it is the operator's cost, under the budget's name.
    """
    if amount.amount_minor <= 0 or set_aside.amount_minor < 0 or amount.currency != set_aside.currency:
        raise InvalidInput(
            f"budget {budget}: {amount} cannot be spent of {set_aside}: write an amount above zero in its"
            " currency"
        )
    covered_minor = min(set_aside.amount_minor, amount.amount_minor)
    entries = [
        Posting("budget", budget, "set_aside", covered_minor, amount.currency),
        Posting("operator", budget, "promotion", amount.amount_minor - covered_minor, amount.currency),
        Posting("channel", channel, "receivable", -amount.amount_minor, amount.currency),
    ]
    return [entry for entry in entries if entry.amount_minor]
