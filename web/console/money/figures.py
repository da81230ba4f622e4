"""Decides how money becomes pictures: who has what as rows with bars, waterfalls, shares of channels. Pure.

Places and widths are per cent of the picture, which the page stretches; amounts stand beside it as text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from core.views.ledger import ExplainedLine
from core.views.money_split import SplitLine
from core.views.money_standing import (
    DEBIT,
    AccountSum,
    ChannelMonth,
    Flow,
    Paid,
    Standing,
    by_standing,
    standing_of,
)
from web.console.pictures import Gauge, part_gauge

_LEAST_WIDTH = 0.4
# Rows of what we have, before those of what others have.
OURS = "ours"
_KINDS = (OURS, "channel", "operator", "consignor", "referrer", "party", "budget", "buyer")
_TONES = 6
# Among which rows, the party, its name.
_Whose = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a row's bar: where it begins, how wide it is, and what it is."""

    x: float
    width: float
    tone: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """What a party has, by standing; `rest` counts the smaller ones that this row sums up."""

    party: str
    name: str
    standing: Mapping[Standing, int]
    debit_minor: int
    credit_minor: int
    paid_minor: int
    accounts: tuple[AccountSum, ...]
    bars: tuple[Bar, ...]
    rest: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """All parties of a currency: rows by kind of party, the sums, and where the bars' zero is."""

    currency: str
    groups: tuple[tuple[str, tuple[MoneyRow, ...]], ...]
    total: Mapping[Standing, int]
    paid_minor: int
    balance_minor: int
    zero: float


def matrices(sums: Iterable[AccountSum], paid: Iterable[Paid], most: int) -> list[Matrix]:
    """A matrix for each currency, with the `most` largest parties of each kind and the others as one row."""
    found: dict[str, list[AccountSum]] = {}
    for each in sums:
        found.setdefault(each.currency, []).append(each)
    payments: dict[str, Counter[tuple[str, str]]] = {}
    for payment in paid:
        payee = (payment.party, payment.party_name)
        payments.setdefault(payment.currency, Counter())[payee] += payment.amount_minor
    return [
        _matrix(currency, own, payments.get(currency, Counter()), most)
        for currency, own in sorted(found.items())
    ]


def _matrix(
    currency: str, sums: Sequence[AccountSum], paid: Mapping[tuple[str, str], int], most: int
) -> Matrix:
    by_party: dict[tuple[str, str], list[AccountSum]] = {}
    for each in sums:
        by_party.setdefault((each.party, each.party_name), []).append(each)
    gathered: dict[str, list[list[AccountSum]]] = {}
    for (party, _), own in by_party.items():
        gathered.setdefault(party, []).append(own)
    told = {party: _largest(accounts, most) for party, accounts in gathered.items()}
    sides = [_sides(by_standing(own)) for kept, rest in told.values() for own in (*kept, rest)]
    left, right = (max((side[place] for side in sides), default=0) for place in (0, 1))
    scale, zero = 100 / ((left + right) or 1), 100 * left / ((left + right) or 1)
    groups = [
        (
            party,
            tuple(
                _row(party, own, paid, zero, scale, len(gathered[party]) - len(kept) if own is rest else 0)
                for own in (*kept, rest)
                if own
            ),
        )
        for party, (kept, rest) in sorted(told.items(), key=lambda each: _place(each[0]))
    ]
    total = by_standing(sums)
    balance_minor = sum(each.closing_minor for each in sums)
    return Matrix(currency, tuple(groups), total, sum(paid.values()), balance_minor, round(zero, 2))


def _largest(
    parties: Sequence[list[AccountSum]], most: int
) -> tuple[list[list[AccountSum]], list[AccountSum]]:
    """The largest in the order of their size, and the accounts of all others together."""
    ordered = sorted(parties, key=lambda own: (-max(_sides(by_standing(own))), own[0].party_name))
    return ordered[:most], [each for own in ordered[most:] for each in own]


