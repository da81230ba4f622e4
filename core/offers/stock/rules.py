"""Decides which rule gives which number: everywhere, then rules on SKUs, the channel, the listing. Pure.

Each layer says only what it wants otherwise; the later layer wins, number by number. Every number keeps the
name of the rule it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from typing import Generic, TypeVar

from core.errors import PlanRefused
from core.money.money import percent
from core.offers.matching import SkuFacts, SkuMatch

WHOLE_PPM = 1_000_000
LEAST_CHANCE = 1e-9
DEFAULT_LAG_SECONDS = 60.0
_DEFAULT = "default"
_DEFAULT_PRIORITY = 100

T = TypeVar("T")


class Lifted(Enum):
    """What a rule writes to take away a limit that an earlier one has set."""

    LIFTED = "none"


class SharedBy(StrEnum):
    """How the bound is shared out where listings want more than it."""

    PROPORTION = "proportion"  # to what each wants
    PRIORITY = "priority"  # lower numbers first, equals in proportion
    SALES = "sales"  # to what each sells


class LastTo(StrEnum):
    """Whose the last codes are."""

    RESERVING = "reserving"  # channels whose reservation is authoritative
    OTHERS = "others"  # channels that sell without asking us


@dataclass(frozen=True, slots=True)
class CountBuffer:
    """So many codes are kept back."""

    codes: int

    def __post_init__(self) -> None:
        if self.codes < 0:
            raise PlanRefused(f"stock rule: a buffer of {self.codes} is below zero")


@dataclass(frozen=True, slots=True)
class PartBuffer:
    """A part of the codes that may be sold is kept back, in parts per million, rounded up."""

    part_ppm: int

    def __post_init__(self) -> None:
        if not 0 <= self.part_ppm <= WHOLE_PPM:
            raise PlanRefused(f"stock rule: a buffer of {self.part_ppm} ppm: write 0 to {WHOLE_PPM}")


@dataclass(frozen=True, slots=True)
class RiskBuffer:
    """So many that more are sold elsewhere, before the channel learns of it, at this chance only.

    `lag_seconds` stands for the channel's lag until that was measured.
    """

    chance: float
    lag_seconds: float = DEFAULT_LAG_SECONDS

    def __post_init__(self) -> None:
        if not LEAST_CHANCE <= self.chance <= 1:
            raise PlanRefused(
                f"stock rule: a chance of {self.chance}: write {LEAST_CHANCE} to 1, such as 0.001"
            )
        if self.lag_seconds <= 0:
            raise PlanRefused(f"stock rule: lag_seconds is {self.lag_seconds}: write more than 0")


Buffer = CountBuffer | PartBuffer | RiskBuffer


@dataclass(frozen=True, slots=True)
class StockRule:
    """What one layer says; None says nothing. `place` and `label` name it: stock.cap [tag steam].

    A fixed allotment takes the place of the share. `tiers` are those of the channels that it is shown on; a
    channel without one is a tier of its own. The bound, how it is shared and the last codes concern all
    listings of a SKU together, so only rules for everything and for SKUs may say them.
    """

    on: bool | None = None
    share_ppm: int | None = None
    cap: int | Lifted | None = None
    floor: int | None = None
    allotment: int | Lifted | None = None
    buffer: Buffer | None = None
    tiers: frozenset[str] | Lifted | None = None
    priority: int | None = None
    bound_permille: int | None = None
    shared_by: SharedBy | None = None
    last_codes: int | None = None
    last_to: LastTo | None = None
    place: str = "stock"
    label: str = ""

    def __post_init__(self) -> None:
        if self.share_ppm is not None and not 0 <= self.share_ppm <= WHOLE_PPM:
            raise PlanRefused(
                f"stock rule {self.place}: share_ppm is {self.share_ppm}: write 0 to {WHOLE_PPM}"
            )
        for name in ("cap", "floor", "allotment", "bound_permille", "last_codes"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 0:
                raise PlanRefused(f"stock rule {self.place}: {name} {value} is below zero")

    @property
    def looks_at_sales(self) -> bool:
        """Whether quantities under it change with what is measured, without anything of ours changing."""
        return isinstance(self.buffer, RiskBuffer) or self.shared_by is SharedBy.SALES

    def source(self, name: str) -> str:
        """The name of one of its numbers, as explanations give it."""
        return f"{self.place}.{name}" + (f" [{self.label}]" if self.label else "")


@dataclass(frozen=True, slots=True)
class SkuRule:
    """A rule for all SKUs that match."""

    match: SkuMatch
    rule: StockRule


@dataclass(frozen=True, slots=True)
class Said(Generic[T]):
    """A number, and the rule it came from."""

    value: T
    source: str


@dataclass(frozen=True, slots=True)
class SkuPolicy:
    """What holds for all listings of a SKU together."""

    bound_permille: Said[int]
    shared_by: Said[SharedBy]
    last_codes: Said[int]
    last_to: Said[LastTo]


@dataclass(frozen=True, slots=True)
class ListingPolicy:
    """What holds for one listing."""

    on: Said[bool]
    share_ppm: Said[int]
    cap: Said[int | None]
    floor: Said[int]
    allotment: Said[int | None]
    buffer: Said[Buffer]
    tiers: Said[frozenset[str] | None]
    priority: Said[int]

    def words(self) -> dict[str, tuple[str, str]]:
        """Each number as a person reads it, with the rule it came from."""
        tiers = self.tiers.value
        return {
            "on": ("yes" if self.on.value else "no", self.on.source),
            "share": (percent(self.share_ppm.value), self.share_ppm.source),
            "buffer": (_buffer_words(self.buffer.value), self.buffer.source),
            "floor": (str(self.floor.value), self.floor.source),
            "allotment": (_none_words(self.allotment.value), self.allotment.source),
            "cap": (_none_words(self.cap.value), self.cap.source),
            "tiers": ("all" if tiers is None else ", ".join(sorted(tiers)) or "none", self.tiers.source),
            "priority": (str(self.priority.value), self.priority.source),
        }


@dataclass(frozen=True, slots=True)
class StockPolicy:
    """The layers above channels: one for everything, and those for SKUs in the order they were written."""

    everywhere: StockRule = StockRule()
    by_sku: tuple[SkuRule, ...] = ()

    @classmethod
    def bounded(cls, bound_permille: int) -> StockPolicy:
        """A policy that says nothing but the bound."""
        return cls(StockRule(bound_permille=bound_permille))

    @property
    def looks_at_sales(self) -> bool:
        """Whether any rule does."""
        return any(rule.looks_at_sales for rule in (self.everywhere, *(each.rule for each in self.by_sku)))

    @property
    def largest_bound_permille(self) -> int:
        """The most that any SKU may be promised: what a check of all of them has to allow."""
        said = [each.rule.bound_permille for each in self.by_sku]
        first = self.everywhere.bound_permille
        return max([1000 if first is None else first, *(bound for bound in said if bound is not None)])

    @property
    def validities(self) -> frozenset[timedelta]:
        """The ages at which a SKU may come under other rules, without anything being sold."""
        limits = (
            limit for each in self.by_sku for limit in (each.match.validity_from, each.match.validity_below)
        )
        return frozenset(limit for limit in limits if limit is not None)

    def of_sku(self, sku: SkuFacts) -> SkuPolicy:
        """What holds for a SKU."""
        layers = self._layers(sku)
        return SkuPolicy(
            bound_permille=_last(layers, "bound", lambda rule: rule.bound_permille, 1000),
            shared_by=_last(layers, "shared_by", lambda rule: rule.shared_by, SharedBy.PROPORTION),
            last_codes=_last(layers, "last_codes", lambda rule: rule.last_codes, 0),
            last_to=_last(layers, "last_to", lambda rule: rule.last_to, LastTo.RESERVING),
        )

    def of_listing(self, sku: SkuFacts, channel: StockRule, listing: StockRule | None) -> ListingPolicy:
        """What holds for a listing of a SKU on a channel."""
        layers = [*self._layers(sku), channel, *([listing] if listing else [])]
        return ListingPolicy(
            on=_last(layers, "on", lambda rule: rule.on, True),
            share_ppm=_last(layers, "share", lambda rule: rule.share_ppm, WHOLE_PPM),
            cap=_liftable(_last(layers, "cap", lambda rule: rule.cap, Lifted.LIFTED)),
            floor=_last(layers, "floor", lambda rule: rule.floor, 0),
            allotment=_liftable(_last(layers, "allotment", lambda rule: rule.allotment, Lifted.LIFTED)),
            buffer=_last(layers, "buffer", lambda rule: rule.buffer, CountBuffer(0)),
            tiers=_liftable(_last(layers, "tiers", lambda rule: rule.tiers, Lifted.LIFTED)),
            priority=_last(layers, "priority", lambda rule: rule.priority, _DEFAULT_PRIORITY),
        )

    def _layers(self, sku: SkuFacts) -> list[StockRule]:
        return [self.everywhere, *(each.rule for each in self.by_sku if each.match.fits(sku))]


def _last(
    layers: Sequence[StockRule], name: str, read: Callable[[StockRule], T | None], default: T
) -> Said[T]:
    """What the last layer that says anything says."""
    for layer in reversed(layers):
        value = read(layer)
        if value is not None:
            return Said(value, layer.source(name))
    return Said(default, _DEFAULT)


def _liftable(said: Said[T | Lifted]) -> Said[T | None]:
    return Said(None if isinstance(said.value, Lifted) else said.value, said.source)


def _none_words(limit: int | None) -> str:
    return "none" if limit is None else str(limit)


def _buffer_words(buffer: Buffer) -> str:
    match buffer:
        case CountBuffer(codes):
            return str(codes)
        case PartBuffer(part_ppm):
            return percent(part_ppm)
        case RiskBuffer(chance):
            return f"by risk, chance {chance:g}"
