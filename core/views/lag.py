"""Tells how late each channel learns of sales elsewhere: median, tail, longest, and the distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.offers.history.selling import Lag, bucket_seconds

_SQL = load_queries("core.views", "lag.sql")
_LAG_BUCKETS = _SQL["lag_buckets"]
_WAITING = _SQL["waiting"]


@dataclass(frozen=True, slots=True)
class LagBucket:
    """So many lags were at most so long, and longer than the bucket before."""

    up_to_seconds: float
    samples: int


@dataclass(frozen=True, slots=True)
class ChannelLag:
    """Seconds from a sale elsewhere to the channel's acknowledgement. None: nothing was measured.

    Quantiles are the upper ends of buckets, at most a fifth too long. `waiting` offers have not answered a
    sale yet, the oldest for `oldest_wait_seconds`: those are in no bucket until they do.
    """

    channel: str
    samples: int
    median_seconds: float | None
    p90_seconds: float | None
    p99_seconds: float | None
    longest_seconds: float | None
    buckets: tuple[LagBucket, ...]
    waiting: int
    oldest_wait_seconds: float | None


async def channel_lags(
    conn: Connection, now: datetime, *, over: timedelta = timedelta(hours=24)
) -> tuple[ChannelLag, ...]:
    """Every channel by name, with the lags of the last hours; whole hours are counted."""
    rows: dict[str, list[Record]] = {}
    for row in await conn.fetch(_LAG_BUCKETS, now - over):
        rows.setdefault(row["name"], []).append(row)
    return tuple(
        _channel_lag(waiting, rows.get(waiting["name"], ())) for waiting in await conn.fetch(_WAITING)
    )


def _channel_lag(waiting: Record, rows: Sequence[Record]) -> ChannelLag:
    buckets = tuple(LagBucket(bucket_seconds(row["bucket"]), row["samples"]) for row in rows)
    samples = sum(bucket.samples for bucket in buckets)
    lag = Lag(
        tuple(bucket.up_to_seconds for bucket in buckets),
        tuple(bucket.samples / samples for bucket in buckets),
    )
    longest = max((float(row["longest_seconds"]) for row in rows), default=None)
    median, p90, p99 = (_at_most(lag.quantile(q), longest) for q in (0.5, 0.9, 0.99))
    return ChannelLag(
        channel=waiting["name"],
        samples=samples,
        median_seconds=median,
        p90_seconds=p90,
        p99_seconds=p99,
        longest_seconds=longest,
        buckets=buckets,
        waiting=waiting["waiting"],
        oldest_wait_seconds=waiting["oldest_wait_seconds"],
    )


def _at_most(seconds: float | None, longest: float | None) -> float | None:
    """The end of the last bucket is beyond what was measured."""
    return seconds if seconds is None or longest is None else min(seconds, longest)
