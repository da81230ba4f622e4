"""Moves a scene through virtual time under one policy, with the daemon's own decisions. Pure, from a seed.

A change of a SKU's stock marks its listings. A marked listing is claimed after half of a lag drawn from its
channel's distribution, and its quantity worked out then; after the other half the channel shows it. What
changes in between marks it again. While a channel is silent, what it was told arrives when it is back. A
channel counts its own sales down by itself, and what was told before such a sale may overwrite that, as in
life.

Not known here: what buyers wanted where nothing was shown or nobody kept the order, and how long an order
took from the buyer to us.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count
from typing import Protocol

from core.offers.history.selling import Lag
from core.offers.replay.measured import MeasuredLag, MeasuredSelling
from core.offers.replay.scene import (
    Asked,
    Policy,
    ReplayChannel,
    ReplayListing,
    ReplaySku,
    Restocked,
    Scene,
)
from core.offers.replay.tallies import Outcome, Tally, code_days
from core.offers.stock.quantities import plan_quantities, promise_now
from core.offers.stock.rules import ListingPolicy, SkuPolicy, StockRule
from core.offers.stock.wants import ListingStock
from core.types import ChannelId, ListingId, SkuId

_NO_LAG = Lag((0.0,), (1.0,))
Move = Callable[[float], None]


class Actor(Protocol):
    """Somebody else who acts in the world: a price bot, a repricer that pays for changes, an alarm."""

    def act(self, world: World, at: float) -> float | None:
        """Do something at a moment; the next moment to be called at, None: never again."""

    def takes(self, world: World, asked: Asked) -> bool:
        """Whether this buyer buys, as far as this actor has to do with it: at the price it sees."""

    def counts(self) -> Mapping[str, int]:
        """What to report besides: paid price changes, notices."""


@dataclass(slots=True)
class _Shown:
    """A listing: what the channel shows, what it acknowledged, and what it is being told."""

    listing: ReplayListing
    channel: _Channel
    sku: _Stock
    policy: ListingPolicy
    shown: int = 0
    believed: int = 0
    dirty: bool = False
    # Something was sold there since it was claimed: it is told again, whatever we believe it shows.
    counted_there: bool = False
    # A claim is due, or a telling is under way.
    busy: bool = False
    # The oldest sale elsewhere that it has not answered: before it is claimed, and while it is told.
    sale_at: float | None = None
    told_sale_at: float | None = None


@dataclass(slots=True)
class _Stock:
    """A SKU: its codes, its listings, and until when its idle codes were counted."""

    sku: ReplaySku
    policy: SkuPolicy
    selling: MeasuredSelling
    available: int
    listings: list[_Shown]
    counted_at: float = 0.0
    # What was worked out last, and for how many codes: it stays where rules do not look at sales.
    planned_for: int = -1
    planned: dict[ListingId, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Channel:
    """A channel, its tally, and what was measured of it."""

    channel: ReplayChannel
    tally: Tally
    lag: MeasuredLag
    chances: random.Random
    seconds: tuple[float, ...]
    up_to: list[float]

    def draw_lag(self) -> float:
        """Some lag of its distribution."""
        drawn = bisect_left(self.up_to, self.chances.random() * self.up_to[-1])
        return self.seconds[min(drawn, len(self.seconds) - 1)]

    def answers_at(self, at: float) -> float:
        """When what would be acknowledged at a moment is, given its silences."""
        for silence in self.channel.silences:
            if silence.since <= at < silence.until:
                return silence.until
        return at


class World:
    """One run of a scene. `run` yields the virtual time now and then, for whoever shows progress."""

    def __init__(self, scene: Scene, policy: Policy, seed: int, actors: Sequence[Actor] = ()) -> None:
        self._scene = scene
        self._policy = policy
        self._actors = actors
        self._looks_at_sales = policy.looks_at_sales
        self._moves: list[tuple[float, int, Move]] = []
        self._numbers = count()
        self._unshown = 0.0
        self._in_stock = 0.0
        self._channels = {each.channel_id: _channel(each, seed) for each in scene.channels}
        self._stocks = {each.sku_id: _stock(each, policy) for each in scene.skus}
        self._listings = {each.listing_id: self._list(each) for each in scene.listings}
        self.now = 0.0

    def run(self) -> Outcome:
        """To the end."""
        for _ in self.steps():
            pass
        return self.outcome()

    def steps(self, every: int = 1000) -> Iterator[float]:
        """To the end, with a word after so many moves: the share of the time that has passed."""
        for stock in self._stocks.values():
            self._show_at_once(stock)
        for event in self._scene.events:
            self._at(event.at, self._ask(event) if isinstance(event, Asked) else self._restock(event))
        for actor in self._actors:
            self._at(0.0, self._acting(actor))
        for number in count(1):
            if not self._moves or self._moves[0][0] > self._scene.seconds:
                break
            self.now, _, move = heapq.heappop(self._moves)
            move(self.now)
            if number % every == 0:
                yield self.now / self._scene.seconds
        for stock in self._stocks.values():
            self._count_idle(stock, self._scene.seconds)

    def outcome(self) -> Outcome:
        """What became of it."""
        counts: dict[str, int] = {}
        for actor in self._actors:
            counts.update(actor.counts())
        tallies = {channel_id: channel.tally for channel_id, channel in self._channels.items()}
        return Outcome(self._policy.name, tallies, self._unshown, self._in_stock, counts)

    # What actors may look at.

    def shown(self, listing_id: ListingId) -> int:
        """What a listing shows now."""
        return self._listings[listing_id].shown

    def available(self, sku_id: SkuId) -> int:
        """The free codes of a SKU now."""
        return self._stocks[sku_id].available

    def tally(self, channel_id: ChannelId) -> Tally:
        """What became of a channel's buyers so far."""
        return self._channels[channel_id].tally

    def lag(self, channel_id: ChannelId) -> Lag:
        """How late a channel answers, as measured by now."""
        return self._channels[channel_id].lag.at(self.now)

    # What happens.

    def _ask(self, asked: Asked) -> Move:
        def move(at: float) -> None:
            if all(actor.takes(self, asked) for actor in self._actors):
                self._sell(self._listings[asked.listing_id], asked.quantity, at)

        return move

    def _sell(self, listing: _Shown, quantity: int, at: float) -> None:
        stock, tally = listing.sku, listing.channel.tally
        tally.asked += quantity
        if listing.shown < quantity:
            tally.lost += quantity
            tally.lost_in_stock += quantity if stock.available >= quantity else 0
            return
        short = max(0, quantity - stock.available)
        if short and listing.channel.channel.authoritative:
            tally.refused += quantity
            return
        self._count_idle(stock, at)
        tally.sold += quantity
        tally.oversold += short
        stock.available -= quantity - short
        listing.shown -= quantity
        listing.counted_there = True
        stock.selling.sold(listing.channel.channel.channel_id, quantity, at)
        self._mark(stock, at, sold_on=listing)

    def _restock(self, restocked: Restocked) -> Move:
        def move(at: float) -> None:
            stock = self._stocks[restocked.sku_id]
            self._count_idle(stock, at)
            stock.available = max(0, stock.available + restocked.quantity)
            self._mark(stock, at)

        return move

    def _acting(self, actor: Actor) -> Move:
        def move(at: float) -> None:
            again = actor.act(self, at)
            if again is not None:
                assert again > at, "an actor that acts again at the same moment never ends"
                self._at(again, self._acting(actor))

        return move

    # What we do about it.

    def _mark(self, stock: _Stock, at: float, sold_on: _Shown | None = None) -> None:
        for listing in stock.listings:
            listing.dirty = True
            if sold_on is not None and listing is not sold_on and listing.sale_at is None:
                listing.sale_at = at
            self._wake(listing, at)

    def _wake(self, listing: _Shown, at: float) -> None:
        if listing.dirty and not listing.busy:
            listing.busy = True
            half = listing.channel.draw_lag() / 2
            self._at(at + half, lambda now: self._claim(listing, now, half))

    def _claim(self, listing: _Shown, at: float, half: float) -> None:
        listing.dirty = False
        quantity = self._planned(listing, at)
        listing.told_sale_at, listing.sale_at = listing.sale_at, None
        told = listing.counted_there or quantity != listing.believed
        listing.counted_there = False
        if not told:
            listing.busy, listing.told_sale_at = False, None
            return
        answered_at = listing.channel.answers_at(at + half)
        self._at(answered_at, lambda now: self._settle(listing, quantity, now))

    def _settle(self, listing: _Shown, quantity: int, at: float) -> None:
        channel = listing.channel
        self._count_idle(listing.sku, at)
        if listing.told_sale_at is not None and quantity < listing.believed:
            channel.lag.note(at - listing.told_sale_at)
        lost = channel.channel.lost_share > 0 and channel.chances.random() < channel.channel.lost_share
        listing.believed = quantity
        if lost:
            every = channel.channel.reconcile_seconds
            self._at((at // every + 1) * every, lambda now: self._reconcile(listing, now))
        else:
            listing.shown = quantity
        channel.tally.pushes += 1
        listing.busy = False
        self._wake(listing, at)

    def _reconcile(self, listing: _Shown, at: float) -> None:
        """What is shown is seen, and told again where it is not what was acknowledged."""
        if listing.believed != listing.shown:
            listing.believed, listing.dirty = listing.shown, True
            self._wake(listing, at)

    def _planned(self, listing: _Shown, at: float) -> int:
        """What the listing may be told now: the very decisions of a claim."""
        stock = listing.sku
        wanted = self._quantities(stock, at)[listing.listing.listing_id]
        showing = max(listing.believed, listing.shown)
        others = sum(max(each.believed, each.shown) for each in stock.listings if each is not listing)
        bound = stock.policy.bound_permille.value
        return promise_now(wanted, showing, others, stock.available, bound)[0]

    def _quantities(self, stock: _Stock, at: float) -> dict[ListingId, int]:
        if self._looks_at_sales or stock.planned_for != stock.available:
            stock.planned, stock.planned_for = self._work_out(stock, at), stock.available
        return stock.planned

    def _work_out(self, stock: _Stock, at: float) -> dict[ListingId, int]:
        selling = stock.selling.at(at)
        wants = [
            ListingStock(
                listing_id=each.listing.listing_id,
                channel=each.channel.channel.name,
                policy=each.policy,
                closed=None,
                sellable=stock.available,
                authoritative=each.channel.channel.authoritative,
                largest_quantity=each.channel.channel.largest_quantity,
                tier=each.channel.channel.tier,
                sold_per_second=selling.per_second.get(each.listing.channel_id, 0.0),
                elsewhere_per_second=selling.elsewhere(each.listing.channel_id),
                mean_quantity=selling.mean_quantity,
                lag=each.channel.lag.at(at),
            )
            for each in stock.listings
        ]
        plans = plan_quantities(stock.available, stock.policy, wants)
        return {listing_id: plan.quantity for listing_id, plan in plans.items()}

    def _show_at_once(self, stock: _Stock) -> None:
        """At the beginning all is quiet: every listing shows what it should."""
        for listing_id, quantity in self._quantities(stock, 0.0).items():
            listing = self._listings[listing_id]
            listing.shown = listing.believed = quantity

    def _count_idle(self, stock: _Stock, at: float) -> None:
        """The codes that nobody could buy since the last change."""
        seconds, stock.counted_at = at - stock.counted_at, at
        shown = 0
        for listing in stock.listings:
            shown += listing.shown
            idle = max(0, stock.available - listing.shown)
            listing.channel.tally.idle_code_days += code_days(idle, seconds)
        self._unshown += code_days(max(0, stock.available - shown), seconds)
        self._in_stock += code_days(stock.available, seconds)

    def _list(self, listing: ReplayListing) -> _Shown:
        stock = self._stocks[listing.sku_id]
        rule = self._policy.channels.get(listing.channel_id, StockRule())
        own = self._policy.listings.get(listing.listing_id)
        policy = self._policy.stock.of_listing(stock.sku.facts, rule, own)
        shown = _Shown(listing, self._channels[listing.channel_id], stock, policy)
        stock.listings.append(shown)
        return shown

    def _at(self, at: float, move: Move) -> None:
        heapq.heappush(self._moves, (at, next(self._numbers), move))


def _channel(channel: ReplayChannel, seed: int) -> _Channel:
    lag = channel.lag if channel.lag.seconds else _NO_LAG
    chances = random.Random(f"{seed}/{channel.name}")
    up_to = list(accumulate(lag.weights))
    return _Channel(channel, Tally(), MeasuredLag(channel), chances, lag.seconds, up_to)


def _stock(sku: ReplaySku, policy: Policy) -> _Stock:
    return _Stock(sku, policy.stock.of_sku(sku.facts), MeasuredSelling(sku), sku.available, [])
