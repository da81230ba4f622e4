"""Keeps who brought whom: the first who is told holds for a time, and nobody is paid for himself.

Two levels count: who brought a buyer, and who brought them. There is no third to ask for anywhere: pay over
three levels of referrals is what the law on pyramid selling forbids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.buyers.buyers import Buyer, find_buyer
from core.buyers.rings import Ties, ring_reason
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput, ReferralRefused
from core.types import BuyerId

_SQL = load_queries("core.buyers", "referrals.sql")
_REFERRERS = _SQL["referrers"]
_TIES = _SQL["ties"]
_LOCK = _SQL["lock_buyer_referral"]
_STANDING = _SQL["standing_referral"]
_LATER = _SQL["later_referral"]
_ADD_PARTY = _SQL["add_party"]
_ADD_REFERRAL = _SQL["add_referral"]
_END_REFERRALS = _SQL["end_referrals"]
_ADD_REFUSAL = _SQL["add_refusal"]

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class ReferralTerms:
    """For how long the first who is told to have brought a buyer holds; None: for ever."""

    holds: timedelta | None = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Referral:
    """Who brought a buyer, since when and until when, and where it was told."""

    referrer: str
    since: datetime
    holds_until: datetime | None
    source: str


@dataclass(frozen=True, slots=True)
class Telling:
    """Where it is told who brought somebody: the source (an order, a file, a shop), by whom, since when.

    `replaces` is for people who correct a mistake: what stood is ended then.
    """

    source: str
    actor: str
    since: datetime
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A buyer and a moment at which something is asked of him."""

    buyer_id: BuyerId
    at: datetime


async def referrers_of(
    conn: Connection, buyer_ids: Collection[BuyerId], at: datetime | None = None
) -> Mapping[BuyerId, tuple[str, ...]]:
    """Who brought each buyer, and who brought those; empty where nobody did, never more than two."""
    moment = at or datetime.now(UTC)
    found = await referrers_at(conn, [Asked(buyer_id, moment) for buyer_id in buyer_ids])
    return {asked.buyer_id: names for asked, names in found.items()}


async def referrers_at(conn: Connection, asked: Collection[Asked]) -> dict[Asked, tuple[str, ...]]:
    """The same, each buyer at a moment of his own."""
    found: dict[Asked, tuple[str, ...]] = dict.fromkeys(asked, ())
    if found:
        each = list(found)
        for row in await conn.fetch(_REFERRERS, [one.buyer_id for one in each], [one.at for one in each]):
            levels = (row["direct"], row["indirect"])
            key = Asked(BuyerId(row["buyer_id"]), row["at"])
            found[key] = tuple(name for name in levels if name is not None)
    return found


async def in_own_ring(
    conn: Connection, buyer: Buyer, referrer_name: str, at: datetime | None = None
) -> str | None:
    """Why a referrer may get nothing of what this buyer buys; None where nothing is wrong."""
    asked = (Asked(buyer.buyer_id, at or datetime.now(UTC)), referrer_name)
    return (await rings_at(conn, [asked], {buyer.buyer_id: buyer.name})).get(asked)


async def rings_at(
    conn: Connection, pairs: Sequence[tuple[Asked, str]], names: Mapping[BuyerId, str]
) -> dict[tuple[Asked, str], str]:
    """Of buyers and who would be paid for them: those in a ring of their own, and what shows it."""
    rows = await conn.fetch(
        _TIES,
        [asked.buyer_id for asked, _ in pairs],
        [referrer for _, referrer in pairs],
        [asked.at for asked, _ in pairs],
    )
    found = {}
    for row in rows:
        buyer_id = BuyerId(row["buyer_id"])
        ties = Ties(row["same"], row["steps"], tuple(row["shared"]))
        why = ring_reason(names[buyer_id], row["referrer"], ties)
        if why is not None:
            found[Asked(buyer_id, row["at"]), str(row["referrer"])] = why
    return found


