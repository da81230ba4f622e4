"""Decides what may stand in a campaign's file, and where what is wrong in it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from config.fields import Amount, Currency, Name, Percent, Table, not_boolean
from config.plans import Count, Rule
from config.problems import KeyPath, Problem, dotted
from config.rule_files import validated
from config.sources import parse_document, read_document

_NAME = r"[a-z0-9]+(?:[_-][a-z0-9]+)*"
Line = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, le=1_000_000, decimal_places=4)]
Times = Annotated[Decimal, BeforeValidator(not_boolean), Field(gt=0, le=100, decimal_places=4)]
PerUnit = Annotated[Decimal, BeforeValidator(not_boolean), Field(gt=0, le=1_000, decimal_places=4)]
Pays = Annotated[str, Field(pattern=rf"^(?:wallet|payable|points:{_NAME}|coupon:{_NAME})$")]


class Outcome(Table):
    """One outcome of a draw: its share of all weights is how often it comes."""

    weight: Count
    rate_percent: Percent | None = None
    fixed: Amount | None = None


class Reward(Rule):
    """What one beneficiary gets of an order: a rule, how it is paid, and perhaps a draw.

    Amounts are major units of the campaign's currency; where points are paid, they are points.
    """

    pays: Pays
    # In place of rate_percent, where points are paid.
    points_per_unit: PerUnit | None = None
    draw: Annotated[tuple[Outcome, ...], Field(max_length=256)] = ()
    expires_days: Count | None = None


class Budget(Table):
    """The most that is given, in all and on one day."""

    total: Amount
    per_day: Amount | None = None


class Limits(Table):
    """What one buyer gets of each reward, told by account, address and device."""

    grants_per_account: Count | None = None
    amount_per_account: Amount | None = None
    grants_per_address: Count | None = None
    grants_per_device: Count | None = None


class Guards(Table):
    """Lines beyond which rewards are refused."""

    margin_warn_percent: Line = Decimal(30)
    margin_stop_percent: Line = Decimal(100)
    lifetime_percent: Line = Decimal(15)
    minimum_order: Amount = Decimal(0)
    allow_own_rings: bool = False


class Multiplier(Table):
    """A window in which rewards count so many times."""

    name: Name
    times: Times
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    rewards: tuple[Name, ...] = ()


def _has_budget(budget: Budget | None) -> Budget:
    if budget is None:
        raise ValueError("a campaign without a budget has no end to its cost: write [budget] with a total")
    return budget


def _has_end(ends_at: AwareDatetime | None) -> AwareDatetime:
    if ends_at is None:
        raise ValueError("a campaign has an end: write ends_at = 2026-12-01T00:00:00Z or the like")
    return ends_at


class Campaign(Table):
    """One campaign: what it gives, from when to when, at most how much."""

    name: Name
    currency: Currency
    starts_at: AwareDatetime
    ends_at: Annotated[AwareDatetime | None, Field(validate_default=True), AfterValidator(_has_end)] = None
    earlier_orders: bool = False
    multiplier_cap: Times = Decimal(1)
    budget: Annotated[Budget | None, Field(validate_default=True), AfterValidator(_has_budget)] = None
    limits: Limits = Limits()
    guards: Guards = Guards()
    rewards: Annotated[tuple[Reward, ...], Field(max_length=64)]
    multipliers: Annotated[tuple[Multiplier, ...], Field(max_length=64)] = ()


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """A campaign that was read, and the line of each of its keys."""

    path: Path
    campaign: Campaign
    lines: Mapping[KeyPath, int]

    def problem(self, number: int, key: str, text: str) -> Problem:
        """A problem of a reward, counted from 1, or of a table of the campaign, placed where it stands."""
        path: KeyPath = ("rewards", number - 1) if number else (key,) if key else ()
        reward = f" ({self.campaign.rewards[number - 1].name})" if number else ""
        line = self.lines.get(path) or self.lines.get((*path, 0))
        return Problem(str(self.path), line, dotted(path) + reward, text)


def read_campaign(path: Path) -> CampaignFile:
    """Read a campaign's file; SettingsRefused tells everything that has to be mended, by line and reward."""
    document = read_document(path)
    return CampaignFile(path, validated(document, Campaign, "rewards", "reward"), document.lines)


def parse_campaign(text: str, name: str) -> CampaignFile:
    """The same of a text that came from elsewhere, under a name for its problems."""
    document = parse_document(text, Path(name))
    return CampaignFile(document.path, validated(document, Campaign, "rewards", "reward"), document.lines)
