"""Decides which lines of a channel's statement are which entries of ours, line by line. Pure.

**By reference.** A line that names an order of ours is held against what is left of that order alone: the
whole of it, one part, one unit, or sale and fee together where a channel tells nets. Less is a partial
payment, and the rest stays due. More is matched as far as it goes, and the excess is a discrepancy.

**Without one.** Only whole parts are taken, of the same listing if it is named, within the window: a part,
a unit, sale and fee of one sale, or a run of parts that follow each other in time (a grouped line). The
oldest fits first. Nothing is ever taken in part on a guess.

Exact fits go before fits within the tolerance, whose difference is rounding. What fits nothing is a
discrepancy, whatever the channel calls it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from core.money.statements.terms import (
    BOOKED,
    Allotment,
    DiscrepancyKind,
    Due,
    DueKind,
    Line,
    LineKind,
    MatchTerms,
    Verdict,
)

# A channel's clock, or ours, may be wrong, and either side may write first.
_AHEAD = timedelta(days=1)
_PARTNERS = {DueKind.SALE: DueKind.FEE, DueKind.REFUND: DueKind.FEE_BACK}
_FOREIGN = {
    DueKind.SALE: DiscrepancyKind.UNKNOWN_SALE,
    DueKind.FEE: DiscrepancyKind.UNEXPECTED_FEE,
    DueKind.REFUND: DiscrepancyKind.REFUND_THERE_ONLY,
    DueKind.FEE_BACK: DiscrepancyKind.UNEXPECTED_FEE,
}
_MISSING = {
    DueKind.SALE: DiscrepancyKind.MISSING_SALE,
    DueKind.FEE: DiscrepancyKind.MISSING_FEE,
    DueKind.REFUND: DiscrepancyKind.MISSING_REFUND,
    DueKind.FEE_BACK: DiscrepancyKind.MISSING_FEE,
}
# Several parts that are taken together.
Bundle = tuple[Allotment, ...]


def missing_kind(kind: DueKind) -> DiscrepancyKind:
    """What it is called that something due was never told."""
    return _MISSING[kind]


class Matcher:
    """Matches lines one after another; each takes from what those before it left."""

    def __init__(self, terms: MatchTerms, dues: Iterable[Due], known_refs: Iterable[str] = ()) -> None:
        self._terms = terms
        self._dues = {due.due_id: due for due in sorted(dues, key=lambda due: (due.at, due.due_id))}
        self._of_order: dict[str, list[int]] = {}
        for due in self._dues.values():
            if due.order_ref is not None:
                self._of_order.setdefault(due.order_ref, []).append(due.due_id)
        self._known = {*known_refs, *self._of_order}
        # By what a line would say that is exactly the due, or one unit of it.
        self._of_amount: dict[tuple[DueKind, str, int], list[int]] = {}
        for due in self._dues.values():
            for amount_minor in {due.left_minor, due.unit_minor}:
                self._of_amount.setdefault((due.kind, due.currency, amount_minor), []).append(due.due_id)

    def match_all(self, lines: Sequence[Line]) -> list[Verdict]:
        """Verdicts in the lines' order. Lines that name an order choose first, then the others by time."""
        sorts = sorted(lines, key=lambda line: (not self._names_order(line), line.at, line.line_ref))
        verdicts = {line.line_ref: self.match(line) for line in sorts}
        return [verdicts[line.line_ref] for line in lines]

    def match(self, line: Line) -> Verdict:
        """Where the money of one line goes."""
        if not line.amount_minor:
            return Verdict(line)
        if line.kind in BOOKED:
            return Verdict(line, booked_minor=line.amount_minor)
        if line.kind in (LineKind.ADJUSTMENT, LineKind.OTHER):
            kind = DiscrepancyKind.ADJUSTMENT
            return _apart(line, kind if line.kind is LineKind.ADJUSTMENT else DiscrepancyKind.UNKNOWN_KIND)
        verdict = self._of_named(line) if self._names_order(line) else self._of_any(line)
        for part in verdict.allotments:
            held = self._dues[part.due.due_id]
            self._dues[held.due_id] = replace(held, left_minor=held.left_minor - part.amount_minor)
        return verdict

    def _names_order(self, line: Line) -> bool:
        if line.order_ref is None:
            return False
        return line.order_ref in self._known or not self._terms.own_order_refs

    def _of_named(self, line: Line) -> Verdict:
        main_kind = due_kind(line)
        own = [self._dues[due_id] for due_id in self._of_order.get(line.order_ref or "", ())]
        own = [due for due in own if due.currency == line.currency]
        left = [due for due in own if due.left_minor]
        main = [due for due in left if due.kind is main_kind]
        partners = [due for due in left if due.kind is _PARTNERS.get(main_kind)]
        bundles = [whole(main), *_parts(main), whole([*main, *partners]), *_nets(main, partners)]
        fit = _fit([bundle for bundle in bundles if bundle], line, self._terms.tolerance_minor)
        if fit is not None:
            return fit
        total = sum(due.left_minor for due in main)
        if not total:
            told = any(due.kind is main_kind for due in own)
            return _apart(line, DiscrepancyKind.DOUBLED if told else _FOREIGN[main_kind])
        if abs(line.amount_minor) < abs(total):
            return Verdict(line, tuple(_portion(main, line.amount_minor)))
        kind = DiscrepancyKind.FEE_DIFFERS if line.kind is LineKind.FEE else DiscrepancyKind.OVERPAID
        return Verdict(
            line, whole(main), discrepancy_minor=line.amount_minor - total, discrepancy=kind, ours_minor=total
        )

    def _of_any(self, line: Line) -> Verdict:
        main_kind = due_kind(line)
        exact = self._exact(line, main_kind)
        if exact is not None:
            return Verdict(line, (exact,))
        near = [due for due in self._dues.values() if self._is_near(due, line)]
        main = [due for due in near if due.kind is main_kind]
        partners = [due for due in near if due.kind is _PARTNERS.get(main_kind)]
        nets = list(_nets(main, partners))
        fit = _fit([*_parts(main), *nets], line, self._terms.tolerance_minor)
        if fit is not None:
            return fit
        for bundles in ([whole([due]) for due in main], [net for net in nets if _is_whole(net)]):
            run = _run(bundles, line.amount_minor)
            if run:
                return Verdict(line, run)
        return _apart(line, _FOREIGN[main_kind])

    def _exact(self, line: Line, kind: DueKind) -> Allotment | None:
        """The oldest due of which the line is exactly the rest or a unit: most lines end here."""
        for due_id in self._of_amount.get((kind, line.currency, line.amount_minor), ()):
            due = self._dues[due_id]
            enough = abs(due.left_minor) >= abs(line.amount_minor)
            is_part = line.amount_minor in (due.left_minor, due.unit_minor)
            if enough and is_part and self._is_near(due, line):
                return Allotment(due, line.amount_minor)
        return None

    def _is_near(self, due: Due, line: Line) -> bool:
        return (
            due.left_minor != 0
            and due.currency == line.currency
            and line.at - self._terms.window <= due.at <= line.at + _AHEAD
            and line.listing_ref in (None, due.listing_ref)
        )


