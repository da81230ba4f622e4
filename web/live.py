"""Moves news of changes to whoever looks on: one look at the database a second serves everybody."""

from __future__ import annotations

import asyncio
import json

import structlog
from aiohttp import web

from core.db.pool import DATABASE_FAILURES, Pool
from core.views.changes import PARTS, changed, read_marks

_LOOK_SECONDS = 1.0
_HEARTBEAT_SECONDS = 15.0
_LISTENERS_AT_MOST = 200

_log = structlog.get_logger()


class LiveNews:
    """Tells listeners which parts changed. It looks only while somebody listens."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._listeners: set[asyncio.Queue[list[str] | None]] = set()
        self._watcher: asyncio.Task[None] | None = None

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: `changed` with the parts; the first tells all parts, for who comes late."""
        if len(self._listeners) >= _LISTENERS_AT_MOST:
            raise web.HTTPServiceUnavailable(text=f"{_LISTENERS_AT_MOST} are listening already; try later")
        # One piece of news waits at most: what a slow listener missed is gathered in it.
        queue: asyncio.Queue[list[str] | None] = asyncio.Queue(maxsize=1)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        self._listeners.add(queue)
        self._watcher = self._watcher or asyncio.create_task(self._watch())
        try:
            await response.prepare(request)
            await response.write(_event(list(PARTS)))
            await self._tell(response, queue)
        except ConnectionResetError:
            pass
        finally:
            self._listeners.discard(queue)
        return response

    async def _tell(self, response: web.StreamResponse, queue: asyncio.Queue[list[str] | None]) -> None:
        """Until the listener goes or we stop."""
        while True:
            try:
                parts = await asyncio.wait_for(queue.get(), _HEARTBEAT_SECONDS)
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            if parts is None:
                return
            await response.write(_event(parts))

    async def close(self) -> None:
        """Send every listener away, so that a stop does not wait for them."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        for queue in self._listeners:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)

    async def _watch(self) -> None:
        """Ends with the last listener; a database that is away is asked again at the next look."""
        marks: dict[str, str] = {}
        try:
            while self._listeners:
                try:
                    async with self._pool.acquire() as conn:
                        now = await read_marks(conn)
                except DATABASE_FAILURES as error:
                    _log.warning("live.database_away", error=type(error).__name__)
                else:
                    parts = changed(marks, now) if marks else []
                    marks = dict(now)
                    if parts:
                        self._spread(parts)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self._watcher = None

    def _spread(self, parts: list[str]) -> None:
        for queue in self._listeners:
            missed = [] if queue.empty() else queue.get_nowait()
            queue.put_nowait(sorted({*parts, *(missed or [])}))


def _event(parts: list[str]) -> bytes:
    return f"event: changed\ndata: {json.dumps({'parts': parts})}\n\n".encode()
