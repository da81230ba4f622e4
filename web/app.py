"""Decides what is reachable where: the API, marketplace callbacks, the console, health and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from web.access import GuessLimiter
from web.api.server import ApiServer
from web.callbacks import BODY_LIMIT_BYTES, CallbackDesk
from web.console.server import ConsoleServer
from web.live import LiveNews
from web.metrics import WebMetrics
from web.services import Services


def create_app(services: Services) -> web.Application:
    """The application, to be served by an aiohttp runner. It owns nothing of what it is handed."""
    app = web.Application(client_max_size=BODY_LIMIT_BYTES)
    metrics = WebMetrics(services.metrics)
    news, limiter = LiveNews(services.pool), GuessLimiter()
    ApiServer(services, metrics, news, limiter).add_to(app)
    ConsoleServer(services, news, limiter).add_to(app)
    _add_callbacks(app, services, metrics)
    app.on_shutdown.append(lambda _: news.close())
    _add_health(app, services, metrics)
    return app


def _add_callbacks(app: web.Application, services: Services, metrics: WebMetrics) -> None:
    desk = CallbackDesk(services, metrics)
    for path in ("/callbacks/{channel}", "/callbacks/{channel}/{tail:.*}"):
        for method in ("GET", "POST"):
            app.router.add_route(method, path, desk.receive)

    async def finish(_: web.Application) -> AsyncIterator[None]:
        yield
        await desk.close()

    app.cleanup_ctx.append(finish)


def _add_health(app: web.Application, services: Services, metrics: WebMetrics) -> None:
    async def health(_: web.Request) -> web.Response:
        """The process is alive; nothing else is asked."""
        return web.json_response({"ok": True})

    async def ready(_: web.Request) -> web.Response:
        """Whether to send this process work: 200 or 503, with each part's word."""
        readiness = await services.ready()
        content = {"ok": readiness.ok, "parts": dict(readiness.parts)}
        return web.json_response(content, status=200 if readiness.ok else 503)

    app.router.add_get("/health", health)
    app.router.add_get("/ready", ready)
    app.router.add_get("/metrics", metrics.expose)
