"""Keeps what everybody asks for the same goods on a simulated day; decides at whose price a buyer buys."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.offers.replay.scene import Asked, ReplayListing, Scene
from core.offers.replay.world import World
from core.types import ListingId, SkuId

OURS = "us"
# Sellers begin within a few per cent of each other, as on any market that nobody has stirred yet.
_BEGINS = (0.97, 1.03)
# How much dearer than the cheapest a buyer takes us for granted, on average: stars, habit, haste.
_INDIFFERENT_SHARE = 0.02


def wanted_minor(sku_id: SkuId) -> int:
    """What one unit of a SKU is to bring us: from 10 to 50 euros."""
    return 1000 + sku_id * 137 % 4000


@dataclass(slots=True)
class Contest:
    """The prices of all sellers of the listings that are fought over; the bestsellers are.

    An actor, too: it is the buyers, who compare.
    """

    listings: Mapping[ListingId, ReplayListing]
    chances: random.Random
    prices: dict[ListingId, dict[str, int]] = field(default_factory=dict)
    lost_to_rivals: int = 0

    @classmethod
    def over(cls, scene: Scene, skus: int, seed: int) -> Contest:
        """A contest over the first SKUs of a day; they sell most."""
        wanted = {sku.sku_id for sku in scene.skus[:skus]}
        fought = {each.listing_id: each for each in scene.listings if each.sku_id in wanted}
        return cls(fought, random.Random(f"{seed}/buyers"))

    def enter(self, seller: str, listing_id: ListingId, price_minor: int) -> None:
        """A seller asks so much from now on."""
        self.prices.setdefault(listing_id, {})[seller] = price_minor

    def begin(self, seller: str, around: Mapping[ListingId, int]) -> None:
        """A seller comes to all listings, near these prices."""
        for listing_id, price_minor in around.items():
            self.enter(seller, listing_id, max(1, round(price_minor * self.chances.uniform(*_BEGINS))))

    def others(self, seller: str, listing_id: ListingId) -> dict[str, int]:
        """What everybody else asks."""
        return {name: minor for name, minor in self.prices.get(listing_id, {}).items() if name != seller}

    def act(self, world: World, at: float) -> float | None:
        """Buyers come by themselves."""
        return None

    def takes(self, world: World, asked: Asked) -> bool:
        """Whether a buyer who looks at us buys of us, given what others ask."""
        indifferent = self.chances.expovariate(1 / _INDIFFERENT_SHARE)
        ours = self.prices.get(asked.listing_id, {}).get(OURS)
        others = self.others(OURS, asked.listing_id)
        if ours is None or not others or ours <= min(others.values()) * (1 + indifferent):
            return True
        self.lost_to_rivals += asked.quantity
        return False

    def counts(self) -> Mapping[str, int]:
        """Units that went to a cheaper seller."""
        return {"lost to rivals": self.lost_to_rivals}
