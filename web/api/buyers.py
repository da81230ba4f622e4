"""Lets shops tell who brought a buyer and what tells him from others, and lets people look at buyers.

A reference that holds a stroke is written with %2F.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.buyers.buyers import Buyer, find_buyer, known_buyers
from core.buyers.fact_terms import FactTerms
from core.buyers.marks import note_marks
from core.buyers.people import join
from core.buyers.referrals import Telling, attribute, note_refusal
from core.errors import InvalidInput, ReferralRefused, UnknownChannel
from core.types import MarkKind, ToldMark
from core.views.buyers import BuyerShown, show_buyer
from core.views.buyers_found import BuyerFound, Suspicions, find_buyers, suspicions
from web.access import Right
from web.api.route import Call, Route, Shape
from web.api.shapes import Done, Limit, Ref, Words


class ReferrerBody(Shape):
    """Who brought the buyer: a name, or CHANNEL/REFERENCE of another buyer; and where that was seen."""

    referrer: Ref
    source: Annotated[str, Field(min_length=1, max_length=200)] = "shop"


class MarkBody(Shape):
    """An account, an address or a device; kept as a keyed hash and nothing else."""

    kind: MarkKind
    value: Annotated[str, Field(min_length=1, max_length=1000, repr=False)]


class MarksBody(Shape):
    """What the buyer left."""

    marks: Annotated[tuple[MarkBody, ...], Field(min_length=1, max_length=20)]


class JoinBody(Shape):
    """Whom he is one person with: the other's name, CHANNEL/REFERENCE."""

    other: Ref
    reason: Words


class BuyerQuery(Shape):
    """Which buyers to list: those whose names hold a text, or the newest."""

    text: str | None = None
    limit: Limit = 50


class SuspicionQuery(Shape):
    """How many of each."""

    limit: Limit = 20


@dataclass(frozen=True, slots=True)
class BuyerList:
    """Names of buyers, the newest first."""

    buyers: tuple[BuyerFound, ...]


@dataclass(frozen=True, slots=True)
class ReferralAnswer:
    """Who holds as having brought the buyer, and until when; no moment: for ever."""

    buyer: str
    referrer: str
    since: datetime
    holds_until: datetime | None


async def show(call: Call) -> BuyerShown:
    """What is known of a buyer."""
    name = f"{call.path('channel')}/{call.path('ref')}"
    async with call.services.pool.acquire() as conn:
        return await show_buyer(conn, await find_buyer(conn, name), call.services.now())


async def list_buyers(call: Call) -> BuyerList:
    """Who is called so."""
    query = call.query(BuyerQuery)
    async with call.services.pool.acquire() as conn:
        return BuyerList(await find_buyers(conn, call.services.now(), query.text, query.limit))


async def list_suspicions(call: Call) -> Suspicions:
    """Rings and refused referrals of all buyers."""
    async with call.services.pool.acquire() as conn:
        return await suspicions(conn, call.query(SuspicionQuery).limit)


async def put_referrer(call: Call) -> ReferralAnswer:
    """The first who is told holds; another is refused with the reason, which is kept."""
    body, now = call.body(ReferrerBody), call.services.now()
    buyer, terms = await _met(call)
    telling = Telling(body.source, f"api:{call.token.name}", now)
    async with call.services.pool.acquire() as conn:
        try:
            async with conn.transaction():
                held = await attribute(conn, buyer, body.referrer, telling, terms.referrals, now)
        except ReferralRefused as refused:
            await note_refusal(conn, buyer, body.referrer, telling, str(refused), now)
            raise
    return ReferralAnswer(buyer.name, held.referrer, held.since, held.holds_until)


async def add_marks(call: Call) -> Done:
    """Remember what tells a buyer from others."""
    body, now, key = call.body(MarksBody), call.services.now(), call.services.mark_key
    buyer, terms = await _met(call)
    if key is None or not terms.keeps_marks:
        raise InvalidInput("marks are not kept here: the settings say so with marks_days under [buyers]")
    told = [ToldMark(mark.kind, mark.value) for mark in body.marks]
    async with call.services.pool.acquire() as conn, conn.transaction():
        kept = await note_marks(conn, key, buyer, told, now)
    return Done(f"{buyer.name}: {kept} marks")


async def join_buyers(call: Call) -> Done:
    """From now on the other is known as this buyer."""
    body, services = call.body(JoinBody), call.services
    name = f"{call.path('channel')}/{call.path('ref')}"
    async with services.pool.acquire() as conn, conn.transaction():
        one, other = await find_buyer(conn, name), await find_buyer(conn, body.other)
        actor = f"api:{call.token.name}"
        person = await join(conn, one, other, actor=actor, reason=body.reason, now=services.now())
    return Done(f"{name} and {body.other} are one person, known as {person.name}")


async def _met(call: Call) -> tuple[Buyer, FactTerms]:
    """The buyer of the path, who need not have bought yet, and his channel's terms."""
    channel, ref = call.path("channel"), call.path("ref")
    served = call.services.channels.get(channel)
    if served is None:
        raise UnknownChannel(f"no channel is named {channel}: GET /api/v1/channels lists them")
    if not ref.strip() or not ref.isprintable() or len(ref) > 200:
        raise InvalidInput(f"{channel}: write the buyer's reference in 1 to 200 printed characters")
    handle = (served.terms.channel_id, ref)
    async with call.services.pool.acquire() as conn:
        known = await known_buyers(conn, [handle], call.services.now())
    return known[handle], served.terms.facts


_BUYER = "/buyers/{channel}/{ref}"
ROUTES = (
    Route(
        "GET",
        "/buyers",
        Right.SPEND,
        "List buyers whose names hold a text, or the newest",
        BuyerList,
        list_buyers,
        query=BuyerQuery,
    ),
    Route(
        "GET",
        "/buyers/suspicions",
        Right.SPEND,
        "List rings that rewards ran into, and referrals that were refused",
        Suspicions,
        list_suspicions,
        query=SuspicionQuery,
    ),
    Route("GET", f"{_BUYER}/profile", Right.SPEND, "Show a buyer and who brought him", BuyerShown, show),
    Route(
        "PUT",
        f"{_BUYER}/referrer",
        Right.OPERATE,
        "Tell who brought a buyer",
        ReferralAnswer,
        put_referrer,
        body=ReferrerBody,
    ),
    Route(
        "POST",
        f"{_BUYER}/marks",
        Right.OPERATE,
        "Tell what tells a buyer from others",
        Done,
        add_marks,
        body=MarksBody,
    ),
    Route(
        "POST", f"{_BUYER}/join", Right.OPERATE, "Make two names one person", Done, join_buyers, body=JoinBody
    ),
)
