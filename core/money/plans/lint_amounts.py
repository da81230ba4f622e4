"""Finds the amounts for which a plan's rules ask for more than there is. Pure.

Between two points at which a rule changes its tier, meets a bound or finds nothing left, everything asked
is a straight line over the price. So the price range is cut into such stretches, rule by rule, and a plan
fits everywhere if it fits at their ends. Rules are taken at the most they can ask: costs and other unknown
facts at their worst, and together with all rules whose conditions can hold at the same time. What is found
fits for every sale; roundings are within the slack that `waterfall` grants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, combinations, count
from math import ceil

from core.money.plans.lint_conditions import together
from core.money.plans.rules import Base, PartyKind, Plan, Rule, Scope, Short, Tier, TierBy, TierMode

_PPM = 1_000_000
_CHANNEL_RULES_TRIED = 5
# Tables upon tables multiply; this many stretches are a few seconds' work.
_STRETCHES_AT_MOST = 20_000
_TAXED = (Base.TAX, Base.GROSS_LESS_TAX)


@dataclass(frozen=True, slots=True)
class Excess:
    """The smallest price found at which a rule asks for more than is left, and by how much."""

    index: int
    price_minor: int
    excess_minor: Fraction


class Unfollowed(Exception):
    """The rules up to this one make more cases than can be followed."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"more than {_STRETCHES_AT_MOST} cases up to rule {index + 1}")


@dataclass(frozen=True, slots=True)
class _Line:
    slope: Fraction
    at_zero: Fraction

    def at(self, value: Fraction) -> Fraction:
        return self.slope * value + self.at_zero

    def less(self, other: _Line) -> _Line:
        return _Line(self.slope - other.slope, self.at_zero - other.at_zero)

    def of(self, inner: _Line) -> _Line:
        return _Line(self.slope * inner.slope, self.slope * inner.at_zero + self.at_zero)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a rule asks of bases from start to end; None: without end."""

    start: Fraction
    end: Fraction | None
    line: _Line


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Prices from start to end over which what is left, and what the channel took, are straight lines."""

    start: Fraction
    end: Fraction
    left: _Line
    channel: _Line

    def cut(self, points: Iterator[Fraction]) -> list[_Stretch]:
        ends = sorted({point for point in points if self.start < point < self.end} | {self.end})
        starts = [self.start, *ends[:-1]]
        return [replace(self, start=a, end=b) for a, b in zip(starts, ends, strict=True)]

    @property
    def middle(self) -> Fraction:
        return (self.start + self.end) / 2


_ZERO = _Line(Fraction(0), Fraction(0))
_GROSS = _Line(Fraction(1), Fraction(0))


def excesses(plan: Plan) -> list[Excess]:
    """For each rule that may ask for too much, the smallest price at which it does; none: it always fits.

    Unfollowed where there are too many cases to tell.
    """
    found: dict[int, Excess] = {}
    budget = count()
    for chosen in _scenarios(plan):
        for full in _tax_corners(plan):
            for excess in _run(plan, chosen, full, budget):
                known = found.get(excess.index)
                if known is None or excess.price_minor < known.price_minor:
                    found[excess.index] = excess
    return [found[index] for index in sorted(found)]


def _scenarios(plan: Plan) -> Iterator[frozenset[int]]:
    """Rules that can apply at once, also with fewer of the channel's: those leave a larger base to others."""
    for group in together(plan):
        channel = [index for index in group if plan.rules[index].party.kind is PartyKind.CHANNEL]
        tried = channel if len(channel) <= _CHANNEL_RULES_TRIED else []
        for absent in chain.from_iterable(combinations(tried, n) for n in range(len(tried) + 1)):
            yield group.difference(absent)


