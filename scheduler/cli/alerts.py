"""Shows alerts and who was told, acknowledges them, tries routes, and sends again what was given up."""

from __future__ import annotations

from collections.abc import Sequence

import click

from config.settings import Settings
from core.alerts.incidents import acknowledge
from core.alerts.messages import trial_text
from core.alerts.notices import Outcome, revive
from core.alerts.numbers import amount
from core.alerts.rules import Rule, Severity, Subject
from core.views.alerts import (
    AlertDetail,
    AlertFilter,
    AlertPage,
    AlertView,
    MessageView,
    alert_detail,
    alert_page,
    dead_messages,
)
from scheduler.alert_terms import console_url, watch
from scheduler.cli.exits import Exit
from scheduler.cli.options import ListGroup, json_option
from scheduler.cli.output import Cells, note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.notify import Messenger, Sent

_LARGEST_ID = 2**63 - 1
_ID = click.IntRange(1, _LARGEST_ID)
_SEEN = "at the command line"


@click.group("alerts", cls=ListGroup)
def alerts() -> None:
    """Show and acknowledge alerts, and try the routes they are told by. Without a command it lists."""


@alerts.command("list")
@click.option("--severity", type=click.Choice([severity.value for severity in Severity]))
@click.option("--sku", "sku_ref")
@click.option("--channel")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
@pass_session
def list_alerts(
    session: Session,
    severity: str | None,
    sku_ref: str | None,
    channel: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List what stands now, newest first. JSON: {"alerts": [...], "counts": [...], "next_before"}."""
    wanted = AlertFilter("open", Severity(severity) if severity else None, _subject(sku_ref, channel))
    page = session.drive(_page(session.settings(), wanted, None, limit))
    if as_json:
        print_json(page)
        return
    _show_page(page.alerts)
    told = [f"{count.open} {count.severity} ({count.unseen} unseen)" for count in page.counts if count.open]
    if told:
        note(", ".join(told))


@alerts.command("history")
@click.option("--sku", "sku_ref")
@click.option("--channel")
@click.option("--before", type=_ID, help="Go on with alerts older than this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--id", "incident_id", type=_ID, help="One alert, with what was told of it to whom.")
@json_option
@pass_session
def history(
    session: Session,
    sku_ref: str | None,
    channel: str | None,
    before: int | None,
    limit: int,
    incident_id: int | None,
    as_json: bool,
) -> None:
    """List all alerts, newest first, or show one. JSON: as `list`, or {"alert", "notices"} with --id."""
    if incident_id is not None:
        detail = session.drive(_detail(session.settings(), incident_id))
        if as_json:
            print_json(detail)
        else:
            _show_detail(detail)
        return
    wanted = AlertFilter(None, None, _subject(sku_ref, channel))
    page = session.drive(_page(session.settings(), wanted, before, limit))
    if as_json:
        print_json(page)
        return
    _show_page(page.alerts)
    if page.next_before is not None:
        note(f"older ones follow: --before {page.next_before}")


def _subject(sku_ref: str | None, channel: str | None) -> Subject | None:
    if sku_ref is not None and channel is not None:
        raise click.UsageError("an alert is about a SKU or a channel: write one of --sku and --channel")
    if sku_ref is not None:
        return Subject("sku", sku_ref)
    return Subject("channel", channel) if channel is not None else None


async def _page(settings: Settings, wanted: AlertFilter, before: int | None, limit: int) -> AlertPage:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        language = settings.alerts.language
        return await alert_page(conn, wanted, before=before, limit=limit, language=language)


async def _detail(settings: Settings, incident_id: int) -> AlertDetail:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await alert_detail(conn, incident_id, settings.alerts.language)


def _show_page(found: Sequence[AlertView]) -> None:
    table = Cells("alert", "severity", "what", "rule", "since", "until", "seen by", right=["alert"])
    for alert in found:
        table.add(
            alert.incident_id,
            alert.severity,
            alert.headline,
            alert.rule,
            alert.opened_at,
            alert.closed_at,
            alert.acknowledged_by,
        )
    table.show()


def _show_detail(detail: AlertDetail) -> None:
    alert = detail.alert
    say(f"alert {alert.incident_id}, {alert.severity}, rule {alert.rule}: {alert.headline}")
    if alert.acknowledged_by:
        say(f"seen by {alert.acknowledged_by}: {alert.acknowledged_reason}")
    table = Cells("told", "to", "at", "not before", "state", "attempts", "ended", "error", right=["attempts"])
    for told in detail.notices:
        table.add(
            told.kind,
            told.route,
            told.at,
            told.due_at,
            told.state,
            told.attempts,
            told.ended_at,
            told.error,
        )
    table.show()


@alerts.command("ack")
@click.argument("incident_id", type=_ID, metavar="ALERT")
@click.option("--reason", default=_SEEN, show_default=True, help="Why; it is kept.")
@json_option
@pass_session
def acknowledge_alert(session: Session, incident_id: int, reason: str, as_json: bool) -> None:
    """Say that somebody has seen an alert: no more reminders. JSON: {"incident_id", "acknowledged_by"}."""
    session.drive(_acknowledge(session, incident_id, reason))
    if as_json:
        print_json({"incident_id": incident_id, "acknowledged_by": session.actor})
    else:
        say(f"alert {incident_id} is acknowledged: no reminders, its end will be told")


async def _acknowledge(session: Session, incident_id: int, reason: str) -> None:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        await acknowledge(conn, incident_id, actor=session.actor, reason=reason, now=utc_now())


@alerts.command("test")
@click.argument("route")
@json_option
@click.pass_context
def try_route(ctx: click.Context, route: str, as_json: bool) -> None:
    """Send a message by a route that says nothing is wrong; ends with 7 when the service says no.

    JSON: {"route", "ok", "outcome", "error"}; the outcome is sent, failed, or unknown: it may have arrived.
    """
    session = ctx.ensure_object(Session)
    sent = session.drive(_try(session.settings(), route))
    if as_json:
        ok = sent.outcome is Outcome.SENT
        print_json({"route": route, "ok": ok, "outcome": sent.outcome.value, "error": sent.error})
    elif sent.outcome is Outcome.SENT:
        say(f"{route} took the message: look whether it is there")
    else:
        say(f"{route} did not take it ({sent.outcome.value}): {sent.error}")
    if sent.outcome is not Outcome.SENT:
        ctx.exit(Exit.CHANNEL)


async def _try(settings: Settings, route: str) -> Sent:
    watched, messenger = watch(settings), Messenger(settings.alerts.routes)
    language = watched.routes[route].language if route in watched.routes else settings.alerts.language
    return await messenger.send(route, trial_text(route, language, console_url(settings)))


@alerts.command("dead")
@json_option
@pass_session
def list_dead(session: Session, as_json: bool) -> None:
    """List messages that were given up; `retry` sends them again. JSON: {"messages": [...]}."""
    found = session.drive(_dead(session.settings()))
    if as_json:
        print_json({"messages": found})
        return
    table = Cells("message", "route", "title", "written", "attempts", "why", right=["message", "attempts"])
    for each in found:
        table.add(each.message_id, each.route, each.title, each.written_at, each.attempts, each.error)
    table.show()


async def _dead(settings: Settings) -> tuple[MessageView, ...]:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await dead_messages(conn)


@alerts.command("retry")
@click.argument("message_ids", type=_ID, nargs=-1, metavar="[MESSAGE]...")
@click.option("--reason", default=_SEEN, show_default=True, help="Why; it is kept.")
@json_option
@pass_session
def retry(session: Session, message_ids: tuple[int, ...], reason: str, as_json: bool) -> None:
    """Have a daemon try messages again that were given up, these or all. JSON: {"message_ids": [...]}."""
    revived = session.drive(_retry(session, message_ids, reason))
    if as_json:
        print_json({"message_ids": revived})
        return
    left = sorted(set(message_ids) - set(revived))
    say(f"{len(revived)} are tried again" + (f"; not given up: {', '.join(map(str, left))}" if left else ""))


async def _retry(session: Session, message_ids: tuple[int, ...], reason: str) -> list[int]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        chosen = list(message_ids) or None
        return await revive(conn, chosen, actor=session.actor, reason=reason, now=utc_now())


@alerts.command("rules")
@json_option
@pass_session
def list_rules(session: Session, as_json: bool) -> None:
    """List the rules in force, ours and those written, and who hears of each.

    JSON: {"enabled", "rules": [{"name", "metric", "side", "cross", "clear", "hold_seconds", "severity",
    "scope", "routes"}]}.
    """
    settings = session.settings()
    watched = watch(settings)
    told = {
        rule.name: [route.name for route in watched.routes.values() if route.wants(rule)]
        for rule in watched.rules
    }
    if as_json:
        rules = [_rule(rule, told[rule.name]) for rule in watched.rules]
        print_json({"enabled": settings.alerts.enabled, "rules": rules})
        return
    table = Cells("rule", "metric", "crossed", "clear at", "for", "severity", "scope", "routes")
    for rule in watched.rules:
        metric = rule.measure.metric
        table.add(
            rule.name,
            metric,
            f"{rule.side} {amount(metric, rule.cross, 'en')}",
            amount(metric, rule.clear, "en"),
            f"{rule.hold.total_seconds():g} s",
            rule.severity,
            rule.scope,
            ", ".join(told[rule.name]) or "none: the inbox only",
        )
    table.show()
    if not settings.alerts.enabled:
        note("alerts are switched off: [alerts] enabled = false")


def _rule(rule: Rule, routes: Sequence[str]) -> dict[str, object]:
    return {
        "name": rule.name,
        "metric": rule.measure.metric.value,
        "side": rule.side.value,
        "cross": rule.cross,
        "clear": rule.clear,
        "hold_seconds": rule.hold.total_seconds(),
        "severity": rule.severity.value,
        "scope": str(rule.scope),
        "routes": list(routes),
    }
