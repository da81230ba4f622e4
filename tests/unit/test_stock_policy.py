"""Shows that listings together never promise more than the bound, and as much as they want within it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PlanRefused
from core.offers.stock_policy import ListingStock, StockRule, plan_quantities, promise_now, quantity_bound
from core.types import ListingId

rules = st.builds(
    StockRule,
    share_ppm=st.integers(0, 1_000_000),
    cap=st.none() | st.integers(0, 60),
    buffer=st.integers(0, 20),
)
bounds = st.sampled_from([0, 333, 900, 1000, 1500, 3000])
stocks = st.integers(0, 60)


@st.composite
def listings_of_one_sku(draw: st.DrawFn) -> tuple[int, list[ListingStock]]:
    available = draw(stocks)
    listings = [
        ListingStock(
            listing_id=ListingId(number),
            channel=f"channel {number}",
            rule=draw(rules),
            on=draw(st.booleans()),
            sellable=draw(st.integers(0, available)),
            authoritative=draw(st.booleans()),
            largest_quantity=draw(st.integers(0, 80)),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    return available, listings


def listing(
    number: int,
    sellable: int,
    rule: StockRule | None = None,
    *,
    on: bool = True,
    authoritative: bool = False,
    largest_quantity: int = 1_000_000,
) -> ListingStock:
    return ListingStock(
        ListingId(number),
        f"channel {number}",
        rule or StockRule(),
        on,
        sellable,
        authoritative,
        largest_quantity,
    )


def alone(each: ListingStock) -> int:
    """What the rule says, written down a second time."""
    if not each.on:
        return 0
    part = each.sellable * each.rule.share_ppm // 1_000_000
    wanted = min(max(0, part - each.rule.buffer), each.largest_quantity)
    return wanted if each.rule.cap is None else min(wanted, each.rule.cap)


def quantities(available: int, bound_permille: int, *listings: ListingStock) -> list[int]:
    plans = plan_quantities(available, bound_permille, listings)
    return [plans[each.listing_id].quantity for each in listings]


@given(listings_of_one_sku(), bounds)
def test_the_sum_never_exceeds_the_bound_nor_anyone_what_it_wants(
    case: tuple[int, list[ListingStock]], bound_permille: int
) -> None:
    available, listings = case
    found = quantities(available, bound_permille, *listings)
    assert sum(found) <= quantity_bound(available, bound_permille)
    assert all(0 <= quantity <= alone(each) for quantity, each in zip(found, listings, strict=True))


@given(listings_of_one_sku(), bounds)
def test_codes_that_few_may_sell_are_bounded_among_those_few(
    case: tuple[int, list[ListingStock]], bound_permille: int
) -> None:
    available, listings = case
    plans = plan_quantities(available, bound_permille, listings)
    for codes in range(available + 1):
        promised = sum(plans[each.listing_id].quantity for each in listings if each.sellable <= codes)
        assert promised <= quantity_bound(codes, bound_permille)


@given(listings_of_one_sku(), bounds)
def test_no_listing_could_show_one_more(case: tuple[int, list[ListingStock]], bound_permille: int) -> None:
    available, listings = case
    plans = plan_quantities(available, bound_permille, listings)

    def may_rise(each: ListingStock) -> bool:
        return plans[each.listing_id].quantity < alone(each) and all(
            sum(plans[other.listing_id].quantity for other in listings if other.sellable <= codes)
            < quantity_bound(codes, bound_permille)
            for codes in range(each.sellable, available + 1)
        )

    assert not any(may_rise(each) for each in listings)


@given(listings_of_one_sku(), bounds)
def test_where_all_may_sell_everything_the_bound_is_used_to_the_last_code(
    case: tuple[int, list[ListingStock]], bound_permille: int
) -> None:
    available, drawn = case
    listings = [listing(int(each.listing_id), available, each.rule, on=each.on) for each in drawn]
    wanted = sum(alone(each) for each in listings)
    found = quantities(available, bound_permille, *listings)
    assert sum(found) == min(wanted, quantity_bound(available, bound_permille))


@given(listings_of_one_sku(), bounds)
def test_the_last_step_ends_at_the_quantity_and_every_step_lowers_it(
    case: tuple[int, list[ListingStock]], bound_permille: int
) -> None:
    available, listings = case
    for plan in plan_quantities(available, bound_permille, listings).values():
        levels = [step.quantity for step in plan.steps]
        assert levels[-1] == plan.quantity
        assert levels == sorted(set(levels), reverse=True)
        assert all(step.why for step in plan.steps)


def test_share_then_buffer_then_cap_then_what_the_channel_can_show() -> None:
    rule = StockRule(share_ppm=500_000, cap=30, buffer=5)
    (plan,) = plan_quantities(101, 1000, [listing(1, 101, rule, largest_quantity=25)]).values()
    assert [(step.rule, step.quantity) for step in plan.steps] == [
        ("sellable", 101),
        ("share", 50),
        ("buffer", 45),
        ("cap", 30),
        ("largest", 25),
    ]
    assert plan.steps[1].why == "50 % of 101"


def test_a_listing_that_is_off_shows_nothing_and_leaves_the_stock_to_others() -> None:
    assert quantities(7, 1000, listing(1, 7, on=False), listing(2, 7)) == [0, 7]


def test_a_buffer_above_the_stock_shows_nothing() -> None:
    assert quantities(3, 1000, listing(1, 3, StockRule(buffer=4))) == [0]


def test_ten_codes_on_three_channels_leave_the_odd_one_to_the_first() -> None:
    assert quantities(10, 1000, listing(1, 10), listing(2, 10), listing(3, 10)) == [4, 3, 3]


def test_the_last_code_goes_to_a_channel_whose_reservation_is_authoritative() -> None:
    assert quantities(1, 1000, listing(1, 1), listing(2, 1), listing(3, 1, authoritative=True)) == [0, 0, 1]


def test_what_a_capped_listing_does_not_want_goes_to_the_others() -> None:
    assert quantities(10, 1000, listing(1, 10, StockRule(cap=1)), listing(2, 10, StockRule(cap=9))) == [1, 9]


def test_three_long_lived_codes_are_not_promised_twice() -> None:
    assert quantities(13, 1000, listing(1, 3), listing(2, 3), listing(3, 13)) == [2, 1, 10]


def test_a_bound_above_one_lets_channels_overlap_only_so_far() -> None:
    assert quantities(10, 1500, listing(1, 10), listing(2, 10)) == [8, 7]
    assert quantities(10, 3000, listing(1, 10), listing(2, 10)) == [10, 10]


def test_nothing_in_stock_promises_nothing() -> None:
    assert quantities(0, 1000, listing(1, 0), listing(2, 0)) == [0, 0]
    assert plan_quantities(5, 1000, []) == {}


@pytest.mark.parametrize(
    "wrong", [{"share_ppm": -1}, {"share_ppm": 1_000_001}, {"cap": -1}, {"buffer": -1}], ids=str
)
def test_a_stock_rule_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(PlanRefused, match="stock rule"):
        StockRule(**wrong)


@given(stocks, stocks, stocks, stocks, bounds)
def test_telling_never_passes_the_bound_unless_it_lowers_what_is_shown(
    target: int, showing: int, others: int, available: int, bound_permille: int
) -> None:
    quantity, held_back = promise_now(target, showing, others, available, bound_permille)
    assert quantity <= showing or others + quantity <= quantity_bound(available, bound_permille)
    assert min(target, showing) <= quantity <= target
    assert (held_back is None) == (quantity == target)


@given(stocks, stocks, stocks, stocks, bounds)
def test_an_increase_goes_as_far_as_there_is_room(
    target: int, showing: int, others: int, available: int, bound_permille: int
) -> None:
    quantity, _ = promise_now(target, showing, others, available, bound_permille)
    one_more_fits = others + quantity + 1 <= quantity_bound(available, bound_permille)
    assert quantity == target or not one_more_fits


def test_a_decrease_always_passes() -> None:
    assert promise_now(target=2, showing=9, others=50, available=5, bound_permille=1000) == (2, None)


def test_an_increase_waits_for_what_others_may_still_show() -> None:
    quantity, held_back = promise_now(target=6, showing=1, others=7, available=10, bound_permille=1000)
    assert quantity == 3
    assert held_back == "other listings may still show 7 of the 10 that may be promised"


def test_a_listing_without_room_stays_where_it_is() -> None:
    quantity, held_back = promise_now(target=6, showing=2, others=10, available=10, bound_permille=1000)
    assert (quantity, held_back is None) == (2, False)


@given(st.lists(listings_of_one_sku(), min_size=2, max_size=4), st.data())
def test_told_one_by_one_in_any_order_channels_never_rise_above_the_bound(
    cases: list[tuple[int, list[ListingStock]]], data: st.DataObject
) -> None:
    """Stock changes under the listings; each is told in an order of chance, many times, some not at all."""
    shown = dict.fromkeys((number for number in range(6)), 0)
    for available, listings in cases:
        plans = plan_quantities(available, 1000, listings)
        for each in data.draw(st.lists(st.sampled_from(listings), max_size=12) if listings else st.just([])):
            others = sum(shown.values()) - shown[each.listing_id]
            before = shown[each.listing_id]
            told, _ = promise_now(plans[each.listing_id].quantity, before, others, available, 1000)
            shown[each.listing_id] = told
            assert told <= before or sum(shown.values()) <= available
