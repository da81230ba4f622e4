"""Lets callers see how prices come about, decide those that are held, and sign for ones below the floor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from core.errors import InvalidInput, UnknownChannel
from core.money.money import Money
from core.offers.pricing.holds import NewException, decide_hold, revoke_exception, sign_exception
from core.types import ListingId
from core.views.price_ladder import PriceLadder, price_ladder
from core.views.price_policy import Asked, ExplainedPrice, explain_prices
from core.views.prices import ExceptionView, HoldView, exceptions, holds
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route, Shape
from web.api.shapes import Amount, Done, Limit, ReasonBody, Ref, Words
from web.services import Services

LONGEST_EXCEPTION = timedelta(days=366)
_LARGEST_ID = 2**63 - 1
_LARGEST_LISTING_ID = 2**31 - 1


class PriceQuery(Shape):
    """Whose prices to work out, and when."""

    channel: str | None = None
    listing_ref: str | None = None
    sku_ref: str | None = None
    at: Annotated[AwareDatetime | None, Field(description="as of then, with the facts of today")] = None
    after: Annotated[
        int, Field(ge=0, le=_LARGEST_LISTING_ID, description="`next_after` of the page before")
    ] = 0
    limit: Limit = 50


class HoldQuery(Shape):
    """Which held prices to list."""

    channel: str | None = None
    everything: Annotated[bool, Field(description="also those that were decided")] = False
    limit: Limit = 200


class HoldBody(Shape):
    """A person's word on a held price."""

    decision: Literal["approve", "refuse"]
    reason: Words


class ExceptionQuery(Shape):
    """Which signatures to list."""

    everything: Annotated[bool, Field(description="also those that are over")] = False
    limit: Limit = 200


class SignBody(Shape):
    """How little buyers may pay on a listing for some time, below the floor if need be."""

    channel: Ref
    listing_ref: Ref
    least: Amount
    from_at: Annotated[AwareDatetime | None, Field(description="left out: from now")] = None
    until: AwareDatetime
    reason: Words


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices with their steps, and the listing id to go on after; None: these were the last."""

    prices: tuple[ExplainedPrice, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class HoldList:
    """Held prices."""

    holds: tuple[HoldView, ...]


@dataclass(frozen=True, slots=True)
class ExceptionList:
    """Signatures below the floor."""

    exceptions: tuple[ExceptionView, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """The number to revoke a signature by."""

    exception_id: int


async def list_prices(call: Call) -> PriceList:
    """Prices, worked out now."""
    query, services = call.query(PriceQuery), call.services
    asked = Asked(query.channel, query.listing_ref, query.sku_ref, query.after, query.limit)
    async with services.pool.acquire() as conn:
        found = await explain_prices(conn, services.terms(), asked, services.now(), query.at)
    more = len(found) >= query.limit
    return PriceList(tuple(found), max(each.listing_id for each in found) if more else None)


async def show_ladder(call: Call) -> PriceLadder:
    """One listing's price from all sides."""
    services, listing_id = call.services, listing_id_of(call.path("listing_id"))
    async with services.pool.acquire() as conn:
        return await price_ladder(conn, services.terms(), listing_id, services.now())


async def list_holds(call: Call) -> HoldList:
    """Held prices."""
    query = call.query(HoldQuery)
    async with call.services.pool.acquire() as conn:
        found = await holds(conn, everything=query.everything, channel=query.channel, limit=query.limit)
    return HoldList(tuple(found))


async def decide(call: Call) -> Done:
    """A held price let out or not."""
    hold_id, body = number_of(call.path("hold_id"), "hold"), call.body(HoldBody)
    await decide_held(call.services, hold_id, body.decision == "approve", call.token.name, body.reason)
    return Done(f"hold {hold_id}: {body.decision}")


async def list_exceptions(call: Call) -> ExceptionList:
    """Signatures."""
    query, services = call.query(ExceptionQuery), call.services
    async with services.pool.acquire() as conn:
        found = await exceptions(conn, services.now(), everything=query.everything, limit=query.limit)
    return ExceptionList(tuple(found))