def _tax_corners(plan: Plan) -> list[frozenset[Base]]:
    """Which of the two taxed bases is the whole price: either.

    Both where a bound may make the middle worse.
    """
    taxed = [rule for rule in plan.rules if rule.base in _TAXED]
    if {rule.base for rule in taxed} != set(_TAXED):
        return [frozenset(_TAXED)]
    bent = any(rule.tiers is not None or rule.maximum_minor is not None for rule in taxed)
    return [frozenset(_TAXED)] if bent else [frozenset({base}) for base in _TAXED]


def _run(
    plan: Plan, chosen: frozenset[int], full: frozenset[Base], budget: Iterator[int]
) -> Iterator[Excess]:
    stretches = [_Stretch(Fraction(plan.smallest_minor), Fraction(plan.largest_minor), _GROSS, _ZERO)]
    for index, rule in enumerate(plan.rules):
        if index not in chosen:
            continue
        if rule.rest:
            stretches = [replace(stretch, left=_ZERO) for stretch in stretches]
            continue
        pieces, asked = _pieces(rule), []
        for part in chain.from_iterable(_asked(rule, pieces, stretch, full) for stretch in stretches):
            if next(budget) >= _STRETCHES_AT_MOST:
                raise Unfollowed(index)
            asked.append(part)
        if rule.when_short is Short.REFUSE:
            over = (_excess(index, stretch, line) for stretch, line in asked)
            yield from sorted((one for one in over if one), key=lambda one: one.price_minor)[:1]
        stretches = [_taken(rule, stretch, line) for stretch, line in asked]


def _asked(
    rule: Rule, pieces: Sequence[_Piece], stretch: _Stretch, full: frozenset[Base]
) -> Iterator[tuple[_Stretch, _Line]]:
    """The stretch in parts over which the rule asks along one line, nothing being left or something."""
    after_channel = _GROSS.less(stretch.channel)
    watched = [stretch.left, after_channel]
    for part in stretch.cut(point for line in watched for point in _crossings(line, _ZERO)):
        base = _base(rule, part, full)
        edges = [_Line(Fraction(0), piece.start) for piece in pieces]
        for smaller in part.cut(point for edge in edges for point in _crossings(base, edge)):
            yield smaller, _highest(pieces, base.at(smaller.middle)).of(base)


def _base(rule: Rule, stretch: _Stretch, full: frozenset[Base]) -> _Line:
    """The largest that the base can be; what a code cost may have been nothing."""
    if rule.base in _TAXED and rule.base not in full:
        return _ZERO
    line = _GROSS
    if rule.base in (Base.AFTER_CHANNEL, Base.MARGIN):
        line = _GROSS.less(stretch.channel)
    elif rule.base is Base.REMAINS:
        line = stretch.left
    return line if line.at(stretch.middle) > 0 else _ZERO


def _excess(index: int, stretch: _Stretch, asked: _Line) -> Excess | None:
    left = stretch.left if stretch.left.at(stretch.middle) > 0 else _ZERO
    over = asked.less(left)
    if max(over.at(stretch.start), over.at(stretch.end)) <= 0:
        return None
    price = stretch.start if over.at(stretch.start) > 0 else -over.at_zero / over.slope
    # The first price at which a whole minor unit is missing tells more than the first at which anything is.
    if over.slope > 0 and over.at(price) < 1:
        price = min(stretch.end, (1 - over.at_zero) / over.slope)
    shown = Fraction(min(ceil(price), int(stretch.end)))
    return Excess(index, int(shown), max(over.at(shown), over.at(price)))


def _taken(rule: Rule, stretch: _Stretch, asked: _Line) -> _Stretch:
    left = stretch.left.less(asked)
    if rule.when_short is not Short.LOSS and left.at(stretch.middle) < 0:
        left = _ZERO
    if rule.party.kind is PartyKind.CHANNEL:
        return replace(stretch, left=left, channel=_GROSS.less(_GROSS.less(stretch.channel).less(asked)))
    return replace(stretch, left=left)


