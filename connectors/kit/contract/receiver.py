"""Moves a market's callbacks to a connector over a real socket, and lets a test decide the answers."""

from __future__ import annotations

from enum import StrEnum
from types import TracebackType
from typing import Self

from aiohttp import web

from connectors.kit.abilities import AnswersReservations, ReceivesCallbacks
from connectors.kit.contract.bench import codes_for
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
from core.types import ChannelOrder, LineCodes, OrderRef


class Provide(StrEnum):
    """What the receiver answers when the market asks for codes."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


class CallbackReceiver:
    """Stands where consignd's web room stands: verifies, reads and answers callbacks through the connector.

    `grants` and `provides` are the test's decisions; `requests` holds the raw callbacks as they came,
    `callbacks` what the connector read in them, `refusals` what it refused.
    """

    def __init__(self, connector: ReceivesCallbacks) -> None:
        self.connector = connector
        self.grants = True
        self.provides = Provide.NOW
        self.url = ""
        self.requests: list[CallbackRequest] = []
        self.callbacks: list[Callback] = []
        self.refusals: list[CallbackRefused] = []
        self._orders: dict[OrderRef, ChannelOrder] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/callbacks/contract"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def order(self, order_ref: OrderRef) -> ChannelOrder | None:
        """The order as the market's callbacks told it, once they did."""
        return self._orders.get(order_ref)

    def codes(self, order_ref: OrderRef) -> list[LineCodes]:
        """The codes that this receiver hands over for an order, the same each time."""
        return codes_for(self._orders[order_ref])

    def asked(self, kind: type[ReserveAsked | ProvideAsked | CancelAsked | OrdersTold]) -> int:
        """How many callbacks of a kind came so far."""
        return sum(isinstance(callback, kind) for callback in self.callbacks)

    async def _receive(self, raw: web.Request) -> web.Response:
        request = CallbackRequest(
            method=raw.method,
            path=raw.path,
            headers={name.lower(): value for name, value in raw.headers.items()},
            query=dict(raw.query),
            body=await raw.read(),
        )
        self.requests.append(request)
        try:
            self.connector.verify_callback(request)
            callback = self.connector.parse_callback(request)
        except CallbackRefused as error:
            self.refusals.append(error)
            return web.Response(status=error.status)
        self.callbacks.append(callback)
        reply = self._answer(callback)
        return web.Response(
            status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type}
        )

    def _answer(self, callback: Callback) -> CallbackReply:
        if isinstance(callback, OrdersTold):
            self._orders.update((order.order_ref, order) for order in callback.orders)
            return CallbackReply()
        if isinstance(callback, Nothing):
            return CallbackReply()
        assert isinstance(self.connector, AnswersReservations), "a question came to who cannot answer"
        if isinstance(callback, ReserveAsked):
            self._orders[callback.order.order_ref] = callback.order
            return self.connector.answer_reserve(callback, granted=self.grants)
        if isinstance(callback, ProvideAsked):
            return self._provide(self.connector, callback)
        return self.connector.answer_cancel(callback)

    def _provide(self, connector: AnswersReservations, asked: ProvideAsked) -> CallbackReply:
        if self.provides is Provide.LATER:
            return connector.answer_provide_later(asked)
        known = asked.order_ref in self._orders and self.provides is Provide.NOW
        return connector.answer_provide(asked, self.codes(asked.order_ref) if known else None)
