"""What the daemon tells Prometheus of its loops; the web room adds callbacks and requests."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a marketplace next door to one that was away for half a day.
_LAG_SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 900, 3600, 14_400, 43_200)


class LoopMetrics:
    """How often each channel's loops ran, and whether they are well."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Counter(
            "consignd_loop_runs",
            "Rounds of a channel's loop, by outcome.",
            ["channel", "loop", "outcome"],
            registry=registry,
        )
        self._up = Gauge(
            "consignd_loop_up",
            "1 while the last round of a channel's loop succeeded.",
            ["channel", "loop"],
            registry=registry,
        )
        self._lags = Histogram(
            "consignd_publish_lag_seconds",
            "Seconds from the commit of a sale elsewhere to a channel's acknowledgement of what is left.",
            ["channel"],
            registry=registry,
            buckets=_LAG_SECONDS,
        )
        self._driven = Gauge("consignd_channels_driven", "Channels this daemon drives.", registry=registry)

    def note(self, channel: str, subject: str, ok: bool) -> None:
        """One round of a loop ended."""
        self._runs.labels(channel, subject, "ok" if ok else "failed").inc()
        self._up.labels(channel, subject).set(int(ok))

    def note_lags(self, channel: str, lags: Sequence[float]) -> None:
        """A channel acknowledged what sales elsewhere had left; so many seconds after each."""
        for seconds in lags:
            self._lags.labels(channel).observe(seconds)

    def driven(self, count: int) -> None:
        """So many channels are ours now."""
        self._driven.set(count)
