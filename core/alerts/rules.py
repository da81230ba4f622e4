"""Decides what a rule of alerts is: what is measured, where the lines are, for whom, and how loud. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from core.alerts.quiet import QuietHours
from core.errors import InvalidInput

Fact = str | int | float | bool | None
_NO_HOLD = timedelta(0)


class Metric(StrEnum):
    """What can be measured; the value of each reading is in the unit that its name ends in, or a count."""

    STOCK = "stock"
    STOCK_PERCENT = "stock_percent"  # of the usual level
    COVER_DAYS = "cover_days"
    EXPIRING = "expiring"
    PUBLISH_LAG_SECONDS = "publish_lag_seconds"
    DRIFT = "drift"
    DELIVERY_FAILURE_PERCENT = "delivery_failure_percent"
    PROVIDE_FAILURE_PERCENT = "provide_failure_percent"
    GUARD_CLOSED = "guard_closed"
    ORDERS_STUCK = "orders_stuck"
    ORDERS_HELD = "orders_held"
    REFUNDS_OWED = "refunds_owed"
    RESERVATIONS_REFUSED = "reservations_refused"
    OVERSELL = "oversell"
    LEDGER_IMBALANCE = "ledger_imbalance"
    PRICES_HELD = "prices_held"
    RATE_AGE_SECONDS = "rate_age_seconds"
    CHANNEL_DOWN_SECONDS = "channel_down_seconds"
    PAYOUT_LATE_DAYS = "payout_late_days"
    DISCREPANCIES = "discrepancies"
    COST_PERCENT = "cost_percent"
    STOCK_TURNOVER = "stock_turnover"  # how often a year the stock is sold
    COMPLAINT_PERCENT = "complaint_percent"
    SPLITS_OWED = "splits_owed"
    SETTLEMENTS_WAITING = "settlements_waiting"
    REWARDS_WARNED = "rewards_warned"
    REWARDS_LATE = "rewards_late"
    COUPONS_EXPIRING = "coupons_expiring"


class Side(StrEnum):
    """On which side of the line it is bad."""

    BELOW = "below"
    ABOVE = "above"


class Severity(StrEnum):
    """How loud a rule is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The louder, the higher."""
        return list(Severity).index(self)


BAD_BELOW = frozenset({Metric.STOCK, Metric.STOCK_PERCENT, Metric.COVER_DAYS, Metric.STOCK_TURNOVER})


def side_of(metric: Metric) -> Side:
    """On which side of its line a metric is bad."""
    return Side.BELOW if metric in BAD_BELOW else Side.ABOVE


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rule measures, with what it depends on; rules that agree in it share one look at the database.

    Metrics take of the parameters only those that concern them.
    """

    metric: Metric
    within_days: int = 30  # codes expiring so soon
    window: timedelta = timedelta(hours=1)  # how far back failures, refusals and drift count
    after: timedelta = timedelta(minutes=30)  # overdue for so long: stuck, or held
    quantile: float = 0.95  # of the publish lag
    at_least: int = 5  # with fewer attempts a share says nothing
    lead_time_days: float = 7.0  # restocking: until ordered codes are there
    cover_days: float = 30.0  # restocking: how long they should last then


@dataclass(frozen=True, slots=True)
class Subject:
    """What a reading is about: the house, a channel, a SKU, a pair of currencies, or a series of coupons."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> Subject:
        """A subject from its stored form."""
        kind, _, name = text.partition(":")
        return cls(kind, name)


HOUSE = Subject("house", "")


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that was measured, with the facts that a message about it tells."""

    subject: Subject
    value: float
    facts: Mapping[str, Fact]
    # What a rule's scope is compared with.
    channels: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a rule holds: for everything, or for these; each kind that is named has to fit."""

    channels: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    skus: frozenset[str] = frozenset()

    def covers(self, reading: Reading) -> bool:
        """Whether a reading is this rule's business. A tag rule wants all its tags, the others any name."""
        return (
            (not self.channels or bool(self.channels & reading.channels))
            and self.tags <= reading.tags
            and (not self.skus or (reading.subject.kind == "sku" and reading.subject.name in self.skus))
        )

    def __str__(self) -> str:
        named = (("channel", self.channels), ("tag", self.tags), ("SKU", self.skus))
        return (
            ", ".join(f"{kind} {' '.join(sorted(names))}" for kind, names in named if names) or "everything"
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A line to cross, a line to clear, and who hears of it.

    Above its line means more than `cross`, and clear again at `clear` or less; below likewise. Between the
    lines nothing changes. `routes` None: every route that wants the severity.
    """

    name: str
    measure: Measure
    cross: float
    clear: float
    severity: Severity = Severity.WARNING
    hold: timedelta = _NO_HOLD
    scope: Scope = Scope()
    routes: frozenset[str] | None = None
    quiet: QuietHours | None = None
    remind_every: timedelta | None = None

    def __post_init__(self) -> None:
        wrong = self.clear < self.cross if self.side is Side.BELOW else self.clear > self.cross
        if wrong:
            raise InvalidInput(
                f"alert rule {self.name}: clear is on the wrong side of cross, so it would never be quiet: "
                f"write clear {'at or above' if self.side is Side.BELOW else 'at or below'} {self.cross:g}"
            )

    @property
    def side(self) -> Side:
        """On which side of the line it is bad."""
        return side_of(self.measure.metric)

    def crossed(self, value: float) -> bool:
        """Whether a value is beyond the line."""
        return value < self.cross if self.side is Side.BELOW else value > self.cross

    def cleared(self, value: float) -> bool:
        """Whether a value is good again."""
        return value >= self.clear if self.side is Side.BELOW else value <= self.clear


@dataclass(frozen=True, slots=True)
class Route:
    """A way to people, as core knows it: by name, never by address."""

    name: str
    language: str = "en"
    severities: frozenset[Severity] = frozenset({Severity.WARNING, Severity.CRITICAL})
    quiet: QuietHours | None = None
    # More than this many messages in the window, and the rest comes as one digest.
    most_messages: int = 3
    window: timedelta = timedelta(minutes=5)

    def wants(self, rule: Rule) -> bool:
        """Whether this route is told of a rule's incidents."""
        return self.severities >= {rule.severity} if rule.routes is None else self.name in rule.routes
