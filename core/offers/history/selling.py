"""Tells what was measured: how fast each SKU sells where, its usual stock, how late channels learn of sales.

**Velocity** is a sum of units sold that fades by half in 7 days, divided by what a steady sale of one unit
a second would have gathered in it: so a SKU that was watched for a short time only is divided by less.
Fading needs one row per SKU and channel and no list of sales, a window would need the list; and it has no
edge over which a busy hour drops out at once. What a buffer must cover is the **peak**: the larger of that
and the same over a sum that fades by half in 10 minutes, which follows a burst while it lasts. One sale
makes it high for a while, too; for a buffer too much is cheaper than too little. For days of cover and
prices it would be noise.

Counted are the orders as they came in: units that took codes or waited for them, also where they were given
back later, for they were gone while they were kept. Refused units are counted beside them. See measuring.py
for how they are counted; this module only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.types import ChannelId, SkuId

_SQL = load_queries("core.offers.history", "selling.sql")
_SELLING = _SQL["selling"]
_SKU_HISTORY = _SQL["sku_history"]
_LAGS = _SQL["lags"]

QUICK_SECONDS = 600.0
SLOW_SECONDS = 7 * 86_400.0
USUAL_DAYS = 30
# What was watched for less is taken as watched for so long: a first sale is no flood.
LEAST_WATCHED_SECONDS = 3600.0
_FIRST_BUCKET_SECONDS = 0.001
_BUCKETS_PER_DOUBLING = 4
_LN2 = 0.6931471805599453


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds from a sale elsewhere to the acknowledgement of the new quantity, with their probabilities.

    The seconds rise and the weights sum to 1; empty: never measured.
    """

    seconds: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.seconds) == len(self.weights), "a lag has a weight for each value"

    def quantile(self, q: float) -> float | None:
        """The shortest lag that a share of `q` does not exceed; None: never measured."""
        assert 0 <= q <= 1, f"{q} is no share"
        for seconds, weight in zip(self.seconds, accumulate(self.weights), strict=True):
            # The sum of many weights misses 1 by a rounding.
            if weight >= q - 1e-9:
                return seconds
        return self.seconds[-1] if self.seconds else None


@dataclass(frozen=True, slots=True)
class Selling:
    """How a SKU sells: units per second by channel, at its peak too, units per order, and its usual stock.

    `usual_stock` is the median of the daily levels of the last 30 days; `measured_days`: how long it was
    watched.
    """

    per_second: Mapping[ChannelId, float]
    mean_quantity: float = 1.0
    usual_stock: float | None = None
    last_sold_at: datetime | None = None
    measured_days: float = 0.0
    peak_per_second: Mapping[ChannelId, float] = field(default_factory=dict)

    def elsewhere(self, channel_id: ChannelId) -> float:
        """Units per second on all other channels that have to be reckoned with now: at their peak."""
        return sum(
            max(rate, self.peak_per_second.get(other, 0.0))
            for other, rate in self.per_second.items()
            if other != channel_id
        )

    def total(self) -> float:
        """Units per second on all channels, over the days."""
        return sum(self.per_second.values())


@dataclass(frozen=True, slots=True)
class FirstSale:
    """The oldest of some sales of a SKU, the listing it was on, and the oldest on any other listing."""

    at: datetime | None
    listing_id: int | None
    elsewhere_at: datetime | None


NO_SALE = FirstSale(None, None, None)


async def read_selling(conn: Connection, sku_ids: Sequence[SkuId], now: datetime) -> dict[SkuId, Selling]:
    """How SKUs sell, from sums that a sweep keeps; a SKU of which nothing is known sells nothing."""
    sums: dict[SkuId, list[Record]] = {sku_id: [] for sku_id in sku_ids}
    for row in await conn.fetch(_SELLING, sku_ids):
        sums[SkuId(row["sku_id"])].append(row)
    known = {SkuId(row["sku_id"]): row for row in await conn.fetch(_SKU_HISTORY, sku_ids, USUAL_DAYS, now)}
    return {sku_id: _selling(rows, known.get(sku_id), now) for sku_id, rows in sums.items()}


