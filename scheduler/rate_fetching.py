"""Fetches exchange rates from the configured source and writes them down; says when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import aiohttp
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from config.rates import Rates
from core.db.pool import Pool
from core.errors import UnreadableFile
from core.money.rates import NewRate, add_rates, note_rate_health, rate_health
from scheduler.rate_shapes import read_answer

_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
_LARGEST_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 4
_LONGEST_WAIT_SECONDS = 20.0

_log = structlog.get_logger()


class SourceFailed(UnreadableFile):
    """The source did not answer, or not with rates; trying again later may help."""


class _Transient(Exception):
    """The source may answer in a moment."""


class RateFetcher:
    """Brings the rates of one configured source into the database."""

    def __init__(
        self, pool: Pool, written: Rates, now: Callable[[], datetime], *, first_wait_seconds: float = 1.0
    ) -> None:
        assert written.url is not None, "a fetcher needs a source"
        self._pool = pool
        self._written = written
        self._url = written.url
        self._now = now
        self._first_wait_seconds = first_wait_seconds

    async def sweep(self) -> None:
        """Fetch if it is due, whichever daemon did it last; a failure is written down and told once."""
        async with self._pool.acquire() as conn:
            known = {each.source: each for each in await rate_health(conn)}
        last = known.get(self._written.name)
        due_after = timedelta(seconds=self._written.refresh_seconds * 0.9)
        if last is not None and last.ok and self._now() - last.seen_at < due_after:
            return
        try:
            added = await self.fetch("daemon")
        except SourceFailed as error:
            if last is None or last.ok:
                _log.warning("rates.not_fetched", source=self._written.name, error=str(error))
        else:
            if added or (last is not None and not last.ok):
                _log.info("rates.fetched", source=self._written.name, added=added)

    async def fetch(self, actor: str) -> int:
        """Fetch now; how many rates were new. SourceFailed says why not, after it was written down."""
        try:
            rates = await self._ask()
            async with self._pool.acquire() as conn, conn.transaction():
                added = await add_rates(conn, rates, source=self._written.name, actor=actor, now=self._now())
        except UnreadableFile as error:
            await self._note(ok=False, detail=str(error))
            raise SourceFailed(f"rates from {self._place}: {error}") from None
        await self._note(ok=True, detail=f"{len(rates)} rates, {added} of them new")
        return added

    @property
    def _place(self) -> str:
        # Without its query, in which some sources want a key.
        return self._url.partition("?")[0]

    async def _note(self, *, ok: bool, detail: str) -> None:
        async with self._pool.acquire() as conn:
            await note_rate_health(conn, self._written.name, ok=ok, detail=detail, now=self._now())

    async def _ask(self) -> list[NewRate]:
        headers = {name: value.get_secret_value() for name, value in self._written.headers.items()}
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_Transient),
                stop=stop_after_attempt(_ATTEMPTS),
                wait=wait_random_exponential(self._first_wait_seconds, _LONGEST_WAIT_SECONDS),
                reraise=True,
            ):
                with attempt:
                    body = await self._get(headers)
        except _Transient as error:
            raise UnreadableFile(f"{error}; tried {_ATTEMPTS} times") from None
        return read_answer(body, self._written, self._now())

    async def _get(self, headers: dict[str, str]) -> bytes:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as http,
                http.get(self._url, allow_redirects=False) as reply,
            ):
                if reply.status == 429 or reply.status >= 500:
                    raise _Transient(f"it answers {reply.status}")
                if reply.status != 200:
                    raise UnreadableFile(f"it answers {reply.status}: look at [rates] url and headers")
                body = await reply.content.read(_LARGEST_BYTES + 1)
                while len(body) <= _LARGEST_BYTES and (more := await reply.content.read(_LARGEST_BYTES)):
                    body += more
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _Transient(f"it does not answer ({type(error).__name__})") from None
        if len(body) > _LARGEST_BYTES:
            raise UnreadableFile(f"its answer is larger than {_LARGEST_BYTES // 1024**2} MiB")
        return body
