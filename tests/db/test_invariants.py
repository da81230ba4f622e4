"""Every invariant holds through a healthy history, and names itself and nobody else when it is broken."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from core.db.pool import Pool
from core.types import OrderState
from core.views.invariants import CheckReport, check
from tests.db.history import World, live, make_world, secret_of

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


async def tamper(world: World, *statements: str) -> None:
    """Do what the schema forbids."""
    async with world.pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await conn.execute(statement)


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


async def sell_what_may_have_been_seen(world: World) -> None:
    await world.refuse(await world.order(world.shops[0]))
    await tamper(
        world,
        "UPDATE departure SET kind = 'released'",
        "INSERT INTO code SELECT lane, shelf_id, 41, batch_id, slot FROM code JOIN departure"
        " USING (lane, shelf_id, slot)",
    )


async def sell_and_withdraw(world: World) -> None:
    await world.deliver(await world.order(world.shops[0]))
    await tamper(
        world,
        "INSERT INTO departure SELECT lane, shelf_id, slot, 'withdrawn', now(), 'x', 'x' FROM allocation",
    )


async def lose_a_guard(world: World) -> None:
    await world.pool.execute("ALTER TABLE code DROP CONSTRAINT code_fingerprint_once")


async def lose_a_code_of_an_order(world: World) -> None:
    await world.order(world.shops[0], 2)
    await tamper(world, "DELETE FROM allocation WHERE slot = 1")


async def keep_codes_of_an_ended_order(world: World) -> None:
    order = await world.order(world.shops[0], 2, OrderState.RESERVED)
    await world.move(order, OrderState.RELEASED)


async def break_the_chain_of_moves(world: World) -> None:
    await world.deliver(await world.order(world.shops[0]))
    await tamper(world, "UPDATE order_move SET from_state = 'unsure' WHERE move_no = 2")


async def leave_a_hole_in_the_moves(world: World) -> None:
    await world.deliver(await world.order(world.shops[0]))
    await tamper(world, "UPDATE order_move SET move_no = 7 WHERE move_no = 2")


async def forget_the_request(world: World) -> None:
    await world.order(world.shops[0])
    await tamper(world, "UPDATE channel_order SET request_hash = ''")


async def give_codes_of_another_sku(world: World) -> None:
    await world.order(world.shops[0])
    await tamper(world, f"UPDATE order_line SET sku_id = {world.shops[1].sku_id}")


async def make_a_code_disappear(world: World) -> None:
    await tamper(world, "DELETE FROM code WHERE lane = 1 AND slot = 7")


async def let_a_code_stand_twice(world: World) -> None:
    await tamper(
        world, "INSERT INTO code SELECT lane, shelf_id, 41, batch_id, 5 FROM code WHERE lane = 1 AND slot = 5"
    )


async def forget_where_a_released_code_stands(world: World) -> None:
    await world.release(await world.order(world.shops[0], 1, OrderState.RESERVED))
    await tamper(world, "DELETE FROM code WHERE origin_slot IS NOT NULL")


async def allocate_what_does_not_exist(world: World) -> None:
    await world.order(world.shops[0])
    await tamper(world, "UPDATE allocation SET slot = 999")


async def lose_an_order(world: World) -> None:
    await world.order(world.shops[0])
    await world.pool.execute("DELETE FROM open_order")


async def keep_an_ended_order_open(world: World) -> None:
    order = await world.deliver(await world.order(world.shops[0]))
    await world.pool.execute(
        "INSERT INTO open_order VALUES ($1, $2, now())", order.order_id, order.channel_id
    )


async def work_on_an_order_that_is_none(world: World) -> None:
    await world.pool.execute("INSERT INTO open_order VALUES (77, 1, now())")


async def leave_an_order_stuck(world: World) -> None:
    await world.order(world.shops[0])
    world.clock.at += timedelta(minutes=61)


async def unbalance_a_sale(world: World) -> None:
    await world.deliver(await world.order(world.shops[0]))
    await tamper(world, "UPDATE entry SET amount_minor = amount_minor + 1 WHERE entry_no = 2")


async def drop_the_entries_of_a_sale(world: World) -> None:
    await world.deliver(await world.order(world.shops[0]))
    await tamper(world, "DELETE FROM entry")


async def write_entries_of_no_transaction(world: World) -> None:
    await world.deliver(await world.order(world.shops[0]))
    await tamper(world, "INSERT INTO entry SELECT 77, entry_no, account_id, amount_minor FROM entry")


async def refund_less_than_was_sold(world: World) -> None:
    await world.cancel(await world.deliver(await world.order(world.shops[0])))
    await tamper(
        world,
        "UPDATE entry SET amount_minor = sign(amount_minor) * (abs(amount_minor) - 1) WHERE entry_no <= 2"
        " AND transaction_id = (SELECT transaction_id FROM journal_transaction WHERE kind = 'refund')"
        " AND amount_minor < 0",
        "UPDATE entry SET amount_minor = amount_minor - 2 WHERE entry_no = 3"
        " AND transaction_id = (SELECT transaction_id FROM journal_transaction WHERE kind = 'refund')",
    )


async def deliver_without_a_sale(world: World) -> None:
    order = await world.order(world.shops[0])
    await world.move(order, OrderState.DELIVERING, OrderState.DELIVERED)


async def sell_without_delivering(world: World) -> None:
    order = await world.deliver(await world.order(world.shops[0]))
    await tamper(world, "DELETE FROM order_move WHERE to_state = 'delivered'")
    await world.pool.execute(
        "INSERT INTO open_order VALUES ($1, $2, $3)", order.order_id, order.channel_id, world.clock.at
    )


async def refund_without_a_reversal(world: World) -> None:
    await world.move(await world.deliver(await world.order(world.shops[0])), OrderState.REFUNDED)


async def reverse_what_is_not_refunded(world: World) -> None:
    order = await world.deliver(await world.order(world.shops[0]))
    async with world.pool.acquire() as conn, conn.transaction():
        await world.ledger.reverse_order(conn, order.order_id, world.clock())


async def show_another_quantity(world: World) -> None:
    await world.settle_offers()
    await world.pool.execute("UPDATE offer SET observed_quantity = 3")


async def show_another_price(world: World) -> None:
    await world.settle_offers()
    await world.pool.execute("UPDATE offer SET observed_price_minor = 1, observed_net_minor = 2")


async def stay_on_when_it_should_be_off(world: World) -> None:
    await world.settle_offers()
    await world.pool.execute("UPDATE offer SET wanted_on = false, wanted_quantity = 0")


async def promise_beyond_the_bound(world: World) -> None:
    await tamper(
        world,
        "ALTER TABLE promise DROP CONSTRAINT promise_within_bound",
        "INSERT INTO promise (listing_id, quantity, price_minor, before_quantity, promised_total, available,"
        " bound_permille, promised_at) VALUES (1, 9, 2000, 8, 9, 8, 1000, now())",
    )


async def show_more_than_there_is(world: World) -> None:
    await world.settle_offers()
    await world.pool.execute(
        "UPDATE offer SET wanted_quantity = 41, published_quantity = 41, observed_quantity = 41"
    )


async def store_a_code_in_clear(world: World) -> None:
    await tamper(world, "UPDATE code SET sealed = 'ABCDE-FGHIJ-KLMNO-PQRST-UVWXY-12345' WHERE slot = 1")


async def store_an_unwrapped_key(world: World) -> None:
    await tamper(world, "UPDATE batch SET wrapped_key = substr(wrapped_key, 1, 32)")


async def swap_two_sealed_codes(world: World) -> None:
    await tamper(
        world,
        "UPDATE code SET sealed = other.sealed FROM code other"
        " WHERE code.lane = 0 AND code.slot = 1 AND other.lane = 1 AND other.slot = 1",
    )


async def write_a_code_into_a_reason(world: World) -> None:
    code = await a_code(world)
    await world.pool.execute(
        "INSERT INTO audit (actor, action, subject, reason) VALUES ('x', 'x', 'x', $1)",
        f"the buyer says that {code} does not work",
    )


async def write_a_code_into_json(world: World) -> None:
    await world.settle_offers()
    await world.pool.execute("UPDATE offer SET why = $1", {"quantity": [{"why": await a_code(world)}]})


async def write_a_code_into_bytes(world: World) -> None:
    await world.pool.execute(
        "INSERT INTO sealing_key VALUES ('x', $1)", b"\x00\xff" + (await a_code(world)).encode()
    )


async def a_code(world: World) -> str:
    shop = world.shops[2]
    shelf_id = await world.pool.fetchval("SELECT shelf_id FROM shelf WHERE sku_id = $1", shop.sku_id)
    return secret_of(shop.sku_id, shelf_id, 17)


@pytest.mark.parametrize(
    ("harm", "name", "said"),
    [
        (sell_what_may_have_been_seen, "one-buyer", "1 codes went back on sale"),
        (sell_and_withdraw, "one-buyer", "with its consignor"),
        (lose_a_guard, "one-buyer", "code_fingerprint_once"),
        (lose_a_code_of_an_order, "same-answer", "1 of 2 codes on line 1"),
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
