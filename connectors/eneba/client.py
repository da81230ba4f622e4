"""Moves calls to Eneba: access token, GraphQL over HTTP, and the errors that hide in good replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from pydantic import JsonValue

from connectors.eneba import documents
from connectors.eneba.models import (
    CalculatedPrice,
    Counted,
    Envelope,
    Grant,
    GraphqlError,
    RegisteredCallback,
    StockConnection,
    Succeeded,
    TransactionConnection,
    read,
)
from connectors.eneba.options import EnebaOptions
from connectors.kit.errors import AuthenticationFailed, ChannelRefused, ProtocolBroken, TryLater
from connectors.kit.http import ChannelHttp, HttpReply
from connectors.kit.json import Json
from core.money.money import Money

PAGE_SIZE = 100
# A token is renewed so long before its end that no request is under way with a dead one.
_RENEW_BEFORE = timedelta(seconds=60)
_SIGN_IN_AGAIN = frozenset({"unauthenticated", "unauthorized", "authentication"})
_TRANSIENT = frozenset({"internal", "internal_server_error", "timeout"})

_log = structlog.get_logger()


class EnebaClient:
    """Eneba's API for one account."""

    def __init__(
        self, channel: str, http: ChannelHttp, options: EnebaOptions, now: Callable[[], datetime]
    ) -> None:
        self._channel = channel
        self._http = http
        self._options = options
        self._now = now
        self._token = ""
        self._renew_at: datetime | None = None
        self._renewing = asyncio.Lock()

    # Queries.

    async def count_auctions(self) -> int | None:
        """How many auctions the account has; the cheapest question that needs a token."""
        return read(Counted, await self.fetch("S_stock", documents.ACCOUNT, {}), "S_stock").total_count

    async def stock(self, *, after: str | None = None, stock_ref: str | None = None) -> StockConnection:
        """A page of our auctions, or the one with that id."""
        variables: dict[str, Json] = {"first": PAGE_SIZE, "after": after, "stockId": stock_ref}
        return read(StockConnection, await self.fetch("S_stock", documents.STOCK, variables), "S_stock")

    async def calculate_price(self, product_ref: str, price: Money) -> CalculatedPrice:
        """The price with commission put on it, and with commission taken off."""
        asked: dict[str, Json] = {"productId": product_ref, "price": money_input(price)}
        data = await self.fetch("S_calculatePrice", documents.CALCULATE_PRICE, {"input": asked})
        return read(CalculatedPrice, data, "S_calculatePrice")

    async def transactions(self, after: str | None) -> TransactionConnection:
        """A page of the ledger, oldest first."""
        variables: dict[str, Json] = {"first": PAGE_SIZE, "after": after}
        data = await self.fetch("B_transactions", documents.TRANSACTIONS, variables)
        return read(TransactionConnection, data, "B_transactions")

    async def callbacks(self) -> list[RegisteredCallback]:
        """The callbacks that Eneba has on file."""
        data = await self.fetch("P_apiCallbacks", documents.CALLBACKS, {})
        entries = data if isinstance(data, list) else []
        return [read(RegisteredCallback, entry, "P_apiCallbacks") for entry in entries]

    # Mutations that are no offers.

    async def register_callback(self, type_name: str, url: str, authorization: str) -> None:
        """Have events of a type sent to a URL; ChannelRefused says why not."""
        text = {"type": type_name, "url": _literal(url), "authorization": _literal(authorization)}
        await self._succeed("P_registerCallback", documents.REGISTER_CALLBACK % text)

    async def remove_callback(self, callback_ref: str) -> None:
        """Forget a callback."""
        await self._succeed("P_removeCallback", documents.REMOVE_CALLBACK % {"id": _literal(callback_ref)})

    async def _succeed(self, field: str, document: str) -> None:
        if not read(Succeeded, await self.fetch(field, document, {}), field).success:
            raise ChannelRefused(f"{field}: Eneba answered success: false")

    # GraphQL.

    async def fetch(self, field: str, document: str, variables: Mapping[str, Json]) -> JsonValue:
        """Ask for one field and return it; any error in the reply is raised."""
        envelope = await self.run(document, variables)
        if envelope.errors:
            raise error_of(field, envelope.errors)
        if envelope.data is None or field not in envelope.data:
            raise ProtocolBroken(f"{field}: the reply has neither data nor errors")
        return envelope.data[field]

    async def run(self, document: str, variables: Mapping[str, Json]) -> Envelope:
        """Send a document that may be sent again: all that we write is absolute. Errors stay in the reply."""
        token = await self._access_token()
        envelope = await self._post(document, variables, token)
        if envelope is None:
            envelope = await self._post(document, variables, await self._access_token(refused=token))
        if envelope is None:
            raise AuthenticationFailed(f"{self._channel}: Eneba does not accept the token that it just gave")
        return envelope

    async def _post(self, document: str, variables: Mapping[str, Json], token: str) -> Envelope | None:
        """The reply, or None when the token was not accepted."""
        reply = await self._http.request(
            "POST",
            self._options.base_url,
            safe=True,
            headers={"Authorization": f"Bearer {token}"},
            json={"query": document, "variables": dict(variables)},
            accept=(400, 401, 403),
        )
        if reply.status == 401:
            return None
        if reply.status == 403:
            raise AuthenticationFailed(
                f"{reply.where}: 403; put this machine's address on the allowlist in Eneba's dashboard"
            )
        envelope = read(Envelope, reply.json(), reply.where)
        return None if any(error.kind in _SIGN_IN_AGAIN for error in envelope.errors) else envelope

    # The access token: kept until shortly before it ends, renewed by one caller at a time.

    async def _access_token(self, *, refused: str | None = None) -> str:
        async with self._renewing:
            if self._renew_at is None or self._now() >= self._renew_at or self._token == refused:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        reply = await self._http.request(
            "POST",
            self._options.auth_url,
            safe=True,
            form={
                "grant_type": "api_consumer",
                "client_id": self._options.client_id,
                "id": self._options.auth_id.get_secret_value(),
                "secret": self._options.auth_secret.get_secret_value(),
            },
            accept=(400, 401, 403),
        )
        grant = self._granted(reply)
        lifetime = timedelta(seconds=grant.expires_in)
        self._token = grant.access_token
        self._renew_at = self._now() + max(lifetime - _RENEW_BEFORE, lifetime / 2)
        _log.info("eneba.token_renewed", channel=self._channel, expires_in_seconds=grant.expires_in)

    def _granted(self, reply: HttpReply) -> Grant:
        if reply.status != 200:
            raise AuthenticationFailed(
                f"{reply.where}: {reply.status}; check channels.{self._channel}.options client_id, auth_id "
                "and auth_secret, and that this machine's address is on the allowlist in Eneba's dashboard"
            )
        return read(Grant, reply.json(), reply.where)


def error_of(field: str, errors: Sequence[GraphqlError]) -> ChannelRefused | TryLater:
    """GraphQL errors as one of ours: a failure inside Eneba may pass, all else is a no."""
    text = f"{field}: " + "; ".join(error.message for error in errors)
    if all(error.kind in _TRANSIENT for error in errors):
        return TryLater(text, 5.0)
    return ChannelRefused(text)


def money_input(money: Money) -> dict[str, Json]:
    """Money as Eneba's inputs want it."""
    return {"amount": money.amount_minor, "currency": money.currency}


def _literal(text: str) -> str:
    """A GraphQL string: JSON's escapes are GraphQL's."""
    return json.dumps(text)