async def read_lags(conn: Connection) -> dict[ChannelId, Lag]:
    """The lag of each channel that was measured in the last days."""
    return {
        ChannelId(row["channel_id"]): Lag(
            tuple(bucket_seconds(bucket) for bucket in row["buckets"]), tuple(row["weights"])
        )
        for row in await conn.fetch(_LAGS)
    }


def bucket_seconds(bucket: int) -> float:
    """The longest lag that a bucket holds: four buckets are a doubling, the first ends at a millisecond."""
    return _FIRST_BUCKET_SECONDS * 2 ** (bucket / _BUCKETS_PER_DOUBLING)


def velocity(slow_units: float, age_seconds: float, watched_seconds: float) -> float:
    """Units per second from the slowly fading sum as it stood `age_seconds` ago. Pure."""
    return _rate(slow_units, SLOW_SECONDS, age_seconds, watched_seconds)


def peak(quick_units: float, slow_units: float, age_seconds: float, watched_seconds: float) -> float:
    """Units per second that have to be reckoned with, from both sums. Pure."""
    quick = _rate(quick_units, QUICK_SECONDS, age_seconds, watched_seconds)
    return max(quick, velocity(slow_units, age_seconds, watched_seconds))


def faded(units: float, seconds: float, half_life_seconds: float) -> float:
    """What is left of a fading sum after so many seconds; the schema has the same function. Pure."""
    return units * 2 ** (-max(seconds, 0.0) / half_life_seconds)


def first_sales(sales: Iterable[tuple[int, int, datetime]]) -> dict[SkuId, FirstSale]:
    """Of sales (SKU, listing, when), for each SKU the oldest one and the oldest on another listing. Pure."""
    oldest: dict[int, dict[int, datetime]] = {}
    for sku_id, listing_id, at in sales:
        by_listing = oldest.setdefault(sku_id, {})
        by_listing[listing_id] = min(at, by_listing.get(listing_id, at))
    found = {}
    for sku_id, by_listing in oldest.items():
        first, *others = sorted(by_listing, key=lambda listing_id: by_listing[listing_id])
        elsewhere_at = by_listing[others[0]] if others else None
        found[SkuId(sku_id)] = FirstSale(by_listing[first], first, elsewhere_at)
    return found


def _rate(units: float, half_life_seconds: float, age_seconds: float, watched_seconds: float) -> float:
    """A steady sale of one unit a second would by now have gathered `gathered` units."""
    watched = max(watched_seconds, LEAST_WATCHED_SECONDS)
    gathered = half_life_seconds / _LN2 * (1 - 2 ** (-watched / half_life_seconds))
    return faded(units, age_seconds, half_life_seconds) / gathered


def _selling(rows: Sequence[Record], known: Record | None, now: datetime) -> Selling:
    watched = (now - known["watched_since"] if known else timedelta(0)).total_seconds()
    rates: dict[ChannelId, float] = {}
    peaks: dict[ChannelId, float] = {}
    units = lines = 0.0
    for row in rows:
        age = (now - row["counted_at"]).total_seconds()
        channel_id = ChannelId(row["channel_id"])
        rates[channel_id] = velocity(row["slow_units"], age, watched)
        peaks[channel_id] = peak(row["quick_units"], row["slow_units"], age, watched)
        units += faded(row["slow_units"], age, SLOW_SECONDS)
        lines += faded(row["slow_lines"], age, SLOW_SECONDS)
    return Selling(
        per_second=rates,
        mean_quantity=units / lines if lines else 1.0,
        usual_stock=known["usual_stock"] if known else None,
        last_sold_at=max((row["last_sold_at"] for row in rows), default=None),
        measured_days=max(watched, 0.0) / 86_400,
        peak_per_second=peaks,
    )
