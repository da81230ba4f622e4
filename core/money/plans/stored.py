"""Writes a plan as the JSON that its row keeps, and reads it back. Pure."""

from __future__ import annotations

from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from core.errors import PlanRefused
from core.money.plans.rules import Plan

_PLAN = TypeAdapter(Plan)


def plan_to_json(plan: Plan) -> str:
    """The plan as a JSON object, every field written."""
    return _PLAN.dump_json(plan).decode()


def plan_from_json(name: str, version: int, stored: str) -> Plan:
    """The plan that was stored; words that this program does not know are refused."""
    try:
        return replace(_PLAN.validate_json(stored, strict=True), name=name, version=version)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "plan"
        raise PlanRefused(f"split plan {name} version {version}, {where}: {first['msg']}") from None
