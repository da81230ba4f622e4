"""Reads back what a channel shows and has differences repaired; reads its ledger of our account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog

from connectors.kit.abilities import ListsOffers, ReportsPayouts
from connectors.kit.messages import PayoutLine
from core.cursors import move_cursor, read_cursor
from core.db.pool import Pool
from core.money.payouts import ToldLine, keep_lines
from core.offers.drift.reconciling import Drift, Reconciliation
from core.offers.outbox import Outbox
from core.offers.terms import ChannelTerms
from core.types import ListingRef

PAYOUTS = "payouts"
_MOST_PAGES = 2_000

_log = structlog.get_logger()


class Reconciler:
    """Compares what one channel shows with what it acknowledged."""

    def __init__(
        self,
        outbox: Outbox,
        reconciliation: Reconciliation,
        terms: ChannelTerms,
        connector: ListsOffers,
        now: Callable[[], datetime],
        pull: Callable[[], Awaitable[None]] | None,
        wake_push: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._reconciliation = reconciliation
        self._terms = terms
        self._connector = connector
        self._now = now
        self._pull = pull
        self._wake_push = wake_push

    async def reconcile(self) -> None:
        """Look, then hear of every sale made before the look, then compare: a sale is not drift."""
        at = self._now()
        seen, complete = await self._look(at)
        if self._pull is not None:
            await self._pull()
        await self._outbox.collect(self._terms.channel_id)
        await self._outbox.end_doubts(self._terms, at)
        drifted = await self._reconciliation.compare(self._terms, at, complete=complete)
        unknown = await self._reconciliation.note_unknown(self._terms, seen, at)
        self._report(drifted, unknown)
        self._wake_push()

    async def _look(self, at: datetime) -> tuple[list[ListingRef], bool]:
        """Write down everything the channel shows; its listings, and whether those are all."""
        seen: list[ListingRef] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self._connector.list_offers(cursor)
            await self._outbox.observe(self._terms, page.offers, at)
            seen += [offer.listing_ref for offer in page.offers]
            cursor = page.next_cursor
            if cursor is None:
                return seen, True
        return seen, False

    def _report(self, drifted: Sequence[Drift], unknown: int) -> None:
        if drifted:
            _log.warning(
                "offers.drifted",
                channel=self._terms.name,
                total=len(drifted),
                asked=sum(drift.finding.asks for drift in drifted),
                drifts=[*map(str, drifted[:20])],
            )
        if unknown:
            _log.info("listings.unknown", channel=self._terms.name, new=unknown)


class PayoutReader:
    """Keeps the lines of one channel's ledger."""

    def __init__(
        self, pool: Pool, terms: ChannelTerms, connector: ReportsPayouts, now: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._terms = terms
        self._connector = connector
        self._now = now

    async def read(self) -> None:
        """Read all lines since the cursor; lines and cursor are kept in one transaction."""
        async with self._pool.acquire() as conn:
            cursor = await read_cursor(conn, self._terms.channel_id, PAYOUTS)
        for _ in range(_MOST_PAGES):
            page = await self._connector.list_payout_lines(cursor)
            async with self._pool.acquire() as conn, conn.transaction():
                lines = [told_line(line) for line in page.lines]
                await keep_lines(conn, self._terms.channel_id, lines, self._now())
                await move_cursor(conn, self._terms.channel_id, PAYOUTS, page.cursor, self._now())
            cursor = page.cursor
            if not page.more:
                return


def told_line(line: PayoutLine) -> ToldLine:
    """A payout line in core's words."""
    return ToldLine(
        line.line_ref, line.kind.value, line.amount, line.booked_at, line.order_ref, line.listing_ref
    )
