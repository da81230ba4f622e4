"""Turns what the operator wrote about alerts into the rules and routes core decides by. Pure."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from config.alerts import AlertRoute, AlertRule, Alerts, Quiet
from config.settings import Settings
from core.alerts.incidents import Watch
from core.alerts.quiet import QuietHours
from core.alerts.rules import Measure, Metric, Route, Rule, Scope, Severity

_HOUR_SECONDS = 3_600.0


def watch(settings: Settings) -> Watch:
    """What is watched and who is told."""
    alerts = settings.alerts
    # As old as this, and no price is worked out with it any more.
    oldest_rate_seconds = settings.rates.max_age_hours * _HOUR_SECONDS
    return Watch(
        rules=tuple(_rule(alerts, rule, oldest_rate_seconds) for rule in alerts.every_rule()),
        routes={name: _route(alerts, name, route) for name, route in alerts.routes.items()},
        driven=tuple(name for name, channel in settings.channels.items() if channel.enabled),
        sweep_seconds=alerts.sweep_seconds,
    )


def console_url(settings: Settings) -> str | None:
    """Where the console is for those outside; None where nobody said."""
    return f"{settings.web.public_url}/console" if settings.web.public_url else None


def _rule(alerts: Alerts, rule: AlertRule, oldest_rate_seconds: float) -> Rule:
    cross = oldest_rate_seconds if rule.cross is None else rule.cross
    return Rule(
        name=rule.name,
        measure=Measure(
            metric=Metric(rule.metric),
            within_days=rule.within_days,
            window=timedelta(seconds=rule.window_seconds),
            after=timedelta(seconds=rule.after_seconds),
            quantile=rule.quantile,
            at_least=rule.at_least,
            lead_time_days=alerts.lead_time_days,
            cover_days=alerts.cover_days,
        ),
        cross=cross,
        clear=cross if rule.clear is None else rule.clear,
        severity=Severity(rule.severity),
        hold=timedelta(seconds=rule.hold_seconds),
        scope=Scope(frozenset(rule.channels), frozenset(rule.tags), frozenset(rule.skus)),
        routes=None if rule.routes is None else frozenset(rule.routes),
        quiet=_quiet(rule.quiet_hours),
        remind_every=_span(rule.remind_every_seconds),
    )


def _route(alerts: Alerts, name: str, route: AlertRoute) -> Route:
    return Route(
        name=name,
        language=route.language or alerts.language,
        severities=frozenset(map(Severity, route.severities)),
        quiet=_quiet(route.quiet_hours),
        most_messages=route.most_messages,
        window=timedelta(seconds=route.window_seconds),
    )


def _quiet(quiet: Quiet | None) -> QuietHours | None:
    return QuietHours(quiet.begin, quiet.end, ZoneInfo(quiet.time_zone)) if quiet else None


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
