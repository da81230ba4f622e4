"""Publishes split plans that settings leave to whoever publishes, and lists them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from config.plans import read_plan
from config.settings import Settings
from core.money.plans.rules import Plan
from core.money.published import latest_plans, publish_by_hand
from scheduler.cli.options import json_option, reason_option
from scheduler.cli.output import Cells, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.split_plans import plan_of, publishable, published_names

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("publish")
@click.argument("name")
@click.argument("path", type=_FILE, metavar="FILE")
@reason_option
@json_option
@pass_session
def publish_split(session: Session, name: str, path: Path, reason: str, as_json: bool) -> None:
    """Make the plan in FILE the next version of NAME; running daemons take it up within seconds.

    NAME is a plan whose settings say `published = true`. The same plan again stays the version that it is.

    JSON: {"name", "version", "plan_id"}.
    """
    plan = replace(plan_of(read_plan(path)), name=name)
    plan_id, published = session.drive(_publish(session.settings(), plan, session.actor, reason))
    if as_json:
        print_json({"name": name, "version": published.version, "plan_id": plan_id})
    else:
        say(f"split plan {name}, version {published.version}")


async def _publish(settings: Settings, plan: Plan, actor: str, reason: str) -> tuple[int, Plan]:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        allowed = publishable(settings)
        return await publish_by_hand(conn, plan, allowed, actor=actor, reason=reason, now=utc_now())


@click.command("published")
@json_option
@pass_session
def list_published(session: Session, as_json: bool) -> None:
    """List the plans that are published by hand.

    JSON: {"plans": [{"name", "version", "rules"}]}; a version of null: nothing was published yet.
    """
    found = session.drive(_published(session.settings()))
    if as_json:
        print_json({"plans": [_shape(name, plan) for name, plan in found.items()]})
        return
    table = Cells("plan", "version", "rules")
    for name, plan in found.items():
        rules = ", ".join(rule.name for rule in plan.rules) if plan else "nothing was published yet"
        table.add(name, plan.version if plan else "", rules)
    table.show()


def _shape(name: str, plan: Plan | None) -> dict[str, object]:
    rules = [rule.name for rule in plan.rules] if plan else []
    return {"name": name, "version": plan.version if plan else None, "rules": rules}


async def _published(settings: Settings) -> dict[str, Plan | None]:
    names = published_names(settings)
    async with open_core(settings) as core, core.pool.acquire() as conn:
        newest = await latest_plans(conn, names)
    return {name: newest[name][1] if name in newest else None for name in sorted(names)}
