"""Measures in virtual time as the history does in real time: how fast SKUs sell, how late channels answer."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log2

from core.offers.history.selling import (
    QUICK_SECONDS,
    SLOW_SECONDS,
    Lag,
    Selling,
    bucket_seconds,
    faded,
    peak,
    velocity,
)
from core.offers.replay.scene import ReplayChannel, ReplaySku
from core.types import ChannelId

_LN2 = 0.6931471805599453
_LONG_WATCHED_SECONDS = 60 * 86_400.0
# What a channel's lags before the time began weigh against those measured since.
_KNOWN_SAMPLES = 2_000.0
# How often sums over lags are made anew; the daemon does it as often.
_SUM_UP_SECONDS = 300.0


class MeasuredSelling:
    """The two fading sums of one SKU by channel; they begin as if it had always sold as fast as before."""

    def __init__(self, sku: ReplaySku) -> None:
        self._mean = sku.mean_quantity
        self._sums = {
            channel_id: (per_second * QUICK_SECONDS / _LN2, per_second * SLOW_SECONDS / _LN2, 0.0)
            for channel_id, per_second in sku.per_second.items()
        }

    def sold(self, channel_id: ChannelId, quantity: int, at: float) -> None:
        """A sale was committed."""
        quick, slow, counted_at = self._sums.get(channel_id, (0.0, 0.0, at))
        self._sums[channel_id] = (
            faded(quick, at - counted_at, QUICK_SECONDS) + quantity,
            faded(slow, at - counted_at, SLOW_SECONDS) + quantity,
            at,
        )

    def at(self, at: float) -> Selling:
        """How it sells now."""
        rates, peaks = {}, {}
        for channel_id, (quick, slow, counted_at) in self._sums.items():
            rates[channel_id] = velocity(slow, at - counted_at, _LONG_WATCHED_SECONDS)
            peaks[channel_id] = peak(quick, slow, at - counted_at, _LONG_WATCHED_SECONDS)
        return Selling(rates, mean_quantity=self._mean, peak_per_second=peaks)


class MeasuredLag:
    """The lags of one channel in the history's buckets; they begin as those that were measured before."""

    def __init__(self, channel: ReplayChannel) -> None:
        self._samples: dict[int, float] = {}
        for seconds, weight in zip(channel.lag.seconds, channel.lag.weights, strict=True):
            self._count(seconds, weight * _KNOWN_SAMPLES)
        self._summed_at = float("-inf")
        self._lag = Lag()

    def note(self, seconds: float) -> None:
        """A sale elsewhere was answered."""
        self._count(seconds, 1.0)

    def at(self, at: float) -> Lag:
        """The distribution as a claim would read it now."""
        if at - self._summed_at >= _SUM_UP_SECONDS:
            self._lag, self._summed_at = _distribution(self._samples), at
        return self._lag

    def _count(self, seconds: float, weight: float) -> None:
        bucket = min(max(ceil(4 * log2(max(seconds, 0.001) / 0.001)), 0), 120)
        self._samples[bucket] = self._samples.get(bucket, 0.0) + weight


def _distribution(samples: Mapping[int, float]) -> Lag:
    total = sum(samples.values())
    buckets = sorted(samples)
    return Lag(
        tuple(bucket_seconds(bucket) for bucket in buckets),
        tuple(samples[bucket] / total for bucket in buckets),
    )
