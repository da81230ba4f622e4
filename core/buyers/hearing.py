"""Writes down what a paid order tells of its buyer and its tax, before the order itself is taken in.

Before, because a channel may never tell again: what is known of a sale must not hang on a crash in between.
Whatever is told twice is written once, and nothing that is wrong with it keeps an order from its codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from core.buyers.buyers import Buyer, known_buyers
from core.buyers.fact_terms import FactTerms
from core.buyers.marks import MarkKey, note_marks
from core.buyers.referrals import Telling, attribute, note_refusal
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import InvalidInput, ReferralRefused
from core.types import ChannelId, ChannelOrder, OrderLine, ToldMark

_ADD_TOLD_TAX = load_queries("core.buyers", "hearing.sql")["add_told_tax"]

_SHOWN = 200

_log = structlog.get_logger()


class OrderHearing:
    """Hears what orders tell beside what was bought. Orders that tell nothing cost nothing."""

    def __init__(self, pool: Pool, key: MarkKey) -> None:
        self._pool = pool
        self._key = key

    async def hear(
        self,
        channel_id: ChannelId,
        channel: str,
        terms: FactTerms,
        told: ChannelOrder,
        ours: Sequence[OrderLine],
        now: datetime,
    ) -> None:
        """Keep what this channel's terms ask for; durable when it returns."""
        taxed = [line for line in ours if line.tax is not None] if terms.hears_tax else []
        marks = told.marks if terms.keeps_marks else ()
        of_buyer = told.buyer_ref is not None and (told.referrer is not None or marks)
        if not taxed and not of_buyer:
            return
        async with self._pool.acquire() as conn:
            if taxed:
                await _keep_tax(conn, channel_id, told, taxed, now)
            if told.buyer_ref is not None and of_buyer:
                handle = (channel_id, told.buyer_ref)
                # Committed by itself: whoever waits for this name must not wait for what comes next.
                buyer = (await known_buyers(conn, [handle], now))[handle]
                await self._keep_marks(conn, buyer, marks, now)
                if told.referrer is not None:
                    source = f"order {channel}/{told.order_ref}"
                    telling = Telling(source, f"channel:{channel}", told.placed_at)
                    await _keep_referrer(conn, buyer, told.referrer, telling, terms, now)

    async def _keep_marks(
        self, conn: Connection, buyer: Buyer, marks: Sequence[ToldMark], now: datetime
    ) -> None:
        whole = []
        for mark in marks:
            try:
                self._key.mark(mark)
            except InvalidInput as error:
                _log.info("mark.left_out", buyer=buyer.name, kind=mark.kind.value, error=str(error))
            else:
                whole.append(mark)
        await note_marks(conn, self._key, buyer, whole, now)


async def _keep_tax(
    conn: Connection, channel_id: ChannelId, told: ChannelOrder, taxed: Sequence[OrderLine], now: datetime
) -> None:
    lines = [(line.line_ref, line.tax.amount_minor) for line in taxed if line.tax is not None]
    refs, taxes = [ref for ref, _ in lines], [max(0, minor) for _, minor in lines]
    await conn.execute(_ADD_TOLD_TAX, channel_id, told.order_ref, refs, taxes, now)


async def _keep_referrer(
    conn: Connection, buyer: Buyer, referrer: str, telling: Telling, terms: FactTerms, now: datetime
) -> None:
    try:
        async with conn.transaction():
            await attribute(conn, buyer, referrer.strip(), telling, terms.referrals, now)
    except (ReferralRefused, InvalidInput) as refused:
        # Whatever stands there was typed by somebody: it is kept so that a database takes it.
        shown = "".join(sign if sign.isprintable() else "?" for sign in referrer[:_SHOWN])
        await note_refusal(conn, buyer, shown, telling, str(refused), now)
        _log.info("referral.refused", buyer=buyer.name, source=telling.source)
