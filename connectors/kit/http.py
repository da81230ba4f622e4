"""Moves requests to a channel: budget, time-outs, safe retries, circuit breaker, errors named by recovery."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TypeVar

import aiohttp
import structlog
from aiolimiter import AsyncLimiter
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.messages.base import Event
from purgatory.domain.messages.events import ContextChanged
from purgatory.domain.model import CLOSED, OPENED, OpenedState
from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay

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
# No channel can silence us for longer than this by a Retry-After.
_LONGEST_WAIT_SECONDS = 900.0
_USUAL_WAIT_SECONDS = 5.0
_SAFE_ATTEMPTS = 4
_PROBLEMS_TOLD = 5

ModelT = TypeVar("ModelT", bound=BaseModel)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HttpPolicy:
    """How patient a channel's client is."""

    connect_seconds: float = 5.0
    total_seconds: float = 30.0
    # A longer pause than this is not slept through: the caller gets the error and its `after_seconds`.
    longest_pause_seconds: float = 10.0
    # No repetition of a safe request starts later than so long after the first attempt.
    retry_seconds: float = 30.0
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

    def read(self, model: type[ModelT]) -> ModelT:
        """The body as this model; ProtocolBroken names the fields that differ, never what they held."""
        try:
            return model.model_validate_json(self.body)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)[:_PROBLEMS_TOLD]
            )
            raise ProtocolBroken(f"{self.where}: {problems}") from None


