"""Moves groups: seats buyers, frees the seats of those who left, completes groups or gives their money back.

All that is to be done stands in rows, and one transaction decides over an offer while it holds the offer's
row: a crash loses nothing, and daemons take turns.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from core.buyers.alike import alike
from core.buyers.buyers import known_buyers
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import StaleVersion
from core.group_buying.ending import end_group, refuse_seat
from core.group_buying.offers import GroupOffer
from core.group_buying.rules import (
    GONE,
    Candidate,
    Group,
    Join,
    Open,
    Outcome,
    Refuse,
    SeatState,
    Sitting,
    outcome,
    place,
)
from core.group_buying.seats import Seat, move_seats, read_group, seats_of, take_seat
from core.offers.terms import ChannelTerms
from core.types import BuyerId, ChannelId, OrderRef, OrderState

_SQL = load_queries("core.group_buying", "groups.sql")
_OFFERS_AT_WORK = _SQL["offers_at_work"]
_ADD_OFFER = _SQL["add_offer"]
_TAKE_OFFER = _SQL["take_offer"]
_OPEN_GROUPS = _SQL["open_groups"]
_WAITING_SEATS = _SQL["waiting_seats"]
_PIECES_OF_PERSONS = _SQL["pieces_of_persons"]
_IS_KNOWN_REF = _SQL["is_known_ref"]
_OPEN_GROUP = _SQL["open_group"]
_SEATED_AT_ONCE = 100

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Turned:
    """What one round did, by offer and seat; channels of `woken` have orders to deliver or to give back."""

    seated: int = 0
    ended: int = 0
    woken: frozenset[ChannelId] = frozenset()

    def __add__(self, other: Turned) -> Turned:
        return Turned(self.seated + other.seated, self.ended + other.ended, self.woken | other.woken)


@dataclass(slots=True)
class _Table:
    """An open group with those who sit in it now; seats are added as buyers are seated."""

    group: Group
    seats: list[Seat]

    def sitting(self) -> list[Sitting]:
        return [Sitting(seat.seat_no, seat.buyer_id) for seat in self.seats]


class GroupBuying:
    """The groups of all offers. `terms` tells of every configured channel."""

    def __init__(
        self, pool: Pool, terms: Mapping[ChannelId, ChannelTerms], now: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._terms = terms
        self._now = now

    async def turn(self) -> Turned:
        """Do what is to be done now, offer by offer; what another daemon is at is left to it."""
        done = Turned()
        for row in await self._pool.fetch(_OFFERS_AT_WORK):
            try:
                async with self._pool.acquire() as conn, conn.transaction():
                    done += await self._turn(conn, row["offer"], self._now())
            except StaleVersion:
                # A buyer was faster: the next round sees the order as it is then.
                _log.info("group.moved_meanwhile", offer=row["offer"])
        return done

    async def _turn(self, conn: Connection, name: str, now: datetime) -> Turned:
        await conn.execute(_ADD_OFFER, name)
        if await conn.fetchval(_TAKE_OFFER, name) is None:
            return Turned()
        groups = [read_group(row) for row in await conn.fetch(_OPEN_GROUPS, name)]
        seats = await seats_of(conn, groups)
        tables = [_Table(group, seats[group.group_id]) for group in groups]
        # Terms may change while we run.
        offers = [offer for each in self._terms.values() for offer in each.group_offers.values()]
        offer = next((each for each in offers if each.name == name), None)
        done = Turned()
        for table in tables:
            await self._free_left(conn, table, now)
        for table in list(tables):
            done += await self._end(conn, tables, table, now)
        for row in await conn.fetch(_WAITING_SEATS, name, _SEATED_AT_ONCE):
            done += await self._seat(conn, offer, tables, row, now)
        return done

    async def _free_left(self, conn: Connection, table: _Table, now: datetime) -> None:
        left = [seat for seat in table.seats if seat.order_state in GONE]
        if left:
            await move_seats(conn, left, SeatState.LEFT, now, "the order was taken back")
            table.seats = [seat for seat in table.seats if seat.order_state not in GONE]
            _log.info("group.left", group=table.group.ref, seats=len(left))

    async def _end(self, conn: Connection, tables: list[_Table], table: _Table, now: datetime) -> Turned:
        ended = outcome(table.group, len(table.seats), now)
        if ended is None:
            return Turned()
        why = _why(ended, table.group, len(table.seats))
        woken = await end_group(conn, self._terms, table.group, table.seats, ended, why, now, actor="groups")
        tables.remove(table)
        return Turned(ended=1, woken=woken)

    async def _seat(
        self, conn: Connection, offer: GroupOffer | None, tables: list[_Table], row: Record, now: datetime
    ) -> Turned:
        """Find a place for one order, and end its group if that was the last seat."""
        channel_id, order_ref = ChannelId(row["channel_id"]), OrderRef(row["order_ref"])
        if OrderState(row["order_state"]) is not OrderState.HELD:
            # It went to its end, or a person let it through: no group decides over it any more.
            await move_seats(
                conn, [(channel_id, order_ref)], SeatState.OVER, now, f"it is {row['order_state']}"
            )
            return Turned()
        if offer is None:
            return await self._refuse(conn, row, "the group offer is not in the settings any more", now)
        if row["buyer_ref"] is None:
            return await self._refuse(conn, row, "the channel does not say who buys", now)
        handle = (channel_id, str(row["buyer_ref"]))
        buyer = (await known_buyers(conn, [handle], now))[handle]
        candidate = await self._candidate(conn, offer, await alike(conn, buyer), row)
        choice = await self._place(conn, offer, candidate, tables, now)
        if isinstance(choice, Refuse):
            return await self._refuse(conn, row, choice.why, now)
        if isinstance(choice, Open):
            tables.append(_Table(await _open_group(conn, offer, choice.ref, now), []))
            choice = Join(tables[-1].group.group_id, 1)
        table = next(each for each in tables if each.group.group_id == choice.group_id)
        seat = Seat(channel_id, order_ref, row["order_id"], OrderState.HELD, choice.seat_no, buyer.buyer_id)
        await take_seat(conn, choice.group_id, seat, now)
        table.seats.append(seat)
        _log.info("group.joined", group=table.group.ref, order_id=seat.order_id, taken=len(table.seats))
        return Turned(seated=1) + await self._end(conn, tables, table, now)

    async def _candidate(
        self, conn: Connection, offer: GroupOffer, persons: frozenset[BuyerId], row: Record
    ) -> Candidate:
        had: int = await conn.fetchval(_PIECES_OF_PERSONS, offer.name, sorted(persons))
        return Candidate(persons, row["pieces"], row["wanted_ref"], had)

    async def _place(
        self,
        conn: Connection,
        offer: GroupOffer,
        candidate: Candidate,
        tables: Sequence[_Table],
        now: datetime,
    ) -> Join | Open | Refuse:
        wanted = candidate.wanted_ref
        known = wanted is not None and await conn.fetchval(_IS_KNOWN_REF, wanted)
        groups = [(table.group, table.sitting()) for table in tables]
        return place(offer, candidate, groups, {wanted} if wanted is not None and known else (), now)

    async def _refuse(self, conn: Connection, row: Record, why: str, now: datetime) -> Turned:
        channel_id = ChannelId(row["channel_id"])
        await refuse_seat(conn, channel_id, OrderRef(row["order_ref"]), row["order_id"], why, now)
        _log.info("group.refused", order_id=row["order_id"], why=why)
        return Turned(woken=frozenset({channel_id}))


async def _open_group(conn: Connection, offer: GroupOffer, ref: str | None, now: datetime) -> Group:
    ref = ref or secrets.token_hex(5)
    ends_at = now + offer.lasts
    group_id: int = await conn.fetchval(
        _OPEN_GROUP, ref, offer.name, offer.size, offer.at_least, now, ends_at
    )
    _log.info("group.opened", group=ref, offer=offer.name)
    return Group(group_id, ref, offer.name, offer.size, offer.at_least, now, ends_at)


def _why(ended: Outcome, group: Group, taken: int) -> str:
    match ended:
        case Outcome.FULL:
            return f"all {group.size} seats are taken"
        case Outcome.BY_RULE:
            return f"{taken} of {group.size} joined in time, and {group.at_least} are enough"
        case _:
            return f"{taken} of {group.size} joined in time"
