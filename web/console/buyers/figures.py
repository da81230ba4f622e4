"""Decides how coupons, groups and flash sales become pictures: shares, columns, how far each is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from urllib.parse import quote

from core.money.settlement.statement import masked
from core.views.coupon_standing import RunOutDay, SeriesStanding
from core.views.coupons import DeedView, StepView
from core.views.flash import FlashListing
from core.views.groups import GroupView
from web.console.drawing import amount
from web.console.money.figures import Bar, share_bars
from web.console.pictures import Column

_PPM_OF_PERCENT = 10_000
_NEAR, _CLOSE = 0.6, 0.9
_LEAST_HEIGHT = 4.0
_GAP = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something has come, in per cent, with a colour."""

    width: float
    tone: str


def state_bars(series: SeriesStanding) -> tuple[Bar, ...]:
    """The coupons of a series side by side; tones stand for states, as in `STATE_TONES`."""
    counts = (series.open, series.held, series.used_up, series.expired, series.revoked)
    return share_bars(dict(zip(STATE_TONES.values(), counts, strict=True)))


STATE_TONES = {"open": "good", "held": "busy", "used up": "calm", "expired": "quiet", "revoked": "bad"}


def takes_off(kind: str, size: int, currency: str) -> str:
    """What a coupon is worth: 10 %, or 5.00 EUR."""
    if kind == "amount":
        return amount(size, currency)
    return f"{size / _PPM_OF_PERCENT:.2f}".rstrip("0").rstrip(".") + " %"


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """Something that happened to a coupon: its word and colour, by which order or basket, who and why."""

    at: datetime
    word: str
    tone: str
    step: StepView | None
    who: str


def coupon_life(steps: Sequence[StepView], deeds: Sequence[DeedView]) -> list[LifeEvent]:
    """What became of its uses and what people did to it, as one story, the newest first."""
    used = [
        LifeEvent(step.at, f"use_{step.state}", _USE_TONES[step.state], step, _said(step.actor, step.reason))
        for step in steps
    ]
    done = [
        LifeEvent(
            deed.at, f"deed_{deed.action}", _DEED_TONES[deed.action], None, _said(deed.actor, deed.reason)
        )
        for deed in deeds
    ]
    return sorted((*used, *done), key=lambda event: event.at, reverse=True)


def _said(who: str, why: str) -> str:
    return f"{who}: {why}" if why else who


_USE_TONES = {
    "reserved": "busy",
    "confirmed": "good",
    "released": "quiet",
    "returned": "warn",
    "kept": "warn",
}
_DEED_TONES = {"coupon.reveal": "warn", "coupon.give": "calm", "coupon.revoke": "bad"}


def run_out_columns(days: Sequence[RunOutDay]) -> list[Column]:
    """A column for each day on which coupons run out, as high as its share of the worst day."""
    most, width = max((each.coupons for each in days), default=0) or 1, 100 / (len(days) or 1)
    columns = []
    for place, each in enumerate(days):
        height = max(_LEAST_HEIGHT, 100 * each.coupons / most) if each.coupons else 0.0
        columns.append(
            Column(
                x=round(place * width, 2),
                y=round(100 - height, 2),
                width=round(width * (1 - _GAP), 2),
                height=round(height, 2),
                text=f"{each.day}: {each.coupons:,}",
            )
        )
    return columns


def group_time(group: GroupView, now: datetime) -> Progress:
    """How much of a group's time has passed; it warns where little is left and seats are."""
    whole = (group.ends_at - group.opened_at).total_seconds() or 1.0
    part = min(1.0, max(0.0, (now - group.opened_at).total_seconds() / whole))
    return Progress(round(100 * part, 2), "busy" if part < _NEAR else "warn" if part < _CLOSE else "bad")


def quota_used(listing: FlashListing) -> Progress | None:
    """How much of a flash sale's quota is sold; None where it has none."""
    quota = listing.sale.quota
    if quota is None:
        return None
    part = min(1.0, listing.sale.sold / quota) if quota else 1.0
    return Progress(round(100 * part, 2), "good" if part < _NEAR else "warn" if part < 1 else "bad")


@dataclass(frozen=True, slots=True)
class SaleCard:
    """A flash sale with its listings; `state` is on, to come, sold out or over, whichever says most."""

    name: str
    from_at: datetime
    until: datetime
    state: str
    listings: tuple[FlashListing, ...]

    @property
    def sold(self) -> int:
        """How many were sold on all listings that have a quota."""
        return sum(each.sale.sold for each in self.listings if each.sale.quota is not None)

    @property
    def quota(self) -> int:
        """All quotas together."""
        return sum(each.sale.quota or 0 for each in self.listings)


def sale_cards(listings: Sequence[FlashListing]) -> list[SaleCard]:
    """Sales with their listings: those that are on first, then those to come, then what is over."""
    told = sorted(listings, key=lambda each: (each.sale.from_at, each.sale.until, each.sale.name))
    cards = []
    for (from_at, until, name), own in groupby(
        told, key=lambda each: (each.sale.from_at, each.sale.until, each.sale.name)
    ):
        each = tuple(own)
        state = next(state for state in _SALE_STATES if any(one.state == state for one in each))
        cards.append(SaleCard(name, from_at, until, state, each))
    return sorted(cards, key=lambda card: _SALE_STATES.index(card.state))


_SALE_STATES = ("on", "to come", "sold out", "over")


def buyer_path(name: str) -> str | None:
    """Where the console shows a buyer; None for a name that is no channel's, which has no such page."""
    channel, stroke, ref = name.partition("/")
    return f"/console/buyers/{quote(channel, safe='')}/{quote(ref, safe='')}" if stroke and ref else None


def masked_buyer(name: str | None) -> str:
    """A buyer for those who may not look at buyers: the channel, and the end of its reference."""
    channel, stroke, ref = (name or "").partition("/")
    return f"{channel}/{masked(ref)}" if stroke else masked(channel)


def in_path(name: str) -> str:
    """A name as a part of an address, strokes included."""
    return quote(name, safe="")


def first_and_last(days: Sequence[RunOutDay]) -> tuple[date, date] | None:
    """Where the picture of the days begins and ends."""
    return (days[0].day, days[-1].day) if days else None
