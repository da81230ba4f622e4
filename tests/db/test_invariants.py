"""Every invariant holds through a healthy history, and names itself and nobody else when it is broken."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from core.db.pool import Pool
from core.views.invariants import CheckReport, check
from tests.db.harms import (
    a_code,
    allocate_what_does_not_exist,
    break_the_chain_of_moves,
    deliver_without_a_sale,
    drop_the_entries_of_a_sale,
    forget_the_request,
    forget_where_a_released_code_stands,
    give_codes_of_another_sku,
    keep_an_ended_order_open,
    keep_codes_of_an_ended_order,
    leave_a_hole_in_the_moves,
    leave_an_order_stuck,
    let_a_code_stand_twice,
    lose_a_code_of_a_held_order,
    lose_a_code_of_an_order,
    lose_a_guard,
    lose_an_order,
    make_a_code_disappear,
    promise_beyond_the_bound,
    refund_less_than_was_sold,
    refund_without_a_reversal,
    reverse_what_is_not_refunded,
    sell_and_withdraw,
    sell_what_may_have_been_seen,
    sell_without_delivering,
    show_another_price,
    show_another_quantity,
    show_more_than_there_is,
    stay_on_when_it_should_be_off,
    store_a_code_in_clear,
    store_an_unwrapped_key,
    swap_two_sealed_codes,
    tamper,
    unbalance_a_sale,
    work_on_an_order_that_is_none,
    write_a_code_into_a_reason,
    write_a_code_into_bytes,
    write_a_code_into_json,
    write_entries_of_no_transaction,
)
from tests.db.history import World, live, make_world

NAMES = [
    "one-buyer",
    "same-answer",
    "conservation",
    "no-lost-order",
    "balanced",
    "paid-is-split",
    "convergence",
    "bounded-promise",
    "sealed",
]
Harm = Callable[[World], Awaitable[None]]


@pytest.fixture
async def world(pool: Pool) -> World:
    return await make_world(pool)


async def look(world: World, *, strict: bool = False) -> CheckReport:
    return await check(world.pool, bound_permille=1000, now=world.clock.at, vault=world.vault, strict=strict)


def broken(report: CheckReport) -> list[str]:
    return [invariant.name for invariant in report.invariants if not invariant.ok]


def detail_of(report: CheckReport, name: str) -> str:
    [detail] = [invariant.detail for invariant in report.invariants if invariant.name == name]
    return "\n".join(detail)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_healthy_history_keeps_every_invariant(world: World, seed: int) -> None:
    await live(world, random.Random(seed), orders=90)
    report = await look(world, strict=True)
    assert report.ok, report.to_json()
    states = await world.pool.fetchval("SELECT count(DISTINCT to_state) FROM order_move")
    assert states >= 7, "the history should have seen most states"


async def test_an_empty_database_keeps_every_invariant_and_reports_each_by_name(pool: Pool) -> None:
    async with pool.acquire() as conn:
        now = await conn.fetchval("SELECT now()")
        report = await check(conn, bound_permille=1000, now=now, vault=None)
    assert report.to_json() == {
        "ok": True,
        "invariants": {name: {"ok": True, "violations": 0, "detail": []} for name in NAMES},
    }


@pytest.mark.parametrize(
    ("harm", "name", "said"),
    [
        (sell_what_may_have_been_seen, "one-buyer", "1 codes went back on sale"),
        (sell_and_withdraw, "one-buyer", "with its consignor"),
        (lose_a_guard, "one-buyer", "code_fingerprint_once"),
        (lose_a_code_of_an_order, "same-answer", "1 of 2 codes on line 1"),
        (lose_a_code_of_a_held_order, "same-answer", "is held with 1 of 2 codes on line 1"),
        (keep_codes_of_an_ended_order, "same-answer", "is released with 2 of 0 codes"),
        (break_the_chain_of_moves, "same-answer", "the order was delivering"),
        (leave_a_hole_in_the_moves, "same-answer", "move 7"),
        (forget_the_request, "same-answer", "no request hash"),
        (give_codes_of_another_sku, "same-answer", "did not ask for"),
        (make_a_code_disappear, "conservation", "has 39 codes on slots 1 to 40"),
        (let_a_code_stand_twice, "conservation", "given back 0 times and stands again 1 times"),
        (forget_where_a_released_code_stands, "conservation", "43 imported, but 39 available"),
        (allocate_what_does_not_exist, "conservation", "40 available + 1 reserved"),
        (lose_an_order, "no-lost-order", "nobody has it to do"),
        (keep_an_ended_order_open, "no-lost-order", "still open"),
        (work_on_an_order_that_is_none, "no-lost-order", "order 77"),
        (leave_an_order_stuck, "no-lost-order", "is stuck: accepted since"),
        (unbalance_a_sale, "balanced", "sums to 1 EUR"),
        (drop_the_entries_of_a_sale, "balanced", "has no entries"),
        (write_entries_of_no_transaction, "balanced", "transaction 77"),
        (refund_less_than_was_sold, "balanced", "exact negative"),
        (deliver_without_a_sale, "paid-is-split", "has 0 sales"),
        (sell_without_delivering, "paid-is-split", "was not delivered"),
        (refund_without_a_reversal, "paid-is-split", "is not reversed"),
        (reverse_what_is_not_refunded, "paid-is-split", "not refunded"),
        (show_another_quantity, "convergence", "settled: wanted 20"),
        (show_another_price, "convergence", "observed 20 at 1 (net 2)"),
        (stay_on_when_it_should_be_off, "convergence", "off, observed"),
        (promise_beyond_the_bound, "bounded-promise", "9 of 8 available"),
        (show_more_than_there_is, "bounded-promise", "channels show 41, 40 codes"),
        (store_a_code_in_clear, "sealed", "is stored as text"),
        (store_an_unwrapped_key, "sealed", "is not wrapped"),
        (swap_two_sealed_codes, "sealed", "does not open"),
        (write_a_code_into_a_reason, "sealed", "stands in clear in table audit"),
        (write_a_code_into_json, "sealed", "stands in clear in table offer"),
        (write_a_code_into_bytes, "sealed", "stands in clear in table sealing_key"),
    ],
)
async def test_a_broken_promise_is_named_and_no_other(world: World, harm: Harm, name: str, said: str) -> None:
    await harm(world)
    report = await look(world)
    assert broken(report) == [name], report.to_json()
    assert said in detail_of(report, name)


async def test_a_code_held_by_two_orders_is_told(world: World) -> None:
    """It stands twice, which is against conservation too."""
    first = await world.order(world.shops[1])
    await let_a_code_stand_twice(world)
    await world.order(world.shops[1], 40)
    report = await look(world)
    assert broken(report) == ["one-buyer", "conservation"]
    assert f"is held by orders {first.order_id}" not in detail_of(report, "one-buyer")
    assert "is held by orders" in detail_of(report, "one-buyer")


async def test_offers_under_way_are_told_and_only_count_when_all_should_rest(world: World) -> None:
    await world.settle_offers()
    await world.pool.execute("UPDATE offer SET dirty_version = 5, observed_quantity = 1 WHERE listing_id = 1")
    await world.pool.execute("UPDATE offer SET refusal = 'no such game' WHERE listing_id = 2")
    await world.pool.execute("INSERT INTO stock_mark (lane, sku_id) VALUES (2, $1)", world.shops[2].sku_id)
    report = await look(world)
    assert report.ok
    for said in ("dirty since", "refused by the channel", "not looked at yet"):
        assert said in detail_of(report, "convergence")
    report = await look(world, strict=True)
    assert broken(report) == ["convergence"]
    await world.pool.execute("UPDATE channel SET paused_at = now()")
    assert (await look(world, strict=True)).ok


async def test_units_that_buyers_hold_may_be_missing_from_what_a_channel_shows(world: World) -> None:
    await world.settle_offers()
    await world.pool.execute("UPDATE offer SET observed_quantity = 18, observed_held = 2")
    assert (await look(world)).ok


async def test_an_order_that_a_person_holds_may_wait(world: World) -> None:
    order = await world.order(world.shops[0])
    await tamper(world, "UPDATE channel_order SET first_state = 'held'")
    world.clock.at += timedelta(days=3)
    assert (await look(world)).ok, order


async def test_a_partial_order_is_whole_on_channels_that_take_them(world: World) -> None:
    await world.order(world.shops[0], 2)
    await tamper(world, "DELETE FROM allocation WHERE slot = 2")
    report = await check(
        world.pool,
        bound_permille=1000,
        now=world.clock.at,
        vault=None,
        partial_channel_ids=[world.shops[0].channel_id],
    )
    assert report.ok


async def test_a_line_given_away_for_nothing_has_a_sale_without_entries(world: World) -> None:
    order = await world.order(world.shops[0])
    await tamper(world, "UPDATE order_line SET unit_price_minor = 0")
    await world.deliver(await world.load(order.order_id))
    assert await world.pool.fetchval("SELECT count(*) FROM entry") == 0
    assert (await look(world)).ok


async def test_detail_ends_at_twenty_and_the_count_does_not(world: World) -> None:
    for _ in range(25):
        await world.order(world.shops[0])
    await world.pool.execute("DELETE FROM open_order")
    report = await look(world)
    [lost] = [invariant for invariant in report.invariants if invariant.name == "no-lost-order"]
    assert (lost.violations, len(lost.detail)) == (25, 20)


async def test_a_report_never_shows_a_code(world: World) -> None:
    for harm in (write_a_code_into_a_reason, write_a_code_into_json, store_a_code_in_clear):
        await harm(world)
    said = str((await look(world)).to_json())
    assert await a_code(world) not in said
    assert "ABCDE-FGHIJ" not in said
