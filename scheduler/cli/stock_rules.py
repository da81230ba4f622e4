"""Explains why every listing of a SKU shows so many, and gives SKUs the tags that rules know them by."""

from __future__ import annotations

from collections.abc import Sequence

import click

from config.settings import Settings
from core.audit import note as keep_note
from core.errors import InvalidInput
from core.offers.catalogue import find_sku, tag_sku
from core.views.stock_policy import ExplainedListing, ExplainedStock, RuleValue, explain_stock
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.cli.stock import AT_COMMAND_LINE
from scheduler.composition import open_channels, open_core, utc_now


@click.command("explain")
@click.argument("sku_ref", metavar="SKU")
@json_option
@pass_session
def explain_skus(session: Session, sku_ref: str, as_json: bool) -> None:
    """Work out what each listing of a SKU should show now: every rule in force and every step.

    JSON: {"sku_ref", "tags", "available", "rules": [...], "listings": [{"channel", "listing_ref",
    "wanted_quantity", "tell_quantity", "showing_quantity", "rules": [...], "steps": [...]}]}.
    """
    explained = session.drive(_explain(session.settings(), sku_ref))
    if as_json:
        print_json(explained)
    else:
        _show(explained)


async def _explain(settings: Settings, sku_ref: str) -> ExplainedStock:
    async with open_core(settings) as core, open_channels(core) as channels, core.pool.acquire() as conn:
        names = {channel_id: terms.name for channel_id, terms in channels.terms().items()}
        return await explain_stock(conn, channels.outbox, names, sku_ref)


def _show(explained: ExplainedStock) -> None:
    tags = f", tags {', '.join(explained.tags)}" if explained.tags else ""
    say(f"{explained.sku_ref}: {explained.available} codes can be sold{tags}")
    if not explained.listings:
        say("no listing of a configured channel sells it; `consignd stock link` adds one")
        return
    _show_rules("for all its listings", explained.rules)
    for listing in explained.listings:
        say("")
        _show_listing(listing)


def _show_listing(listing: ExplainedListing) -> None:
    waits = listing.tell_quantity < listing.wanted_quantity
    now = f", {listing.tell_quantity} for now" if waits else ""
    say(
        f"{listing.channel} {listing.listing_ref}: {listing.wanted_quantity}{now};"
        f" may be showing {listing.showing_quantity}"
    )
    _show_rules("rule", listing.rules)
    steps = Cells("step", "leaves", "why", "by", right=["leaves"])
    for step in listing.steps:
        steps.add(step.rule, step.quantity, step.why, step.source)
    steps.show()


def _show_rules(title: str, rules: Sequence[RuleValue]) -> None:
    table = Cells(title, "value", "from")
    for rule in rules:
        table.add(rule.name, rule.value, rule.source)
    table.show()


@click.command("tag", context_settings={"ignore_unknown_options": True})
@click.argument("sku_ref", metavar="SKU")
@click.argument("changes", metavar="+TAG|-TAG...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--reason", default=AT_COMMAND_LINE, show_default=True, help="Why; it is kept.")
@json_option
@pass_session
def tag_skus(session: Session, sku_ref: str, changes: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Give a SKU tags and take others away: `consignd stock tag CARD-20 +steam -old`.

    JSON: {"sku_ref", "tags"}.
    """
    wrong = next((change for change in changes if change[:1] not in ("+", "-")), None)
    if wrong is not None:
        raise InvalidInput(f"{wrong}: write +{wrong} to give that tag, -{wrong} to take it away")
    tags = session.drive(_tag(session, sku_ref, changes, reason))
    if as_json:
        print_json({"sku_ref": sku_ref, "tags": tags})
    else:
        say(f"{sku_ref}: " + (", ".join(tags) or "no tags"))


async def _tag(session: Session, sku_ref: str, changes: Sequence[str], reason: str) -> tuple[str, ...]:
    add = [change[1:] for change in changes if change.startswith("+")]
    remove = [change[1:] for change in changes if change.startswith("-")]
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        sku = await find_sku(conn, sku_ref)
        tags = await tag_sku(conn, sku, core.allocator, add=add, remove=remove)
        subject = f"SKU {sku_ref}: {' '.join(changes)}"
        await keep_note(conn, at=utc_now(), actor=session.actor, action="tag", subject=subject, reason=reason)
    return tags
