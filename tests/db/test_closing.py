"""A sale is closed once, whole, and at zero; what cannot be closed fails alone; a refund takes all back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import asyncpg
import pytest
from msgspec.structs import replace

from core.codes.allocator import Allocator
from core.db.pool import Pool
from core.errors import MoveRefused, OutOfStock, StaleVersion
from core.money.ledger import Ledger, publish_plan
from core.money.plans.rules import CHANNEL, CONSIGNOR, OPERATOR, Base
from core.offers.terms import ChannelTerms
from core.orders.closing import Closing, SaleCloser
from core.orders.lifecycle import ALLOWED
from core.orders.orders import Order, load_order, load_orders, move_orders
from core.types import OrderState
from tests.factories import NOW, Shop, add_codes, add_consignor, add_shop, request, terms_of
from tests.plain_plans import plain_plan, plain_rule

PLAN = plain_plan(
    "fair",
    1,
    [
        plain_rule(CHANNEL, rate_ppm=125_000),
        plain_rule(OPERATOR, base=Base.AFTER_CHANNEL, rate_ppm=50_000),
        plain_rule(CONSIGNOR, rest=True),
    ],
)


async def published_terms(pool: Pool, shop: Shop) -> ChannelTerms:
    async with pool.acquire() as conn:
        plan_id, plan = await publish_plan(conn, PLAN)
    return terms_of(shop.channel_id, shop.channel, plan_id, plan)


def closer_of(pool: Pool) -> SaleCloser:
    return SaleCloser(pool, Ledger(pool), lambda: NOW)


async def sold(pool: Pool, shop: Shop, count: int = 1, quantity: int = 1) -> list[Order]:
    allocator = Allocator(pool, lambda: NOW)
    taken = await asyncio.gather(*(allocator.reserve(request(shop, quantity=quantity)) for _ in range(count)))
    async with pool.acquire() as conn:
        return await load_orders(conn, [answer.order_id for answer in taken])


async def close_all(
    closer: SaleCloser, terms: ChannelTerms, orders: Sequence[Order]
) -> list[Order | BaseException]:
    asked = (closer.close(Closing(order, terms, "test", "")) for order in orders)
    return list(await asyncio.gather(*asked, return_exceptions=True))


async def balance_by_account(pool: Pool) -> dict[tuple[str, str], int]:
    rows = await pool.fetch(
        "SELECT party, purpose, sum(amount_minor)::bigint AS amount_minor"
        " FROM entry JOIN account USING (account_id) GROUP BY 1, 2"
    )
    return {(row["party"], row["purpose"]): row["amount_minor"] for row in rows}


async def test_a_sale_moves_its_order_ends_the_work_and_posts_its_split(pool: Pool) -> None:
    shop = await add_shop(pool, codes=3)
    (order,) = await sold(pool, shop)
    done = await closer_of(pool).close(Closing(order, await published_terms(pool, shop), "test", "sent"))
    async with pool.acquire() as conn:
        stored = await load_order(conn, order.order_id)
    assert done == stored
    assert (stored.state, stored.move_no) == (OrderState.DELIVERED, 1)
    assert await pool.fetchval("SELECT count(*) FROM open_order") == 0
    assert await pool.fetchval("SELECT reason FROM order_move") == "sent"
    assert await balance_by_account(pool) == {
        ("channel", "receivable"): 1750,
        ("channel", "commission"): 250,
        ("channel", "recharged"): -250,
        ("operator", "commission"): -88,
        ("consignor", "payable"): -1662,
    }


async def test_a_sale_is_closed_once_however_many_try_at_once(pool: Pool) -> None:
    shop = await add_shop(pool, codes=3)
    terms = await published_terms(pool, shop)
    (order,) = await sold(pool, shop)
    closers = [closer_of(pool) for _ in range(3)]
    answers = await asyncio.gather(
        *(closers[n % 3].close(Closing(order, terms, "test", "")) for n in range(30)), return_exceptions=True
    )
    assert sum(isinstance(answer, Order) for answer in answers) == 1
    assert sum(isinstance(answer, StaleVersion) for answer in answers) == 29
    assert await pool.fetchval("SELECT count(*) FROM order_move") == 1
    assert await pool.fetchval("SELECT count(*) FROM journal_transaction") == 1
    assert await pool.fetchval("SELECT count(*) FROM entry") == 5


async def test_an_order_that_somebody_moved_does_not_fail_its_group(pool: Pool) -> None:
    shop = await add_shop(pool, codes=20)
    terms = await published_terms(pool, shop)
    orders = await sold(pool, shop, count=10)
    async with pool.acquire() as conn, conn.transaction():
        await move_orders(conn, [orders[4]], OrderState.CANCELLED, now=NOW, actor="buyer")
    answers = await close_all(closer_of(pool), terms, orders)
    assert isinstance(answers.pop(4), StaleVersion)
    assert all(isinstance(answer, Order) for answer in answers)
    posted = await pool.fetch("SELECT order_id FROM journal_transaction")
    assert {row["order_id"] for row in posted} == {o.order_id for o in orders} - {orders[4].order_id}


async def test_an_order_whose_codes_are_gone_fails_alone(pool: Pool) -> None:
    shop = await add_shop(pool, codes=20)
    terms = await published_terms(pool, shop)
    orders = await sold(pool, shop, count=5)
    async with pool.acquire() as conn, conn.transaction():
        allocator = Allocator(pool, lambda: NOW)
        await allocator.quarantine_order(conn, orders[2].order_id, actor="test", reason="seen")
    answers = await close_all(closer_of(pool), terms, orders)
    assert isinstance(answers.pop(2), OutOfStock)
    assert all(isinstance(answer, Order) for answer in answers)
    async with pool.acquire() as conn:
        assert (await load_order(conn, orders[2].order_id)).state is OrderState.ACCEPTED


async def test_an_order_that_may_not_be_delivered_is_refused_at_once(pool: Pool) -> None:
    shop = await add_shop(pool)
    (parked,) = await sold(pool, shop)
    with pytest.raises(MoveRefused, match="parked and cannot become delivered"):
        await closer_of(pool).close(Closing(parked, await published_terms(pool, shop), "test", ""))


async def test_daemons_that_close_the_same_orders_neither_lock_up_nor_post_twice(pool: Pool) -> None:
    shop = await add_shop(pool, codes=60)
    terms = await published_terms(pool, shop)
    orders = await sold(pool, shop, count=60)
    rng = random.Random(3)
    daemons = [close_all(closer_of(pool), terms, rng.sample(orders, len(orders))) for _ in range(4)]
    answers = [answer for group in await asyncio.gather(*daemons) for answer in group]
    assert sum(isinstance(answer, Order) for answer in answers) == 60
    assert all(isinstance(answer, Order | StaleVersion) for answer in answers)
    assert await pool.fetchval("SELECT count(*) FROM journal_transaction") == 60
    assert sum((await balance_by_account(pool)).values()) == 0


async def test_each_consignor_is_credited_for_the_codes_that_were_theirs(pool: Pool) -> None:
    shop = await add_shop(pool)
    for name, codes, priority in (("Ada", 1, 1), ("Bo", 2, 2)):
        owner = await add_consignor(pool, name, priority)
        await add_codes(pool, shop.sku_id, codes, consignor_id=owner, priority=priority)
    (order,) = await sold(pool, shop, quantity=3)
    await closer_of(pool).close(Closing(order, await published_terms(pool, shop), "test", ""))
    rows = await pool.fetch(
        "SELECT party_name, -amount_minor AS amount_minor FROM entry JOIN account USING (account_id)"
        " WHERE party = 'consignor' ORDER BY party_name"
    )
    assert [tuple(row) for row in rows] == [("Ada", 1662), ("Bo", 3324)]


async def test_sales_of_one_group_are_split_each_by_its_own_price_and_owner(pool: Pool) -> None:
    """Many splits and few: none may be posted to another's sale."""
    shops = [await add_shop(pool, codes=8) for _ in range(3)]
    terms = await published_terms(pool, shops[0])
    orders = [order for shop in shops for n in (1, 2, 3) for order in await sold(pool, shop, quantity=n)]
    await close_all(closer_of(pool), terms, orders)
    rows = await pool.fetch(
        "SELECT order_id, sum(amount_minor) FILTER (WHERE amount_minor > 0)::bigint AS gross_minor"
        " FROM entry JOIN journal_transaction USING (transaction_id) GROUP BY order_id"
    )
    expected = {order.order_id: 2000 * order.lines[0].quantity for order in orders}
    assert {row["order_id"]: row["gross_minor"] for row in rows} == expected


