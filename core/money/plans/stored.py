"""Writes a plan as the JSON that its row keeps, and reads it back. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import ConfigDict, TypeAdapter, ValidationError

from core.errors import PlanRefused
from core.money.plans.rules import Base, Party, Plan, Rule, Short

_PLAN = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True)
class EarlyRule:
    """A rule as it was stored before plans had names for rules; their rows are an array of these.

    Settings that write rules without names mean the same.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    party: str
    base: Base = Base.GROSS
    rate_ppm: int = 0
    fixed_minor: int = 0
    minimum_minor: int | None = None
    maximum_minor: int | None = None
    rest: bool = False
    currency: str | None = None

    def named(self, number: int) -> Rule:
        """The same as a rule of a plan: a channel takes at a loss, the others what is left."""
        return Rule(
            name=f"{self.party}-{number}",
            party=Party.parse(self.party),
            base=self.base,
            rate_ppm=self.rate_ppm,
            fixed_minor=self.fixed_minor,
            minimum_minor=self.minimum_minor,
            maximum_minor=self.maximum_minor,
            rest=self.rest,
            when_short=Short.LOSS if self.party == "channel" else Short.LESS,
            currency=self.currency,
        )


_EARLY = TypeAdapter(tuple[EarlyRule, ...])


def early_plan(name: str, version: int, rules: tuple[EarlyRule, ...]) -> Plan:
    """A plan of rules without names; its currency is that of its amounts."""
    currencies = [rule.currency for rule in rules if rule.currency is not None]
    return Plan(
        name=name,
        version=version,
        currency=currencies[0] if currencies else None,
        rules=tuple(rule.named(number) for number, rule in enumerate(rules, 1)),
    )


def plan_to_json(plan: Plan) -> str:
    """The plan as a JSON object, every field written."""
    return _PLAN.dump_json(plan).decode()


def plan_from_json(name: str, version: int, stored: str) -> Plan:
    """The plan that was stored; words that this program does not know are refused."""
    try:
        if stored.lstrip().startswith("["):
            return early_plan(name, version, _EARLY.validate_json(stored, strict=True))
        return replace(_PLAN.validate_json(stored, strict=True), name=name, version=version)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "plan"
        raise PlanRefused(f"split plan {name} version {version}, {where}: {first['msg']}") from None
