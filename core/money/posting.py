"""Says what an entry of the journal is before it is written. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Posting:
    """An entry to be: an account's four words and an amount, debit positive, never zero."""

    party: str
    party_name: str
    purpose: str
    amount_minor: int
    currency: str
