"""Tests who belongs to a segment, condition by condition, and lists that people keep."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.buyers.people import join
from core.buyers.referrals import Asked
from core.buyers.segments import (
    BuyerFacts,
    Segment,
    lists,
    members,
    outside,
    publish_segments,
    read_segments,
    segments_at,
    set_listed,
)
from core.db.pool import Pool
from core.money.ledger import Ledger
from tests.buyers.desk import DAY, open_desk
from tests.buyers.people import add_people
from tests.factories import NOW

KNOWN = BuyerFacts(
    at=NOW,
    orders=3,
    first_at=NOW - 100 * DAY,
    last_at=NOW - 10 * DAY,
    channels=frozenset({"shop"}),
    tags=frozenset({"steam"}),
    lists=frozenset({"vip"}),
    turnover_minor={(30, "EUR"): 5_000},
)


@pytest.mark.parametrize(
    ("segment", "why"),
    [
        (Segment("s", orders_from=3, orders_to=3), None),
        (Segment("s", orders_from=4), "orders: 3, fewer than 4"),
        (Segment("s", orders_to=2), "orders: 3, more than 2"),
        (Segment("s", turnover_minor=5_000, currency="EUR", turnover_days=30), None),
        (
            Segment("s", turnover_minor=5_001, currency="EUR", turnover_days=30),
            "spent 50.00 EUR in 30 days, not 50.01 EUR",
        ),
        (
            Segment("s", turnover_minor=1, currency="USD", turnover_days=30),
            "spent 0.00 USD in 30 days, not 0.01 USD",
        ),
        (Segment("s", first_order_from_days=100, last_order_to_days=10), None),
        (Segment("s", first_order_to_days=99), "days since the first order: 100, more than 99"),
        (Segment("s", last_order_from_days=11), "days since the last order: 10, fewer than 11"),
        (Segment("s", channels=("shop", "market"), tags=("steam",), lists=("vip",)), None),
        (Segment("s", channels=("market",)), "bought on shop, not market"),
        (Segment("s", tags=("psn", "xbox")), "bought of tag steam, not psn or xbox"),
        (Segment("s", unless_lists=("vip",)), "is on list vip"),
    ],
)
def test_each_condition_tells_why_it_is_not_met(segment: Segment, why: str | None) -> None:
    assert outside(segment, KNOWN) == why


def test_who_never_bought_is_in_no_segment_that_asks_when() -> None:
    nobody = BuyerFacts(at=NOW)
    assert outside(Segment("s", last_order_to_days=10), nobody) == "never bought"
    assert outside(Segment("new", orders_to=0), nobody) is None


_LIMITS = st.none() | st.integers(0, 5)


@given(_LIMITS, _LIMITS, st.integers(0, 5))
def test_a_range_takes_exactly_what_is_in_it(low: int | None, high: int | None, orders: int) -> None:
    segment = Segment("s", orders_from=low, orders_to=high)
    within = (low is None or orders >= low) and (high is None or orders <= high)
    assert (outside(segment, BuyerFacts(at=NOW, orders=orders)) is None) == within


async def test_orders_count_once_delivered_and_not_given_back(pool: Pool) -> None:
    desk = await open_desk(pool, "consignor-percentage")
    other = await desk.second_channel()
    await pool.execute("UPDATE sku SET tags = '{steam}'")
    desk.clock.moment = NOW - 5 * DAY
    await desk.sell(2_000)
    back = await desk.sell(3_000)
    await other.sell(4_000, buyer="x-1", at=NOW - 40 * DAY)
    async with pool.acquire() as conn, conn.transaction():
        await pool.execute(
            "INSERT INTO order_move VALUES ($1, $2, 'delivered', 'refunded', $3, 'test')",
            back.order_id,
            back.move_no + 1,
            NOW,
        )
        await Ledger(pool).reverse_order(conn, back.order_id, NOW)
        ann, joined = await desk.buyer(), await other.buyer("x-1")
        written = [
            Segment("month", turnover_minor=2_001, currency="EUR", turnover_days=30),
            Segment("quarter", turnover_minor=6_000, currency="EUR", turnover_days=90),
            Segment("two", orders_from=2, orders_to=2, tags=("steam",), channels=("market",)),
            Segment("one", orders_from=1, orders_to=1),
        ]
        await publish_segments(conn, written, NOW)
        both = [Asked(ann.buyer_id, NOW), Asked(joined.buyer_id, NOW)]
        assert await segments_at(conn, both) == dict.fromkeys(both, frozenset({"one"}))
        await join(conn, ann, joined, actor="test", reason="same", now=NOW)
        assert await segments_at(conn, both) == dict.fromkeys(both, frozenset({"quarter", "two"}))
        found = [(buyer.name, names) async for buyer, _, names in members(conn, written, NOW)]
    assert found == [(ann.name, frozenset({"quarter", "two"}))]


async def test_segments_are_versions_and_one_that_is_left_out_ends(pool: Pool) -> None:
    async with pool.acquire() as conn:
        assert await read_segments(conn) == ()
        assert await segments_at(conn, []) == {}
        one, two = Segment("one", orders_from=1), Segment("two", lists=("a",))
        await publish_segments(conn, [one, two], NOW)
        await publish_segments(conn, [one, two], NOW + DAY)
        assert await read_segments(conn) == (one, two)
        await publish_segments(conn, [Segment("one", orders_from=2)], NOW + 2 * DAY)
        assert await read_segments(conn) == (Segment("one", orders_from=2),)
        await publish_segments(conn, [one, two], NOW + 3 * DAY)
        assert await read_segments(conn) == (one, two)
    rows = await pool.fetch("SELECT name, version FROM segment ORDER BY name, version")
    assert [tuple(row) for row in rows] == [(name, n) for name in ("one", "two") for n in (1, 2, 3)]


async def test_a_list_is_what_was_last_said_at_its_moment(pool: Pool) -> None:
    ann, bob = await add_people(pool, "ann", "bob")
    both, hour = [ann.buyer_id, bob.buyer_id], timedelta(hours=1)
    async with pool.acquire() as conn:
        assert await set_listed(conn, "vip", [*both, *both], NOW, actor="test") == 2
        assert await set_listed(conn, "vip", both, NOW + hour, actor="test") == 0
        assert await set_listed(conn, "vip", [bob.buyer_id], NOW + hour, actor="test", listed=False) == 1
        assert await lists(conn) == {"vip": 1}
        await publish_segments(conn, [Segment("vips", lists=("vip",))], NOW)
        then = [Asked(buyer_id, NOW) for buyer_id in both]
        later = [Asked(buyer_id, NOW + 2 * hour) for buyer_id in both]
        found = await segments_at(conn, [*then, *later])
    assert [found[asked] for asked in (*then, *later)] == [{"vips"}, {"vips"}, {"vips"}, frozenset()]