async def sign(call: Call) -> Signed:
    """A signature below the floor."""
    body = call.body(SignBody)
    signed = (body.channel, body.listing_ref, body.least, body.from_at, body.until)
    return Signed(await sign_below(call.services, *signed, actor=call.token.name, reason=body.reason))


async def revoke(call: Call) -> Done:
    """A signature taken back."""
    exception_id, reason = number_of(call.path("exception_id"), "exception"), call.body(ReasonBody).reason
    await revoke_signed(call.services, exception_id, call.token.name, reason)
    return Done(f"exception {exception_id} is revoked: the floor holds again")


async def decide_held(services: Services, hold_id: int, approve: bool, actor: str, reason: str) -> None:
    """Say yes or no to a held price; its offer is told at once."""
    async with services.pool.acquire() as conn, conn.transaction():
        await decide_hold(conn, hold_id, approve=approve, actor=actor, reason=reason, now=services.now())
    services.wake_all()


async def sign_below(
    services: Services,
    channel: str,
    listing_ref: str,
    least: str,
    from_at: datetime | None,
    until: datetime,
    *,
    actor: str,
    reason: str,
) -> int:
    """Sign that a listing may be sold as low as `least` until a moment; the number to revoke it by."""
    served, now = services.channels.get(channel), services.now()
    if served is None:
        raise UnknownChannel(f"channel {channel!r} is not configured; `GET /api/v1/channels` lists them")
    if until - now > LONGEST_EXCEPTION:
        raise InvalidInput("a signature lasts a year at most: write an earlier end")
    signed = NewException(
        channel, listing_ref, Money.parse(least, served.terms.currency), from_at or now, until
    )
    async with services.pool.acquire() as conn, conn.transaction():
        exception_id = await sign_exception(conn, signed, actor=actor, reason=reason, now=now)
    services.wake(served.terms.channel_id)
    return exception_id


async def revoke_signed(services: Services, exception_id: int, actor: str, reason: str) -> None:
    """Take a signature back."""
    async with services.pool.acquire() as conn, conn.transaction():
        await revoke_exception(conn, exception_id, actor=actor, reason=reason, now=services.now())
    services.wake_all()


def number_of(text: str, what: str) -> int:
    """A number as it stands in an address."""
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID:
        raise Problem(404, "Not known", f"{what} ids are numbers")
    return int(text)


def listing_id_of(text: str) -> ListingId:
    """A listing's number as it stands in an address."""
    listing_id = number_of(text, "listing")
    if listing_id > _LARGEST_LISTING_ID:
        raise Problem(404, "Not known", "no listing has such a number")
    return ListingId(listing_id)


_OPERATE, _READ = Right.OPERATE, Right.READ
ROUTES = (
    Route("GET", "/prices", _READ, "Work prices out, step by step", PriceList, list_prices, query=PriceQuery),
    Route("GET", "/prices/holds", _READ, "List held prices", HoldList, list_holds, query=HoldQuery),
    Route("POST", "/prices/holds/{hold_id}/decide", _OPERATE, "Decide a price", Done, decide, body=HoldBody),
    Route(
        "GET",
        "/prices/exceptions",
        _READ,
        "List signatures below the floor",
        ExceptionList,
        list_exceptions,
        query=ExceptionQuery,
    ),
    Route("POST", "/prices/exceptions", _OPERATE, "Sign below the floor", Signed, sign, body=SignBody),
    Route(
        "POST",
        "/prices/exceptions/{exception_id}/revoke",
        _OPERATE,
        "Take a signature back",
        Done,
        revoke,
        body=ReasonBody,
    ),
    Route(
        "GET",
        "/prices/{listing_id}",
        _READ,
        "Show a listing's price from all sides",
        PriceLadder,
        show_ladder,
    ),
)
