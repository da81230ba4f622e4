"""Tests that codes of coupons are read as they were written, and that no slip of a finger goes unseen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.coupons.writing import ALPHABET, DRAWN, mask_of, new_code, read_code, with_check

DRAWN_SIGNS = st.text(ALPHABET, min_size=DRAWN, max_size=DRAWN)


def test_a_code_has_the_bits_it_promises() -> None:
    assert len(ALPHABET) == 32
    assert not set("0O1I") & set(ALPHABET)
    shown, check_bits = 3, 5
    left = (DRAWN - (shown - 1)) * math.log2(len(ALPHABET)) - check_bits
    assert left >= 80


@given(DRAWN_SIGNS)
def test_a_code_is_read_however_it_is_typed(drawn: str) -> None:
    code = with_check(drawn)
    for typed in (code, code.lower(), code.replace("-", ""), f"  {code.replace('-', ' ')}\n"):
        assert read_code(typed) == code


@given(DRAWN_SIGNS, st.integers(0, DRAWN), st.sampled_from(ALPHABET))
def test_one_wrong_sign_is_always_seen(drawn: str, place: int, sign: str) -> None:
    signs = with_check(drawn).replace("-", "")
    typed = signs[:place] + sign + signs[place + 1 :]
    assert (read_code(typed) is None) == (typed != signs)


@given(DRAWN_SIGNS, st.integers(0, DRAWN), st.integers(0, DRAWN))
def test_two_signs_exchanged_are_always_seen(drawn: str, one: int, other: int) -> None:
    signs = list(with_check(drawn).replace("-", ""))
    was = "".join(signs)
    signs[one], signs[other] = signs[other], signs[one]
    typed = "".join(signs)
    assert (read_code(typed) is None) == (typed != was)


@pytest.mark.parametrize("typed", ["", "ABC", "O" * 20, "2" * 19, "2" * 21, "\u0130" * 20, "2" * 100_000])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert read_code(typed) is None


def test_a_mask_shows_three_signs_and_no_more() -> None:
    code = new_code()
    mask = mask_of(code)
    assert mask.endswith(code[-3:])
    assert len(mask) == len(code)
    assert not set(mask[:-3]) & set(ALPHABET)
    assert len({new_code() for _ in range(1000)}) == 1000
