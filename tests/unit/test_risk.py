"""What risk says of an order, and how an operator writes its limits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.models import Risk
from connectors.kit.errors import OptionsRefused
from core.orders.risk import RiskRule, RiskVerdict, judge
from core.types import Payment
from scheduler.terms import risk_rule

RULE = RiskRule(50_000, 200_000, 20, "EUR")


@pytest.mark.parametrize(
    ("gross_minor", "quantity", "verdict"),
    [
        (50_000, 20, RiskVerdict.PASS),
        (50_001, 1, RiskVerdict.HOLD),
        (100, 21, RiskVerdict.HOLD),
        (200_000, 1, RiskVerdict.HOLD),
        (200_001, 1, RiskVerdict.REFUSE),
    ],
)
def test_a_limit_is_the_last_that_passes(gross_minor: int, quantity: int, verdict: RiskVerdict) -> None:
    assert judge(RULE, gross_minor, quantity, Payment.PAID).verdict is verdict


def test_what_is_not_paid_is_refused_but_never_held() -> None:
    assert judge(RULE, 60_000, 30, Payment.PENDING).verdict is RiskVerdict.PASS
    assert judge(RULE, 200_001, 1, Payment.PENDING).verdict is RiskVerdict.REFUSE


def test_the_reason_tells_a_person_the_amounts() -> None:
    why = judge(RULE, 50_001, 1, Payment.PAID).why
    assert "500.01 EUR is above 500.00 EUR" in why
    assert "21 pieces are above 20" in judge(RULE, 1, 21, Payment.PAID).why


@given(st.integers(0, 10**12), st.integers(1, 10_000), st.sampled_from(Payment))
def test_without_limits_everything_passes_and_says_nothing(
    gross_minor: int, quantity: int, payment: Payment
) -> None:
    judgement = judge(RiskRule(), gross_minor, quantity, payment)
    assert (judgement.verdict, judgement.why) == (RiskVerdict.PASS, "")


@given(st.integers(0, 300_000), st.integers(0, 300_000), st.integers(1, 50))
def test_a_dearer_order_is_never_judged_more_kindly(one: int, other: int, quantity: int) -> None:
    order = list(RiskVerdict)
    low, high = sorted((one, other))
    verdicts = [judge(RULE, gross, quantity, Payment.PAID).verdict for gross in (low, high)]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


def test_written_limits_are_minor_units_of_the_channels_currency() -> None:
    written = Risk(hold_above=Decimal("500.00"), refuse_above=Decimal(2000), hold_above_quantity=20)
    assert risk_rule("shop", written, "EUR") == RULE
    assert risk_rule("shop", written, "KWD").hold_above_minor == 500_000


def test_a_limit_finer_than_the_currency_is_refused_with_its_place() -> None:
    with pytest.raises(OptionsRefused, match=r"channels\.shop\.risk: .*JPY has 0 decimals"):
        risk_rule("shop", Risk(hold_above=Decimal("0.5")), "JPY")


def test_limits_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match="exchange them"):
        Risk(hold_above=Decimal(10), refuse_above=Decimal(5))
