"""Decides how many codes to keep back so that an oversell stays as rare as wanted. Pure.

Orders elsewhere come as a Poisson process; the units of an order are geometric with the measured mean (1:
always one). The lag is what was measured, value by value. A sum of N geometric sizes exceeds b exactly when
fewer than N of b throws succeed, each at 1 / mean; so the chance that more than b units are sold in the lag
is a sum of positive terms, binomial times Poisson tail: nothing cancels, nothing underflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import ceil, floor, log10

from core.offers.history.selling import Lag

# Beyond this nothing is kept back more exactly: no channel shows so many.
LARGEST_BUFFER = 1_000_000
# A measured distribution with more values is taken in so many steps, each at its longest lag.
_MOST_LAGS = 64
# What is so much rarer than the likeliest count adds nothing that a float could hold.
_NEGLIGIBLE = 1e-22
# A chance above the wanted one by less is the wanted one: sums of floats tell no better, and where a lag is
# either short or long the chance may lie that near to the wanted one over a wide range of buffers.
_AS_GOOD_AS = 1 + 1e-9


def smallest_buffer(per_second: float, mean_quantity: float, lag: Lag, chance: float) -> int:
    """The smallest b for which P(units sold in the lag > b) <= chance; `lag` must have been measured."""
    assert lag.seconds, "a lag that was never measured has no distribution"
    assert 0 < chance <= 1, f"{chance} is no chance"
    size = max(mean_quantity, 1.0)
    orders = [max(per_second, 0.0) / size * seconds for seconds in lag.seconds]
    if max(orders) * size >= LARGEST_BUFFER:
        return LARGEST_BUFFER
    tail = _poisson_tail(orders, lag.weights)
    most = chance * _AS_GOOD_AS
    low, high = -1, 0
    while _chance_above(high, tail, size) > most:
        low, high = high, high * 2 + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _chance_above(middle, tail, size) > most else (low, middle)
    return high


def buffer_for(per_second: float, mean_quantity: float, lag: Lag, chance: float) -> int:
    """As smallest_buffer, from memory where it can: rates are rounded up to two digits first."""
    if per_second <= 0:
        return 0
    return _remembered(_up(per_second), _up(max(mean_quantity, 1.0)), _coarser(lag), chance)


@lru_cache(maxsize=16_384)
def _remembered(per_second: float, mean_quantity: float, lag: Lag, chance: float) -> int:
    return smallest_buffer(per_second, mean_quantity, lag, chance)


def _up(number: float) -> float:
    """Rounded up to two digits: no velocity is known better, and memory answers more often."""
    unit = 10.0 ** (floor(log10(number)) - 1)
    return ceil(number / unit - 1e-9) * unit


@lru_cache(maxsize=1024)
def _coarser(lag: Lag) -> Lag:
    """A lag of few values that is never shorter: values that stand together count as the longest of them."""
    if len(lag.seconds) <= _MOST_LAGS:
        return lag
    step = -(-len(lag.seconds) // _MOST_LAGS)
    pairs = sorted(zip(lag.seconds, lag.weights, strict=True))
    groups = [pairs[start : start + step] for start in range(0, len(pairs), step)]
    return Lag(
        tuple(group[-1][0] for group in groups), tuple(sum(weight for _, weight in group) for group in groups)
    )


def _poisson_tail(means: Sequence[float], weights: Sequence[float]) -> list[float]:
    """P(N > j) by j for a mixture of Poisson distributions; beyond the list it is nothing."""
    total = sum(weights)
    parts = [
        (weight / total, *_poisson(mean)) for mean, weight in zip(means, weights, strict=True) if weight > 0
    ]
    mass = [0.0] * max(start + len(terms) for _, start, terms in parts)
    for weight, start, terms in parts:
        for at, term in enumerate(terms, start):
            mass[at] += weight * term
    # From the rare end: small numbers are added to small numbers.
    at_least = list(accumulate(reversed(mass)))[::-1]
    return at_least[1:]


def _poisson(mean: float) -> tuple[int, list[float]]:
    """Where the probabilities begin that count, and they; they sum to 1."""
    mode = int(mean)
    up, term = [1.0], 1.0
    while term > _NEGLIGIBLE:
        term *= mean / (mode + len(up))
        up.append(term)
    down, term = [], 1.0
    for count in range(mode, 0, -1):
        term *= count / mean
        if term <= _NEGLIGIBLE:
            break
        down.append(term)
    return _normal(mode, down, up)


def _binomial(throws: int, success: float) -> tuple[int, list[float]]:
    """Where the probabilities begin that count, and they; they sum to 1."""
    if success >= 1:
        return throws, [1.0]
    odds = success / (1 - success)
    mode = min(int((throws + 1) * success), throws)
    up, term = [1.0], 1.0
    for count in range(mode, throws):
        term *= odds * (throws - count) / (count + 1)
        if term <= _NEGLIGIBLE:
            break
        up.append(term)
    down, term = [], 1.0
    for count in range(mode, 0, -1):
        term *= count / (odds * (throws - count + 1))
        if term <= _NEGLIGIBLE:
            break
        down.append(term)
    return _normal(mode, down, up)


def _normal(mode: int, down: list[float], up: list[float]) -> tuple[int, list[float]]:
    terms = [*reversed(down), *up]
    total = sum(terms)
    return mode - len(down), [term / total for term in terms]


def _chance_above(units: int, tail: Sequence[float], size: float) -> float:
    """P(more than so many units), from the chances of more than so many orders."""
    start, terms = _binomial(units, 1 / size)
    return sum(term * tail[at] for at, term in enumerate(terms, start) if at < len(tail))
