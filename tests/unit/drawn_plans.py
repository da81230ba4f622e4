"""Draws plans of every shape, sales, milestones and refunds for property tests of the split-plan engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from core.money.money import Money
from core.money.plans.facts import CodesOf, Counted, Milestones, SaleFacts
from core.money.plans.rules import (
    CHANNEL,
    CONSIGNOR,
    OPERATOR,
    Base,
    Cap,
    Condition,
    Lapse,
    Moment,
    OnRefund,
    Party,
    Per,
    Plan,
    Rule,
    Scope,
    Short,
    Tier,
    TierBy,
    TierMode,
    Tiers,
    Vesting,
)

CURRENCIES = ("JPY", "EUR", "KWD")  # 0, 2 and 3 decimals
SOLD_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
TAGS = ("card", "game", "steam")
PARTIES = tuple(
    map(
        Party.parse,
        ("operator", "consignor", "referrer-1", "referrer-2", "budget:traffic", "buyer", "party:shop"),
    )
)
REST = Rule("rest", CONSIGNOR, rest=True)
_BASES = (
    Base.GROSS,
    Base.GROSS_LESS_TAX,
    Base.TAX,
    Base.AFTER_CHANNEL,
    Base.MARGIN,
    Base.REDEEMED,
    Base.REMAINS,
)
prices = st.integers(0, 500) | st.integers(0, 10**8)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    if draw(st.integers(0, 2)):
        return Condition()
    return Condition(
        channels=draw(st.sampled_from([(), ("shop",), ("bazaar",)])),
        tags=draw(st.sampled_from([(), ("card",), ("game", "steam")])),
        unless_tags=draw(st.sampled_from([(), ("steam",)])),
        orders_from=draw(st.sampled_from([None, 2])),
        orders_to=draw(st.sampled_from([None, 2, 5])),
        referrer=draw(st.sampled_from([None, 1, 2])),
        starts_at=draw(st.sampled_from([None, SOLD_AT, SOLD_AT + timedelta(days=1)])),
        ends_at=draw(st.sampled_from([None, SOLD_AT + timedelta(days=2)])),
    )


@st.composite
def tier_tables(draw: st.DrawFn, most_ppm: int, *, history: bool) -> Tiers:
    by = draw(st.sampled_from(list(TierBy) if history else [TierBy.AMOUNT, TierBy.ORDERS]))
    mode = draw(st.sampled_from(TierMode))
    starts = draw(st.lists(st.integers(0, 2_000), min_size=1, max_size=4, unique=True).map(sorted))
    fixed = st.just(0) if mode is TierMode.MARGINAL else st.integers(0, 20)
    return Tiers(
        by, mode, tuple(Tier(start, draw(st.integers(0, most_ppm)), draw(fixed)) for start in starts)
    )


@st.composite
def takings(
    draw: st.DrawFn, name: str, party: Party, bases: tuple[Base, ...], most_ppm: int, *, history: bool
) -> Rule:
    low, high = sorted((draw(st.integers(0, 60)), draw(st.integers(0, 2_000))))
    scope = draw(st.sampled_from(Scope))
    tiers = draw(st.none() | tier_tables(most_ppm, history=history))
    plain = tiers is None
    return Rule(
        name=name,
        party=party,
        base=Base.GROSS if scope is Scope.ORDER else draw(st.sampled_from(bases)),
        rate_ppm=draw(st.integers(0, most_ppm)) if plain else 0,
        fixed_minor=draw(st.just(0) | st.integers(0, 60)) if plain else 0,
        tiers=tiers,
        minimum_minor=draw(st.none() | st.just(low)),
        maximum_minor=draw(st.none() | st.just(high)),
        cap=Cap(draw(st.integers(0, 5_000)), Per.MONTH) if history and draw(st.booleans()) else None,
        scope=scope,
        when=draw(conditions()),
        vest=draw(vestings()),
        lapse=draw(st.none() | st.builds(Lapse, st.integers(1, 90))),
        on_refund=draw(st.sampled_from(OnRefund)),
        when_short=Short.LOSS if party == CHANNEL else draw(st.sampled_from([Short.LESS, Short.REFUSE])),
    )


@st.composite
def vestings(draw: st.DrawFn) -> Vesting:
    parts = draw(st.integers(1, 5))
    return Vesting(
        draw(st.sampled_from(Moment)),
        draw(st.none() | st.integers(0, 30)),
        parts,
        draw(st.integers(1, 30)) if parts > 1 else 0,
    )


@st.composite
def plans(
    draw: st.DrawFn, *, history: bool = True, channel_most_ppm: int = 400_000, other_most_ppm: int = 150_000
) -> Plan:
    """Up to two channel rules, up to four of others, the rest."""
    first = (Base.GROSS, Base.GROSS_LESS_TAX)
    rules = [
        draw(takings(f"channel-{n}", CHANNEL, first, channel_most_ppm, history=history))
        for n in range(draw(st.integers(0, 2)))
    ]
    for number, party in enumerate(draw(st.lists(st.sampled_from(PARTIES), max_size=4))):
        rules.append(draw(takings(f"other-{number}", party, _BASES, other_most_ppm, history=history)))
    return Plan("drawn", (*rules, REST), kept_borne_by=draw(st.sampled_from([OPERATOR, CONSIGNOR])))


@st.composite
def sales(draw: st.DrawFn, most_units: int = 4, *, history: bool = True) -> SaleFacts:
    """A line of a price in a currency of 0, 2 or 3 decimals, of up to three consignors' codes."""
    price_minor = draw(prices)
    counts = draw(st.lists(st.integers(1, most_units), min_size=1, max_size=3))
    codes = tuple(
        CodesOf(draw(st.sampled_from(["Ada", "Bo", "Chen"])), count, draw(st.integers(0, 2 * price_minor)))
        for count in counts
    )
    others = draw(st.lists(st.integers(0, 10_000), max_size=2))
    seen = st.builds(Counted, st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 50))
    return SaleFacts(
        unit_price=Money(price_minor, draw(st.sampled_from(CURRENCIES))),
        codes=codes,
        channel=draw(st.sampled_from(["shop", "bazaar"])),
        sold_at=SOLD_AT,
        tags=frozenset(draw(st.sets(st.sampled_from(TAGS)))),
        unit_tax_minor=draw(st.integers(0, price_minor)),
        unit_redeemed_minor=draw(st.none() | st.integers(0, price_minor)),
        buyer=draw(st.none() | st.just("buyer-1")),
        buyer_order_no=draw(st.none() | st.integers(1, 6)),
        referrers=draw(st.sampled_from([(), ("Eve",), ("Eve", "Fay")])),
        order_lines_minor=(price_minor * sum(counts), *others),
        counted={name: draw(seen) for name in ("channel-0", "other-0", "other-1")} if history else {},
    )


@st.composite
def milestones(draw: st.DrawFn) -> Milestones:
    later = st.integers(0, 60).map(lambda days: SOLD_AT + timedelta(days=days))
    return Milestones(
        SOLD_AT,
        draw(st.none() | later),
        draw(st.none() | later),
        timedelta(days=draw(st.integers(0, 30))),
    )


moments = st.integers(0, 200).map(lambda days: SOLD_AT + timedelta(days=days))
