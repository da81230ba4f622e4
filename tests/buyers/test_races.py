"""Tests buyers under load: sales, referrals, joins and marks at once end well, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import itertools

from core.buyers.fact_terms import FactTerms
from core.buyers.people import join
from core.db.pool import Pool
from core.errors import InvalidInput
from core.money.plans.rules import CHANNEL, CONSIGNOR, Condition, Party, Plan, Rule, Short
from core.types import MarkKind, ToldMark
from tests.buyers.desk import Desk, open_desk
from tests.factories import NOW

PLAN = Plan(
    "busy",
    (
        Rule("fee", CHANNEL, rate_ppm=100_000, when_short=Short.LOSS),
        Rule("first", Party.parse("buyer"), fixed_minor=100, when=Condition(orders_from=1, orders_to=1)),
        Rule("friend", Party.parse("referrer-1"), rate_ppm=100_000),
        Rule("rest", CONSIGNOR, rest=True),
    ),
    currency="EUR",
)


async def shared(pool: Pool, sql: str) -> int:
    count: int = await pool.fetchval(sql)
    return count


async def test_orders_of_the_same_buyers_told_at_once_are_each_split_once(pool: Pool) -> None:
    desk = await open_desk(pool, PLAN, facts=FactTerms(keeps_marks=True), codes=80)
    other = await desk.second_channel()
    numbers = itertools.count()

    async def sell(shop: Desk) -> None:
        number = next(numbers)
        await shop.sell(
            2_000,
            buyer=f"u-{number % 3}",
            referrer=f"friend {number % 4}",
            marks=[ToldMark(MarkKind.ACCOUNT, f"u-{number % 3}@{shop.terms.name}")],
            times=2,
        )

    async def join_some() -> None:
        for number in range(3):
            one, two = await desk.buyer(f"u-{number}"), await other.buyer(f"u-{number}")
            async with pool.acquire() as conn, conn.transaction():
                try:
                    await join(conn, one, two, actor="test", reason="same", now=NOW)
                except InvalidInput:
                    raise AssertionError("nobody else joins") from None

    async with asyncio.timeout(60):
        await asyncio.gather(*(sell(shop) for shop in (desk, other) * 20), join_some())
    assert await shared(pool, "SELECT count(*) FROM journal_transaction WHERE kind = 'sale'") == 40
    assert await shared(pool, "SELECT count(*) FROM split_owed") == 0
    assert await shared(pool, "SELECT count(*) FROM buyer WHERE name LIKE '%/%'") == 6
    # A person is brought by one at a time under each of the names that were told of before they were joined.
    standing = (
        "SELECT count(*) FROM (SELECT buyer_id FROM referral GROUP BY buyer_id HAVING count(*) > 1) more"
    )
    assert await shared(pool, standing) == 0
    firsts = await shared(
        pool,
        "SELECT count(*) FROM entry JOIN account USING (account_id)"
        " WHERE party = 'buyer' AND purpose = 'rebate' AND amount_minor = -100",
    )
    assert 3 <= firsts <= 6, "one for each person, and for each name that bought before it was joined"
