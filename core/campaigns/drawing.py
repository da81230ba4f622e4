"""Draws random returns so that anybody can check them: a bound seed, one outcome for each order. Pure.

Commit and reveal. The hash of the seed is published with the campaign's version, before its first order.
A draw is HMAC-SHA256 of the seed over campaign, version, reward, channel and the channel's own order
reference, so it can neither be chosen nor repeated; it is mapped onto the weights exactly: numbers beyond the
last whole multiple of their sum are thrown away and the next is taken. After the end the seed is told, and
every draw can be done again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count

from core.campaigns.campaign import Outcome

SEED_BYTES = 32
# As many different numbers as a draw can come to.
SPACE = 1 << 256


@dataclass(frozen=True, slots=True)
class DrawnFor:
    """What a draw hangs on, in the words that the buyer knows."""

    campaign: str
    version: int
    reward: str
    channel: str
    order_ref: str

    def message(self) -> bytes:
        """Unambiguous: each word with its length before it."""
        words = (self.campaign, str(self.version), self.reward, self.channel, self.order_ref)
        return b"".join(b"%d:%b," % (len(word.encode()), word.encode()) for word in words)


def commitment(seed: bytes) -> bytes:
    """What is published of a seed."""
    assert len(seed) == SEED_BYTES, "a seed has 32 bytes"
    return hashlib.sha256(seed).digest()


def draw(seed: bytes, drawn_for: DrawnFor, outcomes: Sequence[Outcome]) -> int:
    """Which outcome comes, counted from 1."""
    weights = [outcome.weight for outcome in outcomes]
    message = drawn_for.message()
    for attempt in count():
        mac = hmac.new(seed, message + b"#%d" % attempt, hashlib.sha256).digest()
        place = fair_place(int.from_bytes(mac), sum(weights), SPACE)
        if place is not None:
            return chosen(place, weights)
    raise AssertionError("there is always another number")


def fair_place(number: int, places: int, space: int) -> int | None:
    """A number below `space` as one of so many places, all equally likely; None: take another number."""
    assert 0 < places <= space, "more places than numbers"
    return number % places if number < space - space % places else None


def chosen(place: int, weights: Sequence[int]) -> int:
    """The outcome, counted from 1, on which a place falls: each has as many places as its weight."""
    return next(number for number, end in enumerate(accumulate(weights), 1) if place < end)