async def test_a_sale_for_nothing_is_closed_without_entries(pool: Pool) -> None:
    shop = await add_shop(pool, codes=1)
    (order,) = await sold(pool, shop)
    await pool.execute("ALTER TABLE order_line DISABLE TRIGGER order_line_append_only")
    await pool.execute("UPDATE order_line SET unit_price_minor = 0")
    async with pool.acquire() as conn:
        order = await load_order(conn, order.order_id)
    await closer_of(pool).close(Closing(order, await published_terms(pool, shop), "test", ""))
    assert await pool.fetchval("SELECT count(*) FROM journal_transaction") == 1
    assert await pool.fetchval("SELECT count(*) FROM entry") == 0


async def test_a_refund_is_the_exact_negative_and_happens_once(pool: Pool) -> None:
    shop = await add_shop(pool, codes=3)
    (order,) = await sold(pool, shop, quantity=3)
    await closer_of(pool).close(Closing(order, await published_terms(pool, shop), "test", ""))
    ledger = Ledger(pool)
    async with pool.acquire() as conn, conn.transaction():
        assert await ledger.reverse_order(conn, order.order_id, NOW) == 1
        assert await ledger.reverse_order(conn, order.order_id, NOW) == 0
    rows = await pool.fetch(
        "SELECT sale.account_id, sale.amount_minor, refund.amount_minor AS back_minor"
        " FROM journal_transaction t"
        " JOIN entry refund ON refund.transaction_id = t.transaction_id"
        " JOIN entry sale ON sale.transaction_id = t.reverses_id AND sale.account_id = refund.account_id"
        " WHERE t.kind = 'refund'"
    )
    assert len(rows) == 5
    assert all(row["amount_minor"] == -row["back_minor"] for row in rows)
    assert set((await balance_by_account(pool)).values()) == {0}


