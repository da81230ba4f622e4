"""What the daemon tells Prometheus of its loops; the web room adds callbacks and requests."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


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
        self._driven = Gauge("consignd_channels_driven", "Channels this daemon drives.", registry=registry)

    def note(self, channel: str, subject: str, ok: bool) -> None:
        """One round of a loop ended."""
        self._runs.labels(channel, subject, "ok" if ok else "failed").inc()
        self._up.labels(channel, subject).set(int(ok))

    def driven(self, count: int) -> None:
        """So many channels are ours now."""
        self._driven.set(count)