def due_kind(line: Line) -> DueKind:
    """What of ours a line can be: a sale that goes out is a refund, a fee that comes in one given back."""
    incoming = line.amount_minor > 0
    if line.kind is LineKind.SALE:
        return DueKind.SALE if incoming else DueKind.REFUND
    if line.kind is LineKind.REFUND:
        return DueKind.FEE_BACK if incoming else DueKind.REFUND
    return DueKind.FEE_BACK if incoming else DueKind.FEE


def whole(dues: Sequence[Due]) -> Bundle:
    """All that is left of some dues."""
    return tuple(Allotment(due, due.left_minor) for due in dues)


def _is_whole(bundle: Bundle) -> bool:
    return all(part.amount_minor == part.due.left_minor for part in bundle)


def _unit(due: Due) -> Allotment | None:
    """One unit of a due of several."""
    fits = 0 < abs(due.unit_minor) < abs(due.left_minor) and (due.unit_minor > 0) == (due.left_minor > 0)
    return Allotment(due, due.unit_minor) if fits else None


def _parts(dues: Sequence[Due]) -> Iterator[Bundle]:
    """Each due as a whole, and one unit of it, the oldest first."""
    for due in dues:
        yield whole([due])
        unit = _unit(due)
        if unit is not None:
            yield (unit,)


def _nets(main: Sequence[Due], partners: Sequence[Due]) -> Iterator[Bundle]:
    """What a sale brings after its fee, as a whole and by the unit."""
    partner_of = {due.transaction_id: due for due in partners}
    for due in main:
        partner = partner_of.get(due.transaction_id)
        if partner is None:
            continue
        yield whole([due, partner])
        units = (_unit(due), _unit(partner))
        if units[0] is not None and units[1] is not None:
            yield (units[0], units[1])


def _fit(bundles: Sequence[Bundle], line: Line, tolerance_minor: int) -> Verdict | None:
    """The first bundle that is exactly the line, else the first within the tolerance."""
    for most in dict.fromkeys((0, tolerance_minor)):
        for bundle in bundles:
            rest = line.amount_minor - _sum(bundle)
            if abs(rest) <= most:
                return Verdict(line, bundle, rounding_minor=rest)
    return None


def _run(bundles: Sequence[Bundle], amount_minor: int) -> Bundle:
    """The oldest run of bundles, two or more and next to each other, that is exactly the amount; else none.

    All bundles of a kind have one sign or are skipped, so a sliding window finds it in one pass.
    """
    same = [bundle for bundle in bundles if (_sum(bundle) > 0) == (amount_minor > 0) and _sum(bundle)]
    first, total = 0, 0
    for last, bundle in enumerate(same):
        total += _sum(bundle)
        while abs(total) > abs(amount_minor):
            total -= _sum(same[first])
            first += 1
        if total == amount_minor and last > first:
            return tuple(part for chosen in same[first : last + 1] for part in chosen)
    return ()


def _portion(dues: Sequence[Due], amount_minor: int) -> Iterator[Allotment]:
    """An amount taken from dues of one sign, the oldest first."""
    left = amount_minor
    for due in dues:
        taken = min(due.left_minor, left, key=abs)
        if taken:
            yield Allotment(due, taken)
        left -= taken


def _sum(bundle: Bundle) -> int:
    return sum(part.amount_minor for part in bundle)


def _apart(line: Line, kind: DiscrepancyKind) -> Verdict:
    return Verdict(line, discrepancy_minor=line.amount_minor, discrepancy=kind)
