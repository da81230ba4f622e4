"""Decides what an operator may write about alerts: where the lines are, who is told, how and when."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from datetime import time
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, model_validator

from config.alert_defaults import BY_NAME, DEFAULT_RULES
from config.fields import Name, Seconds, Table, Whole, not_boolean
from config.problems import KeyPath

# These libraries write addresses into their log, and with them what is secret in a route's. What there is to
# know about an attempt comes back with its result.
for _library in ("apprise", "requests", "urllib3"):
    logging.getLogger(_library).propagate = False
    logging.getLogger(_library).addHandler(logging.NullHandler())

Metric = Literal[
    "stock",
    "stock_percent",
    "cover_days",
    "expiring",
    "publish_lag_seconds",
    "drift",
    "delivery_failure_percent",
    "provide_failure_percent",
    "guard_closed",
    "orders_stuck",
    "orders_held",
    "refunds_owed",
    "reservations_refused",
    "oversell",
    "ledger_imbalance",
    "prices_held",
    "rate_age_seconds",
    "channel_down_seconds",
    "payout_late_days",
    "discrepancies",
    "cost_percent",
    "stock_turnover",
    "complaint_percent",
    "splits_owed",
    "settlements_waiting",
    "rewards_warned",
    "rewards_late",
    "coupons_expiring",
]
# Of these too little is bad; of all others too much.
BAD_BELOW = ("stock", "stock_percent", "cover_days", "stock_turnover")
_CLOCK = re.compile(r"^(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})$")
Severity = Literal["info", "warning", "critical"]
Language = Literal["en", "zh"]
# Shorter parts of an address are names, not secrets, and would blot out ordinary words in the log.
_SECRET_CHARACTERS = 10


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a time zone: write its place, such as Asia/Shanghai or Europe/Berlin") from None
    return name


def _clock(written: object) -> time:
    if isinstance(written, time) and written.tzinfo is None:
        return written
    found = _CLOCK.match(written) if isinstance(written, str) else None
    if found is None or int(found["hour"]) > 23 or int(found["minute"]) > 59:
        raise ValueError('not a time of day: write it as "22:00"')
    return time(int(found["hour"]), int(found["minute"]))


def _address(url: SecretStr) -> SecretStr:
    # Half a second to load, which only those pay who have routes.
    from apprise import Apprise  # noqa: PLC0415

    if Apprise.instantiate(url.get_secret_value()) is None:
        raise ValueError(
            "not an address that alerts can be sent to: write an apprise URL, such as tgram://TOKEN/CHAT, "
            "dingtalk://TOKEN, wecombot://KEY, feishu://TOKEN, mailto://... or jsons://host/path"
        )
    return url


Number = Annotated[
    float, BeforeValidator(not_boolean), Field(ge=0, le=1_000_000_000_000, allow_inf_nan=False)
]
Hold = Annotated[float, BeforeValidator(not_boolean), Field(ge=0, le=31_536_000, allow_inf_nan=False)]
Days = Annotated[float, BeforeValidator(not_boolean), Field(ge=0, le=3_650, allow_inf_nan=False)]
Quantile = Annotated[float, BeforeValidator(not_boolean), Field(gt=0, le=1, allow_inf_nan=False)]
Clock = Annotated[time, PlainValidator(_clock)]
Address = Annotated[SecretStr, AfterValidator(_address)]


class Quiet(Table):
    """When people are left alone, by the clock on their wall; what is critical goes through."""

    begin: Clock
    end: Clock
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.begin == self.end:
            raise ValueError('begin and end are the same: write such as begin = "22:00", end = "07:00"')
        return self


class AlertRule(Table):
    """A line to cross and a line to clear. Written under the name of one of ours, it changes that one."""

    name: Name
    enabled: bool = True
    metric: Metric
    # None for the age of rates only: then it is [rates] max_age_hours.
    cross: Number | None = None
    clear: Number | None = None
    hold_seconds: Hold = 0.0
    severity: Severity = "warning"
    routes: tuple[Name, ...] | None = None
    quiet_hours: Quiet | None = None
    remind_every_seconds: Annotated[Seconds, Field(ge=60)] | None = None
    channels: tuple[Name, ...] = ()
    tags: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    within_days: Whole = 30
    window_seconds: Seconds = 3_600.0
    after_seconds: Seconds = 1_800.0
    quantile: Quantile = 0.95
    at_least: Whole = 5

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, written: object) -> object:
        """What is not written about one of our rules is as we have it."""
        ours = BY_NAME.get(written.get("name"), {}) if isinstance(written, dict) else {}
        if not isinstance(written, dict) or written.get("metric", ours.get("metric")) != ours.get("metric"):
            return written
        # A line to clear belongs to the line it was written with.
        left_out = {"clear"} if "cross" in written else set()
        return {**{key: part for key, part in ours.items() if key not in left_out}, **written}

    @model_validator(mode="after")
    def _clears_where_it_is_good(self) -> Self:
        if self.cross is None:
            if self.metric != "rate_age_seconds":
                raise ValueError("missing: write cross = ..., the line to cross")
            if self.clear is not None:
                raise ValueError("clear needs the line that it belongs to: write cross = ... as well")
            return self
        below = self.metric in BAD_BELOW
        if self.clear is not None and (self.clear < self.cross if below else self.clear > self.cross):
            where = "at or above" if below else "at or below"
            raise ValueError(
                f"clear is on the wrong side of cross, so the alert would never end: write clear {where} "
                f"{self.cross:g}, as too {'little' if below else 'much'} is bad here"
            )
        return self


class AlertRoute(Table):
    """A way to people: an apprise URL, and what they want to hear in which language."""

    url: Address
    language: Language | None = None
    severities: Annotated[tuple[Severity, ...], Field(min_length=1)] = ("warning", "critical")
    quiet_hours: Quiet | None = None
    # More messages than this in the window, and the rest comes as one digest.
    most_messages: Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=1000)] = 3
    window_seconds: Seconds = 300.0


class Alerts(Table):
    """What people are told about, and how."""

    enabled: bool = True
    language: Language = "en"
    sweep_seconds: Annotated[Seconds, Field(ge=1, le=3600)] = 15.0
    # Restocking hints: until ordered codes are there, and how long they should last then.
    lead_time_days: Days = 7.0
    cover_days: Days = 30.0
    # Without: only the rules that are written here.
    default_rules: bool = True
    rules: Annotated[tuple[AlertRule, ...], Field(max_length=1000)] = ()
    routes: dict[Name, AlertRoute] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for name, times in Counter(rule.name for rule in self.rules).items():
            if times > 1:
                raise ValueError(f"{times} rules are named {name}: give each a name of its own")
        return self

    def every_rule(self) -> tuple[AlertRule, ...]:
        """Ours, as far as they are wanted and not changed, then those that are written; the enabled ones."""
        written = {rule.name for rule in self.rules}
        ours = [AlertRule.model_validate(rule) for rule in DEFAULT_RULES if self.default_rules]
        rules = [*(rule for rule in ours if rule.name not in written), *self.rules]
        return tuple(rule for rule in rules if rule.enabled)

    def address_parts(self) -> Iterator[str]:
        """What is secret inside the routes' addresses, beside the addresses themselves."""
        for route in self.routes.values():
            yield from secret_parts(route.url.get_secret_value())


