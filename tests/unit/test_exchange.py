"""Money settled in another currency: exact, zero in each currency, every difference on its own account."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.money.conversion import Conversion
from core.money.exchange import Exchanged, Item, convert, exchange
from core.money.money import Money, exponent

AT = datetime(2026, 10, 1, tzinfo=UTC)
CURRENCIES = ("EUR", "USD", "JPY", "KWD", "CNY")


def rate(base: str, quote: str, numerator: int, denominator: int = 10_000) -> Conversion:
    return Conversion(base, quote, numerator, denominator, "test", AT)


def item(amount_minor: int, currency: str = "EUR", purpose: str = "receivable") -> Item:
    return Item("channel", "eneba", purpose, Money(amount_minor, currency))


def bank(amount_minor: int, currency: str = "USD") -> Item:
    return Item("operator", "", "bank", Money(amount_minor, currency))


def accounts(found: Exchanged) -> dict[tuple[str, str], int]:
    sums: Counter[tuple[str, str]] = Counter()
    for posting in found.postings:
        sums[posting.purpose, posting.currency] += posting.amount_minor
    return dict(sums)


def test_a_receivable_paid_in_another_currency_as_worked_out_by_hand() -> None:
    found = exchange([item(10_000)], bank(10_750), rate("EUR", "USD", 10_837), rate("EUR", "USD", 10_500))
    assert accounts(found) == {
        ("receivable", "EUR"): -10_000,
        ("conversion", "EUR"): 10_000,
        ("conversion", "USD"): -10_500,
        ("exchange_gain", "USD"): -337,
        ("exchange_fee", "USD"): 87,
        ("bank", "USD"): 10_750,
    }
    assert (found.gain_minor, found.fee_minor, found.rounding_minor) == (337, 87, 0)


def test_a_debt_paid_after_the_rate_rose_is_a_loss() -> None:
    debt = item(-10_000, purpose="payable")
    found = exchange([debt], bank(-10_837), rate("EUR", "USD", 10_837), rate("EUR", "USD", 10_500))
    assert accounts(found) == {
        ("payable", "EUR"): 10_000,
        ("conversion", "EUR"): -10_000,
        ("conversion", "USD"): 10_500,
        ("exchange_loss", "USD"): 337,
        ("bank", "USD"): -10_837,
    }


def test_what_rounding_each_item_loses_stands_on_an_account_of_its_own() -> None:
    items = [item(1), item(1), item(1)]  # 1.4 yen each, 4.2 together
    found = exchange(items, bank(4, "JPY"), rate("EUR", "JPY", 140, 1))
    assert found.worth_minor == (1, 1, 1)
    assert found.rounding_minor == 1
    assert accounts(found) == {
        ("receivable", "EUR"): -3,
        ("conversion", "EUR"): 3,
        ("conversion", "JPY"): -3,
        ("exchange_rounding", "JPY"): -1,
        ("bank", "JPY"): 4,
    }


@pytest.mark.parametrize(
    ("amount", "told", "expected"),
    [
        (Money(100, "EUR"), rate("EUR", "JPY", 160, 1), Money(160, "JPY")),
        (Money(160, "JPY"), rate("JPY", "EUR", 1, 160), Money(100, "EUR")),
        (Money(100, "EUR"), rate("EUR", "KWD", 1, 3), Money(333, "KWD")),
        (Money(1, "EUR"), rate("EUR", "USD", 1, 2), Money(1, "USD")),
        (Money(-1, "EUR"), rate("EUR", "USD", 1, 2), Money(-1, "USD")),
        (Money(0, "EUR"), rate("EUR", "USD", 1, 2), Money(0, "USD")),
    ],
)
def test_amounts_are_converted_with_the_decimals_of_both_currencies(
    amount: Money, told: Conversion, expected: Money
) -> None:
    assert convert(amount, told) == expected


@given(
    amounts=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=8),
    paid=st.integers(-(10**10), 10**10),
    pair=st.permutations(CURRENCIES),
    rates=st.tuples(*[st.integers(1, 10**6)] * 4),
    booked=st.booleans(),
)
def test_every_exchange_sums_to_zero_and_tells_where_every_unit_went(
    amounts: list[int], paid: int, pair: list[str], rates: tuple[int, int, int, int], booked: bool
) -> None:
    base, quote = pair[:2]
    settled = rate(base, quote, rates[0], rates[1])
    before = rate(base, quote, rates[2], rates[3]) if booked else None
    found = exchange([item(each, base) for each in amounts], bank(paid, quote), settled, before)
    sums: Counter[str] = Counter()
    for posting in found.postings:
        assert posting.amount_minor
        sums[posting.currency] += posting.amount_minor
    assert not any(sums.values())
    exact = Fraction(sum(amounts) * rates[0], rates[1]) * Fraction(10) ** (exponent(quote) - exponent(base))
    assert abs(sum(found.worth_minor) + found.rounding_minor - exact) <= Fraction(1, 2)
    assert abs(found.rounding_minor) <= (len(amounts) + 1) // 2
    assert paid == sum(found.worth_minor) + found.rounding_minor - found.fee_minor
    assert booked or found.gain_minor == 0


@given(
    amounts=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=5), paid=st.integers(-(10**7), 10**7)
)
def test_the_other_side_of_an_exchange_is_its_exact_negative(amounts: list[int], paid: int) -> None:
    told, before = rate("EUR", "USD", 10_837), rate("EUR", "USD", 10_333)
    one = exchange([item(each) for each in amounts], bank(paid), told, before)
    other = exchange([item(-each) for each in amounts], bank(-paid), told, before)
    assert other.gain_minor == -one.gain_minor
    assert other.fee_minor == -one.fee_minor
    assert [posting.amount_minor for posting in other.postings] == [-p.amount_minor for p in one.postings]


@pytest.mark.parametrize(
    ("items", "paid", "told", "before", "says"),
    [
        ([], bank(1), rate("EUR", "USD", 1), None, "at least one"),
        ([item(1, "JPY")], bank(1), rate("EUR", "USD", 1), None, "items in JPY"),
        ([item(1)], bank(1, "JPY"), rate("EUR", "USD", 1), None, "was paid"),
        ([item(1)], bank(1), rate("EUR", "USD", 1), rate("EUR", "JPY", 1), "give both"),
        ([item(10**18)], bank(1), rate("EUR", "USD", 20_000), None, "too large"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    items: list[Item], paid: Item, told: Conversion, before: Conversion | None, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        exchange(items, paid, told, before)
