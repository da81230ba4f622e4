"""Decides what may stand in a split plan's file, and where what is wrong in it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from config.fields import Amount, Currency, Name, Percent, Table, Whole
from config.problems import KeyPath, Problem, dotted
from config.rule_files import validated
from config.sources import parse_document, read_document

_PARTY = re.compile(
    r"channel|operator|consignor|buyer|referrer-[1-9]|(?:budget|party):[a-z0-9]+(?:[_-][a-z0-9]+)*"
)


def _party(text: str) -> str:
    if not _PARTY.fullmatch(text):
        raise ValueError(
            "not a party: write channel, operator, consignor, buyer, referrer-1, referrer-2, budget:NAME or"
            " party:NAME"
        )
    return text


Party = Annotated[str, AfterValidator(_party)]
Days = Annotated[Whole, Field(le=36_500)]
Count = Annotated[Whole, Field(ge=1)]
Words = tuple[str, ...]


class Tier(Table):
    """From this measure on: an amount in major units, or a number of units or orders."""

    start: Amount
    rate_percent: Percent | None = None
    fixed: Amount | None = None


class Tiers(Table):
    """A table of tiers, rising."""

    by: Literal["amount", "units", "turnover", "orders"]
    mode: Literal["whole", "marginal"]
    per: Literal["day", "week", "month", "quarter", "year", "ever"] = "ever"
    steps: Annotated[tuple[Tier, ...], Field(max_length=64)]


class Cap(Table):
    """The most that a rule takes in one period."""

    amount: Amount
    per: Literal["day", "week", "month", "quarter", "year", "ever"]


class When(Table):
    """What must hold for a rule to apply; of several names one is enough."""

    channels: Words = ()
    skus: Words = ()
    tags: Words = ()
    unless_tags: Words = ()
    segments: Words = ()
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    orders_from: Count | None = None
    orders_to: Count | None = None
    referrer: Count | None = None


class Vest(Table):
    """When a share may be paid."""

    at: Literal["sale", "delivery", "hold", "redemption"] = "sale"
    hold_days: Days | None = None
    parts: Count = 1
    every_days: Days = 0


class Lapse(Table):
    """To whom, and how long after the sale, goes what has not vested."""

    days: Days
    to: Party = "operator"


class Rule(Table):
    """What one party takes, in the order of the file; amounts are major units of the plan's currency."""

    name: Name
    party: Party
    base: Literal["gross", "gross_less_tax", "tax", "after_channel", "margin", "redeemed", "remains"] = (
        "gross"
    )
    rate_percent: Percent | None = None
    fixed: Amount | None = None
    tiers: Tiers | None = None
    minimum: Amount | None = None
    maximum: Amount | None = None
    cap: Cap | None = None
    rest: bool = False
    scope: Literal["unit", "line", "order"] = "unit"
    when: When = When()
    vest: Vest = Vest()
    lapse: Lapse | None = None
    on_refund: Literal["proportional", "full", "kept"] = "proportional"
    # Not written: a channel takes at the operator's loss, anybody else refuses the sale.
    when_short: Literal["refuse", "less", "loss"] | None = None


class Plan(Table):
    """One split plan: an ordered waterfall, and the prices and dates it promises to serve."""

    name: Name
    currency: Currency | None = None
    smallest: Amount | None = None
    largest: Amount | None = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    kept_borne_by: Literal["operator", "consignor"] = "operator"
    rules: Annotated[tuple[Rule, ...], Field(max_length=64)]


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan that was read, and the line of each of its keys."""

    path: Path
    plan: Plan
    lines: Mapping[KeyPath, int]

    def problem(self, number: int, text: str) -> Problem:
        """A problem of a rule, counted from 1, or of the plan (0), placed where it stands."""
        path: KeyPath = ("rules", number - 1) if number else ()
        rule = f" ({self.plan.rules[number - 1].name})" if number else ""
        return Problem(str(self.path), self.lines.get(path), dotted(path) + rule, text)


def read_plan(path: Path) -> PlanFile:
    """Read a plan's file; SettingsRefused tells everything that has to be mended, by line and rule."""
    document = read_document(path)
    return PlanFile(path, validated(document, Plan, "rules", "rule"), document.lines)


def parse_plan(text: str, name: str) -> PlanFile:
    """The same of a text that came from elsewhere, under a name for its problems."""
    document = parse_document(text, Path(name))
    return PlanFile(document.path, validated(document, Plan, "rules", "rule"), document.lines)
