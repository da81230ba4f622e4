"""Decides what an order takes of a flash sale's quota, and whether it comes when nothing of it is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.db.pool import Connection
from core.db.queries import load_queries
from core.offers.price.rule import Window
from core.types import ChannelId, ListingId, OrderRef

_SQL = load_queries("core.flash", "claims.sql")
_FIND_TAKE = _SQL["find_take"]
_MOST_TAKEN = _SQL["most_taken"]
_SOLD_SO_FAR = _SQL["sold_so_far"]
_TOLD_ANEW = _SQL["told_anew"]
_WRITE_TAKE = _SQL["write_take"]


class Verdict(StrEnum):
    """What an order's pieces are to a sale's quota."""

    SOLD = "sold"
    OVER = "over"
    # The listing was back at its usual price.
    BESIDE = "beside"


@dataclass(frozen=True, slots=True)
class Taking:
    """An order's pieces of a listing that is in a sale. `dearer`: they cost more than the sale's price."""

    channel_id: ChannelId
    order_ref: OrderRef
    placed_at: datetime
    listing_id: ListingId
    window: Window
    pieces: int
    dearer: bool


def verdict_of(quota: int, sold: int, pieces: int, *, dearer: bool, shown_anew: bool) -> Verdict:
    """Whether pieces are within a quota. Pure.

    While something is left the listing shows the sale's price, or what the floor made of it, so whatever is
    bought then is bought in the sale. Once all is sold a buyer who paid more, or who ordered when the channel
    had been told anew, has not; only who still bought at the sale's price came too late.
    """
    if sold + pieces <= quota:
        return Verdict.SOLD
    if dearer or (sold >= quota and shown_anew):
        return Verdict.BESIDE
    return Verdict.OVER


async def take(conn: Connection, taking: Taking, now: datetime) -> str | None:
    """Take pieces of the quota, if it has them; why the order is not to be sold.

    In the caller's transaction, which holds the sale's lock. What was answered once is answered again, unless
    the order was let go meanwhile, or never written: then others may have what it had.
    """
    quota = taking.window.quota
    assert quota is not None, "only sales with a quota are counted"
    key = (taking.listing_id, taking.window.name, taking.window.from_at)
    known = await conn.fetchrow(_FIND_TAKE, *key, taking.order_ref, now)
    if known is not None and not known["let_go"]:
        verdict = Verdict(known["verdict"])
    else:
        verdict = await _judge(conn, taking, quota, now)
        order = (taking.order_ref, taking.channel_id)
        await conn.execute(_WRITE_TAKE, *key, *order, taking.pieces, verdict.value, now)
    if verdict is not Verdict.OVER:
        return None
    return f"flash sale {taking.window.name}: its quota of {quota} does not have {taking.pieces} left"


async def _judge(conn: Connection, taking: Taking, quota: int, now: datetime) -> Verdict:
    key = (taking.listing_id, taking.window.name, taking.window.from_at)
    at_most: int = await conn.fetchval(_MOST_TAKEN, *key)
    if at_most + taking.pieces <= quota:
        return Verdict.SOLD
    found = await conn.fetchrow(_SOLD_SO_FAR, *key, now)
    assert found is not None, "a sum is always there"
    sold: int = found["pieces"]
    told_at: datetime | None = None
    if sold >= quota:
        told_at = await conn.fetchval(_TOLD_ANEW, taking.listing_id, found["last_at"])
    shown_anew = told_at is not None and told_at <= taking.placed_at
    return verdict_of(quota, sold, taking.pieces, dearer=taking.dearer, shown_anew=shown_anew)
