"""Decides what an order is held to beside its worth: a group to be full, and what may still be taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.db.pool import Connection
from core.flash.limits import TooMuch, claim_pieces
from core.group_buying.offers import GroupOffer
from core.group_buying.seats import note_seat
from core.offers.catalogue import Listing
from core.offers.terms import ChannelTerms
from core.orders.refunds import RefundDue, decide_refund
from core.types import ChannelOrder, ListingRef, OrderLine, Payment


async def note_conditions(
    conn: Connection,
    terms: ChannelTerms,
    told: ChannelOrder,
    ours: Sequence[OrderLine],
    listings: Mapping[ListingRef, Listing],
    now: datetime,
) -> str | None:
    """Write down, before an order is taken in, what it waits for; why it is not to be sold at all.

    In a transaction of its own: what stands there must survive a crash between it and the order. Where a paid
    order is not to be sold, its refund is decided with it.
    """
    async with conn.transaction():
        too_much = await claim_pieces(conn, terms, told, ours, listings, now)
        offers = _group_offers(terms, ours)
        if len(offers) > 1:
            names = ", ".join(sorted(each.name for each in offers))
            too_much = too_much or TooMuch(
                "this is more than one buyer may take", f"one order for several group offers: {names}"
            )
        why = None if too_much is None else too_much.why
        if told.payment is not Payment.PAID:
            return why
        if too_much is not None:
            due = RefundDue("limits", too_much.told, too_much.why)
            await decide_refund(conn, terms.channel_id, told.order_ref, due, now)
        elif offers:
            [(offer, pieces)] = offers.items()
            ref = told.group_ref
            await note_seat(conn, terms.channel_id, told.order_ref, offer.name, pieces, ref, now)
    return why


def _group_offers(terms: ChannelTerms, ours: Sequence[OrderLine]) -> dict[GroupOffer, int]:
    """The group offers that lines are of, with how many pieces."""
    found: dict[GroupOffer, int] = {}
    for line in ours:
        offer = terms.group_offers.get(line.listing_ref)
        if offer is not None:
            found[offer] = found.get(offer, 0) + line.quantity
    return found
