"""What tests of split plans say sales by: the shipped examples, and entries as words and amounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import config
from config.plans import read_plan
from core.money.money import Money
from core.money.plans.facts import CodesOf, Milestones, SaleFacts
from core.money.plans.journal import moves, position, sale_postings
from core.money.plans.refunds import Refunded
from core.money.plans.rules import Plan
from core.money.plans.waterfall import Split
from core.money.posting import Posting
from scheduler.split_plans import plan_of

FOLDER = Path(config.__file__).parent / "examples" / "plans"
SOLD = datetime(2026, 11, 21, 12, tzinfo=UTC)
DELIVERED = Milestones(SOLD, SOLD)
Entries = dict[str, int]


def example(name: str) -> Plan:
    return plan_of(read_plan(FOLDER / f"{name}.toml"))


def sale(price: str, currency: str = "EUR", quantity: int = 1, **words: Any) -> SaleFacts:
    facts = SaleFacts(Money.parse(price, currency), (CodesOf("Ada", quantity),), "mkt", SOLD)
    return replace(facts, **words)


def entries(postings: list[Posting]) -> Entries:
    assert sum(posting.amount_minor for posting in postings) == 0
    return {
        " ".join(
            word for word in (posting.party, posting.party_name, posting.purpose) if word
        ): posting.amount_minor
        for posting in postings
    }


def sold(split: Split, milestones: Milestones = DELIVERED) -> Entries:
    return entries(sale_postings(split, milestones, SOLD))


def channel(gross: int, kept: int) -> Entries:
    """The three entries that a channel's commission always makes."""
    return {
        "channel mkt receivable": gross - kept,
        "channel mkt commission": kept,
        "channel mkt recharged": -kept,
    }


def refund_postings(
    split: Split, before: Refunded, after: Refunded, milestones: Milestones, now: datetime
) -> list[Posting]:
    """The entries of a refund that leads from one state to the next."""
    return moves(
        position(split, before, milestones, now), position(split, after, milestones, now), split.currency
    )


def release_postings(
    split: Split, refunded: Refunded, milestones: Milestones, since: datetime, now: datetime
) -> list[Posting]:
    """The entries of what vested or lapsed between two moments; none where nothing did."""
    return moves(
        position(split, refunded, milestones, since),
        position(split, refunded, milestones, now),
        split.currency,
    )
