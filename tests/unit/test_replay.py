"""A replay keeps count of every unit, follows its seed, and shows what lags, silences and lost updates do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.offers.history.selling import Lag
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
from core.offers.replay.tallies import Outcome, highest_share, merged
from core.offers.replay.world import Actor, World
from core.offers.stock.rules import CountBuffer, StockPolicy, StockRule
from core.types import ChannelId, ListingId, SkuId

DAY = 86_400.0
A, B = ListingId(1), ListingId(2)
SKU = SkuId(1)
MIRRORED = Policy("mirrored", StockPolicy(StockRule(bound_permille=2000)))


def channel(
    number: int,
    lag: float = 10.0,
    *,
    authoritative: bool = False,
    silence: Silence | None = None,
    lost: float = 0.0,
) -> ReplayChannel:
    return ReplayChannel(
        ChannelId(number),
        f"channel {number}",
        authoritative,
        Lag((lag,), (1.0,)),
        silences=(silence,) if silence else (),
        lost_share=lost,
    )


def scene(
    *events: Asked | Restocked,
    stock: int = 5,
    channels: Sequence[ReplayChannel] | None = None,
    seconds: float = DAY,
) -> Scene:
    """One SKU on two channels."""
    chosen = tuple(channels or (channel(1), channel(2)))
    listings = tuple(ReplayListing(ListingId(each.channel_id), each.channel_id, SKU) for each in chosen)
    return Scene(seconds, chosen, (ReplaySku(SKU, stock),), listings, events)


def live(what: Scene, policy: Policy = MIRRORED, seed: int = 1, *actors: Actor) -> Outcome:
    return World(what, policy, seed, actors).run()


def test_the_last_code_is_sold_twice_within_the_lag() -> None:
    total = live(scene(Asked(100, A, 1), Asked(105, B, 1), stock=1)).total
    assert (total.sold, total.oversold) == (2, 1)


def test_after_the_lag_it_is_not() -> None:
    total = live(scene(Asked(100, A, 1), Asked(115, B, 1), stock=1)).total
    assert (total.sold, total.oversold, total.lost, total.lost_in_stock) == (1, 0, 1, 0)


def test_a_channel_that_asks_us_is_refused_instead() -> None:
    channels = (channel(1), channel(2, authoritative=True))
    total = live(scene(Asked(100, A, 1), Asked(105, B, 1), stock=1, channels=channels)).total
    assert (total.sold, total.oversold, total.refused) == (1, 0, 1)


def test_a_silent_channel_goes_on_selling_what_is_gone() -> None:
    channels = (channel(1), channel(2, silence=Silence(90, 400)))
    late = scene(Asked(100, A, 1), Asked(399, B, 1), stock=1, channels=channels)
    assert live(late).total.oversold == 1
    back = scene(Asked(100, A, 1), Asked(401, B, 1), stock=1, channels=channels)
    assert live(back).total.oversold == 0


def test_a_lost_update_is_found_by_reconciling() -> None:
    channels = (channel(1), channel(2, lost=1.0))
    before = scene(Asked(100, A, 1), Asked(290, B, 1), stock=1, channels=channels)
    assert live(before).total.oversold == 1
    mended = World(scene(Asked(100, A, 1), stock=1, channels=channels, seconds=1000), MIRRORED, 1)
    mended.run()
    assert mended.outcome().channels[ChannelId(2)].pushes > 1


def test_what_a_buffer_keeps_back_lies_idle() -> None:
    kept = Policy("kept", StockPolicy(StockRule(buffer=CountBuffer(3))))
    outcome = live(scene(stock=10, channels=[channel(1)]), kept)
    assert outcome.total.idle_code_days == pytest.approx(3)
    assert outcome.unshown_code_days == pytest.approx(3)
    assert outcome.stock_code_days == pytest.approx(10)


def test_what_is_not_shown_is_lost_though_it_is_there() -> None:
    kept = Policy("kept", StockPolicy(StockRule(buffer=CountBuffer(3))))
    total = live(scene(Asked(100, A, 2), stock=4, channels=[channel(1)]), kept).total
    assert (total.sold, total.lost, total.lost_in_stock) == (0, 2, 2)


def test_a_bound_of_one_shows_no_code_twice() -> None:
    once = Policy("once", StockPolicy(StockRule(bound_permille=1000)))
    world = World(scene(stock=5), once, 1)
    world.run()
    assert world.shown(A) + world.shown(B) == 5


EVENTS = st.lists(
    st.tuples(st.floats(0, DAY), st.sampled_from([A, B]), st.integers(1, 3), st.booleans()), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 20), st.integers(0, 1000), st.booleans())
def test_every_unit_is_accounted_for_and_a_seed_tells_the_same_story(
    drawn: list[tuple[float, ListingId, int, bool]], stock: int, seed: int, authoritative: bool
) -> None:
    events = [
        Restocked(at, SKU, quantity) if brings else Asked(at, listing_id, quantity)
        for at, listing_id, quantity, brings in drawn
    ]
    channels = (channel(1, 300.0, authoritative=authoritative), channel(2, 900.0, lost=0.2))
    what = scene(*sorted(events, key=lambda each: each.at), stock=stock, channels=channels)
    world = World(what, MIRRORED, seed)
    total = world.run().total
    came = sum(each.quantity for each in events if isinstance(each, Restocked))
    assert total.asked == total.sold + total.lost + total.refused
    assert world.available(SKU) == stock + came - (total.sold - total.oversold)
    assert live(what, MIRRORED, seed).total == total


@dataclass(slots=True)
class Bot:
    """Acts every hour, and lets nobody buy in the first half of the day."""

    acted: list[float] = field(default_factory=list)

    def act(self, world: World, at: float) -> float | None:
        self.acted.append(at)
        return at + 3600 if at < DAY / 2 else None

    def takes(self, world: World, asked: Asked) -> bool:
        return asked.at > DAY / 2 and world.shown(asked.listing_id) > 0

    def counts(self) -> Mapping[str, int]:
        return {"acts": len(self.acted)}


def test_an_actor_is_called_when_it_wants_and_has_a_say_in_every_sale() -> None:
    outcome = live(scene(Asked(100, A, 1), Asked(DAY - 100, B, 1)), MIRRORED, 1, Bot())
    assert outcome.total.sold == 1
    assert outcome.counts == {"acts": 13}


def test_several_days_under_one_policy_are_added_up() -> None:
    days = [live(scene(Asked(100, A, 1)), seed=seed) for seed in range(3)]
    both = merged(days)
    assert both.total.sold == 3
    assert both.stock_code_days == pytest.approx(sum(day.stock_code_days for day in days))


@pytest.mark.parametrize(
    ("happened", "tried", "share"), [(0, 1000, 0.002991), (5, 20, 0.4556), (3, 3, 1.0), (0, 0, 1.0)]
)
def test_how_sure_a_share_is(happened: int, tried: int, share: float) -> None:
    assert highest_share(happened, tried) == pytest.approx(share, abs=2e-4)
