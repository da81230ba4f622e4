"""Decides whether a time window's price holds now: between its start and end, while its quota lasts. Pure."""

from __future__ import annotations

from core.offers.price.conversion import convert
from core.offers.price.facts import PriceFacts, WindowSpan
from core.offers.price.plan import PriceStep, Stop
from core.offers.price.rule import PriceRule, Window


def window_step(facts: PriceFacts, rule: PriceRule) -> PriceStep | Stop | None:
    """The price of the first window that holds; None: there is none."""
    window = current(facts, rule)
    if window is None:
        return None
    converted = convert(facts, rule, window.price)
    if isinstance(converted, Stop):
        return converted
    why = f"{window.name}, until {window.until:%Y-%m-%d %H:%M}"
    if window.quota is not None:
        why += f", {facts.listing.sold_in.get(window.name, 0)} of {window.quota} sold"
    why += f": {converted.how}" if converted.how else ""
    return PriceStep("window", converted.amount.amount_minor, why, rule.given.get("windows", ""))


def current(facts: PriceFacts, rule: PriceRule) -> Window | None:
    """The window that holds now; its quota is not used up."""
    for window in rule.windows:
        if window.from_at <= facts.now < window.until and not _used_up(facts, window):
            return window
    return None


def just_left(facts: PriceFacts, rule: PriceRule) -> bool:
    """Whether what is shown is still the price of a window that holds no longer."""
    if facts.published is None:
        return False
    over = (window for window in rule.windows if facts.now >= window.until or _used_up(facts, window))
    return any(window.price == facts.published.gross for window in over)


def spans(rule: PriceRule) -> tuple[WindowSpan, ...]:
    """The windows of which sales have to be counted."""
    return tuple(
        WindowSpan(window.name, window.from_at) for window in rule.windows if window.quota is not None
    )


def _used_up(facts: PriceFacts, window: Window) -> bool:
    return window.quota is not None and facts.listing.sold_in.get(window.name, 0) >= window.quota
