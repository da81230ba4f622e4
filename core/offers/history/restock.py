"""Decides how many codes to order, from how fast they sell and how long new ones take. Pure."""

from __future__ import annotations

import math

# Beyond this nobody plans; a SKU that hardly sells covers "ten years".
MOST_DAYS = 3650.0


def restock(available: int, per_day: float, lead_time_days: float, cover_days: float) -> int | None:
    """How many to order so that, when they arrive, the stock lasts for `cover_days`; None: nothing sells.

    What sells until they arrive comes out of what is there, but not out of what is not.
    """
    if per_day <= 0:
        return None
    left = max(available - per_day * lead_time_days, 0.0)
    return max(math.ceil(per_day * cover_days - left - 1e-9), 0)


def days_of_cover(available: int, per_day: float) -> float:
    """How long the stock lasts at this speed, ten years at most."""
    if per_day <= 0:
        return MOST_DAYS if available > 0 else 0.0
    return min(available / per_day, MOST_DAYS)
