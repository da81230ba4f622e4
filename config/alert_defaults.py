"""Tells the alert rules that everybody has who writes no others, each under a name to change it by."""

from __future__ import annotations

from collections.abc import Mapping

# Figures of a channel say nothing of an hour.
_LAST_30_DAYS: Mapping[str, object] = {"window_seconds": 2_592_000, "at_least": 50}
# What is info stands in the inbox and is sent to those routes only that ask for it.
DEFAULT_RULES: tuple[Mapping[str, object], ...] = (
    {"name": "sold-out", "metric": "stock", "cross": 1, "clear": 1, "hold_seconds": 60},
    {"name": "stock-low", "metric": "stock_percent", "cross": 10, "clear": 20, "hold_seconds": 60},
    {"name": "cover-low", "metric": "cover_days", "cross": 3, "clear": 5, "severity": "info"},
    {"name": "expiring", "metric": "expiring", "cross": 0, "within_days": 14, "severity": "info"},
    {"name": "publish-slow", "metric": "publish_lag_seconds", "cross": 60, "clear": 30, "hold_seconds": 300},
    {"name": "drifting", "metric": "drift", "cross": 5, "clear": 1},
    {
        "name": "deliveries-failing",
        "metric": "delivery_failure_percent",
        "cross": 20,
        "clear": 5,
        "severity": "critical",
    },
    {
        "name": "provides-failing",
        "metric": "provide_failure_percent",
        "cross": 10,
        "clear": 2,
        "severity": "critical",
    },
    {"name": "guard-closed", "metric": "guard_closed", "cross": 0},
    {"name": "orders-stuck", "metric": "orders_stuck", "cross": 0, "severity": "critical"},
    {"name": "orders-held", "metric": "orders_held", "cross": 0, "after_seconds": 3600},
    {"name": "refunds-owed", "metric": "refunds_owed", "cross": 0},
    {"name": "reservations-refused", "metric": "reservations_refused", "cross": 5, "clear": 1},
    {"name": "oversold", "metric": "oversell", "cross": 0, "severity": "critical"},
    {"name": "ledger-imbalance", "metric": "ledger_imbalance", "cross": 0, "severity": "critical"},
    {"name": "prices-held", "metric": "prices_held", "cross": 0},
    {"name": "rate-old", "metric": "rate_age_seconds"},
    {
        "name": "channel-down",
        "metric": "channel_down_seconds",
        "cross": 300,
        "clear": 0,
        "severity": "critical",
    },
    {"name": "payout-late", "metric": "payout_late_days", "cross": 35, "clear": 0},
    {"name": "statement-differs", "metric": "discrepancies", "cross": 0, "after_seconds": 3600},
    {"name": "channel-dear", "metric": "cost_percent", "cross": 15, "clear": 14, **_LAST_30_DAYS},
    {"name": "stock-slow", "metric": "stock_turnover", "cross": 3, "clear": 3.5, **_LAST_30_DAYS},
    {"name": "complaints", "metric": "complaint_percent", "cross": 2, "clear": 1.5, **_LAST_30_DAYS},
    {"name": "splits-owed", "metric": "splits_owed", "cross": 0, "after_seconds": 300},
    {"name": "settlement-waits", "metric": "settlements_waiting", "cross": 0, "after_seconds": 259_200},
    {
        "name": "rewards-dear",
        "metric": "rewards_warned",
        "cross": 0,
        "window_seconds": 86_400,
        "severity": "info",
    },
    {"name": "rewards-late", "metric": "rewards_late", "cross": 0, "after_seconds": 3_600},
    {"name": "coupons-unused", "metric": "coupons_expiring", "cross": 0, "severity": "info"},
)
BY_NAME: Mapping[object, Mapping[str, object]] = {rule["name"]: rule for rule in DEFAULT_RULES}
