"""Stops and lets go, shows what is stopped, decides drift, and opens what the guard has closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click

from core.offers.closures.guarding import Guard
from core.offers.closures.switches import Scope, Switch, release, stop
from core.offers.drift.reconciling import DECISIONS, Reconciliation
from core.views.drift import AdoptedView, DriftView, adopted, drifts
from core.views.guard import StoppedView, SwitchEvent, TripView, stopped, switch_events, trips
from scheduler.cli.options import ListGroup, json_option, reason_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now

_HISTORY = 50
_MOST_ROWS = 1_000


def _switch(scope: str, name: str | None) -> Switch:
    if (scope == Scope.EVERYTHING) == (name is not None):
        raise click.UsageError("write everything, channel NAME or sku SKU")
    return Switch(Scope(scope), name or "")


_scope_argument = click.argument("scope", type=click.Choice([scope.value for scope in Scope]))


@click.command("stop")
@_scope_argument
@click.argument("name", required=False)
@reason_option
@json_option
@pass_session
def stop_selling(session: Session, scope: str, name: str | None, reason: str, as_json: bool) -> None:
    """Take everything, a channel or a SKU off sale at once, and refuse new reservations of it.

    Its offers are told to go off before anything else is told, at the next push; orders made before go on.
    JSON: {"scope", "name", "stopped"}.
    """
    switch = _switch(scope, name)
    session.drive(_turn(session, switch, stop, reason))
    _told(switch, stopped_now=True, as_json=as_json)


@click.command("go")
@_scope_argument
@click.argument("name", required=False)
@reason_option
@json_option
@pass_session
def let_go(session: Session, scope: str, name: str | None, reason: str, as_json: bool) -> None:
    """Let what was stopped sell again. JSON: {"scope", "name", "stopped"}."""
    switch = _switch(scope, name)
    session.drive(_turn(session, switch, release, reason))
    _told(switch, stopped_now=False, as_json=as_json)


async def _turn(session: Session, switch: Switch, turn: Callable[..., Awaitable[None]], reason: str) -> None:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        await turn(conn, switch, actor=session.actor, reason=reason, at=utc_now())


def _told(switch: Switch, *, stopped_now: bool, as_json: bool) -> None:
    if as_json:
        print_json({"scope": switch.scope.value, "name": switch.name, "stopped": stopped_now})
    else:
        say(f"{switch} is stopped: its offers go off" if stopped_now else f"{switch} may sell again")


@click.command("stopped")
@click.option("--history", is_flag=True, help="Also who stopped and let go what lately.")
@json_option
@pass_session
def show_stopped(session: Session, history: bool, as_json: bool) -> None:
    """Show what is stopped, and what the guard has closed.

    JSON: {"stopped": [...], "guard": [...], "history": [...]}; the history only with --history.
    """
    on, events, closed = session.drive(_stopped(session, history))
    if as_json:
        print_json({"stopped": on, "guard": closed, "history": events})
        return
    table = Cells("stopped", "since", "by", "why")
    for each in on:
        table.add(f"{each.scope} {each.name}".strip(), each.stopped_at, each.actor, each.reason)
    for trip in closed:
        what = f"{trip.channel}/{trip.listing_ref}" if trip.listing_ref else trip.channel
        table.add(what, trip.closed_at, "guard", trip.why)
    table.show()
    if events:
        past = Cells("when", "what", "", "by", "why")
        for event in events:
            done = "stopped" if event.stopped else "let go"
            past.add(event.at, f"{event.scope} {event.name}".strip(), done, event.actor, event.reason)
        past.show()


async def _stopped(
    session: Session, history: bool
) -> tuple[tuple[StoppedView, ...], tuple[SwitchEvent, ...], tuple[TripView, ...]]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        events = await switch_events(conn, _HISTORY) if history else ()
        return await stopped(conn), events, await trips(conn, only_closed=True, limit=_MOST_ROWS)


@click.group("drift", cls=ListGroup)
def drift() -> None:
    """Show and decide what channels show otherwise than they were told. Without a command it lists."""


@drift.command("list")
@click.option("--channel", help="Of one channel.")
@click.option("--waiting", is_flag=True, help="Only what waits for a decision.")
@json_option
@pass_session
def list_drift(session: Session, channel: str | None, waiting: bool, as_json: bool) -> None:
    """List what differed, questions first, and what is kept as it was found.

    JSON: {"drifts": [...], "adopted": [...]}.
    """
    found, kept = session.drive(_drifts(session, channel, waiting))
    if as_json:
        print_json({"drifts": found, "adopted": kept})
        return
    table = Cells("id", "channel", "listing", "what", "told", "shown", "kind", "done", "last seen", "times")
    for each in found:
        done = "waits for you" if each.waits else (each.decision or each.action)
        told = (each.published, each.observed, each.kind, done, each.last_seen_at, each.times)
        table.add(each.drift_id, each.channel, each.listing_ref, each.what, *told)
    table.show()
    if kept:
        held = Cells("channel", "listing", "kept", "at", "by", "why")
        for view in kept:
            value = amount(view.amount, view.currency) if view.what == "price" else view.amount
            held.add(view.channel, view.listing_ref, view.what, value, view.actor, view.reason)
        held.show()


async def _drifts(
    session: Session, channel: str | None, waiting: bool
) -> tuple[tuple[DriftView, ...], tuple[AdoptedView, ...]]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return (
            await drifts(conn, channel=channel, only_waiting=waiting, limit=_MOST_ROWS),
            await adopted(conn, channel=channel, limit=_MOST_ROWS),
        )


@drift.command("decide")
@click.argument("drift_id", type=click.IntRange(1, 2**63 - 1))
@click.argument("decision", type=click.Choice(DECISIONS))
@reason_option
@json_option
@pass_session
def decide_drift(session: Session, drift_id: int, decision: str, reason: str, as_json: bool) -> None:
    """Decide: repair tells it again, adopt keeps what is shown, dismiss lets it be.

    JSON: {"drift_id", "decision"}.
    """

    async def work() -> None:
        async with open_core(session.settings()) as core:
            compared = Reconciliation(core.pool, utc_now)
            await compared.decide(drift_id, decision, actor=session.actor, reason=reason)

    session.drive(work())
    if as_json:
        print_json({"drift_id": drift_id, "decision": decision})
    else:
        say(f"drift {drift_id}: {decision}")


@drift.command("clear")
@click.argument("channel")
@click.argument("listing_ref")
@reason_option
@json_option
@pass_session
def clear_drift(session: Session, channel: str, listing_ref: str, reason: str, as_json: bool) -> None:
    """Drop what a listing keeps as it was found; it follows its rules again.

    JSON: {"channel", "listing_ref", "cleared": [...]}.
    """

    async def work() -> list[str]:
        async with open_core(session.settings()) as core:
            compared = Reconciliation(core.pool, utc_now)
            found = await compared.clear(channel, listing_ref, actor=session.actor, reason=reason)
            return [what.value for what in found]

    cleared = session.drive(work())
    if as_json:
        print_json({"channel": channel, "listing_ref": listing_ref, "cleared": cleared})
    else:
        say(
            f"{channel}/{listing_ref} follows its rules again; kept so far: {', '.join(cleared) or 'nothing'}"
        )


@click.group("guard", cls=ListGroup)
def guard() -> None:
    """Show and open what the guard closed before a channel would punish us. Without a command it lists."""


@guard.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was opened again.")
@json_option
@pass_session
def list_guard(session: Session, everything: bool, as_json: bool) -> None:
    """List what the guard has closed and why. JSON: {"trips": [...]}."""

    async def work() -> tuple[TripView, ...]:
        async with open_core(session.settings()) as core, core.pool.acquire() as conn:
            return await trips(conn, only_closed=not everything, limit=_MOST_ROWS)

    found = session.drive(work())
    if as_json:
        print_json({"trips": found})
        return
    table = Cells("channel", "listing", "line", "closed", "opened", "by", "why")
    for trip in found:
        past = (trip.closed_at, trip.opened_at, trip.opened_by, trip.why)
        table.add(trip.channel, trip.listing_ref or "all", trip.line, *past)
    table.show()


@guard.command("open")
@click.argument("channel")
@click.argument("listing_ref", required=False)
@reason_option
@json_option
@pass_session
def open_guard(session: Session, channel: str, listing_ref: str | None, reason: str, as_json: bool) -> None:
    """Say that the cause is mended: offers come back, and what failed before counts no more with us.

    The channel itself still counts it. JSON: {"channel", "listing_ref", "opened"}.
    """

    async def work() -> int:
        async with open_core(session.settings()) as core:
            return await Guard(core.pool, utc_now).reopen(
                channel, listing_ref, actor=session.actor, reason=reason
            )

    opened = session.drive(work())
    if as_json:
        print_json({"channel": channel, "listing_ref": listing_ref, "opened": opened})
    else:
        say(f"{channel}: {opened} opened")