async def test_a_line_cannot_be_sold_twice_whatever_the_program_does(pool: Pool) -> None:
    shop = await add_shop(pool, codes=1)
    (order,) = await sold(pool, shop)
    await closer_of(pool).close(Closing(order, await published_terms(pool, shop), "test", ""))
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await pool.execute(
            "INSERT INTO journal_transaction"
            " (transaction_id, lane, kind, order_id, line_no, plan_id, posted_at)"
            " SELECT 1, lane, kind, order_id, line_no, plan_id, posted_at FROM journal_transaction"
        )
    assert refused.value.constraint_name == "journal_line_sold_once"


@pytest.mark.parametrize(
    ("amounts", "currencies"),
    [((100, -99), ("EUR", "EUR")), ((100,), ("EUR",)), ((100, -100), ("EUR", "USD"))],
)
async def test_entries_that_do_not_sum_to_zero_in_each_currency_are_refused(
    pool: Pool, amounts: tuple[int, ...], currencies: tuple[str, ...]
) -> None:
    accounts = [
        await pool.fetchval(
            "INSERT INTO account (party, party_name, purpose, currency)"
            " VALUES ('operator', '', $1, $2) RETURNING account_id",
            f"purpose {number}",
            currency,
        )
        for number, currency in enumerate(currencies)
    ]
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="does not sum to zero"):
        await pool.execute(
            "INSERT INTO entry SELECT 1, n, account_id, amount_minor"
            " FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY x(account_id, amount_minor, n)",
            accounts,
            list(amounts),
        )
    assert await pool.fetchval("SELECT count(*) FROM entry") == 0


async def test_an_entry_to_no_account_is_refused(pool: Pool) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="does not sum to zero"):
        await pool.execute("INSERT INTO entry VALUES (1, 1, 999, 5), (1, 2, 999, -5)")


async def test_entries_and_moves_cannot_be_changed_or_deleted(pool: Pool) -> None:
    for statement in (
        "UPDATE entry SET amount_minor = amount_minor * 2",
        "DELETE FROM entry",
        "UPDATE journal_transaction SET plan_id = 7",
        "TRUNCATE journal_transaction CASCADE",
        "DELETE FROM order_move",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
            await pool.execute(statement)


async def test_the_database_allows_exactly_the_moves_of_the_life_cycle(pool: Pool) -> None:
    for number, present in enumerate(OrderState):
        for wanted in OrderState:
            insert = pool.execute(
                "INSERT INTO order_move (order_id, move_no, from_state, to_state, moved_at, actor)"
                " VALUES ($1, 1, $2, $3, now(), 'test') ON CONFLICT DO NOTHING",
                number,
                present.value,
                wanted.value,
            )
            if wanted in ALLOWED[present]:
                await insert
            else:
                with pytest.raises(asyncpg.CheckViolationError, match="order_move_allowed"):
                    await insert


@pytest.mark.parametrize("present", list(OrderState))
async def test_an_order_moves_only_where_it_may(pool: Pool, present: OrderState) -> None:
    """The same through move_orders, from every state an order can be brought to."""
    shop = await add_shop(pool, codes=1)
    (order,) = await sold(pool, shop)
    async with pool.acquire() as conn:
        for wanted in OrderState:
            standing = replace(order, state=present)
            if wanted in ALLOWED[present]:
                transaction = conn.transaction()
                async with transaction:
                    (moved,) = await move_orders(conn, [standing], wanted, now=NOW, actor="test")
                    assert (moved.state, moved.move_no) == (wanted, 1)
                    await conn.execute("ALTER TABLE order_move DISABLE TRIGGER order_move_append_only")
                    await conn.execute("DELETE FROM order_move")
            else:
                with pytest.raises(MoveRefused):
                    await move_orders(conn, [standing], wanted, now=NOW, actor="test")


async def test_two_who_move_an_order_from_the_same_state_do_not_both_succeed(pool: Pool) -> None:
    shop = await add_shop(pool, codes=1)
    (order,) = await sold(pool, shop)

    async def move(to: OrderState) -> None:
        async with pool.acquire() as conn, conn.transaction():
            await move_orders(conn, [order], to, now=NOW, actor="test")

    answers = await asyncio.gather(
        *(move(to) for to in (OrderState.DELIVERING, OrderState.CANCELLED) * 5), return_exceptions=True
    )
    assert answers.count(None) == 1
    assert sum(isinstance(answer, StaleVersion) for answer in answers) == 9
