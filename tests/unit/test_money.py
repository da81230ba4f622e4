"""Shows that amounts are read, shared and rated exactly, in currencies of no, two and three decimals."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.money.money import Money, exponent, per_million, share

currencies = st.sampled_from(["EUR", "USD", "JPY", "KRW", "KWD", "BHD"])
amounts = st.integers(-(10**15), 10**15)
weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any)


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("9.50", "EUR", 950),
        ("9.5", "EUR", 950),
        ("9", "EUR", 900),
        (" 9.50\n", "EUR", 950),
        ("-0.01", "EUR", -1),
        ("9.500", "EUR", 950),
        ("1e2", "EUR", 10_000),
        ("980", "JPY", 980),
        ("980.0", "JPY", 980),
        ("1.234", "KWD", 1234),
        ("0.001", "KWD", 1),
        ("0", "KWD", 0),
    ],
)
def test_an_amount_is_read_in_the_decimals_of_its_currency(
    text: str, currency: str, amount_minor: int
) -> None:
    assert Money.parse(text, currency) == Money(amount_minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "said"),
    [
        ("9.505", "EUR", "EUR has 2 decimals"),
        ("0.5", "JPY", "JPY has 0 decimals"),
        ("1.2345", "KWD", "KWD has 3 decimals"),
        ("NaN", "EUR", "EUR has 2 decimals"),
        ("Infinity", "EUR", "EUR has 2 decimals"),
        ("", "EUR", "write a decimal number such as 9.50"),
        ("9,50", "EUR", "write a decimal number such as 9.50"),
        ("EUR 9", "EUR", "write a decimal number such as 9.50"),
        ("9.50", "eur", "write three capital letters, such as EUR"),
        ("9.50", "EUR\n", "write three capital letters, such as EUR"),
        ("9.50", "EURO", "write three capital letters, such as EUR"),
        ("9.50", "", "write three capital letters, such as EUR"),
    ],
)
def test_an_amount_that_is_not_exact_is_refused(text: str, currency: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Money.parse(text, currency)


@given(amounts, currencies)
def test_an_amount_is_read_back_from_what_it_is_written_as(amount_minor: int, currency: str) -> None:
    written = str(Money(amount_minor, currency))
    number, _, unit = written.partition(" ")
    assert Money.parse(number, unit) == Money(amount_minor, currency)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "written"),
    [
        (950, "EUR", "9.50 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (950, "JPY", "950 JPY"),
        (950, "KWD", "0.950 KWD"),
        (0, "USD", "0.00 USD"),
        (10**18, "EUR", "10000000000000000.00 EUR"),
    ],
)
def test_an_amount_is_written_with_all_its_decimals(amount_minor: int, currency: str, written: str) -> None:
    assert str(Money(amount_minor, currency)) == written


def test_currencies_have_their_own_decimals() -> None:
    assert [exponent(currency) for currency in ("EUR", "CNY", "JPY", "KRW", "KWD")] == [2, 2, 0, 0, 3]
    assert Money(1234, "KWD").decimal() == Decimal("1.234")


@given(amounts, amounts, currencies)
def test_adding_and_taking_away_undo_each_other(one: int, other: int, currency: str) -> None:
    first, second = Money(one, currency), Money(other, currency)
    assert first + second - second == first
    assert first + -first == Money(0, currency)
    assert first.times(3) == first + first + first


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(AssertionError, match="two currencies"):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(AssertionError, match="two currencies"):
        Money(1, "EUR") - Money(1, "USD")


@given(amounts, weights)
def test_shares_sum_to_the_amount_and_none_is_a_unit_off(amount_minor: int, given_weights: list[int]) -> None:
    parts = share(amount_minor, given_weights)
    assert sum(parts) == amount_minor
    total = sum(given_weights)
    for part, weight in zip(parts, given_weights, strict=True):
        assert abs(part - Fraction(amount_minor * weight, total)) < 1
        assert weight or not part


@given(amounts, weights)
def test_shares_of_a_negative_amount_are_the_exact_negatives(
    amount_minor: int, given_weights: list[int]
) -> None:
    assert share(-amount_minor, given_weights) == [-part for part in share(amount_minor, given_weights)]


@given(amounts, weights, st.integers(1, 1000))
def test_only_the_ratio_of_weights_counts(amount_minor: int, given_weights: list[int], factor: int) -> None:
    scaled = [weight * factor for weight in given_weights]
    assert share(amount_minor, scaled) == share(amount_minor, given_weights)


@pytest.mark.parametrize(
    ("amount_minor", "given_weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (1, [1, 2], [0, 1]),
        (1, [1, 1], [1, 0]),
        (10, [0, 5], [0, 10]),
        (0, [3, 4], [0, 0]),
        (7, [9], [7]),
    ],
)
def test_the_odd_unit_goes_to_the_largest_remainder_then_to_the_earlier(
    amount_minor: int, given_weights: list[int], parts: list[int]
) -> None:
    assert share(amount_minor, given_weights) == parts


@pytest.mark.parametrize("given_weights", [[], [0], [0, 0], [2, -1]])
def test_weights_that_share_nothing_are_our_mistake(given_weights: list[int]) -> None:
    with pytest.raises(AssertionError, match="weight"):
        share(10, given_weights)


@given(amounts, st.integers(0, 5_000_000))
def test_a_rate_is_within_half_a_unit_of_the_exact_amount(amount_minor: int, rate_ppm: int) -> None:
    exact = Fraction(amount_minor * rate_ppm, 1_000_000)
    assert abs(per_million(amount_minor, rate_ppm) - exact) <= Fraction(1, 2)
    assert per_million(-amount_minor, rate_ppm) == -per_million(amount_minor, rate_ppm)


@pytest.mark.parametrize(
    ("amount_minor", "rate_ppm", "part"),
    [
        (999, 120_000, 120),
        (100, 125_000, 13),
        (-100, 125_000, -13),
        (1, 500_000, 1),
        (1, 499_999, 0),
        (100, 0, 0),
        (100, 1_000_000, 100),
        (0, 120_000, 0),
    ],
)
def test_half_a_unit_is_rounded_away_from_zero(amount_minor: int, rate_ppm: int, part: int) -> None:
    assert per_million(amount_minor, rate_ppm) == part