class ChannelHttp:
    """One channel's way out: every request of a connector goes through `request`.

    `safe` says whether a repetition is harmless. Safe requests are retried here, with growing pauses and
    Retry-After, within the policy's bounds; of unsafe ones the caller learns whether they may have been
    carried out (OutcomeUnknown) or surely were not (TryLater).
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
        self._breakers.add_listener(self._tell)
        self._session: aiohttp.ClientSession | None = None
        self._not_before = 0.0
        self._away = False

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
        sign: Callable[[], Mapping[str, str]] | None = None,
    ) -> HttpReply:
        """Send one request; 2xx and the statuses in `accept` are returned, all else is a named error.

        `sign` gives query parameters that may be sent once only, such as a nonce and its signature: it is
        asked anew for each attempt.
        Raises TryLater, ChannelDown, OutcomeUnknown, ChannelRefused or AuthenticationFailed.
        """
        call = _Call(
            method, url, safe, dict(headers or {}), dict(params or {}), json, form, frozenset(accept), sign
        )
        attempts = _SAFE_ATTEMPTS if safe else 1
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(attempts) | stop_before_delay(self._policy.retry_seconds),
            wait=_pause,
            retry=retry_if_exception(self._is_worth_waiting_for),
            reraise=True,
        ):
            with attempt:
                await self._wait_until_welcome()
                await self._limiter.acquire()
                return await self._guarded(call)
        raise AssertionError("tenacity either returns or raises")

    def _is_worth_waiting_for(self, error: BaseException) -> bool:
        return (
            isinstance(error, TryLater)
            and not isinstance(error, _CircuitOpen)
            and error.after_seconds <= self._policy.longest_pause_seconds
        )

    async def _wait_until_welcome(self) -> None:
        """Sleep through a pause the channel asked for, also one prolonged meanwhile; but not for long."""
        gives_up_at = time.monotonic() + self._policy.longest_pause_seconds
        while (wait_seconds := self._not_before - time.monotonic()) > 0:
            if self._not_before > gives_up_at:
                raise SlowDown(f"{self._channel}: told to slow down", wait_seconds)
            await asyncio.sleep(wait_seconds)

    async def _guarded(self, call: _Call) -> HttpReply:
        breaker = await self._breakers.get_breaker(self._channel)
        try:
            async with breaker:
                return await self._once(call)
        except OpenedState as opened:
            # The library raises the same exception each time; without this its traceback would grow.
            opened.with_traceback(None)
            raise _CircuitOpen(
                f"{self._channel}: failing in a row, not asked again yet", self._policy.open_seconds
            ) from None

    async def _once(self, call: _Call) -> HttpReply:
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

    def _tell(self, circuit: str, kind: str, event: Event) -> None:
        """One line when the channel goes away and one when it is back."""
        if isinstance(event, ContextChanged) and event.state == OPENED and not self._away:
            self._away = True
            _log.warning("channel.away", channel=circuit)
        elif isinstance(event, ContextChanged) and event.state == CLOSED and self._away:
            self._away = False
            _log.info("channel.back", channel=circuit)

    async def _send(self, call: _Call) -> HttpReply:
        assert self._session is not None, "enter the client with `async with` before using it"
        body = dump_json(call.json) if call.json is not None else None
        headers = {"Content-Type": "application/json", **call.headers} if body is not None else call.headers
        data = body if body is not None else (dict(call.form) if call.form is not None else None)
        params = {**call.params, **call.sign()} if call.sign is not None else call.params
        try:
            async with self._session.request(
                call.method,
                call.url,
                params=params,
                headers=headers,
                data=data,
                allow_redirects=False,
                middlewares=[_SendOnce()],
            ) as response:
                content = bytearray()
                while len(content) <= _LARGEST_REPLY_BYTES and (more := await response.content.readany()):
                    content += more
        except aiohttp.InvalidURL:
            raise ChannelRefused(f"{call.where}: not an address that can be called") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ChannelDown(f"{call.where}: cannot connect ({type(error).__name__})", 1.0) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise call.interrupted(type(error).__name__) from None
        if len(content) > _LARGEST_REPLY_BYTES:
            raise call.unreadable(f"reply larger than {_LARGEST_REPLY_BYTES} bytes")
        return HttpReply(response.status, _lower(response.headers), bytes(content), call.where)

    def _judge(self, call: _Call, reply: HttpReply) -> HttpReply:
        status = reply.status
        if 200 <= status < 300 or status in call.accept:
            return reply
        asked_seconds = retry_after_seconds(reply.headers, datetime.now(UTC))
        if status == 429:
            after_seconds = _USUAL_WAIT_SECONDS if asked_seconds is None else asked_seconds
            self._not_before = max(self._not_before, time.monotonic() + after_seconds)
            raise SlowDown(f"{call.where}: 429, too many requests", after_seconds)
        if status == 503 and asked_seconds is not None:
            raise TryLater(f"{call.where}: 503", asked_seconds)
        if status >= 500:
            raise call.interrupted(str(status))
        if status in (401, 403):
            raise AuthenticationFailed(f"{call.where}: {status}, the credentials were not accepted")
        raise ChannelRefused(f"{call.where}: {status}", status)


class _CircuitOpen(ChannelDown):
    """The channel was not asked at all."""


class _SendOnce:
    """Keeps aiohttp from repeating a PUT or DELETE when a connection drops: that is ours to decide."""

    def __init__(self) -> None:
        self._sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._sent:
            raise aiohttp.ServerDisconnectedError
        self._sent = True
        return await handler(request)


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
    sign: Callable[[], Mapping[str, str]] | None = field(repr=False)

    @property
    def where(self) -> str:
        """The request without its query, which may carry credentials."""
        return f"{self.method} {self.url.partition('?')[0]}"

    def interrupted(self, cause: str) -> ChannelError:
        """The error for a request that was sent and whose outcome did not come back."""
        if self.safe:
            return TryLater(f"{self.where}: {cause}", 1.0)
        return OutcomeUnknown(f"{self.where}: {cause} after the request was sent")

    def unreadable(self, cause: str) -> ChannelError:
        """The error for a request that was answered in a way that cannot be read."""
        return ProtocolBroken(f"{self.where}: {cause}") if self.safe else self.interrupted(cause)


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """The pause asked for by a Retry-After header, in seconds or as a date; None without one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), _LONGEST_WAIT_SECONDS)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
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
