"""Decides whether a connector believes only its channel, and survives whatever arrives."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from connectors.kit.abilities import ReceivesCallbacks, RegistersCallbacks
from connectors.kit.contract.account import wrongly_opened
from connectors.kit.contract.base import ContractBase
from connectors.kit.contract.bench import AnyConnector, bounded, eventually, having
from connectors.kit.contract.receiver import CallbackReceiver
from connectors.kit.errors import CallbackRefused
from connectors.kit.json import Json
from connectors.kit.messages import (
    CallbackRequest,
    CancelAsked,
    Nothing,
    OrdersTold,
    ProvideAsked,
    ReserveAsked,
)
from connectors.sandbox.market import SandboxMarket

_READ = (OrdersTold, ReserveAsked, ProvideAsked, CancelAsked, Nothing)
_leaves = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=12)
any_json = some.recursive(
    _leaves,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
)
# A server decodes bytes that are not UTF-8 to lone surrogates: encoding such a value again can fail.
header_values = some.text(max_size=20) | some.text("\udc80\udcffabc=. ", max_size=8)
_patient = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.nested_given]
)


class CallbacksContract(ContractBase):
    """Verifying and reading callbacks."""

    async def genuine(
        self, market: SandboxMarket, connector: AnyConnector, receiver: CallbackReceiver | None
    ) -> CallbackRequest:
        """A callback that really came from the market and told or asked something."""
        having(connector, ReceivesCallbacks)
        assert receiver is not None
        await self.put_on_sale(market, connector)
        await market.buy(self.listing(market).listing_ref)

        def told() -> list[CallbackRequest]:
            read = list(receiver.requests)
            return [each for each in read if not isinstance(_read(connector, each), Nothing)]

        return (await eventually(told))[0]

    @bounded
    async def test_a_callback_of_the_market_is_believed(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        request = await self.genuine(market, connector, callback_receiver)
        assert callback_receiver is not None
        assert callback_receiver.refusals == []
        assert isinstance(_read(connector, request), _READ)

    @bounded
    async def test_header_names_in_any_case_are_understood(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        request = await self.genuine(market, connector, callback_receiver)
        assert callback_receiver is not None
        skipped = ("host", "content-length", "connection", "accept-encoding")
        headers = {name.upper(): value for name, value in request.headers.items() if name not in skipped}
        seen = len(callback_receiver.callbacks)
        async with ClientSession() as client:
            url = callback_receiver.url.partition("/callbacks")[0] + request.path
            sent = client.request(
                request.method, url, params=dict(request.query), headers=headers, data=request.body
            )
            async with sent as reply:
                assert reply.status not in (400, 401), await reply.text()
        assert len(callback_receiver.callbacks) > seen

    @bounded
    async def test_an_unsigned_callback_is_refused(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        request = await self.genuine(market, connector, callback_receiver)
        bare = {name: value for name, value in request.headers.items() if name in ("host", "content-type")}
        self._refused(connector, replace(request, headers=bare, query={}))

    @bounded
    async def test_a_callback_signed_with_other_secrets_is_refused(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        request = await self.genuine(market, connector, callback_receiver)
        self._refused(wrongly_opened(market, connector), request)

    @bounded
    async def test_a_changed_body_is_refused(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        having(connector, ReceivesCallbacks)
        if not self.callbacks_sign_the_body:
            pytest.skip("the channel authenticates callbacks by a header alone")
        request = await self.genuine(market, connector, callback_receiver)
        for body in (request.body[:-1], request.body + b" ", request.body.swapcase(), b""):
            if body != request.body:
                self._refused(connector, replace(request, body=body))

    @bounded
    async def test_arbitrary_requests_are_refused_and_nothing_else(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        request = await self.genuine(market, connector, callback_receiver)

        @_patient
        @given(
            body=some.binary(max_size=300),
            values=some.tuples(*[header_values] * len(request.headers)),
        )
        def survives(body: bytes, values: tuple[str, ...]) -> None:
            headers = dict(zip(request.headers, values, strict=True))
            with contextlib.suppress(CallbackRefused):
                _read(connector, replace(request, headers=headers, body=body))

        survives()

    @bounded
    async def test_signed_nonsense_is_refused_and_nothing_else(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        request = await self.genuine(market, connector, callback_receiver)

        @_patient
        @given(body=some.binary(max_size=200) | any_json.map(lambda value: json.dumps(value).encode()))
        def survives(body: bytes) -> None:
            self._reads_or_refuses(connector, self.sign_callback(market, connector, request, body))

        survives()

    @bounded
    async def test_a_signed_callback_with_one_wrong_value_is_refused_or_read(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        request = await self.genuine(market, connector, callback_receiver)
        try:
            known: Json = json.loads(request.body)
        except ValueError:
            pytest.skip("the channel's callbacks are not JSON")
        places = _places(known)

        @_patient
        @given(place=some.sampled_from(places), value=any_json)
        def survives(place: tuple[str | int, ...], value: Json) -> None:
            body = json.dumps(_with(known, place, value)).encode()
            self._reads_or_refuses(connector, self.sign_callback(market, connector, request, body))

        survives()

    @bounded
    async def test_registering_callbacks_twice_is_harmless(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        registrar = having(connector, RegistersCallbacks)
        assert callback_receiver is not None
        await registrar.register_callbacks(callback_receiver.url)
        await self.genuine(market, connector, callback_receiver)
        assert callback_receiver.refusals == []

    @staticmethod
    def _refused(connector: AnyConnector, request: CallbackRequest) -> None:
        with pytest.raises(CallbackRefused) as refused:
            having(connector, ReceivesCallbacks).verify_callback(request)
        assert refused.value.status == 401

    @staticmethod
    def _reads_or_refuses(connector: AnyConnector, request: CallbackRequest) -> None:
        receiver = having(connector, ReceivesCallbacks)
        try:
            receiver.verify_callback(request)
        except CallbackRefused as error:
            raise AssertionError("override sign_callback so that it signs as the market does") from error
        try:
            callback = receiver.parse_callback(request)
        except CallbackRefused as error:
            if error.status != 400:
                raise AssertionError(
                    f"what cannot be read is refused with 400, not {error.status}"
                ) from error
        else:
            assert isinstance(callback, _READ)


def _read(connector: AnyConnector, request: CallbackRequest) -> object:
    receiver = having(connector, ReceivesCallbacks)
    receiver.verify_callback(request)
    return receiver.parse_callback(request)


def _places(value: Json, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value inside a JSON value, itself included."""
    inner: list[tuple[str | int, ...]] = []
    if isinstance(value, dict):
        inner = [place for key, each in value.items() for place in _places(each, (*here, key))]
    elif isinstance(value, list):
        inner = [place for index, each in enumerate(value) for place in _places(each, (*here, index))]
    return [here, *inner]


def _with(value: Json, place: tuple[str | int, ...], new: Json) -> Json:
    """The JSON value with another value at one place."""
    if not place:
        return new
    key, rest = place[0], place[1:]
    if isinstance(value, dict):
        return {name: _with(each, rest, new) if name == key else each for name, each in value.items()}
    if isinstance(value, list):
        return [_with(each, rest, new) if index == key else each for index, each in enumerate(value)]
    return value
