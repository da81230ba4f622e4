"""Keeps split plans that people publish by hand: the newest version of a name is the one that splits."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from core.audit import note
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.money.ledger import publish_plan
from core.money.plans.lint import require_sound
from core.money.plans.rules import Plan
from core.money.plans.stored import plan_from_json
from core.money.plans.waterfall import require_currency

_LATEST_PLANS = load_queries("core.money", "published.sql")["latest_plans"]

Published = tuple[int, Plan]


@dataclass(frozen=True, slots=True)
class Publishable:
    """What the settings leave to whoever publishes, and what his plans may ask for.

    By the name of each plan the currencies that it has to serve: those of the channels that name it. And the
    segments of buyers there are.
    """

    currencies: Mapping[str, frozenset[str]]
    segments: frozenset[str]


async def latest_plans(conn: Connection, names: Collection[str]) -> dict[str, Published]:
    """The newest version of each name, with its id; names of which there is none are left out."""
    return {
        row["name"]: (
            int(row["plan_id"]),
            plan_from_json(row["name"], int(row["version"]), json.dumps(row["rules"])),
        )
        for row in await conn.fetch(_LATEST_PLANS, sorted(names))
    }


async def publish_by_hand(
    conn: Connection,
    plan: Plan,
    allowed: Publishable,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> Published:
    """Make a sound plan the newest of its name, with who did so and why; the same again stays what it is.

    InvalidInput for a plan of another name, for one in another currency, and for one that asks for a segment
    that there is not.
    """
    assert conn.is_in_transaction(), "a plan and why it was published are one"
    require_sound(plan)
    for currency in sorted(_currencies(allowed.currencies, plan.name)):
        require_currency(plan, currency)
    for rule, segment in unknown_segments(plan, allowed.segments):
        raise InvalidInput(
            f"rule {rule} of split plan {plan.name} asks for the segment {segment}, which there is not: "
            f"write [segments.{segment}] in the settings and start the daemons anew, or remove it"
        )
    before = await latest_plans(conn, [plan.name])
    published = await publish_plan(conn, plan)
    if before.get(plan.name) != published:
        subject = f"split plan {plan.name} version {published[1].version}"
        await note(conn, at=now, actor=actor, action="plan.publish", subject=subject, reason=reason)
    return published


def _currencies(names: Mapping[str, frozenset[str]], name: str) -> frozenset[str]:
    if name not in names:
        known = ", ".join(sorted(names)) or "there is none yet"
        raise InvalidInput(
            f"split plan {name} is not one that is published by hand ({known}): write [splits.{name}] with "
            "published = true in the settings, and start the daemons anew"
        )
    return names[name]


def unknown_segments(plan: Plan, segments: Collection[str]) -> list[tuple[str, str]]:
    """Each rule that asks for a segment that there is not, with that segment: it will never hold. Pure."""
    return [(rule.name, name) for rule in plan.rules for name in rule.when.segments if name not in segments]