def _row(
    party: str,
    own: list[AccountSum],
    paid: Mapping[tuple[str, str], int],
    zero: float,
    scale: float,
    rest: int,
) -> MoneyRow:
    standing = by_standing(own)
    return MoneyRow(
        party=party,
        name="" if rest else own[0].party_name,
        standing=standing,
        debit_minor=sum(each.debit_minor for each in own),
        credit_minor=sum(each.credit_minor for each in own),
        paid_minor=sum(paid.get((party, name), 0) for name in {each.party_name for each in own}),
        accounts=() if rest else tuple(own),
        bars=_bars(standing, zero, scale),
        rest=rest,
    )


def _signed(standing: Mapping[Standing, int]) -> list[tuple[Standing, int]]:
    """Debit to the right, credit to the left."""
    return [(each, minor if each in DEBIT else -minor) for each, minor in standing.items() if minor]


def _sides(standing: Mapping[Standing, int]) -> tuple[int, int]:
    """How far a bar reaches to the left and to the right."""
    signed = [minor for _, minor in _signed(standing)]
    return -sum(minor for minor in signed if minor < 0), sum(minor for minor in signed if minor > 0)


def _bars(standing: Mapping[Standing, int], zero: float, scale: float) -> tuple[Bar, ...]:
    bars, left, right = [], zero, zero
    for each, minor in _signed(standing):
        width = max(abs(minor) * scale, _LEAST_WIDTH)
        left, start = (left - width, left - width) if minor < 0 else (left, right)
        right = right + width if minor > 0 else right
        bars.append(Bar(round(start, 2), round(width, 2), each.value, standing[each]))
    return tuple(bars)


def _place(party: str) -> tuple[int, str]:
    return (_KINDS.index(party) if party in _KINDS else len(_KINDS), party)


@dataclass(frozen=True, slots=True)
class FlowRow:
    """What we have, or what a party got: of each channel's orders, of other things, and in all."""

    group: str
    party: str
    name: str
    by_channel: Mapping[str, int]
    other_minor: int
    total_minor: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class FlowMatrix:
    """Parties by channels, for a currency."""

    currency: str
    channels: tuple[str, ...]
    rows: tuple[FlowRow, ...]
    tones: Mapping[str, str]

    @property
    def groups(self) -> list[tuple[str, list[FlowRow]]]:
        """The rows by what they are, in which order they stand anyway."""
        return [(group, list(own)) for group, own in groupby(self.rows, lambda row: row.group)]

    def apart(self, channel: str) -> int:
        """What we have of a channel's orders less what others got: nothing, if the books are right."""
        return sum(self._side(row) * row.by_channel.get(channel, 0) for row in self.rows)

    @property
    def apart_in_all(self) -> int:
        """The same of everything that moved."""
        return sum(self._side(row) * row.total_minor for row in self.rows)

    @staticmethod
    def _side(row: FlowRow) -> int:
        return 1 if row.group == OURS else -1


def flow_matrices(month: ChannelMonth) -> list[FlowMatrix]:
    """Who got what of which channel's orders, a matrix for each currency in which anything moved."""
    currencies = sorted({each.currency for each in month.sums if each.debit_minor or each.credit_minor})
    return [_flow_matrix(month, currency) for currency in currencies]


def _flow_matrix(month: ChannelMonth, currency: str) -> FlowMatrix:
    total: Counter[_Whose] = Counter()
    for each in month.sums:
        if each.currency == currency and (each.debit_minor or each.credit_minor):
            whose, sign = _whose(each)
            total[whose] += sign * (each.debit_minor - each.credit_minor)
    flows: dict[_Whose, Counter[str]] = {whose: Counter() for whose in total}
    for flow in month.flows:
        if flow.currency == currency:
            whose, sign = _whose(flow)
            flows[whose][flow.channel] += sign * flow.amount_minor
    channels = tuple(sorted({channel for own in flows.values() for channel in own}))
    tones = {channel: f"tone-{place % _TONES}" for place, channel in enumerate(channels)}
    most = max((sum(map(abs, own.values())) for own in flows.values()), default=0) or 1
    rows = []
    for whose in sorted(total, key=lambda whose: (_place(whose[0]), -abs(total[whose]), whose)):
        own, (group, party, name) = flows[whose], whose
        if not total[whose] and not any(own.values()):
            continue
        bars = _stacked([(tones[channel], own[channel]) for channel in channels], most)
        rows.append(FlowRow(group, party, name, own, total[whose] - own.total(), total[whose], bars))
    return FlowMatrix(currency, channels, tuple(rows), tones)


