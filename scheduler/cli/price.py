"""Explains how a listing's price comes about, and shows what other rules would make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import click

from config.price_policy import with_price_policy
from config.settings import Settings
from core.offers.terms import ChannelTerms
from core.types import ChannelId, ListingRef
from core.views.price_policy import Asked, ExplainedPrice, SimulatedPrice, explain_prices, simulate_prices
from scheduler.cli.channels import refuse_unconfigured
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, amount, note, plain, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import Channels, open_channels, open_core, utc_now
from scheduler.group_terms import with_group_offers
from scheduler.price_terms import price_book

_AT = click.option("--at", type=str, metavar="TIME", help="As it would be then, such as 2026-12-24T18:00Z.")


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked for on the command line."""

    asked: Asked
    at: datetime | None


@click.command("explain")
@click.argument("listing_ref", metavar="LISTING")
@click.option("--channel", help="Where several channels have a listing of that reference.")
@_AT
@json_option
@pass_session
def explain_price(
    session: Session, listing_ref: str, channel: str | None, at: str | None, as_json: bool
) -> None:
    """Work out a listing's price now, step by step, with the rule that each step follows.

    --at shows what windows and dated rules will make of it, with today's stock, rates and rivals.

    JSON: {"prices": [{"channel", "listing_ref", "sku_ref", "currency", "state", "shown_minor", "net_minor",
    "published_minor", "asked_minor", "why", "steps": [{"name", "amount_minor", "why", "given"}],
    "windows": [...]}]}.
    """
    settings = session.settings()
    if channel is not None:
        refuse_unconfigured(settings, channel)
    question = _Question(Asked(channel=channel, listing_ref=listing_ref), _moment(at))
    found = session.drive(_explain(settings, question))
    if as_json:
        print_json({"prices": found})
        return
    for price in found:
        _show(price)
    if not found:
        say(f"{listing_ref} is on no configured channel")


@click.command("simulate")
@click.option(
    "--policy",
    "file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with [price], [channels.NAME.price] or [[channels.NAME.listings]].",
)
@click.option("--listing", "listing_ref", help="Of one listing alone, with all steps.")
@click.option("--sku", "sku_ref", help="Of one SKU's listings alone, with all steps.")
@click.option("--channel", help="Of one channel alone.")
@_AT
@click.option("--after", type=click.IntRange(0), default=0, help="Go on after this listing id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True)
@json_option
@pass_session
def simulate_price(
    session: Session,
    file: Path,
    listing_ref: str | None,
    sku_ref: str | None,
    channel: str | None,
    at: str | None,
    after: int,
    limit: int,
    as_json: bool,
) -> None:
    """Show prices by the rules in force and by a draft's, side by side; nothing is written or told.

    What the file does not say stays as it is. JSON: {"prices": [{"differs", "old": {...}, "new": {...}}],
    "next_after"}, old and new as `explain` has them.
    """
    settings = session.settings()
    if channel is not None:
        refuse_unconfigured(settings, channel)
    draft = with_price_policy(settings, file)
    asked = Asked(channel=channel, listing_ref=listing_ref, sku_ref=sku_ref, after=after, limit=limit)
    found = session.drive(_simulate(settings, draft, _Question(asked, _moment(at))))
    next_after = max(each.old.listing_id for each in found) if len(found) >= limit else None
    if as_json:
        rows = [{"differs": each.differs, "old": plain(each.old), "new": plain(each.new)} for each in found]
        print_json({"prices": rows, "next_after": next_after})
        return
    _show_sides(found)
    if listing_ref is not None or sku_ref is not None:
        for each in found:
            _show_steps("in force", each.old)
            _show_steps("draft", each.new)
    if next_after is not None:
        note(f"more follow: --after {next_after}")


PRICE_COMMANDS = (explain_price, simulate_price)


async def _explain(settings: Settings, question: _Question) -> list[ExplainedPrice]:
    async with open_core(settings) as core, open_channels(core) as channels, core.pool.acquire() as conn:
        return await explain_prices(conn, channels.terms(), question.asked, utc_now(), question.at)


async def _simulate(settings: Settings, draft: Settings, question: _Question) -> list[SimulatedPrice]:
    async with open_core(settings) as core, open_channels(core) as channels, core.pool.acquire() as conn:
        drafted = _drafted(channels, draft)
        return await simulate_prices(conn, channels.terms(), drafted, question.asked, utc_now(), question.at)


def _show(price: ExplainedPrice) -> None:
    shown = amount(price.shown_minor, price.currency) or "off"
    net = f", {amount(price.net_minor, price.currency)} of it reaches us" if price.shown_minor else ""
    say(f"{price.channel} {price.listing_ref} ({price.sku_ref}): {shown}{net}; {price.state}")
    if price.asked_minor is not None:
        say(f"{amount(price.asked_minor, price.currency)} waits for approval: {price.why}")
    _show_steps("step", price)
    windows = Cells("window", "from", "until", "price", "sold", "quota", right=("price", "sold", "quota"))
    for window in price.windows:
        price_text = amount(window.price_minor, window.currency)
        windows.add(window.name, window.from_at, window.until, price_text, window.sold, window.quota)
    if price.windows:
        windows.show()


def _show_steps(title: str, price: ExplainedPrice) -> None:
    steps = Cells(title, "leads to", "why", "by", right=("leads to",))
    for step in price.steps:
        steps.add(step.name, amount(step.amount_minor, price.currency), step.why, step.given)
    steps.show()


def _show_sides(found: list[SimulatedPrice]) -> None:
    table = Cells(
        "channel",
        "listing",
        "SKU",
        "in force",
        "draft",
        "difference",
        "state",
        right=("in force", "draft", "difference"),
    )
    for each in found:
        old, new = each.old, each.new
        both = old.shown_minor is not None and new.shown_minor is not None
        moved = (new.shown_minor or 0) - (old.shown_minor or 0) if both else None
        state = new.state if new.state == old.state else f"{old.state} -> {new.state}"
        if each.differs or len(found) == 1:
            table.add(
                old.channel,
                old.listing_ref,
                old.sku_ref,
                amount(old.shown_minor, old.currency) or "off",
                amount(new.shown_minor, new.currency) or "off",
                amount(moved, new.currency),
                state,
            )
    table.show()
    say(f"{sum(each.differs for each in found)} of {len(found)} prices would differ")


def _moment(written: str | None) -> datetime | None:
    """A moment with its time zone; click's own dates have none."""
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter(
            f"{written!r}: write a moment with its time zone: 2026-12-24T18:00Z", param_hint="--at"
        )
    return moment


def _drafted(channels: Channels, draft: Settings) -> dict[ChannelId, ChannelTerms]:
    """The terms with a draft's prices; those of groups stay what their offers say."""
    drafted = {}
    for channel_id, terms in channels.terms().items():
        priced = replace(terms, price=price_book(draft, terms.name))
        refs: dict[str, list[ListingRef]] = {}
        for ref, offer in terms.group_offers.items():
            refs.setdefault(offer.name, []).append(ref)
        traits = channels.by_name[terms.name].connector.traits
        drafted[channel_id] = with_group_offers(draft, priced, traits, refs)
    return drafted
