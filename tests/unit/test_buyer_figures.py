"""Pictures of coupons, groups and sales: counts become shares of a whole, names go safely into addresses."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.views.coupon_standing import RunOutDay, SeriesStanding
from core.views.flash import FlashListing
from core.views.groups import GroupView
from core.views.price_policy import WindowView
from web.console.buyers.figures import (
    buyer_path,
    group_time,
    masked_buyer,
    quota_used,
    run_out_columns,
    sale_cards,
    state_bars,
    takes_off,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNTS = st.integers(0, 10**7)


def listing(
    name: str = "night", state: str = "on", sold: int = 0, quota: int | None = 5, ref: str = "L1"
) -> FlashListing:
    sale = WindowView(name, NOW - HOUR, NOW + HOUR, 2500, "EUR", quota, sold, None)
    return FlashListing("shop", ref, "CARD", sale, state, None)


def group(passed: timedelta) -> GroupView:
    opened = NOW - passed
    return GroupView("g", "trio", 3, None, 1, 2, "open", opened, opened + 24 * HOUR, 0, None, None)


@given(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
def test_every_state_that_has_coupons_is_drawn_and_no_other(counts: tuple[int, int, int, int, int]) -> None:
    series = SeriesStanding("s", 1, "percent", "EUR", 1, 1, sum(counts), *counts, soon=0)
    bars = state_bars(series)
    assert [bar.amount_minor for bar in bars] == [number for number in counts if number]
    assert sum(bar.width for bar in bars) >= 99.9 or not bars


@pytest.mark.parametrize(
    ("kind", "size", "told"),
    [
        ("amount", 500, "5.00 EUR"),
        ("percent", 100_000, "10 %"),
        ("percent", 125_000, "12.5 %"),
        ("percent", 1_000_000, "100 %"),
    ],
)
def test_what_a_coupon_takes_off_is_told_as_people_say_it(kind: str, size: int, told: str) -> None:
    assert takes_off(kind, size, "EUR") == told


@given(st.lists(COUNTS, min_size=1, max_size=60))
def test_columns_stay_within_their_picture_and_the_worst_day_is_the_highest(counts: list[int]) -> None:
    days = [RunOutDay(date(2026, 1, 1) + timedelta(days=n), number) for n, number in enumerate(counts)]
    columns = run_out_columns(days)
    assert len(columns) == len(days)
    for column, number in zip(columns, counts, strict=True):
        assert 0 <= column.x <= column.x + column.width <= 100.01
        assert abs(column.y + column.height - 100) < 0.02
        assert (column.height > 0) == (number > 0)
    assert max(column.height for column in columns) == (100 if any(counts) else 0)


def test_a_group_s_time_never_passes_its_end_and_warns_before() -> None:
    told = [group_time(group(each * HOUR), NOW) for each in (-1, 0, 12, 20, 23, 24, 90)]
    assert [each.width for each in told] == [0, 0, 50, 83.33, 95.83, 100, 100]
    assert [each.tone for each in told] == ["busy", "busy", "busy", "warn", "bad", "bad", "bad"]


def test_a_quota_is_full_when_it_is_sold_and_a_sale_without_one_has_no_bar() -> None:
    told = [quota_used(listing(sold=sold)) for sold in (0, 3, 5, 7)]
    assert [each and (each.width, each.tone) for each in told] == [
        (0, "good"),
        (60, "warn"),
        (100, "bad"),
        (100, "bad"),
    ]
    assert quota_used(listing(quota=None)) is None


def test_listings_of_a_sale_stand_together_and_what_is_on_comes_first() -> None:
    over = listing("old", "over", 4)
    cards = sale_cards([over, listing(sold=5, state="sold out"), listing(ref="L2", sold=1, quota=9)])
    assert [(card.name, card.state, len(card.listings)) for card in cards] == [
        ("night", "on", 2),
        ("old", "over", 1),
    ]
    assert (cards[0].sold, cards[0].quota) == (6, 14)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_buyer_s_address_leads_back_to_his_name_and_holds_nothing_else(channel: str, ref: str) -> None:
    channel = channel.replace("/", "") or "shop"
    path = buyer_path(f"{channel}/{ref}")
    assert path is not None
    _, console, buyers, *parts = path.split("/")
    assert (console, buyers, [unquote(part) for part in parts]) == ("console", "buyers", [channel, ref])
    assert not set(path) & set("?#<>\"' &")


def test_a_name_that_no_channel_has_is_no_address_and_masks_keep_the_end_alone() -> None:
    assert buyer_path("anna") is None
    assert masked_buyer("shop/u-123456") == "shop/…3456"
    assert "alexandra" not in masked_buyer("alexandra")
    assert masked_buyer(None) == ""
