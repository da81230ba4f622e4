"""Moves requests to the API's routes: who calls, may they, and how answers and errors go back."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from functools import cached_property

import structlog
from aiohttp import web

from web.access import GuessLimiter, Right, Token, find_token, roles_with
from web.api import (
    alerts,
    budgets,
    buyers,
    campaigns,
    channels,
    claims,
    codes,
    coupon_views,
    coupons,
    flash,
    groups,
    ledger,
    money,
    orders,
    prices,
    rates,
    settlements,
    splits,
    standing,
    statement_files,
    statements,
    stock,
    wallets,
)
from web.api.openapi import openapi_bytes
from web.api.problems import Problem, problem_of
from web.api.route import Call, Download, Route
from web.api.shapes import ActivityNews
from web.live import LiveNews
from web.metrics import WebMetrics
from web.services import Services

PREFIX = "/api/v1"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+")

_log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _never(_: Call) -> object:
    raise AssertionError("a stream answers by itself")


EVENTS = Route(
    "GET", "/events", Right.READ, "Hear of changes as they happen", ActivityNews, _never, stream=True
)
ROUTES: tuple[Route, ...] = (
    *stock.ROUTES,
    *orders.ROUTES,
    *codes.ROUTES,
    *channels.ROUTES,
    *standing.ROUTES,
    *campaigns.ROUTES,
    *groups.ROUTES,
    *flash.ROUTES,
    *prices.ROUTES,
    *rates.ROUTES,
    *money.ROUTES,
    *splits.ROUTES,
    *statements.ROUTES,
    *statement_files.ROUTES,
    *budgets.ROUTES,
    *settlements.ROUTES,
    *ledger.ROUTES,
    *wallets.ROUTES,
    *claims.ROUTES,
    *coupons.ROUTES,
    *coupon_views.ROUTES,
    *buyers.ROUTES,
    *alerts.ROUTES,
    EVENTS,
)


class ApiServer:
    """The API of one application."""

    def __init__(
        self, services: Services, metrics: WebMetrics, news: LiveNews, limiter: GuessLimiter
    ) -> None:
        self._services = services
        self._metrics = metrics
        self._news = news
        self._limiter = limiter

    @cached_property
    def _description(self) -> bytes:
        """Made when somebody asks: it takes a second, and most daemons are never asked."""
        return openapi_bytes(ROUTES, PREFIX)

    def add_to(self, app: web.Application) -> None:
        """Make every route reachable, and the description of them all; it needs no token."""
        for route in ROUTES:
            app.router.add_route(route.method, PREFIX + route.path, self._handler(route))
        app.router.add_get(f"{PREFIX}/openapi.json", self._describe)
        app.router.add_route("*", PREFIX + "/{tail:.*}", self._unknown)

    async def _describe(self, _: web.Request) -> web.Response:
        description = await asyncio.to_thread(lambda: self._description)
        return web.Response(body=description, content_type="application/json")

    async def _unknown(self, request: web.Request) -> web.Response:
        known = [route.method for route in ROUTES if _same_path(PREFIX + route.path, request.path)]
        if known:
            allowed = ", ".join(sorted(known))
            detail = f"use {allowed} here"
            return Problem(405, "Not this way", detail, {"Allow": allowed}).response()
        return Problem(404, "No such route", f"{PREFIX}/openapi.json describes those there are").response()

    def _handler(self, route: Route) -> Handler:
        async def handle(raw: web.Request) -> web.StreamResponse:
            started = time.monotonic()
            response = await self._answer(route, raw)
            self._metrics.requests.labels(route.name, str(response.status)).inc()
            self._metrics.request_seconds.labels(route.name).observe(time.monotonic() - started)
            return response

        return handle

    async def _answer(self, route: Route, raw: web.Request) -> web.StreamResponse:
        try:
            token = self._admit(route, raw)
            if route.stream:
                return await self._news.stream(raw)
            content = b"" if route.upload or route.method == "GET" else await raw.read()
            answer = await route.handler(Call(self._services, token, raw, route, content))
            if isinstance(answer, Download):
                return await send_file(raw, answer)
            return web.Response(
                status=route.status,
                body=route.render(answer),
                headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
            )
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                _log.exception("api.failed", route=route.name)
                problem = Problem(
                    500, "Our mistake", "This should not happen; the log of the daemon tells more."
                )
            return problem.response()

    def _admit(self, route: Route, raw: web.Request) -> Token:
        """Whose call this is; 429, 401 or 403 unless they may make it."""
        address = raw.remote or "unknown"
        wait_seconds = self._limiter.wait_seconds(address)
        if wait_seconds:
            retry = {"Retry-After": str(wait_seconds)}
            raise Problem(429, "Too many wrong tokens", f"try again in {wait_seconds} s", retry)
        scheme, _, given = raw.headers.get("Authorization", "").partition(" ")
        token = find_token(self._services.tokens, given.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            if given:
                self._limiter.failed(address)
            how = "send `Authorization: Bearer TOKEN` with a token of the configuration's [api] section"
            raise Problem(401, "Who are you?", how, {"WWW-Authenticate": 'Bearer realm="consignd"'})
        if not token.may(route.right):
            roles = " or ".join(roles_with(route.right))
            raise Problem(403, "Not allowed", f"{token.name} is {token.role}; this needs the role {roles}")
        return token


async def send_file(raw: web.Request, file: Download) -> web.StreamResponse:
    """A file as it comes. What goes wrong before its first bytes is raised."""
    assert _PLAIN_NAME.fullmatch(file.name), f"{file.name!r} would need quoting in a header"
    first = await anext(file.parts, b"")
    response = web.StreamResponse(
        headers={
            "Content-Type": file.media_type,
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(raw)
    await response.write(first)
    async for part in file.parts:
        await response.write(part)
    await response.write_eof()
    return response


def _same_path(pattern: str, path: str) -> bool:
    asked, given = pattern.split("/"), path.split("/")
    return len(asked) == len(given) and all(
        a.startswith("{") or a == b for a, b in zip(asked, given, strict=True)
    )
