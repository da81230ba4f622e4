"""Decides what an operator may write about quantities: for everything, for SKUs, channels and listings."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from config.fields import Bound, Name, Percent, Seconds, Share, Table, Whole, not_boolean
from config.match import Match
from config.problems import KeyPath

NONE: Literal["none"] = "none"
ALL = "all"


def _limit(written: object) -> int | Literal["none"]:
    if written == NONE:
        return NONE
    if isinstance(written, str) and written.isascii() and written.isdigit():
        written = int(written)
    if isinstance(written, bool) or not isinstance(written, int):
        raise ValueError(f'wrong type: write a whole number, or "{NONE}" to take a limit away')
    if not 0 <= written < 2**31:
        raise ValueError(f'write a number from 0 to {2**31 - 1}, or "{NONE}"')
    return written


Limit = Annotated[int | Literal["none"], PlainValidator(_limit)]
Chance = Annotated[float, BeforeValidator(not_boolean), Field(ge=1e-9, le=1, allow_inf_nan=False)]


class Buffer(Table):
    """How much is kept back: a number of codes, a part of them, or as many as the wanted chance needs."""

    codes: Whole | None = None
    percent: Percent | None = None
    # The chance that more is sold elsewhere than was kept back, before the channel has learnt of it.
    chance: Chance | None = None
    # Stands for the channel's lag until that was measured.
    lag_seconds: Seconds | None = None

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, written: object) -> object:
        if isinstance(written, dict):
            return written
        if isinstance(written, int | Decimal | str) and not isinstance(written, bool):
            return {"codes": written}
        raise ValueError("wrong type: write a number of codes, { percent = 5 } or { chance = 0.001 }")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in (self.codes, self.percent, self.chance) if kind is not None]
        if len(kinds) != 1:
            raise ValueError("write one of codes, percent and chance")
        if self.lag_seconds is not None and self.chance is None:
            raise ValueError("lag_seconds goes with chance only: remove it")
        return self


class ListingStock(Table):
    """How much is shown; what is not written is taken from the layer above. "none" lifts a limit."""

    on: bool | None = None
    share: Share | None = None
    cap: Limit | None = None
    # At least so many are shown, while there are codes.
    floor: Whole | None = None
    # A fixed number that is set aside, in place of a share.
    allotment: Limit | None = None
    buffer: Buffer | None = None
    # Where the bound is shared by priority: lower numbers first.
    priority: Whole | None = None

    @model_validator(mode="after")
    def _floor_below_cap(self) -> Self:
        if isinstance(self.cap, int) and self.floor is not None and self.floor > self.cap:
            raise ValueError("floor is above cap: exchange them")
        return self


class ChannelStock(ListingStock):
    """The same for a channel, and the tier by which rules on SKUs know it; without one, its own name."""

    tier: Name | None = None


class _Everywhere(ListingStock):
    # The sum of all promises for a SKU never exceeds this many times what we hold.
    bound: Bound | None = None
    shared_by: Literal["proportion", "priority", "sales"] | None = None
    # So many are left to the channels whose reservation is authoritative, or to the others.
    last_codes: Whole | None = None
    last_to: Literal["reserving", "others"] | None = None


class StockRule(_Everywhere):
    """How much is shown of the SKUs that match, on the channels of some tiers only; later rules win."""

    name: Annotated[str, Field(min_length=1)] | None = None
    match: Match
    # ["all"] takes away what an earlier rule has said.
    tiers: tuple[Name, ...] | None = None

    @property
    def label(self) -> str:
        """What explanations call it."""
        return self.name or self.match.words()


class Stock(_Everywhere):
    """How much of the stock any channel is shown unless something else says otherwise."""

    share: Share = Decimal(1)
    bound: Bound = Decimal(1)
    rules: Annotated[tuple[StockRule, ...], Field(max_length=1000)] = ()


def unknown_tiers(written: object) -> Iterator[tuple[KeyPath, str]]:
    """Rules that name a tier which no channel has; read from raw values, so that no other error hides it."""
    tree = written if isinstance(written, dict) else {}
    stock, channels = tree.get("stock"), tree.get("channels", {})
    rules = stock.get("rules", ()) if isinstance(stock, dict) else ()
    if not isinstance(rules, list) or not isinstance(channels, dict):
        return
    known = {*channels, *(_tier(channel) for channel in channels.values())} | {ALL}
    for number, rule in enumerate(rules):
        tiers = rule.get("tiers", ()) if isinstance(rule, dict) else ()
        for place, tier in enumerate(tiers if isinstance(tiers, list) else ()):
            if isinstance(tier, str) and tier not in known:
                yield (
                    ("stock", "rules", number, "tiers", place),
                    f'no channel is of tier {tier}: write stock = {{ tier = "{tier}" }} under a channel, or'
                    f" name one of {', '.join(sorted(str(name) for name in known if name))}",
                )


def _tier(channel: object) -> object:
    stock = channel.get("stock") if isinstance(channel, dict) else None
    return stock.get("tier") if isinstance(stock, dict) else None
