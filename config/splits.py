"""Decides how split plans stand in the settings: as rules, as a file, and for which sales each is chosen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.fields import Amount, Currency, Name, Percent, Table
from config.plans import PlanFile, read_plan
from config.problems import KeyPath, Problem, SettingsRefused


class SplitRule(Table):
    """One party's part of a sale, in the order in which parts are taken; amounts are major units."""

    party: Literal["channel", "operator", "consignor"]
    base: Literal["gross", "after_channel"] = "gross"
    rate_percent: Percent | None = None
    fixed: Amount | None = None
    currency: Currency | None = None
    minimum: Amount | None = None
    maximum: Amount | None = None
    rest: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        amounts = (self.fixed, self.minimum, self.maximum)
        if self.rest and (self.rate_percent, *amounts) != (None, None, None, None):
            raise ValueError("a rule with rest = true takes what is left: remove its rate and amounts")
        if not self.rest and self.rate_percent is None and self.fixed is None:
            raise ValueError("the rule takes nothing: write rate_percent, fixed, or rest = true")
        if any(amount is not None for amount in amounts) and self.currency is None:
            raise ValueError('fixed, minimum and maximum need a currency: write currency = "EUR"')
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum: exchange them")
        return self


class SplitPlan(Table):
    """Who gets what of a sale: an ordered waterfall whose last rule takes the rest."""

    rules: Annotated[tuple[SplitRule, ...], Field(max_length=32)] = ()
    # A plan in a file of its own instead, which may say much more; its place is told from this file's folder.
    file: Path | None = None
    # Neither: the version that was published last by command or over the API.
    published: bool = False

    @model_validator(mode="after")
    def _gives_everything_away(self) -> Self:
        if (bool(self.rules), self.file is not None, self.published).count(True) > 1:
            raise ValueError("it has more than one of rules, file and published: keep one of them")
        if self.file is not None or self.published:
            return self
        if not self.rules:
            raise ValueError(
                'the plan is empty: write at least rules = [{ party = "consignor", rest = true }]'
            )
        *before, last = self.rules
        if not last.rest or any(rule.rest for rule in before):
            raise ValueError("exactly the last rule takes the rest: write rest = true there and nowhere else")
        channel_taken = False
        for position, rule in enumerate(before):
            if rule.base == "after_channel" and not channel_taken:
                raise ValueError(
                    f"rule {position + 1} reckons after_channel, but no channel rule stands before it"
                )
            channel_taken = channel_taken or rule.party == "channel"
        return self


class SplitChoice(Table):
    """For which sales a plan is taken instead of the channel's own; the first that fits is.

    Everything that is written must hold; of several names one is enough.
    """

    split: Name
    channels: tuple[Name, ...] = ()
    tags: tuple[str, ...] = ()
    consignors: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _chooses(self) -> Self:
        if not (self.channels or self.tags or self.consignors):
            raise ValueError("it says of no sale: write channels, tags or consignors")
        return self


def read_plan_files(
    splits: Mapping[str, SplitPlan], segments: Collection[str], folder: Path
) -> dict[str, PlanFile]:
    """The plans that stand in files, by the name they have here; SettingsRefused tells all that is wrong.

    `segments` are those of the settings: what a rule asks of any other never holds.
    """
    files: dict[str, PlanFile] = {}
    problems: list[Problem] = []
    for name, plan in splits.items():
        if plan.file is not None:
            try:
                files[name] = file = read_plan(folder / plan.file.expanduser())
                problems += _unknown_segments(file, segments)
            except SettingsRefused as refused:
                problems += refused.problems
    if problems:
        raise SettingsRefused(problems)
    return files


def _unknown_segments(file: PlanFile, segments: Collection[str]) -> Iterator[Problem]:
    for number, rule in enumerate(file.plan.rules, 1):
        for name in rule.when.segments:
            if name not in segments:
                mend = f"write [segments.{name}] in the settings, or remove it here"
                yield file.problem(number, f"no segment is named {name}: {mend}")


def unknown_choices(written: Mapping[str, object]) -> Iterator[tuple[KeyPath, str]]:
    """Choices of plans or channels that do not exist; from raw values, so that no other error hides them."""
    plans, channels = written.get("splits", {}), written.get("channels", {})
    choices = written.get("split_choices", [])
    if not isinstance(choices, list) or not isinstance(plans, dict) or not isinstance(channels, dict):
        return
    for number, choice in enumerate(choices):
        if not isinstance(choice, dict):
            continue
        plan, named = choice.get("split"), choice.get("channels", [])
        if isinstance(plan, str) and plan not in plans:
            yield ("split_choices", number, "split"), f"no split plan is named {plan}: write [splits.{plan}]"
        for name in named if isinstance(named, list) else []:
            if isinstance(name, str) and name not in channels:
                path: KeyPath = ("split_choices", number, "channels")
                yield path, f"no channel is named {name}: write [channels.{name}]"
