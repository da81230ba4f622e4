"""Moves the other sellers of a sandbox marketplace: each has a price, and a bot that changes it.

The same seed gives the same prices. A marketplace's own file decides how they are asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

_RETREAT_CHANCE = 0.25


@dataclass(slots=True)
class Rival:
    """A seller of one product. A bot with a step stays below the cheapest by it, down to its least price."""

    seller: str
    price_minor: int
    quantity: int | None = 10
    step_minor: int = 0
    least_minor: int = 1
    # Its dearest price; it goes back there now and then when it can undercut nobody any more.
    start_minor: int = 0


class Rivals:
    """The other sellers of a marketplace, by product."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(f"rivals-{seed}")
        self._by_product: dict[str, list[Rival]] = {}

    def add(
        self,
        sku_ref: str,
        seller: str,
        price_minor: int,
        *,
        quantity: int | None = 10,
        step_minor: int = 0,
        least_minor: int = 1,
    ) -> Rival:
        """Let a seller offer a product; with a step its bot undercuts."""
        rival = Rival(seller, price_minor, quantity, step_minor, least_minor, price_minor)
        self._by_product.setdefault(sku_ref, []).append(rival)
        return rival

    def of(self, sku_ref: str) -> Sequence[Rival]:
        """The other sellers of a product."""
        return self._by_product.get(sku_ref, ())

    def move(self, sku_ref: str, ours_minor: int | None) -> bool:
        """Let every bot of a product answer what the others show; whether a price changed."""
        moved = False
        for rival in self._by_product.get(sku_ref, ()):
            others = [each.price_minor for each in self.of(sku_ref) if each is not rival]
            shown = [*others, *([] if ours_minor is None else [ours_minor])]
            wanted = self._answer(rival, min(shown, default=None))
            moved = moved or wanted != rival.price_minor
            rival.price_minor = wanted
        return moved

    def _answer(self, rival: Rival, cheapest_minor: int | None) -> int:
        if not rival.step_minor or cheapest_minor is None:
            return rival.price_minor
        undercut = cheapest_minor - rival.step_minor
        if undercut >= rival.least_minor:
            return min(undercut, rival.start_minor)
        return rival.start_minor if self._random.random() < _RETREAT_CHANCE else rival.least_minor
