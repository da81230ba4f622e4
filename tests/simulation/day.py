"""Makes a day of trade from a seed: three channels, 500 SKUs, bursts, late answers, faults and restocks."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from core.offers.history.selling import Lag, bucket_seconds
from core.offers.replay.scene import (
    Asked,
    Policy,
    ReplayChannel,
    ReplayListing,
    ReplaySku,
    Restocked,
    Scene,
    Silence,
)
from core.offers.stock.rules import CountBuffer, RiskBuffer, StockPolicy, StockRule
from core.types import ChannelId, ListingId, SkuId

DAY_SECONDS = 86_400.0
CHANCE = 0.001
_CHANNELS = 3
# Each channel shows all there is: only the buffer differs between the policies that are compared.
_MIRRORED_PERMILLE = 1000 * _CHANNELS


@dataclass(frozen=True, slots=True)
class DayShape:
    """How large a day is; the shape of its demand follows few bestsellers and a long tail."""

    skus: int = 500
    sales: int = 20_000
    bursts: int = 40
    seconds: float = DAY_SECONDS


def make_day(seed: int, shape: DayShape | None = None) -> Scene:
    """A day; the same seed makes the same one."""
    chances, shape = random.Random(seed), shape or DayShape()
    channels = tuple(_channel(number, chances, shape.seconds) for number in range(1, _CHANNELS + 1))
    shares = [1 / (rank + 3) for rank in range(shape.skus)]
    per_sku = [share * shape.sales / sum(shares) for share in shares]
    skus = tuple(_sku(rank, expected, channels, shape, chances) for rank, expected in enumerate(per_sku))
    listings = tuple(
        ReplayListing(ListingId(sku.sku_id * 10 + channel.channel_id), channel.channel_id, sku.sku_id)
        for sku in skus
        for channel in channels
    )
    events: list[Asked | Restocked] = [*_demand(skus, shape, chances), *_bursts(skus, shape, chances)]
    events += _restocks(skus, shape, chances)
    in_time = tuple(sorted(events, key=_moment))
    return Scene(shape.seconds, channels, skus, listings, in_time)


def naive() -> Policy:
    """Every channel shows everything there is."""
    return Policy("naive mirroring", StockPolicy(StockRule(bound_permille=_MIRRORED_PERMILLE)))


def fixed(codes: int) -> Policy:
    """Every channel shows everything but so many."""
    rule = StockRule(bound_permille=_MIRRORED_PERMILLE, buffer=CountBuffer(codes))
    return Policy(f"fixed buffer of {codes}", StockPolicy(rule))


def by_risk(chance: float = CHANCE) -> Policy:
    """Every channel shows everything but what may be sold elsewhere before it knows."""
    rule = StockRule(bound_permille=_MIRRORED_PERMILLE, buffer=RiskBuffer(chance))
    return Policy(f"sized by risk, {chance:.1%}", StockPolicy(rule))


def _moment(event: Asked | Restocked) -> float:
    return event.at


def _channel(number: int, chances: random.Random, seconds: float) -> ReplayChannel:
    """One that asks us, one shop, one slow shop; each falls silent now and then and loses some updates."""
    medians = {1: 5.0, 2: 15.0, 3: 40.0}
    silences = tuple(
        Silence(since, since + chances.uniform(120, 300))
        for since in sorted(chances.uniform(0, seconds) for _ in range(1))
    )
    return ReplayChannel(
        channel_id=ChannelId(number),
        name=("asks first", "shop", "slow shop")[number - 1],
        authoritative=number == 1,
        lag=_lognormal(medians[number]),
        silences=silences,
        lost_share=0.0005,
    )


def _lognormal(median: float) -> Lag:
    """Lags around a median, one in a hundred six times as long; in the buckets they are measured in."""
    drawn = random.Random(7)
    seconds = sorted(drawn.lognormvariate(0, 0.77) * median for _ in range(5000))
    ends = [bucket_seconds(bucket) for bucket in range(120)]
    counts: dict[float, int] = {}
    for lag in seconds:
        end = ends[bisect_left(ends, lag)]
        counts[end] = counts.get(end, 0) + 1
    return Lag(tuple(counts), tuple(count / len(seconds) for count in counts.values()))


def _sku(
    rank: int, expected: float, channels: tuple[ReplayChannel, ...], shape: DayShape, chances: random.Random
) -> ReplaySku:
    """Stock for a part of a day, so that everything runs low some time; how it sold before is known."""
    weights = [chances.uniform(0.5, 1.5) for _ in channels]
    per_second = {
        channel.channel_id: expected / shape.seconds * weight / sum(weights)
        for channel, weight in zip(channels, weights, strict=True)
    }
    stock = max(1, round(expected * chances.uniform(0.05, 0.3)))
    return ReplaySku(SkuId(rank + 1), stock, per_second=per_second, mean_quantity=1.0)


def _demand(skus: tuple[ReplaySku, ...], shape: DayShape, chances: random.Random) -> Iterator[Asked]:
    """Steady demand of each SKU on each channel, one buyer at a time."""
    for sku in skus:
        for channel_id, per_second in sku.per_second.items():
            yield from _asked(sku.sku_id, channel_id, per_second, 0.0, shape.seconds, chances)


def _bursts(skus: tuple[ReplaySku, ...], shape: DayShape, chances: random.Random) -> Iterator[Asked]:
    """Some SKU is talked about for half an hour, and sells twenty times as fast everywhere."""
    for _ in range(shape.bursts):
        sku = chances.choice(skus[: max(1, len(skus) // 10)])
        since = chances.uniform(0, shape.seconds - 1800)
        for channel_id, per_second in sku.per_second.items():
            yield from _asked(sku.sku_id, channel_id, 19 * per_second, since, since + 1800, chances)


def _asked(
    sku: SkuId, channel: ChannelId, per_second: float, since: float, until: float, chances: random.Random
) -> Iterator[Asked]:
    at = since + chances.expovariate(per_second)
    while at < until:
        yield Asked(at, ListingId(sku * 10 + channel), 1)
        at += chances.expovariate(per_second)


def _restocks(skus: tuple[ReplaySku, ...], shape: DayShape, chances: random.Random) -> Iterator[Restocked]:
    """Six times a day somebody brings a little of it, and it runs low again."""
    for sku in skus:
        brought = sum(sku.per_second.values()) * shape.seconds * 0.12
        for _ in range(6):
            yield Restocked(chances.uniform(0, shape.seconds), sku.sku_id, max(1, round(brought)))
