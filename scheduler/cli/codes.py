"""Tells the story of single codes, takes bad ones out, and shows one in clear to who has a reason."""

from __future__ import annotations

import click

from config.settings import Settings
from core.audit import note as keep_note
from core.codes.allocator import Place
from core.codes.custody import Standing, Trace, trace
from core.errors import Conflict
from core.offers.catalogue import find_sku
from core.types import CodePayload
from scheduler.cli.options import json_option, read_place, reason_option
from scheduler.cli.output import Cells, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now

# Who can run this reads keys and database: there is no higher role.
_ROLE = "admin"
_place = click.argument("place", type=read_place, metavar="PLACE")


@click.group("codes")
def codes() -> None:
    """Trace, quarantine or reveal one code; PLACE is where it stands, lane.shelf.slot, as orders show it."""


@codes.command("trace")
@_place
@json_option
@pass_session
def trace_code(session: Session, place: Place, as_json: bool) -> None:
    """Tell a code's story, from its batch to whoever has it, without the code.

    JSON: {"origin", "sku_ref", "consignor", "batch_id", "custody", "standings", "reveals", ...}.
    """
    story = session.drive(_trace(session.settings(), place))
    if as_json:
        print_json(story)
    else:
        _show(story)


async def _trace(settings: Settings, place: Place) -> Trace:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await trace(conn, place)


def _show(story: Trace) -> None:
    say(f"code {story.origin} of {story.sku_ref}, consigned by {story.consignor}; custody: {story.custody}")
    say(f"came in {story.source_name} as batch {story.batch_id}, imported by {story.imported_by}")
    say(f"expires {story.expires_at or 'never'}; unit cost {story.unit_cost or 'not agreed'}")
    table = Cells(
        "stood at", "order", "channel", "reference", "state", "left", "why", "instead of", "replaced by"
    )
    for standing in story.standings:
        table.add(
            standing.place, *_taken(standing), *_departed(standing), standing.instead_of, standing.replaced_by
        )
    table.show()
    for seen in story.reveals:
        say(f"shown to {seen.actor} at {seen.at:%Y-%m-%d %H:%M:%S}: {seen.reason}")


def _taken(standing: Standing) -> tuple[object, ...]:
    taken = standing.taken
    return (taken.order_id, taken.channel, taken.order_ref, taken.state) if taken else (None,) * 4


def _departed(standing: Standing) -> tuple[object, ...]:
    departed = standing.departed
    return (departed.kind, departed.reason) if departed else (None, None)


@codes.command("quarantine")
@_place
@reason_option
@json_option
@pass_session
def quarantine_code(session: Session, place: Place, reason: str, as_json: bool) -> None:
    """Take a code out of circulation for good, sold or not. JSON: {"place", "quarantined"}.

    For a delivered one whose buyer is owed another, use `consignd orders replace`.
    """
    session.drive(_quarantine(session, place, reason))
    if as_json:
        print_json({"place": place, "quarantined": True})
    else:
        say(f"code {place} is quarantined")


async def _quarantine(session: Session, place: Place, reason: str) -> None:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        story = await trace(conn, place)
        sku = await find_sku(conn, story.sku_ref)
        subject, now = f"code {story.origin}", utc_now()
        await keep_note(
            conn, at=now, actor=session.actor, action="quarantine", subject=subject, reason=reason
        )
        if not await core.allocator.quarantine(conn, place, sku.sku_id, actor=session.actor, reason=reason):
            raise Conflict(f"code {place}: left that place before; `consignd codes trace {place}` says how")


@codes.command("reveal")
@_place
@reason_option
@json_option
@pass_session
def reveal_code(session: Session, place: Place, reason: str, as_json: bool) -> None:
    """Show one code in clear; who saw it and why is kept.

    JSON: {"place", "kind", "number", "secret", "pin"}.
    """
    payload = session.drive(_reveal(session, place, reason))
    if as_json:
        print_json(
            {
                "place": place,
                "kind": payload.kind,
                "number": payload.number,
                "secret": payload.secret,
                "pin": payload.pin,
            }
        )
        return
    for name, text in (("number", payload.number), ("secret", payload.secret), ("PIN", payload.pin)):
        if text:
            say(f"{name}: {text}")


async def _reveal(session: Session, place: Place, reason: str) -> CodePayload:
    """The code, once it is committed who saw it."""
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        return await core.opener.reveal(conn, place, actor=session.actor, role=_ROLE, reason=reason)
