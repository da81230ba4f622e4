"""Moves what channels tell and ask into core, and core's answer back, within the time the channel allows.

Whatever fails on our side is answered so that the channel asks again: 503, or "later" in its own words. An
answer is never given for work that is not durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog
from aiohttp import web

from connectors.kit.abilities import AnswersReservations, ReceivesCallbacks
from connectors.kit.errors import CallbackRefused
from connectors.kit.messages import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CancelAsked,
    Nothing,
    OrdersTold,
    ProvideAsked,
    ReserveAsked,
)
from core.db.pool import DATABASE_FAILURES
from core.errors import InvalidInput, OrderHeld, ReferenceReused, StaleVersion
from core.offers.terms import ChannelTerms
from core.orders.orders import find_order
from core.types import Asked, LineCodes, ListingRef, OrderRef, OrderState
from web.metrics import WebMetrics
from web.services import ServedChannel, Services

BODY_LIMIT_BYTES = 1 << 20
_RETRY_AFTER_SECONDS = 5
# Of the time a channel gives us, the rest is for the network.
_OUR_PART = 0.8
_CANCEL_TRIES = 5
# How long a stop waits for work whose channel was already answered.
_CLOSING_SECONDS = 5.0
# What telling again would not mend: the order contradicts what was told first, or the channel's terms.
_FINAL = (ReferenceReused, InvalidInput)
_GRANTED = frozenset(
    {
        OrderState.HELD,
        OrderState.RESERVED,
        OrderState.ACCEPTED,
        OrderState.DELIVERING,
        OrderState.UNSURE,
        OrderState.DELIVERED,
    }
)

_YES = "granted"
_PROVIDED = "provided"
# How long the answer may wait until a failure is counted.
_COUNTING_SECONDS = 1.0

T = TypeVar("T")
_log = structlog.get_logger()


class _Failed(Exception):
    """Our side could not do it, or not in time; the channel is to ask again."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Answer:
    """What goes back, and how we call it in logs and metrics."""

    reply: CallbackReply
    outcome: str


