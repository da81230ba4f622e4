"""Whatever lines come, the parts of a verdict are its amount, and no due gives more than it has."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kit.messages import PayoutKind
from core.money.statements.matching import Matcher
from core.money.statements.terms import (
    DiscrepancyKind,
    Due,
    DueKind,
    Line,
    LineKind,
    MatchTerms,
    Verdict,
)
from core.types import ChannelId
from tests.factories import NOW

TERMS = MatchTerms(ChannelId(1), "eneba")
REFS = st.sampled_from([None, "a", "b", "c", "foreign"])
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD"])


@st.composite
def sales(draw: st.DrawFn) -> list[Due]:
    """Dues of a few sales, some of them taken back."""
    dues: list[Due] = []
    for number in range(draw(st.integers(0, 6))):
        units, unit, fee = draw(st.integers(1, 3)), draw(st.integers(1, 40)), draw(st.integers(0, 6))
        at = NOW - timedelta(days=draw(st.integers(0, 40)))
        ref, currency = draw(st.sampled_from(["a", "b", "c"])), draw(CURRENCIES)
        signs = (1, -1) if draw(st.booleans()) else (1,)
        for sign in signs:
            kinds = (DueKind.SALE, DueKind.FEE) if sign > 0 else (DueKind.REFUND, DueKind.FEE_BACK)
            for kind, each in zip(kinds, (unit * sign, -fee * sign), strict=True):
                if each:
                    transaction = number * 2 + (sign < 0)
                    due_id = len(dues) + 1
                    dues.append(Due(due_id, transaction, kind, each * units, each, currency, at, ref, "L"))
    return dues


@st.composite
def told(draw: st.DrawFn) -> list[Line]:
    """Lines of any kind, most of them of sizes that occur."""
    return [
        Line(
            f"t-{number}",
            draw(st.sampled_from(LineKind)),
            draw(st.integers(-130, 130)),
            draw(CURRENCIES),
            NOW - timedelta(days=draw(st.integers(0, 40))),
            draw(REFS),
            draw(st.sampled_from([None, "L", "other"])),
        )
        for number in range(draw(st.integers(0, 12)))
    ]


@settings(max_examples=300, deadline=None)
@given(sales(), told(), st.integers(0, 3), st.booleans())
def test_ours_and_the_discrepancies_are_theirs_and_nothing_is_matched_twice(
    dues: list[Due], lines: list[Line], tolerance: int, own_refs: bool
) -> None:
    terms = replace(TERMS, tolerance_minor=tolerance, own_order_refs=own_refs)
    verdicts = Matcher(terms, dues).match_all(lines)
    for currency in ("EUR", "JPY", "KWD"):
        theirs = sum(line.amount_minor for line in lines if line.currency == currency)
        of = [verdict for verdict in verdicts if verdict.line.currency == currency]
        ours = sum(part.amount_minor for verdict in of for part in verdict.allotments)
        booked = sum(verdict.booked_minor + verdict.rounding_minor for verdict in of)
        assert ours + booked + sum(verdict.discrepancy_minor for verdict in of) == theirs
    taken: Counter[int] = Counter()
    for verdict in verdicts:
        assert abs(verdict.rounding_minor) <= tolerance
        for part in verdict.allotments:
            assert part.due.currency == verdict.line.currency
            taken[part.due.due_id] += part.amount_minor
    for due in dues:
        assert 0 <= taken[due.due_id] * (1 if due.left_minor > 0 else -1) <= abs(due.left_minor)


@settings(max_examples=100, deadline=None)
@given(sales(), told())
def test_the_order_in_which_lines_are_handed_over_changes_nothing(dues: list[Due], lines: list[Line]) -> None:
    verdicts = Matcher(TERMS, dues).match_all(lines)
    again = Matcher(TERMS, dues[::-1]).match_all(lines[::-1])
    assert [_said(verdict) for verdict in again[::-1]] == [_said(verdict) for verdict in verdicts]


def _said(verdict: Verdict) -> tuple[object, ...]:
    return verdict.line.line_ref, [part.due.due_id for part in verdict.allotments], verdict.discrepancy_minor


def due(number: int, amount: int, ref: str, days_ago: float = 0, kind: DueKind = DueKind.SALE) -> Due:
    return Due(number, number, kind, amount, amount, "EUR", NOW - timedelta(days=days_ago), ref, "L")


def line(kind: LineKind, amount: int, ref: str | None = None, listing: str | None = None) -> Line:
    return Line("t", kind, amount, "EUR", NOW, ref, listing)


def test_a_grouped_line_takes_the_oldest_run_that_sums_to_it() -> None:
    dues = [due(number, size, f"o-{number}", 10 - number) for number, size in enumerate((5, 9, 7, 2, 9), 1)]
    [verdict] = Matcher(TERMS, dues).match_all([line(LineKind.SALE, 18)])
    assert [part.due.due_id for part in verdict.allotments] == [2, 3, 4]


def test_a_line_without_a_reference_is_never_matched_in_part_nor_beyond_the_window() -> None:
    for dues in ([due(1, 100, "o-1")], [due(1, 60, "o-1", days_ago=31)]):
        [verdict] = Matcher(TERMS, dues).match_all([line(LineKind.SALE, 60)])
        assert verdict.discrepancy is DiscrepancyKind.UNKNOWN_SALE
    [verdict] = Matcher(TERMS, [due(1, 60, "o-1")]).match_all([line(LineKind.SALE, 60, listing="other")])
    assert verdict.discrepancy is DiscrepancyKind.UNKNOWN_SALE


def test_a_fee_above_ours_is_matched_as_far_as_it_goes() -> None:
    """Eneba's commission of 6 % + 0.25 on 19.99 is 1.45; 1.70 was taken."""
    [verdict] = Matcher(TERMS, [due(1, -145, "o-1", kind=DueKind.FEE)]).match_all(
        [line(LineKind.FEE, -170, "o-1")]
    )
    assert (verdict.discrepancy, verdict.discrepancy_minor, verdict.ours_minor) == (
        DiscrepancyKind.FEE_DIFFERS,
        -25,
        -145,
    )


def test_lines_that_name_their_order_choose_before_those_that_do_not() -> None:
    dues = [due(1, 60, "o-1", 2), due(2, 60, "o-2", 1)]
    lines = [replace(line(LineKind.SALE, 60), line_ref="x"), line(LineKind.SALE, 60, "o-1")]
    first, second = Matcher(TERMS, dues).match_all(lines)
    assert ([part.due.due_id for part in first.allotments], second.allotments[0].due.due_id) == ([2], 1)


def test_the_kit_and_the_matcher_speak_of_the_same_kinds() -> None:
    assert {kind.value for kind in PayoutKind} == {kind.value for kind in LineKind}
