"""Reads the sales, stock changes and lags of the last days, and makes the scene of a replay from them.

The stock at the beginning is what is free now, less what came since, plus what went. Codes that expired
meanwhile are missing at the beginning, too: they are not known as sold. Buyers who found nothing left no
trace here, so what a generous policy would have sold to them is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.offers.history.selling import Lag, read_lags
from core.offers.replay.scene import Asked, ReplayChannel, ReplayListing, ReplaySku, Restocked, Scene
from core.offers.sku_facts import read_stocks
from core.offers.terms import ChannelTerms
from core.types import ChannelId, ListingId, ListingRef, SkuId

_SQL = load_queries("core.offers.replay", "recorded.sql")
_LISTINGS = _SQL["listings"]
_SALES = _SQL["sales"]
_IMPORTS = _SQL["imports"]
_DEPARTURES = _SQL["departures"]
_FREE_NOW = _SQL["free_now"]
_SOLD_BEFORE = _SQL["sold_before"]

# How long before the time began sales are looked at to know how fast things sold then.
_BEFORE = timedelta(days=14)
# SKUs whose facts are read at a time.
_MOST_SKUS = 1000
# A channel whose lag was never measured is taken as answering after so long.
ASSUMED_LAG = Lag((5.0, 60.0), (0.9, 0.1))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A scene from life, with the listings' own references by id, and the channels whose lag is assumed."""

    scene: Scene
    refs: Mapping[ListingId, tuple[str, ListingRef]]
    assumed_lags: tuple[str, ...]


async def read_recorded(
    conn: Connection, terms: Sequence[ChannelTerms], now: datetime, span: timedelta
) -> Recorded:
    """What happened from `now - span` to `now` on the listings of these channels."""
    since = now - span
    listings = await conn.fetch(_LISTINGS, [each.name for each in terms])
    known = {ListingId(row["listing_id"]) for row in listings}
    listed = {SkuId(row["sku_id"]) for row in listings}
    sales = await conn.fetch(_SALES, since, now)
    changes = [row for row in await _changes(conn, since, now) if row.sku_id in listed]
    asked = [
        Asked(row["at"], ListingId(row["listing_id"]), row["quantity"])
        for row in sales
        if row["listing_id"] in known
    ]
    lags = await read_lags(conn)
    events: list[Asked | Restocked] = [*changes, *asked]
    events.sort(key=_moment)
    scene = Scene(
        span.total_seconds(),
        tuple(_channel(each, lags.get(each.channel_id, ASSUMED_LAG)) for each in terms),
        tuple(await _skus(conn, sorted(listed), sales, changes, since, now)),
        tuple(
            ReplayListing(ListingId(row["listing_id"]), ChannelId(row["channel_id"]), SkuId(row["sku_id"]))
            for row in listings
        ),
        tuple(events),
    )
    refs = {
        ListingId(row["listing_id"]): (row["channel"], ListingRef(row["listing_ref"])) for row in listings
    }
    return Recorded(scene, refs, tuple(each.name for each in terms if each.channel_id not in lags))


async def _changes(conn: Connection, since: datetime, now: datetime) -> list[Restocked]:
    came = [
        Restocked(row["at"], SkuId(row["sku_id"]), row["quantity"])
        for row in await conn.fetch(_IMPORTS, since, now)
    ]
    went = [
        Restocked(
            row["at"],
            SkuId(row["sku_id"]),
            row["quantity"] if row["kind"] == "released" else -row["quantity"],
        )
        for row in await conn.fetch(_DEPARTURES, since, now)
    ]
    return came + went


async def _skus(
    conn: Connection,
    sku_ids: Sequence[SkuId],
    sales: Sequence[Record],
    changes: Sequence[Restocked],
    since: datetime,
    now: datetime,
) -> list[ReplaySku]:
    free = {SkuId(row["sku_id"]): int(row["free"]) for row in await conn.fetch(_FREE_NOW, now)}
    for change in changes:
        free[change.sku_id] = free.get(change.sku_id, 0) - change.quantity
    for row in sales:
        if row["took_codes"]:
            free[SkuId(row["sku_id"])] = free.get(SkuId(row["sku_id"]), 0) + row["quantity"]
    before: dict[SkuId, dict[ChannelId, float]] = {}
    for row in await conn.fetch(_SOLD_BEFORE, since, since - _BEFORE):
        before.setdefault(SkuId(row["sku_id"]), {})[ChannelId(row["channel_id"])] = row["per_second"]
    skus = []
    for start in range(0, len(sku_ids), _MOST_SKUS):
        part = sku_ids[start : start + _MOST_SKUS]
        stocks = await read_stocks(conn, part, now)
        skus += [
            ReplaySku(
                sku_id,
                max(0, free.get(sku_id, 0)),
                stocks[sku_id].facts_at(now),
                before.get(sku_id, {}),
                stocks[sku_id].selling.mean_quantity,
            )
            for sku_id in part
        ]
    return skus


def _channel(terms: ChannelTerms, lag: Lag) -> ReplayChannel:
    return ReplayChannel(
        channel_id=terms.channel_id,
        name=terms.name,
        authoritative=terms.reservation_is_authoritative,
        lag=lag,
        largest_quantity=terms.largest_quantity,
        tier=terms.tier,
    )


def _moment(event: Asked | Restocked) -> float:
    return event.at
