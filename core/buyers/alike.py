"""Tells who counts as one buyer where something is limited per buyer."""

from __future__ import annotations

from core.buyers.buyers import Buyer
from core.db.pool import Connection
from core.db.queries import load_queries
from core.types import BuyerId

_ALIKE = load_queries("core.buyers", "alike.sql")["alike"]


async def alike(conn: Connection, buyer: Buyer) -> frozenset[BuyerId]:
    """All names of a person, and of whoever left the same account or device."""
    return frozenset(BuyerId(row["buyer_id"]) for row in await conn.fetch(_ALIKE, buyer.buyer_id))
