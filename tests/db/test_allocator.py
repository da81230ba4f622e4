"""The allocator against a real server: alone, in groups, raced, short, repeated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from core.codes.allocator import Allocator, Place
from core.codes.reservation import Reserved, ReservedLine, ReserveRequest
from core.db.pool import Pool
from core.errors import ReferenceReused
from core.types import Lane, OrderId, OrderState
from tests.factories import (
    NOW,
    Shop,
    add_channel,
    add_codes,
    add_consignor,
    add_listing,
    add_shop,
    add_sku,
    request,
)


@pytest.fixture
def allocator(pool: Pool) -> Allocator:
    return Allocator(pool, lambda: NOW)


async def slots_of(pool: Pool, order_id: OrderId) -> list[tuple[int, int]]:
    rows = await pool.fetch(
        "SELECT shelf_id, slot FROM allocation WHERE order_id = $1 ORDER BY shelf_id, slot", order_id
    )
    return [(row["shelf_id"], row["slot"]) for row in rows]


async def reserve_all(allocator: Allocator, requests: Sequence[ReserveRequest]) -> list[Reserved]:
    return list(await asyncio.gather(*(allocator.reserve(r) for r in requests)))


async def test_an_order_gets_the_first_free_codes(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=5)
    first = await allocator.reserve(request(shop, quantity=2))
    second = await allocator.reserve(request(shop))
    assert first.state is OrderState.ACCEPTED
    assert [slot for _, slot in await slots_of(pool, first.order_id)] == [1, 2]
    assert [slot for _, slot in await slots_of(pool, second.order_id)] == [3]


async def test_the_last_code_is_sold_once_however_many_ask(pool: Pool) -> None:
    shop = await add_shop(pool, codes=7)
    daemons = [Allocator(pool, lambda: NOW) for _ in range(4)]
    asked = [daemons[n % 4].reserve(request(shop)) for n in range(300)]
    answers = await asyncio.gather(*asked)
    served = [answer for answer in answers if answer.state is OrderState.ACCEPTED]
    assert len(served) == 7
    assert await pool.fetchval("SELECT count(*) FROM allocation") == 7
    assert sum(answer.state is OrderState.PARKED for answer in answers) == 293


async def test_a_race_of_orders_of_many_sizes_takes_every_code_exactly_once(pool: Pool) -> None:
    """Sizes 1 to 5 over two SKUs, four allocators: nothing twice, nothing left that would have fitted."""
    shops = [await add_shop(pool, codes=60, lane=n) for n in range(2)]
    rng = random.Random(7)
    daemons = [Allocator(pool, lambda: NOW) for _ in range(4)]
    requests = [request(rng.choice(shops), quantity=rng.randint(1, 5)) for _ in range(150)]
    answers = await asyncio.gather(*(rng.choice(daemons).reserve(r) for r in requests))
    for shop in shops:
        sizes = [
            (sum(line.quantity for line in r.lines), a.state is OrderState.ACCEPTED)
            for r, a in zip(requests, answers, strict=True)
            if r.lines[0].sku_id == shop.sku_id
        ]
        left = 60 - sum(size for size, served in sizes if served)
        assert left >= 0
        assert not [size for size, served in sizes if not served and size <= left]
    holes = await pool.fetchval(
        "SELECT count(*) FROM (SELECT shelf_id, max(slot) - count(*) AS holes FROM allocation"
        " GROUP BY shelf_id) x WHERE holes <> 0"
    )
    assert holes == 0


async def test_a_repeated_request_gets_the_same_order(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=5)
    first = await allocator.reserve(request(shop, order_ref="A"))
    again = await reserve_all(allocator, [request(shop, order_ref="A") for _ in range(20)])
    assert {answer.order_id for answer in again} == {first.order_id}
    assert all(answer.repeated for answer in again)
    assert len(await slots_of(pool, first.order_id)) == 1


async def test_the_same_reference_with_other_content_is_refused(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=5)
    await allocator.reserve(request(shop, order_ref="A"))
    with pytest.raises(ReferenceReused, match="order A"):
        await allocator.reserve(request(shop, order_ref="A", quantity=2))
    assert await pool.fetchval("SELECT count(*) FROM allocation") == 1


async def test_one_bad_order_does_not_fail_its_group(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=50)
    await allocator.reserve(request(shop, order_ref="taken"))
    asked = [allocator.reserve(request(shop)) for _ in range(10)]
    asked.insert(5, allocator.reserve(request(shop, order_ref="taken", quantity=3)))
    asked.insert(7, allocator.reserve(request(shop, quantity=20_000)))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(a, Reserved) and a.state is OrderState.ACCEPTED for a in answers) == 10
    assert isinstance(answers[5], ReferenceReused)
    assert isinstance(answers[7], asyncpg.CheckViolationError)


async def test_an_order_of_two_skus_takes_all_or_nothing(pool: Pool, allocator: Allocator) -> None:
    rich, poor = await add_shop(pool, codes=5), await add_shop(pool, codes=1, lane=1)
    short = await allocator.reserve(request(rich, poor, quantity=2))
    assert short.state is OrderState.PARKED
    assert await slots_of(pool, short.order_id) == []
    fits = await allocator.reserve(request(rich, poor))
    assert len(await slots_of(pool, fits.order_id)) == 2


async def test_an_order_that_fails_leaves_its_codes_to_the_next_in_its_group(
    pool: Pool, allocator: Allocator
) -> None:
    """The failing order stands between two that fit; no slot may be skipped for it."""
    shop, empty = await add_shop(pool, codes=3), await add_shop(pool, codes=0)
    answers = await reserve_all(
        allocator, [request(shop), request(shop, empty, quantity=2), request(shop, quantity=2)]
    )
    assert [a.state for a in answers] == [OrderState.ACCEPTED, OrderState.PARKED, OrderState.ACCEPTED]
    assert [slot for _, slot in await slots_of(pool, answers[2].order_id)] == [2, 3]


async def test_a_large_order_that_is_short_does_not_refuse_the_small_ones_behind_it(
    pool: Pool, allocator: Allocator
) -> None:
    shop = await add_shop(pool, codes=3)
    answers = await reserve_all(allocator, [request(shop, quantity=4), request(shop), request(shop)])
    assert [a.state for a in answers] == [OrderState.PARKED, OrderState.ACCEPTED, OrderState.ACCEPTED]


async def test_a_partial_order_takes_what_there_is(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=3)
    answer = await allocator.reserve(request(shop, quantity=5, partial=True))
    assert answer.taken == (3,)
    assert answer.state is OrderState.ACCEPTED
    nothing = await allocator.reserve(request(shop, quantity=5, partial=True))
    assert nothing.state is OrderState.PARKED
    stored = await pool.fetchval(
        "SELECT first_state FROM channel_order WHERE order_id = $1", nothing.order_id
    )
    assert stored == "parked"


async def test_what_expires_first_is_sold_first_then_the_preferred_consignor(
    pool: Pool, allocator: Allocator
) -> None:
    shop = await add_shop(pool)
    late = await add_codes(pool, shop.sku_id, 1, expires_at=NOW + timedelta(days=90), priority=1)
    soon = await add_codes(pool, shop.sku_id, 1, expires_at=NOW + timedelta(days=9))
    never_low = await add_codes(pool, shop.sku_id, 1, priority=50)
    never = await add_codes(pool, shop.sku_id, 1, priority=100)
    gone = await add_codes(pool, shop.sku_id, 1, expires_at=NOW - timedelta(days=1))
    order = [
        (await slots_of(pool, (await allocator.reserve(request(shop))).order_id))[0][0] for _ in range(4)
    ]
    assert order == [soon, late, never_low, never]
    assert (await allocator.reserve(request(shop))).state is OrderState.PARKED
    assert gone not in order


async def test_a_minimum_validity_skips_shelves_and_leaves_them_to_others(
    pool: Pool, allocator: Allocator
) -> None:
    shop = await add_shop(pool)
    soon = await add_codes(pool, shop.sku_id, 2, expires_at=NOW + timedelta(days=9))
    late = await add_codes(pool, shop.sku_id, 2, expires_at=NOW + timedelta(days=90))
    month = timedelta(days=30)
    picky, easy = await reserve_all(allocator, [request(shop, min_validity=month), request(shop)])
    assert (await slots_of(pool, picky.order_id))[0][0] == late
    assert (await slots_of(pool, easy.order_id))[0][0] == soon
    mixed = await reserve_all(
        allocator, [request(shop, min_validity=month), request(shop, min_validity=month), request(shop)]
    )
    assert [a.state for a in mixed] == [OrderState.ACCEPTED, OrderState.PARKED, OrderState.ACCEPTED]


async def test_a_code_given_back_is_sold_again_and_stands_once(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=2)
    kept = await allocator.reserve(request(shop, quantity=2, state=OrderState.RESERVED))
    async with pool.acquire() as conn, conn.transaction():
        count = await allocator.give_back(conn, [kept.order_id], [shop.lane], actor="test", reason="unpaid")
    assert count == 2
    async with pool.acquire() as conn, conn.transaction():
        assert (
            await allocator.give_back(conn, [kept.order_id], [shop.lane], actor="test", reason="twice") == 0
        )
    again = await allocator.reserve(request(shop, quantity=2))
    assert again.state is OrderState.ACCEPTED
    assert [slot for _, slot in await slots_of(pool, again.order_id)] == [3, 4]
    origins = await pool.fetch("SELECT origin_slot FROM code WHERE origin_slot IS NOT NULL ORDER BY slot")
    assert [row["origin_slot"] for row in origins] == [1, 2]
    assert (await allocator.reserve(request(shop))).state is OrderState.PARKED


async def test_releases_and_sales_race_without_losing_or_doubling_a_code(pool: Pool) -> None:
    shop = await add_shop(pool, codes=20)
    allocator = Allocator(pool, lambda: NOW)

    async def come_and_go(n: int) -> None:
        kept = await allocator.reserve(request(shop, quantity=1 + n % 3, state=OrderState.RESERVED))
        if kept.state is OrderState.RESERVED and n % 2:
            async with pool.acquire() as conn, conn.transaction():
                await allocator.give_back(conn, [kept.order_id], [shop.lane], actor="test", reason="unpaid")

    await asyncio.gather(*(come_and_go(n) for n in range(120)))
    held = await pool.fetchval(
        "SELECT count(*) FROM allocation WHERE NOT EXISTS (SELECT FROM departure d"
        " WHERE (d.lane, d.shelf_id, d.slot) = (allocation.lane, allocation.shelf_id, allocation.slot))"
    )
    rest = await allocator.reserve(request(shop, quantity=20, partial=True))
    assert held + sum(rest.taken) == 20
    twice = await pool.fetchval(
        "SELECT count(*) FROM (SELECT coalesce(c.origin_slot, c.slot) FROM allocation a"
        " JOIN code c USING (lane, shelf_id, slot) LEFT JOIN departure d USING (lane, shelf_id, slot)"
        " WHERE d.slot IS NULL GROUP BY 1 HAVING count(*) > 1) x"
    )
    assert twice == 0


async def test_a_withdrawn_or_quarantined_code_is_not_sold(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool)
    owner = await add_consignor(pool)
    shelf = await add_codes(pool, shop.sku_id, 5, consignor_id=owner)
    async with pool.acquire() as conn, conn.transaction():
        gone = await allocator.withdraw(
            conn, shop.lane, shop.sku_id, owner, batch_id=None, at_most=2, actor="test", reason="theirs"
        )
        bad = Place(Lane(0), shelf, 2)
        assert await allocator.quarantine(conn, bad, shop.sku_id, actor="test", reason="does not work")
        assert not await allocator.quarantine(conn, bad, shop.sku_id, actor="test", reason="again")
    assert [place.slot for place in gone] == [5, 4]
    answer = await allocator.reserve(request(shop, quantity=5, partial=True))
    assert [slot for _, slot in await slots_of(pool, answer.order_id)] == [1, 3]


async def test_a_parked_order_takes_codes_when_there_are_some(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool)
    parked = await allocator.reserve(request(shop, quantity=2))
    line = ReservedLine(1, shop.lane, shop.sku_id, shop.listing_id, 2, NOW)
    async with pool.acquire() as conn, conn.transaction():
        assert not await allocator.allocate_known(conn, parked.order_id, [line], NOW)
    await add_codes(pool, shop.sku_id, 3)
    async with pool.acquire() as conn, conn.transaction():
        assert await allocator.allocate_known(conn, parked.order_id, [line], NOW)
    assert len(await slots_of(pool, parked.order_id)) == 2


async def test_a_sale_marks_its_sku_once_a_group_and_marks_rise(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=50)
    await reserve_all(allocator, [request(shop) for _ in range(30)])
    marks = [row["mark_id"] for row in await pool.fetch("SELECT mark_id FROM stock_mark ORDER BY mark_id")]
    assert 1 <= len(marks) < 30


async def test_codes_and_allocations_cannot_be_changed_or_deleted(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=1)
    await allocator.reserve(request(shop))
    for statement in (
        "UPDATE code SET slot = slot + 1",
        "DELETE FROM code",
        "DELETE FROM allocation",
        "TRUNCATE allocation",
        "UPDATE channel_order SET order_ref = 'x'",
        "DELETE FROM order_line",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
            await pool.execute(statement)


async def test_a_slot_cannot_be_allocated_twice_whatever_the_program_does(
    pool: Pool, allocator: Allocator
) -> None:
    shop = await add_shop(pool, codes=1)
    await allocator.reserve(request(shop))
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await pool.execute("INSERT INTO allocation SELECT lane, shelf_id, slot, 99, 1 FROM allocation")
    assert refused.value.constraint_name == "allocation_key"


async def test_one_sku_on_two_channels_is_one_stock(pool: Pool, allocator: Allocator) -> None:
    sku_id = await add_sku(pool)
    await add_codes(pool, sku_id, 1)
    shops = []
    for _ in range(2):
        channel_id = await add_channel(pool)
        listing_id = await add_listing(pool, channel_id, sku_id)
        shops.append(Shop(sku_id, Lane(0), channel_id, listing_id, "", ""))
    answers = await reserve_all(allocator, [request(shop) for shop in shops])
    assert sorted(a.state for a in answers) == [OrderState.ACCEPTED, OrderState.PARKED]


async def test_the_clock_is_handed_in(pool: Pool) -> None:
    shop = await add_shop(pool)
    await add_codes(pool, shop.sku_id, 1, expires_at=NOW + timedelta(hours=1))
    later = Allocator(pool, lambda: datetime(2027, 1, 1, tzinfo=UTC))
    assert (await later.reserve(request(shop))).state is OrderState.PARKED


@pytest.mark.parametrize("codes", [0, 2])
async def test_an_order_that_wants_no_codes_is_written_down_beside_those_that_do(
    pool: Pool, allocator: Allocator, codes: int
) -> None:
    shop = await add_shop(pool, codes=codes)
    asked = [request(shop) for _ in range(4)]
    refused = replace(
        request(shop, quantity=5, state=OrderState.RESERVED, short_state=OrderState.REFUSED),
        wants_codes=False,
        reason="why not",
    )
    answers = await reserve_all(allocator, [*asked[:2], refused, *asked[2:], refused])
    assert [answers[2].state, answers[5].state] == [OrderState.REFUSED] * 2
    assert answers[2].order_id == answers[5].order_id
    assert [answer.state for answer in answers].count(OrderState.ACCEPTED) == codes
    row = await pool.fetchrow(
        "SELECT first_state, first_reason FROM channel_order WHERE order_id = $1", answers[2].order_id
    )
    assert row is not None
    assert tuple(row) == ("refused", "why not")
    assert await pool.fetchval("SELECT count(*) FROM allocation") == codes
    assert not await pool.fetchval("SELECT count(*) FROM open_order WHERE order_id = $1", answers[2].order_id)
