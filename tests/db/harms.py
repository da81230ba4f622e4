"""Ways to harm a healthy database, one promise at a time; the schema is talked out of forbidding them."""

from __future__ import annotations

from datetime import timedelta

from core.types import OrderState
from tests.db.history import World, secret_of


async def tamper(world: World, *statements: str) -> None:
    """Do what the schema forbids."""
    async with world.pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await conn.execute(statement)


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


async def lose_a_code_of_a_held_order(world: World) -> None:
    await world.order(world.shops[0], 2, OrderState.HELD)
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
