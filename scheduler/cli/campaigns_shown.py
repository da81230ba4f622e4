"""Shows campaigns: how far each is, why an order got what, and draws done again."""

from __future__ import annotations

import click

from config.settings import Settings
from core.campaigns.auditing import Audit, audit
from core.campaigns.explaining import GrantTold, OrderRewards, explain_rewards
from core.views.money_campaigns import (
    CampaignDetail,
    CampaignView,
    LateView,
    campaign_detail,
    campaigns,
    late_orders,
)
from scheduler.cli.exits import Exit
from scheduler.cli.options import json_option
from scheduler.cli.orders import find_order_id
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.loops.campaigns import open_seal


@click.command("list")
@json_option
@pass_session
def list_campaigns(session: Session, as_json: bool) -> None:
    """List campaigns, those that run first, and orders that they could not do something about.

    JSON: {"campaigns": [{"name", "version", "currency", "budget_minor", "spent_minor", "starts_at",
    "ends_at", "stopped_at", "grants", "refusals", ...}], "late": [{"order_id", "work", "error", "tries",
    "failed_at", "next_at", ...}]}.
    """
    found, late = session.drive(_campaigns(session.settings()))
    if as_json:
        print_json({"campaigns": found, "late": late})
        return
    numbers = ("spent", "budget", "given", "refused")
    table = Cells("name", "version", "state", "from", "until", *numbers, right=numbers)
    for row in found:
        spent, budget = (amount(minor, row.currency) for minor in (row.spent_minor, row.budget_minor))
        dates = (row.state(utc_now()), row.starts_at, row.ends_at)
        table.add(row.name, row.version, *dates, spent, budget, row.grants, row.refusals)
    table.show()
    _show_late(late)


async def _campaigns(settings: Settings) -> tuple[tuple[CampaignView, ...], tuple[LateView, ...]]:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await campaigns(conn, utc_now()), await late_orders(conn)


def _show_late(late: tuple[LateView, ...]) -> None:
    """Orders that wait for another try; where none does, nothing is said."""
    table = Cells("order", "could not", "because", "tries", "since", "again at", right=("tries",))
    for each in late:
        what = each.work.replace("_", " ")
        table.add(each.order_id, what, each.error, each.tries, each.failed_at, each.next_at)
    if late:
        table.show()


@click.command("show")
@click.argument("name")
@json_option
@pass_session
def show_campaign(session: Session, name: str, as_json: bool) -> None:
    """Show the campaign NAME: its budget, what it gave last, and why it refused.

    JSON: {"campaign": {...}, "grants": [...], "refusals": [...], "refusal_sums": [...], "late": [{"order_id",
    "work", "error", "tries", "failed_at", "next_at", ...}]}.
    """
    detail = session.drive(_detail(session.settings(), name))
    if as_json:
        print_json(detail)
        return
    told = detail.campaign
    spent, budget = amount(told.spent_minor, told.currency), amount(told.budget_minor, told.currency)
    say(f"{told.name} version {told.version}: {told.state(utc_now())}, {spent} of {budget} spent")
    if told.stopped_at is not None:
        say(f"stopped by {told.stopped_by}: {told.stopped_why}")
    last = Cells("granted", "order", "reward", "to", "paid as", "amount", "came back", "warned")
    for grant in detail.grants:
        given, back = (amount(minor, grant.currency) for minor in (grant.amount_minor, grant.back_minor))
        about = (grant.granted_at, grant.order_id, grant.reward, grant.beneficiary, grant.pays)
        last.add(*about, given, back, grant.warning)
    last.show()
    sums = Cells("refused because of", "times", right=("times",))
    for row in detail.refusal_sums:
        sums.add(row.code, row.refusals)
    sums.show()
    _show_late(detail.late)


async def _detail(settings: Settings, name: str) -> CampaignDetail:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await campaign_detail(conn, name, utc_now())


@click.command("explain")
@click.argument("order")
@json_option
@pass_session
def explain_order(session: Session, order: str, as_json: bool) -> None:
    """Say why an order got what of which campaign, or why nothing.

    ORDER as `consignd orders` takes it.

    JSON: {"order_id", "grants": [{"campaign", "version", "reward", "party", "beneficiary", "pays",
    "amount_minor", "currency", "points", "base_minor", "outcome_no", "warning", "granted_at", "back_minor",
    "parts": [...]}], "refusals": [{"campaign", "reward", "code", "reason", ...}], "outside": [{"campaign",
    "reason"}]}.
    """
    told = session.drive(_explain(session.settings(), order))
    if as_json:
        print_json(told)
        return
    for grant in told.grants:
        _say_grant(grant)
    table = Cells("campaign", "reward", "nothing, because", title="refused")
    for refusal in told.refusals:
        table.add(refusal.campaign, refusal.reward, refusal.reason)
    for each in told.outside:
        table.add(each.campaign, "", each.reason)
    if told.refusals or told.outside or not told.grants:
        table.show()


def _say_grant(grant: GrantTold) -> None:
    given = amount(grant.amount_minor, grant.currency)
    points = "" if grant.points is None else f" ({grant.points} points)"
    base = amount(grant.base_minor, grant.currency)
    say(
        f"{grant.campaign} v{grant.version}, {grant.reward}: {given}{points} of {base} to {grant.beneficiary}"
        f" ({grant.party}), paid as {grant.pays}"
    )
    if grant.outcome_no is not None:
        say(f"  drawn: outcome {grant.outcome_no}")
    if grant.warning:
        say(f"  warned: {grant.warning}")
    if grant.back_minor:
        say(f"  {amount(grant.back_minor, grant.currency)} came back with refunds")
    for part in grant.parts:
        if len(grant.parts) > 1 or part.vests_at > grant.granted_at:
            say(
                f"  part {part.part_no}: {part.amount - part.back} vest at {part.vests_at:%Y-%m-%d %H:%M} UTC"
            )


async def _explain(settings: Settings, written: str) -> OrderRewards:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await explain_rewards(conn, await find_order_id(conn, written))


@click.command("audit")
@click.argument("name")
@json_option
@pass_session
@click.pass_context
def audit_campaign(ctx: click.Context, session: Session, name: str, as_json: bool) -> None:
    """Tell the seeds of the campaign NAME, which is over, and draw all its random returns again; 1 if any
    differs.

    JSON: {"campaign", "ok", "versions": [{"version", "seed", "seed_hash", "seed_holds", "draws", "differing":
    [...], "outcomes": [{"reward", "outcome_no", "weight", "of_weight", "times"}]}]}.
    """
    found = session.drive(_audit(session.settings(), name))
    if as_json:
        print_json(found)
    else:
        _say_audit(found)
    if not found.ok:
        ctx.exit(Exit.VIOLATED)


def _say_audit(found: Audit) -> None:
    for version in found.versions:
        holds = "is the hash that was published" if version.seed_holds else "IS NOT WHAT WAS PUBLISHED"
        say(f"{found.campaign} version {version.version}: seed {version.seed}")
        say(f"its SHA-256 {version.seed_hash} {holds}")
        table = Cells("reward", "outcome", "weight", "came", right=("outcome", "weight", "came"))
        for each in version.outcomes:
            table.add(each.reward, each.outcome_no, f"{each.weight} of {each.of_weight}", each.times)
        table.show()
        say(f"{version.draws} draws done again, {len(version.differing)} differ")
        for drawn in version.differing:
            say(f"{drawn.channel}/{drawn.order_ref}: given {drawn.outcome_no}, drawn {drawn.drawn_no}")


async def _audit(settings: Settings, name: str) -> Audit:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        return await audit(conn, open_seal(core), name, utc_now())
