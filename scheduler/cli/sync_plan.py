"""Shows what channels would be told, and what not, and why; nothing is published or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from config.settings import Settings
from core.offers.preview import Preview, preview
from scheduler.cli.channels import refuse_unconfigured
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_channels, open_core, utc_now

_MOST_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What one channel would be told: counts of everything, and the listings that are told or kept back."""

    channel: str
    dry_run: bool
    listings: int
    would_send: int
    kept_back: int
    offers: list[Preview]
    left_out: int


@click.command("plan")
@click.option("--channel", help="One channel; otherwise all.")
@click.option("--all", "everything", is_flag=True, help="Also listings that stay as they are.")
@click.option("--limit", type=click.IntRange(min=1), default=_MOST_ROWS, show_default=True, help="A channel.")
@json_option
@pass_session
def sync_plan(session: Session, channel: str | None, everything: bool, limit: int, as_json: bool) -> None:
    """Show what would be published now, old and new, and what would not be, and why. Writes nothing.

    JSON: {"channels": [{"channel", "dry_run", "listings", "would_send", "kept_back", "left_out", "offers":
    [{"channel", "listing_ref", "sku_ref", "currency", "quantity_from", "quantity_to", "quantity_wanted",
    "price_from_minor", "price_to_minor", "price_state", "sends", "sends_quantity", "sends_price",
    "kept_back"}]}]}.
    """
    settings = session.settings()
    if channel is not None:
        refuse_unconfigured(settings, channel)
    found = session.drive(_plans(settings, channel, everything, limit))
    if as_json:
        print_json({"channels": found})
        return
    for plan in found:
        _show(plan)
    if not found:
        say("no channel is configured")


async def _plans(settings: Settings, channel: str | None, everything: bool, limit: int) -> list[SyncPlan]:
    async with open_core(settings, "consignd sync") as core, open_channels(core) as channels:
        now = utc_now()
        found = []
        for name, served in channels.by_name.items():
            if channel in (None, name):
                looked = [each async for each in preview(core.pool, channels.outbox, served.terms, now)]
                found.append(_summed(name, served.terms.dry_run, looked, everything, limit))
        return found


def _summed(name: str, dry_run: bool, looked: Sequence[Preview], everything: bool, limit: int) -> SyncPlan:
    shown = [each for each in looked if everything or each.sends or each.kept_back]
    return SyncPlan(
        channel=name,
        dry_run=dry_run,
        listings=len(looked),
        would_send=sum(each.sends for each in looked),
        kept_back=sum(bool(each.kept_back) for each in looked),
        offers=shown[:limit],
        left_out=max(len(shown) - limit, 0),
    )


def _show(plan: SyncPlan) -> None:
    dry = ", a dry run" if plan.dry_run else ""
    say(
        f"{plan.channel}{dry}: {plan.would_send} of {plan.listings} listings would be told, "
        f"at {plan.kept_back} something is kept back"
    )
    if not plan.offers:
        return
    table = Cells("", "listing", "SKU", "quantity", "price", "kept back, and why")
    for each in plan.offers:
        table.add(
            "->" if each.sends else "",
            each.listing_ref,
            each.sku_ref,
            _change(_count(each.quantity_from), str(each.quantity_to)),
            _change(
                amount(each.price_from_minor, each.currency) or "none",
                amount(each.price_to_minor, each.currency) or "none",
            ),
            "; ".join(each.kept_back),
        )
    table.show()
    if plan.left_out:
        say(f"and {plan.left_out} more: see --limit, or --json")


def _count(quantity: int | None) -> str:
    return "none" if quantity is None else str(quantity)


def _change(old: str, new: str) -> str:
    return new if old == new else f"{old} -> {new}"