def _whose(of: AccountSum | Flow) -> tuple[_Whose, int]:
    """Among which rows it stands, and the sign by which it is read: what we have, or what somebody got."""
    ours = standing_of(of.party, of.purpose) in DEBIT
    return (OURS if ours else of.party, of.party, of.party_name), 1 if ours else -1


def _stacked(parts: Iterable[tuple[str, int]], most: int) -> tuple[Bar, ...]:
    bars, at = [], 0.0
    for tone, minor in parts:
        if minor:
            width = max(100 * abs(minor) / most, _LEAST_WIDTH)
            bars.append(Bar(round(at, 2), round(width, 2), tone, minor))
            at += width
    return tuple(bars)


def share_bars(parts: Mapping[str, int]) -> tuple[Bar, ...]:
    """Parts of a whole side by side, each by its size, named by its tone."""
    return _stacked(parts.items(), sum(map(abs, parts.values())) or 1)


@dataclass(frozen=True, slots=True)
class Fall:
    """A step of a waterfall: its bar, where the line to the next hangs, what it took and what it left."""

    name: str
    party: str
    amount_minor: int
    left_minor: int
    why: str
    tone: str
    x: float
    width: float
    edge: float
    vests: str = ""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The steps from a whole amount to nothing; `zero` is where nothing is."""

    falls: tuple[Fall, ...]
    zero: float


def split_fall(line: ExplainedLine) -> Waterfall:
    """From the price down: what each rule took, and what it left."""
    steps = [
        (step.rule, step.party, step.amount_minor, step.formula, step.vests if step.applied else "")
        for step in line.steps
    ]
    return _fall("gross", line.gross_minor, steps)


def refund_fall(split: SplitLine) -> Waterfall:
    """From what went back to the buyer: what each rule gave of it."""
    steps = [(back.rule, back.party, -back.amount_minor, back.why, "") for back in split.back]
    return _fall("refund", -split.refunded_minor, steps)


def _fall(name: str, whole_minor: int, steps: Sequence[tuple[str, str, int, str, str]]) -> Waterfall:
    """Bars hang from where the last one ended. What is below zero, taken or left, is red."""
    lefts = [whole_minor]
    for _, _, minor, _, _ in steps:
        lefts.append(lefts[-1] - minor)
    low, high = min(0, *lefts), max(0, *lefts)
    scale = 100 / ((high - low) or 1)

    def place(minor: int) -> float:
        return round((minor - low) * scale, 2)

    start = Fall(
        name, "", whole_minor, whole_minor, "", "gross" if whole_minor >= 0 else "loss",
        place(min(0, whole_minor)), _width(whole_minor, scale), place(whole_minor),
    )  # fmt: skip
    falls = [start]
    for (rule, party, minor, why, vests), (before, left) in zip(steps, pairwise(lefts), strict=True):
        tone = "loss" if minor < 0 else party.partition(":")[0].partition("-")[0]
        x, width = place(min(before, left)), _width(minor, scale)
        falls.append(Fall(rule, party, minor, left, why, tone, x, width, place(left), vests))
    return Waterfall(tuple(falls), place(0))


def _width(minor: int, scale: float) -> float:
    return round(max(abs(minor) * scale, _LEAST_WIDTH if minor else 0.0), 2)


def budget_gauge(used_minor: int, budget_minor: int) -> Gauge:
    """How much of a budget is used up; the line is its end."""
    return part_gauge(used_minor / max(budget_minor, 1))
