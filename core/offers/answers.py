"""Moves what a channel answered, and what it was seen to show, into its offers.

Everything here runs in the caller's transaction, and locks the offers first. An answer clears only the
version that was told: what changed meanwhile is told again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Connection
from core.db.queries import load_queries
from core.offers.planning import OfferPlan
from core.types import ChannelId, OfferObserved

_LOCKS = load_queries("core.offers", "locks.sql")
_LOCK_LISTINGS = _LOCKS["lock_listings"]
_LOCK_REFS_OF_CHANNEL = _LOCKS["lock_refs_of_channel"]
_LOCK_DOUBTS = _LOCKS["lock_doubts"]
_SQL = load_queries("core.offers", "answers.sql")
_SETTLE_PUBLISHED = _SQL["settle_published"]
_SETTLE_UNCHANGED = _SQL["settle_unchanged"]
_SETTLE_REFUSED = _SQL["settle_refused"]
_SETTLE_LATER = _SQL["settle_later"]
_WRITE_OBSERVED = _SQL["write_observed"]
_SETTLE_DOUBTS = _SQL["settle_doubts"]

# An increase that had to wait for the others' decrease is looked at again this soon.
_HELD_BACK_PAUSE = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An offer the channel will not show as told, and its reason."""

    plan: OfferPlan
    detail: str


@dataclass(frozen=True, slots=True)
class Delay:
    """An offer to tell again; unknown says that the channel may show it already."""

    plan: OfferPlan
    after_seconds: float
    unknown: bool


async def settle_told(
    conn: Connection,
    published: Sequence[OfferPlan],
    refused: Sequence[Refusal],
    later: Sequence[Delay],
    now: datetime,
    pause: timedelta,
) -> tuple[float, ...]:
    """Write down what became of claimed offers; the lags that ended by it, in seconds."""
    settled = (*published, *(each.plan for each in refused), *(each.plan for each in later))
    await conn.execute(_LOCK_LISTINGS, [plan.row.listing_id for plan in settled])
    lags = await _settle_published(conn, published, now, pause)
    if refused:
        await conn.execute(
            _SETTLE_REFUSED,
            [refusal.plan.row.listing_id for refusal in refused],
            [refusal.plan.row.dirty_version for refusal in refused],
            [refusal.detail for refusal in refused],
        )
    if later:
        await conn.execute(
            _SETTLE_LATER,
            [delay.plan.row.listing_id for delay in later],
            now,
            [delay.after_seconds for delay in later],
            [delay.unknown for delay in later],
        )
    return lags


async def settle_unchanged(
    conn: Connection, plans: Sequence[OfferPlan], final: Sequence[bool], now: datetime
) -> None:
    """Settle offers, locked by their claim, that are told nothing; those not final are looked at again."""
    await conn.execute(
        _SETTLE_UNCHANGED,
        [plan.row.listing_id for plan in plans],
        [plan.row.dirty_version for plan in plans],
        final,
        now + _HELD_BACK_PAUSE,
    )


async def write_observed(
    conn: Connection, channel_id: ChannelId, seen: Sequence[OfferObserved], at: datetime
) -> None:
    """Write down what a channel was seen to show."""
    refs = [offer.listing_ref for offer in seen]
    await conn.execute(_LOCK_REFS_OF_CHANNEL, channel_id, refs)
    await conn.execute(
        _WRITE_OBSERVED,
        channel_id,
        refs,
        [offer.quantity for offer in seen],
        [offer.price.amount_minor for offer in seen],
        [offer.net_price.amount_minor if offer.net_price else None for offer in seen],
        [offer.on and offer.quantity > 0 for offer in seen],
        at,
        [offer.held for offer in seen],
    )


async def settle_doubts(conn: Connection, channel_id: ChannelId, at: datetime) -> None:
    """Take what was seen at `at`, after the last telling, for what the channel shows."""
    await conn.execute(_LOCK_DOUBTS, channel_id)
    await conn.execute(_SETTLE_DOUBTS, channel_id, at)


async def _settle_published(
    conn: Connection, published: Sequence[OfferPlan], now: datetime, pause: timedelta
) -> tuple[float, ...]:
    lags = await conn.fetch(
        _SETTLE_PUBLISHED,
        [plan.row.listing_id for plan in published],
        [plan.row.dirty_version for plan in published],
        [plan.quantity for plan in published],
        [plan.price_minor for plan in published],
        [plan.net_minor for plan in published],
        [plan.on for plan in published],
        [not plan.held_back for plan in published],
        now,
        now + max(pause, _HELD_BACK_PAUSE),
        now + pause,
        [plan.quantity < plan.row.showing for plan in published],
    )
    return tuple(float(row["lag_seconds"]) for row in lags)