class CallbackDesk:
    """Serves every configured channel, whichever daemon drives it."""

    def __init__(self, services: Services, metrics: WebMetrics) -> None:
        self._services = services
        self._metrics = metrics
        self._under_way: set[asyncio.Task[None]] = set()

    async def receive(self, raw: web.Request) -> web.Response:
        """One callback, from the raw request to the answer."""
        started = time.monotonic()
        name = raw.match_info["channel"]
        channel = self._services.channels.get(name)
        if channel is None or not isinstance(channel.connector, ReceivesCallbacks):
            return web.Response(status=404, text="no channel of that name takes callbacks here\n")
        kind, answer = await self._serve(channel, channel.connector, await _read(raw), started)
        self._metrics.callbacks.labels(name, kind, answer.outcome).inc()
        self._metrics.callback_seconds.labels(name, kind).observe(time.monotonic() - started)
        return _response(answer.reply)

    async def close(self) -> None:
        """Let work whose channel was answered already come to its end."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_CLOSING_SECONDS)

    async def _serve(
        self, channel: ServedChannel, connector: ReceivesCallbacks, request: CallbackRequest, started: float
    ) -> tuple[str, _Answer]:
        log = _log.bind(channel=channel.terms.name)
        kind = "unread"
        callback: Callback | None = None
        try:
            connector.verify_callback(request)
            callback = connector.parse_callback(request)
            kind = _kind(callback)
            answer = await self._dispatch(channel, callback, _Deadline.of(channel, started))
        except CallbackRefused as refused:
            log.warning("callback.refused", kind=kind, status=refused.status, reason=str(refused))
            return kind, _Answer(CallbackReply(refused.status, b"refused\n", "text/plain"), "refused")
        except _Failed as failed:
            answer = _again(failed.outcome)
        except Exception:
            # The channel must hear "again" whatever broke; what broke stands in the log.
            log.exception("callback.failed", kind=kind)
            answer = _again("error")
        else:
            log.info("callback.answered", kind=kind, outcome=answer.outcome, **_ids(callback))
        await self._count(channel.terms, callback, answer.outcome)
        return kind, answer

    async def _count(self, terms: ChannelTerms, callback: Callback | None, outcome: str) -> None:
        """Tell the guard what the channel will count of us; the answer waits for that only a moment."""
        guard = self._services.guard
        refs: list[ListingRef] = []
        match callback:
            case ReserveAsked():
                asked, order_ref, done = Asked.RESERVE, callback.order.order_ref, outcome == _YES
                refs = [line.listing_ref for line in callback.order.lines]
            case ProvideAsked():
                asked, order_ref, done = Asked.PROVIDE, callback.order_ref, outcome == _PROVIDED
            case _:
                return
        if done:
            guard.completed(terms, asked, order_ref, refs)
            return
        task = asyncio.ensure_future(guard.failed(terms, asked, order_ref, refs))
        in_time, _ = await asyncio.wait({task}, timeout=_COUNTING_SECONDS)
        if not in_time:
            self._follow(task)
        elif task.result():
            self._services.wake(terms.channel_id)

    async def _dispatch(self, channel: ServedChannel, callback: Callback, deadline: _Deadline) -> _Answer:
        match callback:
            case Nothing():
                return _Answer(CallbackReply(), "nothing")
            case OrdersTold():
                return await self._orders_told(channel.terms, callback, deadline)
            case ReserveAsked():
                return await self._reserve(channel.terms, _answering(channel), callback, deadline)
            case ProvideAsked():
                return await self._provide(channel.terms, _answering(channel), callback, deadline)
            case CancelAsked():
                return await self._cancel(channel.terms, _answering(channel), callback, deadline)

    async def _orders_told(self, terms: ChannelTerms, told: OrdersTold, deadline: _Deadline) -> _Answer:
        """Take each in; one that fails does not keep the others out."""
        outcome = "taken in"
        failures = []
        for order in told.orders:
            try:
                await self._within(deadline, self._services.intake.take_in(terms, order, "callback"))
            except _FINAL as refused:
                # It will not become right by being told again.
                _log.warning("callback.contradicts", channel=terms.name, reason=str(refused))
                outcome = "contradicts"
            except _Failed as failed:
                failures.append(failed)
        self._services.wake(terms.channel_id)
        if failures:
            raise failures[0]
        return _Answer(CallbackReply(), outcome)

    async def _reserve(
        self,
        terms: ChannelTerms,
        connector: AnswersReservations,
        asked: ReserveAsked,
        deadline: _Deadline,
    ) -> _Answer:
        """Yes only for codes that are kept; a hold whose answer came too late ends by itself."""
        try:
            taken = await self._within(
                deadline, self._services.intake.take_in(terms, asked.order, "callback")
            )
            outcome = _YES if taken.state in _GRANTED else f"not granted: {taken.state or 'not ours'}"
        except _FINAL as refused:
            _log.warning("callback.contradicts", channel=terms.name, reason=str(refused))
            outcome = "not granted: contradicts"
        except _Failed as failed:
            if failed.outcome != _Deadline.OUTCOME:
                raise
            outcome = "not granted: too late"
        self._services.wake(terms.channel_id)
        return _Answer(connector.answer_reserve(asked, granted=outcome == _YES), outcome)

    async def _provide(
        self,
        terms: ChannelTerms,
        connector: AnswersReservations,
        asked: ProvideAsked,
        deadline: _Deadline,
    ) -> _Answer:
        lines: tuple[LineCodes, ...] | None
        try:
            lines = await self._within(deadline, self._services.fulfilment.provide(terms, asked.order_ref))
        except OrderHeld:
            return _Answer(connector.answer_provide_later(asked), "later: held for a person")
        except _Failed as failed:
            return _Answer(connector.answer_provide_later(asked), f"later: {failed.outcome}")
        self._services.wake(terms.channel_id)
        return _Answer(connector.answer_provide(asked, lines), "none" if lines is None else _PROVIDED)

    async def _cancel(
        self,
        terms: ChannelTerms,
        connector: AnswersReservations,
        asked: CancelAsked,
        deadline: _Deadline,
    ) -> _Answer:
        state = await self._within(deadline, self._take_back(terms, asked.order_ref))
        self._services.wake(terms.channel_id)
        return _Answer(connector.answer_cancel(asked), f"cancelled: {state or 'unknown order'}")

    async def _take_back(self, terms: ChannelTerms, order_ref: OrderRef) -> OrderState | None:
        for _ in range(_CANCEL_TRIES):
            async with self._services.pool.acquire() as conn:
                order = await find_order(conn, terms.channel_id, order_ref)
                if order is None:
                    return None
                try:
                    return await self._services.intake.cancel(
                        conn, order, actor="callback", reason="channel: cancelled"
                    )
                except StaleVersion:
                    continue
        raise StaleVersion(f"order {order_ref}: moved {_CANCEL_TRIES} times while we looked; try again")

    async def _within(self, deadline: _Deadline, work: Coroutine[None, None, T]) -> T:
        """Wait for work as long as the channel waits for us; the work itself is never stopped half-way.

        Raises what is final as it is, OrderHeld too, and _Failed for everything else that went wrong.
        """
        task = asyncio.ensure_future(work)
        seconds = deadline.left_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(task)
        except TimeoutError:
            if not task.done():
                self._follow(task)
                _log.warning("callback.late", channel=deadline.channel, after_seconds=seconds)
                raise _Failed(_Deadline.OUTCOME) from None
            raise _Failed("error") from None
        except asyncio.CancelledError:
            # The channel hung up, or we are stopping: what was begun is finished all the same.
            self._follow(task)
            raise
        except (*_FINAL, OrderHeld):
            raise
        except DATABASE_FAILURES as error:
            # The channel asks again, and the database's absence is told where it is watched.
            _log.warning(
                "callback.failed", channel=deadline.channel, error=f"{type(error).__name__}: {error}"
            )
            raise _Failed(type(error).__name__) from error
        except Exception as error:
            _log.exception("callback.failed", channel=deadline.channel)
            raise _Failed(type(error).__name__) from error

    def _follow(self, task: asyncio.Task[T]) -> None:
        """Keep work that goes on without anybody waiting, and hear of its error."""
        follower = asyncio.ensure_future(_outcome_of(task))
        self._under_way.add(follower)
        follower.add_done_callback(self._under_way.discard)


@dataclass(frozen=True, slots=True)
class _Deadline:
    """When our answer is worth nothing any more; None: the channel sets no limit."""

    channel: str
    at: float | None

    OUTCOME = "too late"

    @classmethod
    def of(cls, channel: ServedChannel, started: float) -> _Deadline:
        allowed = channel.connector.traits.answer_within_seconds
        return cls(channel.terms.name, None if allowed is None else started + _OUR_PART * allowed)

    def left_seconds(self) -> float | None:
        return None if self.at is None else max(0.0, self.at - time.monotonic())


async def _outcome_of(task: asyncio.Task[T]) -> None:
    try:
        await task
    except Exception as error:
        _log.warning("callback.failed_late", error=type(error).__name__, reason=str(error))


async def _read(raw: web.Request) -> CallbackRequest:
    # Of a header or field that comes twice the first counts, here as at the index of a multi-dictionary.
    return CallbackRequest(
        method=raw.method,
        path=raw.path,
        headers={name.lower(): raw.headers[name] for name in raw.headers},
        query={name: raw.query[name] for name in raw.query},
        body=await raw.read(),
    )


def _response(reply: CallbackReply) -> web.Response:
    headers = {"Content-Type": reply.content_type, "Cache-Control": "no-store"}
    if reply.status == web.HTTPServiceUnavailable.status_code:
        headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _again(outcome: str) -> _Answer:
    return _Answer(CallbackReply(503, b"not done, please ask again\n", "text/plain"), f"again: {outcome}")


def _answering(channel: ServedChannel) -> AnswersReservations:
    assert isinstance(channel.connector, AnswersReservations), (
        f"{type(channel.connector).__name__} reads reservations but cannot answer them"
    )
    return channel.connector


def _kind(callback: Callback) -> str:
    match callback:
        case OrdersTold():
            return "orders"
        case ReserveAsked():
            return "reserve"
        case ProvideAsked():
            return "provide"
        case CancelAsked():
            return "cancel"
        case Nothing():
            return "nothing"


def _ids(callback: Callback) -> Mapping[str, str]:
    """The order a callback is about, for the log."""
    match callback:
        case ReserveAsked():
            return {"order_ref": callback.order.order_ref}
        case ProvideAsked() | CancelAsked():
            return {"order_ref": callback.order_ref}
        case OrdersTold():
            return {"order_refs": ", ".join(order.order_ref for order in callback.orders)}
        case Nothing():
            return {}
