"""Listings for the tests of quantities: drawn at random, or written with what a test is about."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from core.offers.matching import SkuFacts
from core.offers.stock.quantities import plan_quantities
from core.offers.stock.rules import (
    Buffer,
    CountBuffer,
    LastTo,
    PartBuffer,
    RiskBuffer,
    SharedBy,
    SkuPolicy,
    StockPolicy,
    StockRule,
)
from core.offers.stock.wants import ListingStock
from core.types import ListingId

buffers: st.SearchStrategy[Buffer] = st.one_of(
    st.builds(CountBuffer, st.integers(0, 20)),
    st.builds(PartBuffer, st.integers(0, 1_000_000)),
    st.builds(RiskBuffer, st.sampled_from([0.001, 0.1, 1.0]), st.sampled_from([1.0, 300.0])),
)
rules = st.builds(
    StockRule,
    share_ppm=st.none() | st.integers(0, 1_000_000),
    cap=st.none() | st.integers(0, 60),
    floor=st.none() | st.integers(0, 20),
    allotment=st.none() | st.integers(0, 30),
    buffer=st.none() | buffers,
    priority=st.none() | st.integers(1, 3),
)
bounds = st.sampled_from([0, 333, 900, 1000, 1500, 3000])
stocks = st.integers(0, 60)
sku_rules = st.builds(
    StockRule,
    bound_permille=bounds,
    shared_by=st.sampled_from(SharedBy),
    last_codes=st.sampled_from([0, 0, 1, 5, 100]),
    last_to=st.sampled_from(LastTo),
)


@dataclass(frozen=True)
class Case:
    """Listings of one SKU and the policy that they share."""

    available: int
    policy: SkuPolicy
    listings: list[ListingStock]

    def quantities(self) -> list[int]:
        plans = plan_quantities(self.available, self.policy, self.listings)
        return [plans[each.listing_id].quantity for each in self.listings]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    available = draw(stocks)
    listings = [
        replace(
            listing(number, draw(st.integers(0, available)), draw(rules)),
            closed=draw(st.sampled_from([None, None, None, "closed"])),
            authoritative=draw(st.booleans()),
            largest_quantity=draw(st.integers(0, 80)),
            sold_per_second=draw(st.sampled_from([0.0, 1e-6, 0.001, 0.1])),
            elsewhere_per_second=draw(st.sampled_from([0.0, 0.001, 0.1])),
            proceeds_ppm=draw(st.none() | st.integers(900_000, 1_100_000)),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    return Case(available, sku(draw(sku_rules)), listings)


def listing(
    number: int,
    sellable: int,
    rule: StockRule | None = None,
    *,
    closed: str | None = None,
    authoritative: bool = False,
    largest_quantity: int = 1_000_000,
) -> ListingStock:
    return ListingStock(
        listing_id=ListingId(number),
        channel=f"channel {number}",
        policy=StockPolicy().of_listing(SkuFacts(), rule or StockRule(), None),
        closed=closed,
        sellable=sellable,
        authoritative=authoritative,
        largest_quantity=largest_quantity,
    )


def sku(rule: StockRule) -> SkuPolicy:
    return StockPolicy(rule).of_sku(SkuFacts())


def bounded(bound_permille: int) -> SkuPolicy:
    return sku(StockRule(bound_permille=bound_permille))