async def standing_referral(conn: Connection, buyer: Buyer, at: datetime) -> Referral | None:
    """Who holds as having brought a buyer, at a moment."""
    row = await conn.fetchrow(_STANDING, buyer.buyer_id, at)
    return None if row is None else Referral(**dict(row))


async def known_party(conn: Connection, name: str, now: datetime) -> Buyer:
    """A referrer by name; whoever never bought is made known under it."""
    if not name.strip() or name != name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            f"referrer {name!r}: write a name of 1 to {_LONGEST_NAME} printed characters, no space around;"
            " a buyer is written CHANNEL/REFERENCE"
        )
    await conn.execute(_ADD_PARTY, name, now)
    return await find_buyer(conn, name)


async def attribute(
    conn: Connection, buyer: Buyer, referrer: str, told: Telling, terms: ReferralTerms, now: datetime
) -> Referral:
    """Write down who brought a buyer, in the caller's transaction.

    Told again it is no news. ReferralRefused: somebody else holds, or did on the day it is told of, or has
    been written of a later one; or they would be paid for themselves.
    """
    assert conn.is_in_transaction(), "nobody else may tell another meanwhile"
    await conn.execute(_LOCK)
    since = min(told.since, now)
    standing = await standing_referral(conn, buyer, now)
    if standing is not None and not told.replaces:
        if standing.referrer == referrer:
            return standing
        raise ReferralRefused(holds_already(buyer.name, standing))
    if standing is None:
        await _refuse_in_between(conn, buyer, since)
    party = await known_party(conn, referrer, now)
    ring = await in_own_ring(conn, buyer, referrer, now)
    if ring is not None:
        raise ReferralRefused(f"{buyer.name}: {ring}")
    if standing is not None:
        await end_referral(conn, buyer, told, now)
        since = now
    until = None if terms.holds is None else since + terms.holds
    await conn.execute(
        _ADD_REFERRAL, buyer.buyer_id, party.buyer_id, since, until, told.source, told.actor, now
    )
    return Referral(referrer, since, until, told.source)


async def _refuse_in_between(conn: Connection, buyer: Buyer, since: datetime) -> None:
    """What begins before something that is written already would never hold, though it were said to."""
    then = await standing_referral(conn, buyer, since)
    if then is not None:
        raise ReferralRefused(holds_already(buyer.name, then))
    later: datetime | None = await conn.fetchval(_LATER, buyer.buyer_id, since)
    if later is not None:
        raise ReferralRefused(
            f"{buyer.name}: who brought him is written from {later:%Y-%m-%d %H:%M} UTC on, so what begins"
            f" before that, on {since:%Y-%m-%d}, would never hold: told without a day, it holds from now on"
        )


async def end_referral(conn: Connection, buyer: Buyer, told: Telling, now: datetime) -> bool:
    """Nobody holds any more as having brought a buyer; whether anybody did. What was sold stays as it is."""
    return bool(await conn.fetch(_END_REFERRALS, buyer.buyer_id, now, told.source, told.actor))


async def note_refusal(
    conn: Connection, buyer: Buyer, referrer: str, told: Telling, reason: str, now: datetime
) -> None:
    """Keep why it was not taken who brought a buyer."""
    await conn.execute(_ADD_REFUSAL, buyer.buyer_id, referrer, reason, told.source, told.actor, now)


def holds_already(buyer: str, standing: Referral) -> str:
    """Why nobody else can have brought a buyer now, and until when. Pure."""
    until = "for ever" if standing.holds_until is None else f"until {standing.holds_until:%Y-%m-%d %H:%M} UTC"
    return (
        f"{buyer} was brought by {standing.referrer} on {standing.since:%Y-%m-%d} ({standing.source}), which"
        f" holds {until}: the first who is told holds; a mistake is mended with `consignd buyers refer"
        " --replace`"
    )
