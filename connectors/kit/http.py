"""Moves requests to a channel: budget, time-outs, safe retries, circuit breaker, errors named by recovery."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType

import aiohttp
import structlog
from aiolimiter import AsyncLimiter
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from connectors.kit.errors import (
    AuthenticationFailed,
    ChannelDown,
    ChannelError,
    ChannelRefused,
    OutcomeUnknown,
    ProtocolBroken,
    SlowDown,
    TryLater,
)
from connectors.kit.json import Json, dump_json, parse_json
from connectors.kit.traits import RateLimit

_LARGEST_REPLY_BYTES = 16 * 1024 * 1024
_LONGEST_WAIT_SECONDS = 120.0
_SAFE_ATTEMPTS = 4

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HttpPolicy:
    """How patient a channel's client is."""

    connect_seconds: float = 5.0
    total_seconds: float = 30.0
    # So many failures in a row open the circuit for so long.
    failures_to_open: int = 8
    open_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply the caller asked to see; bodies may carry secrets and have no repr."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    where: str

    def json(self) -> Json:
        """The body as JSON; ProtocolBroken when it is not."""
        return parse_json(self.body, self.where)


class ChannelHttp:
    """One channel's way out: every request of a connector goes through `request`.

    `safe` says whether a repetition is harmless. Safe requests are retried here, with growing pauses and
    Retry-After; of unsafe ones the caller learns whether they may have been carried out (OutcomeUnknown)
    or surely were not (TryLater).
    """

    def __init__(self, channel: str, limit: RateLimit, policy: HttpPolicy | None = None) -> None:
        self._channel = channel
        self._policy = policy or HttpPolicy()
        self._limiter = AsyncLimiter(limit.requests, limit.per_seconds)
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=self._policy.failures_to_open,
            default_ttl=self._policy.open_seconds,
            exclude=[ChannelRefused, AuthenticationFailed, ProtocolBroken, SlowDown],
        )
        self._session: aiohttp.ClientSession | None = None
        self._not_before = 0.0

    async def __aenter__(self) -> ChannelHttp:
        timeout = aiohttp.ClientTimeout(
            total=self._policy.total_seconds, connect=self._policy.connect_seconds
        )
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        safe: bool,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Json = None,
        form: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
    ) -> HttpReply:
        """Send one request; 2xx and the statuses in `accept` are returned, all else is a named error.

        Raises TryLater, ChannelDown, OutcomeUnknown, ChannelRefused or AuthenticationFailed.
        """
        call = _Call(
            method, url, safe, dict(headers or {}), dict(params or {}), json, form, frozenset(accept)
        )
        attempts = _SAFE_ATTEMPTS if safe else 1
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(attempts),
            wait=_pause,
            retry=retry_if_exception_type(TryLater),
            reraise=True,
        ):
            with attempt:
                return await self._guarded(call)
        raise AssertionError("tenacity either returns or raises")

    async def _guarded(self, call: _Call) -> HttpReply:
        breaker = await self._breakers.get_breaker(self._channel)
        try:
            async with breaker:
                return await self._once(call)
        except OpenedState:
            raise ChannelDown(
                f"{self._channel}: failing in a row, not asked again yet", self._policy.open_seconds
            ) from None

    async def _once(self, call: _Call) -> HttpReply:
        wait_seconds = self._not_before - time.monotonic()
        if wait_seconds > 0:
            raise SlowDown(f"{self._channel}: told to slow down", wait_seconds)
        await self._limiter.acquire()
        started = time.monotonic()
        reply = await self._send(call)
        _log.debug(
            "channel.request",
            channel=self._channel,
            request=call.where,
            status=reply.status,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )
        return self._judge(call, reply)

    async def _send(self, call: _Call) -> HttpReply:
        assert self._session is not None, "enter the client with `async with` before using it"
        body = dump_json(call.json) if call.json is not None else None
        headers = {"Content-Type": "application/json", **call.headers} if body is not None else call.headers
        data = body if body is not None else (dict(call.form) if call.form is not None else None)
        try:
            async with self._session.request(
                call.method, call.url, params=call.params, headers=headers, data=data, allow_redirects=False
            ) as response:
                content = await response.content.read(_LARGEST_REPLY_BYTES + 1)
                while len(content) <= _LARGEST_REPLY_BYTES and (more := await response.content.readany()):
                    content += more
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ChannelDown(f"{call.where}: cannot connect ({type(error).__name__})") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise call.interrupted(type(error).__name__) from None
        if len(content) > _LARGEST_REPLY_BYTES:
            raise ProtocolBroken(f"{call.where}: reply larger than {_LARGEST_REPLY_BYTES} bytes")
        return HttpReply(response.status, _lower(response.headers), content, call.where)

    def _judge(self, call: _Call, reply: HttpReply) -> HttpReply:
        status = reply.status
        if 200 <= status < 300 or status in call.accept:
            return reply
        if status == 429:
            after_seconds = retry_after_seconds(reply.headers, datetime.now(UTC)) or 5.0
            self._not_before = time.monotonic() + after_seconds
            raise SlowDown(f"{call.where}: 429, too many requests", after_seconds)
        if status == 503 and "retry-after" in reply.headers:
            raise TryLater(f"{call.where}: 503", retry_after_seconds(reply.headers, datetime.now(UTC)) or 5.0)
        if status >= 500:
            raise call.interrupted(str(status))
        if status in (401, 403):
            raise AuthenticationFailed(f"{call.where}: {status}, the credentials were not accepted")
        raise ChannelRefused(f"{call.where}: {status}", status)


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    safe: bool
    headers: Mapping[str, str] = field(repr=False)
    params: Mapping[str, str] = field(repr=False)
    json: Json = field(repr=False)
    form: Mapping[str, str] | None = field(repr=False)
    accept: frozenset[int]

    @property
    def where(self) -> str:
        """The request without its query, which may carry credentials."""
        return f"{self.method} {self.url.partition('?')[0]}"

    def interrupted(self, cause: str) -> ChannelError:
        """The error for a request that was sent and whose outcome did not come back."""
        if self.safe:
            return TryLater(f"{self.where}: {cause}", 1.0)
        return OutcomeUnknown(f"{self.where}: {cause} after the request was sent")


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """The pause asked for by a Retry-After header, in seconds or as a date; None without one."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return min(float(value), _LONGEST_WAIT_SECONDS)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), _LONGEST_WAIT_SECONDS)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.after_seconds if isinstance(error, TryLater) else 0.0
    backoff: float = 0.2 * 2**state.attempt_number
    return min(max(asked, backoff), _LONGEST_WAIT_SECONDS)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
