"""Shows that in whatever order channels are told, answer or fail, raising never comes before lowering."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from core.money.money import Money
from core.money.plans.rules import CONSIGNOR
from core.offers.closures.closed import Closures
from core.offers.planning import OfferPlan, OfferRow, ShelfStock, SkuStock, StockWishes, plan_sku
from core.offers.price.plan import Priced
from core.offers.stock.quantities import quantity_bound
from core.offers.stock.rules import StockPolicy, StockRule
from core.offers.terms import ChannelTerms
from core.types import ChannelId, ListingId, ListingRef, SkuId
from tests.factories import NOW, terms_of
from tests.plain_plans import plain_plan, plain_rule
from tests.unit.stock_listings import rules, sku_rules

PLAN = plain_plan("all", 1, [plain_rule(CONSIGNOR, rest=True)])
PRICE = Priced(Money(2000, "EUR"), Money(1800, "EUR"), ())
LONG = timedelta(days=30)
SKU = SkuId(1)
PATIENT = timedelta(seconds=10)


@dataclass
class Market:
    """Channels with one listing each; `stock` is what is free: short-lived and long-lived codes."""

    policy: StockPolicy
    terms: dict[ChannelId, ChannelTerms]
    rows: dict[ListingId, OfferRow]
    stock: tuple[int, int] = (0, 0)
    now: timedelta = field(default_factory=timedelta)

    def plans(self) -> dict[ListingId, OfferPlan]:
        now = NOW + self.now
        shelves = tuple(
            ShelfStock(now + valid, None, None, free)
            for free, valid in zip(self.stock, (timedelta(days=1), 2 * LONG), strict=True)
        )
        prices = dict.fromkeys(self.rows, PRICE)
        stock, wishes = SkuStock(shelves, {"EUR": 1800}), StockWishes(self.policy, {})
        rows = list(self.rows.values())
        return {
            plan.row.listing_id: plan
            for plan in plan_sku(stock, rows, self.terms, Closures(), wishes, prices, now)
        }

    def change(self, stock: tuple[int, int]) -> None:
        """Stock changed; every listing has just become dirty."""
        self.stock = stock
        self.rows = {key: replace(row, dirty_since=NOW + self.now) for key, row in self.rows.items()}

    def tell(self, listing_id: ListingId) -> None:
        """What a claim writes down; checked against all that may be shown at that moment."""
        plans = self.plans()
        plan, row = plans[listing_id], self.rows[listing_id]
        if plan.raises:
            self.check_room(plan)
            self.check_order(listing_id, plans)
        if plan.tells:
            doubt = max(row.doubt_quantity or 0, row.telling_quantity or 0) or None
            self.rows[listing_id] = replace(row, doubt_quantity=doubt, telling_quantity=plan.quantity)

    def check_room(self, plan: OfferPlan) -> None:
        bound = self.policy.of_sku(SkuStock((), {}).facts).bound_permille.value
        showing = {key: row.showing for key, row in self.rows.items()} | {plan.row.listing_id: plan.quantity}
        for codes in {self.sellable(plan.row), *(self.sellable(row) for row in self.rows.values())}:
            if codes >= self.sellable(plan.row):
                confined = [showing[key] for key, row in self.rows.items() if self.sellable(row) <= codes]
                assert sum(confined) <= quantity_bound(codes, bound)

    def check_order(self, listing_id: ListingId, plans: dict[ListingId, OfferPlan]) -> None:
        waited = NOW + self.now - self.rows[listing_id].dirty_since >= PATIENT
        for other, plan in plans.items():
            assert waited or other == listing_id or plan.wanted_quantity >= self.rows[other].showing

    def sellable(self, row: OfferRow) -> int:
        return sum(self.stock) if not self.terms[row.channel_id].min_validity else self.stock[1]

    def answer(self, listing_id: ListingId, *, known: bool) -> None:
        row = self.rows[listing_id]
        if row.telling_quantity is None:
            return
        told = row.telling_quantity
        if known:
            row = replace(row, published_quantity=told, published_on=told > 0, doubt_quantity=None)
            row = replace(row, published_price_minor=2000, published_net_minor=1800)
        else:
            row = replace(row, doubt_quantity=max(row.doubt_quantity or 0, told))
        self.rows[listing_id] = replace(row, telling_quantity=None)


def offer(number: int) -> OfferRow:
    return OfferRow(
        listing_id=ListingId(number),
        channel_id=ChannelId(number),
        listing_ref=ListingRef(str(number)),
        sku_id=SKU,
        enabled=True,
        dirty_version=1,
        dirty_since=NOW,
        telling_quantity=None,
        doubt_quantity=None,
        published_quantity=None,
        published_price_minor=None,
        published_net_minor=None,
        published_on=None,
        observed_quantity=None,
        counted_there=False,
    )


@st.composite
def markets(draw: st.DrawFn) -> Market:
    terms = {}
    for number in range(1, draw(st.integers(2, 4)) + 1):
        plain = terms_of(ChannelId(number), f"channel {number}", 1, PLAN)
        terms[ChannelId(number)] = replace(
            plain,
            stock=draw(rules),
            reservation_is_authoritative=draw(st.booleans()),
            min_validity=draw(st.sampled_from([timedelta(0), LONG])),
        )
    rows = {ListingId(number): offer(number) for number in terms}
    return Market(StockPolicy(draw(sku_rules)), terms, rows)


amounts = st.tuples(st.integers(0, 12), st.integers(0, 12))
events = st.lists(
    st.one_of(
        st.tuples(st.just("stock"), amounts),
        st.tuples(st.just("wait"), st.integers(1, 15)),
        st.tuples(st.sampled_from(["tell", "tell", "answered", "lost"]), st.integers(0, 3)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(markets(), events)
def test_raising_waits_for_lowering_and_never_passes_the_bound_on_any_part_of_the_stock(
    market: Market, happened: list[tuple[str, int | tuple[int, int]]]
) -> None:
    market.change((6, 6))
    ids = list(market.rows)
    for what, value in happened:
        if isinstance(value, tuple):
            market.change(value)
        elif what == "wait":
            market.now += timedelta(seconds=value)
        elif what == "tell":
            market.tell(ids[value % len(ids)])
        else:
            market.answer(ids[value % len(ids)], known=what == "answered")


@settings(max_examples=150, deadline=None)
@given(markets(), st.lists(amounts, max_size=4))
def test_once_all_answer_every_listing_shows_what_it_should(
    market: Market, stocks: list[tuple[int, int]]
) -> None:
    for stock in [*stocks, (9, 5)]:
        market.change(stock)
        for _ in range(3):
            for listing_id in market.rows:
                market.tell(listing_id)
                market.answer(listing_id, known=True)
        for listing_id, plan in market.plans().items():
            assert (market.rows[listing_id].published_quantity or 0) == plan.wanted_quantity
            assert not plan.held_back


def test_a_channel_that_never_answers_does_not_stop_the_others_for_ever() -> None:
    terms = {ChannelId(n): terms_of(ChannelId(n), f"channel {n}", 1, PLAN) for n in (1, 2)}
    terms[ChannelId(1)] = replace(terms[ChannelId(1)], stock=StockRule(cap=2))
    market = Market(StockPolicy.bounded(2000), terms, {ListingId(n): offer(n) for n in (1, 2)})
    market.rows[ListingId(1)] = replace(market.rows[ListingId(1)], doubt_quantity=9)
    market.change((0, 8))
    held = market.plans()[ListingId(2)]
    assert (held.quantity, held.held_back, held.steps[-1].why) == (0, True, "channel 1 must show less first")
    market.now += PATIENT
    assert market.plans()[ListingId(2)].quantity == 7


def test_long_lived_codes_that_another_may_still_show_are_not_promised_again_however_long_it_takes() -> None:
    plain = {ChannelId(n): terms_of(ChannelId(n), f"channel {n}", 1, PLAN) for n in (1, 2)}
    terms = {key: replace(each, min_validity=LONG) for key, each in plain.items()}
    market = Market(StockPolicy(), terms, {ListingId(n): offer(n) for n in (1, 2)})
    market.rows[ListingId(1)] = replace(market.rows[ListingId(1)], doubt_quantity=4)
    market.change((20, 4))
    market.now += 2 * PATIENT
    plan = market.plans()[ListingId(2)]
    assert (plan.wanted_quantity, plan.quantity) == (2, 0)
    assert plan.steps[-1].why == "other listings may still show 4 of the 4 that may be promised"
