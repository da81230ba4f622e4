"""Lets people look at campaigns before they give anything, publish and stop them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from config.campaigns import CampaignFile, read_campaign
from config.problems import Problem, SettingsRefused
from config.settings import Settings
from core.campaigns.campaign import Campaign
from core.campaigns.publishing import Published, publish, stop
from scheduler.campaign_terms import PaidIn, sound_campaign
from scheduler.cli.campaign_report import campaign_report
from scheduler.cli.campaigns_shown import (
    audit_campaign,
    explain_order,
    list_campaigns,
    show_campaign,
)
from scheduler.cli.linting import Written, show_lint
from scheduler.cli.options import ListGroup, json_option, reason_option
from scheduler.cli.output import print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.loops.campaigns import open_seal

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("campaigns", cls=ListGroup)
def campaigns() -> None:
    """Campaigns: what buyers and referrers get back, within a budget and until an end."""


for command in (list_campaigns, show_campaign, explain_order, audit_campaign, campaign_report):
    campaigns.add_command(command)


@campaigns.command("lint")
@click.argument("files", type=_FILE, nargs=-1, required=True, metavar="FILE...")
@json_option
@click.pass_context
def lint_campaigns(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Say what is wrong with the campaigns in FILE..., by line and reward; 3 if anything is.

    A campaign that passes has a budget and an end, and no order gets more than its price.

    JSON: {"ok", "campaigns": [name], "problems": [{"source", "line", "path", "text"}]}.
    """
    show_lint(ctx, files, _written, kind="campaigns", as_json=as_json)


def _written(path: Path) -> Written:
    file = read_campaign(path)
    return Written(file.campaign.name, partial(_unsound, file))


def _unsound(file: CampaignFile) -> list[Problem]:
    try:
        sound_campaign(file)
    except SettingsRefused as refused:
        return list(refused.problems)
    return []


@campaigns.command("publish")
@click.argument("path", type=_FILE, metavar="FILE")
@reason_option
@json_option
@pass_session
def publish_campaign(session: Session, path: Path, reason: str, as_json: bool) -> None:
    """Publish the campaign in FILE as its next version: from now on it gives for delivered orders.

    Daemons take it up by themselves. The same content again changes nothing. A campaign that draws binds its
    seed here: hand the hash on, so that everybody can check the draws when it is over. Points and coupons
    have to be of programmes and series that the settings name.

    JSON: {"name", "version", "new", "published_at", "seed_hash"}.
    """
    settings = session.settings()
    campaign = sound_campaign(read_campaign(path), PaidIn.of(settings))
    done = session.drive(_publish(settings, campaign, session.actor, reason))
    told = done.campaign
    if as_json:
        print_json(
            {
                "name": told.name,
                "version": told.version,
                "new": done.new,
                "published_at": done.published_at,
                "seed_hash": done.seed_hash,
            }
        )
        return
    if not done.new:
        say(f"{told.name} version {told.version} says the same already")
        return
    say(f"{told.name} version {told.version} is published")
    if done.seed_hash:
        say(f"its draws are bound to the seed whose SHA-256 is {done.seed_hash}")


async def _publish(settings: Settings, campaign: Campaign, actor: str, reason: str) -> Published:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        return await publish(conn, open_seal(core), campaign, actor=actor, reason=reason, now=utc_now())


@campaigns.command("stop")
@click.argument("name")
@reason_option
@pass_session
def stop_campaign(session: Session, name: str, reason: str) -> None:
    """End the campaign NAME for good: orders delivered from now on get nothing of it.

    What was granted stays, vests, and comes back with refunds as ever.
    """
    session.drive(_stop(session.settings(), name, session.actor, reason))
    say(f"{name} is stopped: orders delivered from now on get nothing of it")


async def _stop(settings: Settings, name: str, actor: str, reason: str) -> None:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        await stop(conn, name, actor=actor, reason=reason, now=utc_now())
