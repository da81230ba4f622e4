"""Shows that listings together never promise more than the bound, and as much as they want within it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.offers.stock.quantities import plan_quantities, promise_now, quantity_bound
from core.offers.stock.rules import CountBuffer, LastTo, SharedBy, StockRule
from core.offers.stock.wants import ListingStock, wanted
from tests.unit.stock_listings import Case, bounded, bounds, cases, listing, sku, stocks


def quantities(available: int, bound_permille: int, *listings: ListingStock) -> list[int]:
    return Case(available, bounded(bound_permille), list(listings)).quantities()


@given(cases())
def test_the_sum_never_exceeds_the_bound_nor_anyone_what_it_wants(case: Case) -> None:
    found = case.quantities()
    assert sum(found) <= quantity_bound(case.available, case.policy.bound_permille.value)
    assert all(0 <= got <= wanted(each).quantity for got, each in zip(found, case.listings, strict=True))
    assert all(got <= each.sellable for got, each in zip(found, case.listings, strict=True))


@given(cases())
def test_codes_that_few_may_sell_are_bounded_among_those_few(case: Case) -> None:
    plans = plan_quantities(case.available, case.policy, case.listings)
    for codes in range(case.available + 1):
        promised = sum(plans[each.listing_id].quantity for each in case.listings if each.sellable <= codes)
        assert promised <= quantity_bound(codes, case.policy.bound_permille.value)


@given(cases())
def test_no_listing_could_show_one_more_where_no_codes_are_kept_for_others(case: Case) -> None:
    policy = replace(case.policy, last_codes=replace(case.policy.last_codes, value=0))
    plans = plan_quantities(case.available, policy, case.listings)

    def may_rise(each: ListingStock) -> bool:
        return plans[each.listing_id].quantity < wanted(each).quantity and all(
            sum(plans[other.listing_id].quantity for other in case.listings if other.sellable <= codes)
            < quantity_bound(codes, policy.bound_permille.value)
            for codes in range(each.sellable, case.available + 1)
        )

    assert not any(may_rise(each) for each in case.listings)


@given(cases())
def test_where_all_may_sell_everything_the_bound_is_used_to_the_last_code(case: Case) -> None:
    listings = [replace(each, sellable=case.available) for each in case.listings]
    found = Case(case.available, case.policy, listings).quantities()
    bound = quantity_bound(case.available, case.policy.bound_permille.value)
    # Where codes may be promised more than once, the last ones still are not shown by those they are not for.
    if bound <= case.available or not case.policy.last_codes.value:
        assert sum(found) == min(sum(wanted(each).quantity for each in listings), bound)


@given(cases())
def test_the_last_step_ends_at_the_quantity_and_every_step_changes_it_and_names_its_rule(case: Case) -> None:
    for plan in plan_quantities(case.available, case.policy, case.listings).values():
        levels = [step.quantity for step in plan.steps]
        assert levels[-1] == plan.quantity
        assert all(before != after for before, after in pairwise(levels))
        assert all(step.why and step.source for step in plan.steps)
        raised = [
            step.rule for before, step in zip(levels, plan.steps[1:], strict=False) if step.quantity > before
        ]
        assert raised in ([], ["floor"])


@given(cases(), st.integers(0, 5))
def test_a_listing_alone_shows_no_less_when_there_are_more_codes(case: Case, more: int) -> None:
    for each in case.listings:
        assert wanted(replace(each, sellable=each.sellable + more)).quantity >= wanted(each).quantity


@given(cases(), st.integers(0, 10))
def test_a_larger_buffer_never_shows_more(case: Case, more: int) -> None:
    for each in case.listings:
        kept = [
            replace(
                each, policy=replace(each.policy, buffer=replace(each.policy.buffer, value=CountBuffer(n)))
            )
            for n in (3, 3 + more)
        ]
        assert wanted(kept[1]).quantity <= wanted(kept[0]).quantity


@given(cases())
def test_the_last_codes_are_never_shown_by_those_they_are_not_for(case: Case) -> None:
    plans = plan_quantities(case.available, case.policy, case.listings)
    reserving = case.policy.last_to.value is LastTo.RESERVING
    preferred = [each for each in case.listings if each.authoritative is reserving and wanted(each).quantity]
    kept = min(case.policy.last_codes.value, sum(wanted(each).quantity for each in preferred))
    for each in case.listings:
        if each.authoritative is not reserving:
            assert plans[each.listing_id].quantity <= max(0, each.sellable - kept)


def test_share_then_buffer_then_cap_then_what_the_channel_can_show() -> None:
    rule = StockRule(share_ppm=500_000, cap=30, buffer=CountBuffer(5), place="channels.a.stock")
    plan = wanted(listing(1, 101, rule, largest_quantity=25))
    assert [(step.rule, step.quantity, step.source) for step in plan.steps] == [
        ("sellable", 101, "the channel"),
        ("share", 50, "channels.a.stock.share"),
        ("buffer", 45, "channels.a.stock.buffer"),
        ("cap", 30, "channels.a.stock.cap"),
        ("largest", 25, "the channel"),
    ]
    assert plan.steps[1].why == "50 % of 101"


def test_a_floor_holds_while_there_are_codes_but_never_touches_the_buffer() -> None:
    rule = StockRule(share_ppm=100_000, floor=8, buffer=CountBuffer(2))
    assert [wanted(listing(1, codes, rule)).quantity for codes in (200, 40, 9, 2, 0)] == [18, 8, 7, 0, 0]


def test_an_allotment_is_served_before_the_others_share_what_is_left() -> None:
    set_aside = listing(1, 10, StockRule(allotment=4))
    assert quantities(10, 1000, set_aside, listing(2, 10), listing(3, 10)) == [4, 3, 3]
    assert quantities(3, 1000, replace(set_aside, sellable=3), listing(2, 3)) == [3, 0]


def test_a_listing_that_is_closed_or_off_shows_nothing_and_leaves_the_stock_to_others() -> None:
    assert quantities(7, 1000, listing(1, 7, closed="the channel is paused"), listing(2, 7)) == [0, 7]
    assert quantities(7, 1000, listing(1, 7, StockRule(on=False)), listing(2, 7)) == [0, 7]


def test_a_listing_whose_channel_is_not_of_the_tier_shows_nothing() -> None:
    rule = StockRule(tiers=frozenset({"big"}))
    assert wanted(listing(1, 7, rule)).steps[-1].why == "it is shown on big only"
    assert wanted(replace(listing(1, 7, rule), tier="big")).quantity == 7
    assert wanted(listing(1, 7, StockRule(tiers=frozenset({"channel 1"})))).quantity == 7


def test_a_buffer_above_the_stock_shows_nothing() -> None:
    assert quantities(3, 1000, listing(1, 3, StockRule(buffer=CountBuffer(4)))) == [0]


def test_ten_codes_on_three_channels_leave_the_odd_one_to_the_first() -> None:
    assert quantities(10, 1000, listing(1, 10), listing(2, 10), listing(3, 10)) == [4, 3, 3]


def test_the_last_code_goes_to_a_channel_whose_reservation_is_authoritative() -> None:
    assert quantities(1, 1000, listing(1, 1), listing(2, 1), listing(3, 1, authoritative=True)) == [0, 0, 1]


def test_the_last_codes_go_to_reserving_channels_with_the_best_proceeds() -> None:
    listings = [
        replace(listing(1, 4), proceeds_ppm=2_000_000),
        replace(listing(2, 4, StockRule(cap=3), authoritative=True), proceeds_ppm=1_000_000),
        replace(listing(3, 4, StockRule(cap=3), authoritative=True), proceeds_ppm=1_100_000),
    ]
    kept = sku(StockRule(last_codes=5))
    assert Case(4, kept, listings).quantities() == [0, 1, 3]
    other_way = sku(StockRule(last_codes=5, last_to=LastTo.OTHERS))
    assert Case(4, other_way, listings).quantities() == [4, 0, 0]
    mirrored = sku(StockRule(last_codes=5, bound_permille=3000))
    assert Case(4, mirrored, listings).quantities() == [0, 3, 3]


def test_by_priority_the_first_are_served_whole_and_equals_share() -> None:
    by = sku(StockRule(shared_by=SharedBy.PRIORITY))
    listings = [
        listing(1, 9, StockRule(priority=2)),
        listing(2, 9, StockRule(priority=1, cap=6)),
        listing(3, 9, StockRule(priority=2)),
    ]
    assert Case(9, by, listings).quantities() == [2, 6, 1]


def test_by_sales_each_gets_its_part_and_what_the_satisfied_leave() -> None:
    by = sku(StockRule(shared_by=SharedBy.SALES))
    listings = [
        replace(listing(1, 9), sold_per_second=0.002),
        replace(listing(2, 9), sold_per_second=0.001),
        listing(3, 9),
    ]
    assert Case(9, by, listings).quantities() == [6, 3, 0]
    capped = replace(listing(1, 9, StockRule(cap=2)), sold_per_second=0.002)
    assert Case(9, by, [capped, *listings[1:]]).quantities() == [2, 7, 0]
    assert Case(9, by, [listing(1, 9), listing(2, 9), listing(3, 9)]).quantities() == [3, 3, 3]


def test_what_a_capped_listing_does_not_want_goes_to_the_others() -> None:
    assert quantities(10, 1000, listing(1, 10, StockRule(cap=1)), listing(2, 10, StockRule(cap=9))) == [1, 9]


def test_three_long_lived_codes_are_not_promised_twice() -> None:
    assert quantities(13, 1000, listing(1, 3), listing(2, 3), listing(3, 13)) == [2, 1, 10]


def test_a_bound_above_one_lets_channels_overlap_only_so_far() -> None:
    assert quantities(10, 1500, listing(1, 10), listing(2, 10)) == [8, 7]
    assert quantities(10, 3000, listing(1, 10), listing(2, 10)) == [10, 10]


def test_nothing_in_stock_promises_nothing() -> None:
    assert quantities(0, 1000, listing(1, 0), listing(2, 0)) == [0, 0]
    assert plan_quantities(5, bounded(1000), []) == {}


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