def _pieces(rule: Rule) -> list[_Piece]:
    """The most the rule can ask of each base, as pieces that follow each other."""
    pieces = [clipped for piece in _unbounded(rule) for clipped in _clipped(rule, piece)]
    edges = {edge for piece in pieces for edge in (piece.start, piece.end) if edge is not None}
    for first, second in combinations(pieces, 2):
        edges.update(point for point in _crossings(first.line, second.line) if point > 0)
    ordered = sorted(edges)
    return [
        _Piece(start, end, _highest(pieces, start + 1 if end is None else (start + end) / 2))
        for start, end in zip(ordered, [*ordered[1:], None], strict=True)
    ]


def _highest(pieces: Sequence[_Piece], value: Fraction) -> _Line:
    there = [p.line for p in pieces if p.start <= value and (p.end is None or value < p.end)]
    return max(there, key=lambda line: (line.at(value), line.slope), default=_ZERO)


def _unbounded(rule: Rule) -> Iterator[_Piece]:
    tiers = rule.tiers
    if tiers is None:
        yield _Piece(Fraction(0), None, _line(rule.rate_ppm, rule.fixed_minor))
    elif tiers.mode is TierMode.MARGINAL and tiers.by in (TierBy.AMOUNT, TierBy.TURNOVER):
        # Whatever part of it stands in which tier, it is never more than all of it in the dearest.
        yield _Piece(Fraction(0), None, _line(max((step.rate_ppm for step in tiers.steps), default=0), 0))
    elif tiers.by is not TierBy.AMOUNT:
        for step in tiers.steps:
            yield _Piece(Fraction(0), None, _line(step.rate_ppm, step.fixed_minor))
    elif rule.scope is Scope.UNIT:
        following = [Fraction(step.start) for step in tiers.steps[1:]]
        for step, end in zip(tiers.steps, [*following, None], strict=True):
            yield from _whole_tier(rule, step, end)
    else:
        for step in tiers.steps:
            yield from _shared_tier(step)


def _whole_tier(rule: Rule, step: Tier, end: Fraction | None) -> Iterator[_Piece]:
    """Of the gross price exactly; another base may be smaller than it seems, so its best tier stays."""
    line = _line(step.rate_ppm, step.fixed_minor)
    yield _Piece(Fraction(step.start), end, line)
    if end is not None and rule.base is not Base.GROSS:
        yield _Piece(end, None, _Line(Fraction(0), line.at(end)))


def _shared_tier(step: Tier) -> Iterator[_Piece]:
    """A unit's part of the line's amount: more units may reach the tier, and share its fixed amount."""
    rate, start = Fraction(step.rate_ppm, _PPM), Fraction(step.start)
    if start > 0:
        yield _Piece(Fraction(0), start, _Line(rate + step.fixed_minor / start, Fraction(0)))
    yield _Piece(start, None, _Line(rate, Fraction(step.fixed_minor)))


def _clipped(rule: Rule, piece: _Piece) -> Iterator[_Piece]:
    """The piece, cut where it meets the rule's maximum and minimum."""
    low, high = (
        None if bound is None else _Line(Fraction(0), Fraction(bound))
        for bound in (rule.minimum_minor, rule.maximum_minor)
    )
    points = {p for bound in (low, high) if bound is not None for p in _crossings(piece.line, bound)}
    inside = sorted(p for p in points if p > piece.start and (piece.end is None or p < piece.end))
    for start, end in zip([piece.start, *inside], [*inside, piece.end], strict=True):
        value = piece.line.at(start + 1 if end is None else (start + end) / 2)
        line = piece.line
        if high is not None and value > high.at_zero:
            line = high
        if low is not None and min(value, line.at_zero if line is high else value) < low.at_zero:
            line = low
        yield _Piece(start, end, line)


def _line(rate_ppm: int, fixed_minor: int) -> _Line:
    return _Line(Fraction(rate_ppm, _PPM), Fraction(fixed_minor))


def _crossings(first: _Line, second: _Line) -> Iterator[Fraction]:
    apart = first.less(second)
    if apart.slope:
        yield -apart.at_zero / apart.slope
