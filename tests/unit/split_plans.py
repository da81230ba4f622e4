"""Makes split plans of every allowed shape for the property tests of splits and prices."""

from __future__ import annotations

from hypothesis import strategies as st

from core.money.plans.rules import CHANNEL, CONSIGNOR, OPERATOR, Base, Party, Plan
from core.money.plans.stored import EarlyRule
from tests.plain_plans import plain_plan, plain_rule

CURRENCY = "EUR"
REST = plain_rule(CONSIGNOR, rest=True)


@st.composite
def takings(draw: st.DrawFn, party: Party, base: Base, rate_at_most_ppm: int) -> EarlyRule:
    low, high = draw(st.none() | st.integers(0, 300)), draw(st.none() | st.integers(0, 2_000))
    if low is not None and high is not None and low > high:
        low, high = high, low
    return plain_rule(
        party,
        base,
        rate_ppm=draw(st.integers(0, rate_at_most_ppm)),
        fixed_minor=draw(st.just(0) | st.integers(0, 200)),
        minimum_minor=low,
        maximum_minor=high,
        currency=CURRENCY,
    )


@st.composite
def plans(draw: st.DrawFn, channel_at_most_ppm: int = 600_000) -> Plan:
    """Up to three channel rules, up to three of other parties, the rest."""
    channel_rules = draw(st.integers(0, 3))
    each_ppm = channel_at_most_ppm // max(1, channel_rules)
    rules = [draw(takings(CHANNEL, Base.GROSS, each_ppm)) for _ in range(channel_rules)]
    for base in draw(st.lists(st.sampled_from(Base), max_size=3)):
        party = draw(st.sampled_from([OPERATOR, CONSIGNOR]))
        rules.append(draw(takings(party, base, 130_000)))
    return plain_plan("drawn", 1, [*rules, REST])
