"""Pictures of money: nothing is lost on the way into rows and bars, and bars stay inside their picture."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money.journal.periods import Period
from core.views.ledger import ExplainedFacts, ExplainedLine, ExplainedStep
from core.views.money_standing import DEBIT, AccountSum, ChannelMonth, Flow, Paid, Standing, standing_of
from web.console.money.figures import OURS, flow_matrices, matrices, share_bars, split_fall

AMOUNTS = st.integers(-(10**12), 10**12)
ACCOUNTS = st.tuples(
    st.sampled_from(["channel", "operator", "consignor", "buyer", "budget", "somebody"]),
    st.sampled_from(["", "a", "b", "c", "d"]),
    st.sampled_from(["receivable", "balance", "discrepancy", "held", "payable", "commission", "wallet"]),
)
SLACK = 30.0


def account(key: tuple[str, str, str], minor: int) -> AccountSum:
    debit, credit = max(minor, 0), max(-minor, 0)
    return AccountSum(*key, "EUR", 1, 0, debit, credit, minor)


def test_what_payees_were_paid_stands_in_their_rows_however_few_of_them_are_shown() -> None:
    books = {("consignor", name, "payable"): -minor for name, minor in (("Ada", 900), ("Bo", 50), ("Cy", 10))}
    sums = [account(key, minor) for key, minor in books.items()]
    paid = [
        Paid("consignor", "Ada", "EUR", 400),
        Paid("consignor", "Bo", "EUR", 7),
        Paid("party", "Bo", "USD", 9),
    ]
    [matrix] = matrices(sums, paid, 1)
    [(_, rows)] = matrix.groups
    assert [(row.name, row.paid_minor) for row in rows] == [("Ada", 400), ("", 7)]
    assert matrix.paid_minor == 407


@given(st.dictionaries(ACCOUNTS, AMOUNTS, min_size=1), st.integers(1, 3))
def test_rows_come_to_what_the_accounts_do_however_few_are_shown(
    books: dict[tuple[str, str, str], int], most: int
) -> None:
    [matrix] = matrices([account(key, minor) for key, minor in books.items()], [], most)
    rows = [row for _, group in matrix.groups for row in group]
    for standing in Standing:
        assert sum(row.standing[standing] for row in rows) == matrix.total[standing]
    signed = sum(minor if each in DEBIT else -minor for each, minor in matrix.total.items())
    assert signed == matrix.balance_minor == sum(books.values())
    for _, group in matrix.groups:
        assert len([row for row in group if not row.rest]) <= most
    for row in rows:
        for bar in row.bars:
            assert -SLACK <= bar.x <= bar.x + bar.width <= 100 + SLACK


@given(st.dictionaries(ACCOUNTS, AMOUNTS, min_size=1), st.data())
def test_channels_and_the_rest_come_to_what_the_month_moved(
    books: dict[tuple[str, str, str], int], data: st.DataObject
) -> None:
    sums = tuple(account(key, minor) for key, minor in books.items())
    flows = tuple(
        Flow(channel, *key, "EUR", data.draw(AMOUNTS))
        for key in books
        for channel in data.draw(st.sets(st.sampled_from(["x", "y"])))
    )
    moved = sum(minor if standing_of(key[0], key[2]) in DEBIT else 0 for key, minor in books.items())
    for matrix in flow_matrices(ChannelMonth(sums, flows)):
        for row in matrix.rows:
            assert sum(row.by_channel.values()) + row.other_minor == row.total_minor
        assert sum(row.total_minor for row in matrix.rows if row.group == OURS) == moved
        assert matrix.apart_in_all == sum(books.values())


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(-(10**9), 10**9), max_size=8))
def test_a_waterfall_hangs_each_step_where_the_last_one_ended(gross: int, taken: list[int]) -> None:
    steps, left = [], gross
    for number, minor in enumerate(taken, 1):
        moved = (gross, minor, left, left - minor)
        steps.append(ExplainedStep(number, "r", "operator", "gross", *moved, "why", True, "at once"))
        left -= minor
    line = ExplainedLine(
        1, 1, "p", 1, "c", "EUR", gross, 1, gross, 0, {}, tuple(steps), (), True, ExplainedFacts()
    )
    falls = split_fall(line).falls
    assert [fall.amount_minor for fall in falls] == [gross, *taken]
    assert [fall.left_minor for fall in falls[1:]] == [step.to_minor for step in steps]
    for before, after in pairwise(falls):
        ends = (after.x, after.x + after.width)
        assert min(abs(before.edge - end) for end in ends) <= 0.5
        assert (after.tone == "loss") == (after.amount_minor < 0)
    for fall in falls:
        assert -0.5 <= fall.x <= fall.x + fall.width <= 101


def test_shares_of_nothing_are_nothing() -> None:
    assert share_bars({"good": 0, "bad": 0}) == ()
    [whole] = share_bars({"good": 0, "bad": -5})
    assert (whole.x, whole.width, whole.amount_minor) == (0.0, 100.0, -5)


@pytest.mark.parametrize(
    ("party", "purpose", "standing"),
    [
        ("channel", "receivable", Standing.OWED_TO_US),
        ("operator", "bank", Standing.OWED_TO_US),
        ("channel", "discrepancy", Standing.BETWEEN),
        ("operator", "conversion", Standing.BETWEEN),
        ("consignor", "reserve", Standing.HELD),
        ("buyer", "wallet_pending", Standing.HELD),
        ("buyer", "points", Standing.PAYABLE),
        ("referrer", "payable", Standing.PAYABLE),
        ("channel", "edit_fees", Standing.EARNED),
        ("operator", "rebate", Standing.EARNED),
    ],
)
def test_every_account_has_one_standing(party: str, purpose: str, standing: Standing) -> None:
    assert standing_of(party, purpose) is standing


def test_nothing_is_drawn_of_a_month_in_which_nothing_moved() -> None:
    assert flow_matrices(ChannelMonth((account(("operator", "", "bank"), 0),), ())) == []
    assert str(Period(2026, 1)) == "2026-01"
