"""Decides what the alert inbox shows: what stands by severity, what stood, and what could not be told."""

from __future__ import annotations

from core.alerts.rules import Severity
from core.errors import InvalidInput
from core.views.alerts import AlertFilter, AlertView, alert_detail, alert_page, dead_messages, sent_messages
from web.api.prices import number_of
from web.console.visit import Shown, Visit

_ALERTS = 50
_SENT = 50


async def inbox(visit: Visit) -> Shown:
    """What stands, the loudest first; or what is over; both with the newest first."""
    closed, before = visit.query("state") == "closed", visit.query("before")
    severity = _severity(visit.query("severity"))
    older = None if before is None else number_of(before, "alert")
    louds = [severity] if severity else sorted(Severity, key=lambda each: -each.rank)
    async with visit.services.pool.acquire() as conn:
        if closed:
            page = await alert_page(conn, AlertFilter("closed", severity), before=older, limit=_ALERTS)
            groups = [("closed", page.alerts)]
        else:
            found = [
                (each, await alert_page(conn, AlertFilter("open", each), before=older, limit=_ALERTS))
                for each in louds
            ]
            page = found[0][1]
            groups = [(str(each.value), part.alerts) for each, part in found if part.alerts]
        dead = await dead_messages(conn)
    # Where all severities stand side by side, older ones are looked for by severity.
    more = page.next_before if severity or closed else None
    return Shown(
        "alerts.html",
        {
            "groups": groups,
            "counts": page.counts,
            "closed": closed,
            "severity": severity,
            "dead": dead,
            "next_before": more,
            "full": {name for name, alerts in groups if len(alerts) == _ALERTS and not severity},
        },
    )


async def alert(visit: Visit) -> Shown:
    """One alert with everything that was told of it."""
    async with visit.services.pool.acquire() as conn:
        detail = await alert_detail(conn, number_of(visit.path("incident_id"), "alert"))
    return Shown("alert.html", {"detail": detail, "facts": _facts(detail.alert)})


async def messages(visit: Visit) -> Shown:
    """Messages that were given up, and those that arrived, with their texts."""
    async with visit.services.pool.acquire() as conn:
        return Shown(
            "messages.html", {"dead": await dead_messages(conn), "sent": await sent_messages(conn, _SENT)}
        )


def _severity(text: str | None) -> Severity | None:
    if text is not None and text not in set(Severity):
        raise InvalidInput(f"severity {text[:40]!r} is none of {', '.join(Severity)}")
    return None if text is None else Severity(text)


def _facts(alert: AlertView) -> list[tuple[str, str]]:
    """What else was known, as it is read: names without their underscores, numbers without long tails."""
    return [
        (name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))
        for name, value in alert.facts.items()
        if value not in (None, "")
    ]
