"""Moves Kinguin's calls: token, offers, reservations, uploads, webhook subscription."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from enum import Enum, auto
from urllib.parse import quote

import structlog

from connectors.kinguin.models import (
    Calculation,
    Offer,
    OfferList,
    Refusal,
    Reservation,
    ReservationList,
    Subscription,
    Token,
    read,
)
from connectors.kinguin.options import KinguinOptions
from connectors.kit.errors import AuthenticationFailed, ChannelRefused, ProtocolBroken
from connectors.kit.http import ChannelHttp, HttpReply
from connectors.kit.json import Json

PAGE_SIZE = 100
WEBHOOK_HEADER = "x-auth-token"

_MOST_MARGIN_SECONDS = 60.0

_log = structlog.get_logger()


class Uploaded(Enum):
    """Kinguin's answer to an uploaded key."""

    TAKEN = auto()
    TAKEN_BEFORE = auto()
    BUSY = auto()  # somebody works on the reservation: nothing was done
    NOT_TAKEN = auto()  # the reservation is unknown or was processed already
    TEXT_ONLY = auto()
    UNCLEAR = auto()


class KinguinClient:
    """The calls of one seller account."""

    def __init__(self, channel: str, http: ChannelHttp, options: KinguinOptions) -> None:
        self._channel = channel
        self._http = http
        self._options = options
        self._api = f"{options.base_url.rstrip('/')}/api/v1"
        self._subscription = f"{options.webhooks_url.rstrip('/')}/subscription"
        self._token = ""
        self._token_until = 0.0
        self._renewing = asyncio.Lock()

    async def offers(self, number: int, size: int = PAGE_SIZE) -> OfferList:
        """A page of the account's offers, counted from 0."""
        params = {"page": str(number), "size": str(size)}
        return read(await self._call("GET", f"{self._api}/offers", safe=True, params=params), OfferList)

    async def offer(self, offer_ref: str) -> Offer:
        """One offer."""
        return read(await self._call("GET", self._offer_url(offer_ref), safe=True), Offer)

    async def change_offer(self, offer_ref: str, change: dict[str, Json]) -> None:
        """Write parts of an offer; ChannelRefused carries Kinguin's reason. Absolute, so safe to repeat."""
        url = self._offer_url(offer_ref)
        reply = await self._call("PATCH", url, safe=True, json=change, accept=(400,))
        if reply.status == 400:
            raise ChannelRefused(_reason(reply), 400)

    async def calculate(self, product_ref: str, **price: int) -> Calculation:
        """Both sides of `price` or `priceIWTR`."""
        params = {"kpcProductId": product_ref, **{name: str(cents) for name, cents in price.items()}}
        url = f"{self._api}/offers/calculations/priceAndCommission"
        return read(await self._call("GET", url, safe=True, params=params), Calculation)

    async def reservations(self, filters: Mapping[str, str]) -> AsyncIterator[Reservation]:
        """Every reservation that passes the filters, page by page."""
        number, more = 0, True
        # Ends with the page that the list itself calls its last, or with an empty one.
        while more:
            params = {**filters, "page": str(number), "size": str(PAGE_SIZE)}
            reply = await self._call("GET", f"{self._api}/reservations", safe=True, params=params)
            page = read(reply, ReservationList)
            for reservation in page.content:
                yield reservation
            more = page.has_next(number)
            number += 1

    async def reservation(self, reservation_ref: str) -> Reservation | None:
        """One reservation; None when the list does not have it (any more)."""
        params = {"reservationId": reservation_ref, "page": "0", "size": str(PAGE_SIZE)}
        reply = await self._call("GET", f"{self._api}/reservations", safe=True, params=params)
        found = read(reply, ReservationList).content
        return next((each for each in found if each.id == reservation_ref), None)

    async def upload(self, offer_ref: str, reservation_ref: str, body: str, mime_type: str) -> Uploaded:
        """Hand a key over for a reservation. Not repeatable blindly."""
        stock: Json = {"body": body, "mimeType": mime_type, "reservationId": reservation_ref}
        url = f"{self._offer_url(offer_ref)}/stock"
        return read_upload(await self._call("POST", url, safe=False, json=stock, accept=(400, 409)))

    async def subscribe(self, endpoints: dict[str, str]) -> None:
        """Have webhooks sent: a subscription is created once, and changed ever after."""
        token = self._options.webhook_token.get_secret_value()
        known = await self._call("GET", self._subscription, safe=True, accept=(404,))
        if known.status == 200 and read(known, Subscription).sends(endpoints, WEBHOOK_HEADER, token):
            return
        wanted: Json = {
            "endpoints": dict(endpoints),
            "headers": [{"name": "X-Auth-Token", "value": token}],
        }
        if known.status == 404:
            made = await self._call("POST", self._subscription, safe=True, json=wanted, accept=(409,))
            if made.status != 409:
                return
        await self._call("PUT", self._subscription, safe=True, json=wanted)

    def _offer_url(self, offer_ref: str) -> str:
        return f"{self._api}/offers/{quote(offer_ref, safe='')}"

    async def _call(
        self,
        method: str,
        url: str,
        *,
        safe: bool,
        params: Mapping[str, str] | None = None,
        json: Json = None,
        accept: Collection[int] = (),
    ) -> HttpReply:
        """Send with a token; a 401 is answered once with a new one, for nothing was done."""
        stale = None
        for _ in range(2):
            token = await self._bearer(stale)
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
            reply = await self._http.request(
                method, url, safe=safe, headers=headers, params=params, json=json, accept=(*accept, 401)
            )
            if reply.status != 401:
                return reply
            stale = token
        raise AuthenticationFailed(f"{reply.where}: 401 with a token that was just made")

    async def _bearer(self, stale: str | None) -> str:
        """The access token; made anew when it is about to expire or was found `stale`, one at a time."""
        async with self._renewing:
            if self._token == (stale or "") or time.monotonic() >= self._token_until:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._options.client_id,
            "client_secret": self._options.client_secret.get_secret_value(),
        }
        reply = await self._http.request("POST", self._options.auth_url, safe=True, form=form, accept=(400,))
        if reply.status == 400:
            raise AuthenticationFailed(f"{reply.where}: 400, check client_id and client_secret")
        token = read(reply, Token)
        margin_seconds = min(_MOST_MARGIN_SECONDS, token.expires_in / 10)
        self._token = token.access_token
        self._token_until = time.monotonic() + token.expires_in - margin_seconds
        _log.info("kinguin.token_renewed", channel=self._channel, expires_in_seconds=token.expires_in)


def read_upload(reply: HttpReply) -> Uploaded:
    """Tell the answers to an upload apart; the two meanings of 409 differ by their words alone."""
    text = reply.body.decode(errors="replace").casefold()
    if reply.status == 409:
        if "already uploaded" in text:
            return Uploaded.TAKEN_BEFORE
        busy = ("another action", "try again", "being proce")
        return Uploaded.BUSY if any(words in text for words in busy) else Uploaded.UNCLEAR
    if reply.status == 400:
        return Uploaded.TEXT_ONLY if "only text" in text else Uploaded.NOT_TAKEN
    return Uploaded.TAKEN


def _reason(reply: HttpReply) -> str:
    """What Kinguin says about a refusal, cut short."""
    try:
        message = read(reply, Refusal).message
    except ProtocolBroken:
        message = ""
    return (message or f"{reply.where}: {reply.status}")[:300]
