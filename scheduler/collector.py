"""Spares the garbage collector what never becomes garbage: what a daemon has loaded, it keeps."""

from __future__ import annotations

import gc

# Young objects are looked at after so many, instead of 700: a group of sales makes thousands, most of which
# are gone before anybody looks, and all waiting orders wait for each look.
_YOUNG = 20_000
_ROUNDS = 20


def spare_collector() -> None:
    """Call once, when everything is loaded and set up: a full look then passes over all of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _ROUNDS, _ROUNDS)
