"""Moves scripted replies over a loopback socket: a channel that does what a test says, request by request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Step = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Step:
    async def step(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return step


def hang_up() -> Step:
    """The request is read and carried out; no reply comes."""

    async def step(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        raise asyncio.CancelledError

    return step


def fall_silent() -> Step:
    async def step(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    return step


def stop_half_way() -> Step:
    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.abort()
        return response

    return step


def pour(total_bytes: int) -> Step:
    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(total_bytes // 65536 + 1):
            await response.write(b"x" * 65536)
        return response

    return step


@dataclass(slots=True)
class Script:
    """What comes next; the last step repeats. `seen` are the requests that arrived."""

    steps: list[Step]
    url: str = ""
    seen: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        await request.read()
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return await step(request)


@asynccontextmanager
async def server(*steps: Step) -> AsyncIterator[Script]:
    """A server that answers by script."""
    script = Script(list(steps))
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", script.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    script.url = f"http://{host}:{port}/thing"
    try:
        yield script
    finally:
        await runner.cleanup()
