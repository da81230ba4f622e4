"""Decides how numbers become pictures and short texts: money, ages, tones and bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.money.money import Money
from core.types import OrderState
from core.views.channels import ChannelView
from core.views.matrix import Trouble
from core.views.orders import MinuteCount
from core.views.stock import ListingView, Shown

_TONES = {
    OrderState.DELIVERED: "good",
    OrderState.ACCEPTED: "busy",
    OrderState.DELIVERING: "busy",
    OrderState.RESERVED: "calm",
    OrderState.HELD: "warn",
    OrderState.PARKED: "warn",
    OrderState.UNSURE: "warn",
    OrderState.REFUSED: "bad",
    OrderState.RELEASED: "quiet",
    OrderState.CANCELLED: "quiet",
    OrderState.REFUNDED: "quiet",
}
_TROUBLES = {
    Trouble.REFUSED: "bad",
    Trouble.IN_DOUBT: "warn",
    Trouble.DRIFTED: "warn",
    Trouble.GUARDED: "bad",
    Trouble.NO_PRICE: "bad",
    Trouble.PRICE_HELD: "warn",
    Trouble.STOPPED: "bad",
    Trouble.PAUSED: "quiet",
    Trouble.HELD_BACK: "busy",
}
_SHORT_DAYS, _LOW_DAYS, _FEW_DAYS = 3, 7, 10
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def tone(state: OrderState) -> str:
    """The colour of an order's state."""
    return _TONES[state]


def trouble_tone(trouble: Trouble) -> str:
    """The colour of what is wrong with a listing."""
    return _TROUBLES[trouble]


def days(number: float | None) -> str:
    """How many days something lasts, in as many digits as matter; a dash for ever."""
    if number is None:
        return "–"
    if number < 1:
        return f"{24 * number:.0f} h" if number == 0 or number >= 1 / 24 else "< 1 h"
    return f"{number:.1f} d" if number < _FEW_DAYS else f"{number:,.0f} d"


def cover_tone(number: float | None) -> str:
    """The colour of days of cover."""
    if number is None:
        return "quiet"
    return "bad" if number < _SHORT_DAYS else "warn" if number < _LOW_DAYS else "good"


def amount(minor: int | None, currency: str) -> str:
    """An amount in major units with its currency; a dash for none."""
    if minor is None:
        return "–"
    money = Money(minor, currency)
    number, name = str(money).split(" ")
    whole, point, rest = number.partition(".")
    return f"{int(whole):,}{point}{rest} {name}" if whole != "-0" else f"{number} {name}"


def count(number: int | None) -> str:
    """A whole number as people read it; a dash for none."""
    return "–" if number is None else f"{number:,}"


def age(at: datetime | None, now: datetime) -> str:
    """How long ago, or how long until, in one unit."""
    if at is None:
        return "–"
    seconds = int((now - at).total_seconds())
    size = abs(seconds)
    if size < _MINUTE:
        text = f"{size} s"
    elif size < _HOUR:
        text = f"{size // _MINUTE} min"
    elif size < 2 * _DAY:
        text = f"{size // _HOUR} h"
    else:
        text = f"{size // _DAY} d"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def moment(at: datetime | None) -> str:
    """A moment in full, UTC."""
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Cell:
    """How an offer is, in one word, a colour, and the one quantity and price to show."""

    word: str
    tone: str
    shown: Shown


def cell(listing: ListingView) -> Cell:
    """What the matrix shows of a listing: what was seen last, else what was told, else what is wanted."""
    wanted, published, observed = listing.wanted, listing.published, listing.observed
    newest = observed if observed.at and (not published.at or observed.at >= published.at) else published
    shown = newest if newest.at else wanted
    if listing.refusal is not None:
        return Cell("refused", "bad", shown)
    if not wanted.at and not shown.at:
        return Cell("unknown", "quiet", shown)
    if listing.dirty or (wanted.at and not published.at):
        return Cell("moving", "busy", shown)
    if wanted.on is False and shown.on is False:
        return Cell("off", "quiet", shown)
    if (shown.quantity, shown.on) != (wanted.quantity, wanted.on):
        return Cell("differs", "warn", shown)
    return Cell("agrees", "good", shown)


def channel_tone(channel: ChannelView) -> str:
    """The colour of a channel."""
    if channel.paused_at is not None:
        return "quiet"
    if not all(part.ok for part in channel.health):
        return "bad"
    return "warn" if channel.driven_by is None or channel.refused else "good"


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a picture, in its own units, with what it says."""

    x: float
    y: float
    width: float
    height: float
    label: str
    text: str
    tone: str


def minute_bars(minutes: Sequence[MinuteCount], width: float = 600.0, height: float = 120.0) -> list[Bar]:
    """A bar for each minute, as high as its share of the busiest."""
    most = max((minute.orders for minute in minutes), default=0) or 1
    step = width / max(1, len(minutes))
    bars = []
    for place, minute in enumerate(minutes):
        size = round(max(1.5, height * minute.orders / most) if minute.orders else 0.0, 2)
        bars.append(
            Bar(
                x=round(place * step, 2),
                y=round(height - size, 2),
                width=round(step * 0.72, 2),
                height=size,
                label="",
                text=f"{minute.minute:%H:%M}: {minute.orders}",
                tone="now" if place == len(minutes) - 1 else "busy",
            )
        )
    return bars
