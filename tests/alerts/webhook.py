"""A service that people are reached by, on a loopback socket: it takes messages, or fails as it is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from config.alerts import AlertRoute

SECRET = "tok-0123456789abcdef"
How = Literal["ok", "fail", "hang", "cut"]


@dataclass(slots=True)
class Webhook:
    """What arrived, and how the next ones are answered; without a script all is well."""

    port: int = 0
    script: deque[How] = field(default_factory=deque)
    # What was answered with a yes, and everything that came in at all.
    taken: list[dict[str, str]] = field(default_factory=list)
    came: list[dict[str, str]] = field(default_factory=list)

    def route(self, path: str = "hook") -> AlertRoute:
        """The settings of a route to here; it gives up after half a second."""
        url = f"json://127.0.0.1:{self.port}/{path}/{SECRET}?rto=0.5&cto=2"
        return AlertRoute.model_validate({"url": url})

    async def receive(self, request: web.Request) -> web.Response:
        content: dict[str, str] = await request.json()
        self.came.append(content)
        match self.script.popleft() if self.script else "ok":
            case "ok":
                self.taken.append(content)
            case "fail":
                return web.Response(status=500, text=f"no room for {SECRET}")
            case "hang":
                self.taken.append(content)
                await asyncio.sleep(1.5)
            case _:
                self.taken.append(content)
                assert request.transport is not None
                request.transport.close()
        return web.Response()


@asynccontextmanager
async def open_webhook() -> AsyncIterator[Webhook]:
    """A service that is up."""
    hook = Webhook()
    app = web.Application()
    app.router.add_post("/{path:.*}", hook.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook.port = runner.addresses[0][1]
        yield hook
    finally:
        await runner.cleanup()
