"""Shows that a bound is shared out to the last code, in the order and the measure that was asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.offers.stock.rules import SharedBy
from core.offers.stock.sharing import Claim, share_out

claims = st.lists(
    st.builds(
        Claim,
        wants=st.integers(0, 40),
        first=st.integers(0, 6),
        sure=st.integers(0, 12),
        priority=st.integers(1, 3),
        sold_per_second=st.sampled_from([0.0, 1e-9, 0.001, 0.002, 5.0]),
    ),
    max_size=7,
)
bounds = st.integers(0, 150)
ways = st.sampled_from(SharedBy)


@given(bounds, claims, ways)
def test_the_parts_sum_to_the_bound_or_to_all_wants_and_none_is_above_its_want(
    bound: int, asked: list[Claim], by: SharedBy
) -> None:
    given_away = share_out(bound, asked, by)
    assert sum(given_away) == min(bound, sum(claim.wants for claim in asked))
    assert all(0 <= got <= claim.wants for got, claim in zip(given_away, asked, strict=True))


@given(bounds, claims, ways)
def test_what_is_first_and_then_sure_is_given_before_anything_else(
    bound: int, asked: list[Claim], by: SharedBy
) -> None:
    for level in (
        [min(claim.wants, claim.first) for claim in asked],
        [min(claim.wants, max(claim.first, claim.sure)) for claim in asked],
    ):
        got = share_out(bound, asked, by)
        if sum(level) <= bound:
            assert all(part >= least for part, least in zip(got, level, strict=True))
        else:
            assert all(part <= most for part, most in zip(got, level, strict=True))


@given(bounds, st.lists(st.builds(Claim, wants=st.integers(0, 40), priority=st.integers(1, 3)), max_size=7))
def test_by_priority_nobody_gets_a_code_while_one_before_lacks_it(bound: int, asked: list[Claim]) -> None:
    got = share_out(bound, asked, SharedBy.PRIORITY)
    lacking = [claim.priority for part, claim in zip(got, asked, strict=True) if part < claim.wants]
    served = [claim.priority for part, claim in zip(got, asked, strict=True) if part]
    assert not lacking or max(served, default=0) <= min(lacking)


@given(bounds, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=7))
def test_by_sales_the_parts_of_the_unsatisfied_are_as_their_sales_to_one_code(
    bound: int, sold: list[tuple[int, int]]
) -> None:
    asked = [Claim(wants=wants, sold_per_second=weight / 1000) for wants, weight in sold]
    got = share_out(bound, asked, SharedBy.SALES)
    short = [
        (part, weight)
        for part, claim, (_, weight) in zip(got, asked, sold, strict=True)
        if part < claim.wants and weight
    ]
    left = sum(part for part, _ in short)
    for part, weight in short:
        fair = left * weight / sum(each for _, each in short)
        assert abs(part - fair) < 1
    if short:
        assert not any(part for part, (_, weight) in zip(got, sold, strict=True) if not weight)
