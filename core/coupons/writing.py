"""Decides how the code of a coupon is written, made up, read again and shown. Pure but for what is drawn.

Twenty signs in four groups, of digits and capitals without 0, O, 1 and I: nineteen drawn (95 bits) and one to
check them by. Lists show the last three; the check sign among them tells five bits of the others, so that 80
bits stay unknown.
"""

from __future__ import annotations

import secrets
import unicodedata

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
DRAWN = 19
_GROUP = 5
_SHOWN = 3
_HIDDEN = "\u2022"
_VALUES = {sign: value for value, sign in enumerate(ALPHABET)}
# Signs are counted in the field of 32 elements, x^5 + x^2 + 1 = 0: each place weighs another power of x, so
# that one sign mistyped, or any two exchanged, never go unseen.
_CARRY, _REDUCED = 0b100000, 0b100101


def new_code() -> str:
    """A code that nobody can guess."""
    return with_check("".join(secrets.choice(ALPHABET) for _ in range(DRAWN)))


def with_check(drawn: str) -> str:
    """The drawn signs, the sign that checks them, and dashes for the eye."""
    return _grouped(drawn + ALPHABET[_times_x(_sum(drawn))])


def read_code(text: str) -> str | None:
    """A code as somebody typed it, in the one form it is kept in; None for what can be none of ours."""
    signs = "".join(sign for sign in unicodedata.normalize("NFKC", text).upper() if sign.isalnum())
    if len(signs) != DRAWN + 1 or not all(sign in _VALUES for sign in signs) or _sum(signs):
        return None
    return _grouped(signs)


def mask_of(code: str) -> str:
    """What lists show of a code."""
    hidden = "".join(sign if sign == "-" else _HIDDEN for sign in code[:-_SHOWN])
    return hidden + code[-_SHOWN:]


def _grouped(signs: str) -> str:
    return "-".join(signs[at : at + _GROUP] for at in range(0, len(signs), _GROUP))


def _sum(signs: str) -> int:
    total = 0
    for sign in signs:
        total = _times_x(total) ^ _VALUES[sign]
    return total


def _times_x(value: int) -> int:
    doubled = value << 1
    return doubled ^ _REDUCED if doubled & _CARRY else doubled