def secret_parts(url: str) -> Iterator[str]:
    """Tokens and keys inside an address: in its path, its query, or in place of the host."""
    try:
        parts = urlsplit(url)
        query = [value for _, value in parse_qsl(parts.query)]
    except ValueError:
        return
    # A host with a dot is a host; without, many services have a token there.
    user, _, host = parts.netloc.rpartition("@")
    places = [*user.split(":"), *(host.split(":") if "." not in host else ())]
    for part in (*places, *parts.path.split("/"), *query):
        for form in (part, unquote(part)):
            if len(form) >= _SECRET_CHARACTERS:
                yield form


def unknown_routes(written: object) -> Iterator[tuple[KeyPath, str]]:
    """Rules that name a route there is not; read from raw values, so that no other error hides it."""
    alerts = written.get("alerts") if isinstance(written, dict) else None
    rules = alerts.get("rules") if isinstance(alerts, dict) else None
    routes = alerts.get("routes", {}) if isinstance(alerts, dict) else {}
    if not isinstance(rules, list) or not isinstance(routes, dict):
        return
    for number, rule in enumerate(rules):
        named = rule.get("routes") if isinstance(rule, dict) else None
        for place, name in enumerate(named if isinstance(named, list) else ()):
            if isinstance(name, str) and name not in routes:
                others = f", or name one of {', '.join(map(str, routes))}" if routes else ""
                yield (
                    ("alerts", "rules", number, "routes", place),
                    f"no route is named {name}: write [alerts.routes.{name}] with its url{others}",
                )
