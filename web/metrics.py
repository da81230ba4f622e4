"""Tells Prometheus how the web room is doing: requests by route, callbacks by what became of them."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class WebMetrics:
    """The counters of one application, in the registry that the daemon hands over."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.callbacks = Counter(
            "consignd_callbacks_total",
            "Callbacks of channels, by what they asked and what became of them",
            ["channel", "kind", "outcome"],
            registry=registry,
        )
        self.callback_seconds = Histogram(
            "consignd_callback_seconds",
            "Seconds from a callback's arrival to our answer",
            ["channel", "kind"],
            buckets=_BUCKETS_SECONDS,
            registry=registry,
        )
        self.requests = Counter(
            "consignd_api_requests_total",
            "Requests to the API, by route and status",
            ["route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "consignd_api_request_seconds",
            "Seconds that requests to the API took, by route",
            ["route"],
            buckets=_BUCKETS_SECONDS,
            registry=registry,
        )

    async def expose(self, request: web.Request) -> web.Response:
        """The registry as Prometheus reads it."""
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
