"""Writes transactions into a journal the way the ledger does, and spoils them the way an intruder would."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection, Pool
from core.money.journal.sealing import Sealing
from tests.factories import NOW

_NUMBERS = itertools.count(1)
Row = tuple[str, str, str, str]
RECEIVABLE: Row = ("channel", "eneba", "receivable", "EUR")
PAYABLE: Row = ("consignor", "Ada & Söhne", "payable", "EUR")
INCOME: Row = ("operator", "", "commission", "EUR")


@dataclass(frozen=True, slots=True)
class Written:
    """A transaction as it was posted."""

    transaction_id: int
    lane: int


async def account(conn: Connection | Pool, row: Row) -> int:
    """The id of an account, made when it is missing."""
    await conn.execute(
        "INSERT INTO account (party, party_name, purpose, currency) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        *row,
    )
    account_id: int = await conn.fetchval(
        "SELECT account_id FROM account"
        " WHERE party = $1 AND party_name = $2 AND purpose = $3 AND currency = $4",
        *row,
    )
    return account_id


async def post(
    conn: Connection | Pool,
    amounts: Sequence[tuple[Row, int]] = ((RECEIVABLE, 1750), (INCOME, -88), (PAYABLE, -1662)),
    *,
    lane: int = 0,
    at: datetime = NOW,
    kind: str = "correction",
    transaction_id: int | None = None,
) -> Written:
    """Post one transaction."""
    number = transaction_id or next(_NUMBERS)
    accounts = [await account(conn, row) for row, _ in amounts]
    await conn.execute(
        "INSERT INTO journal_transaction (transaction_id, lane, kind, posted_at) VALUES ($1, $2, $3, $4)",
        number,
        lane,
        kind,
        at,
    )
    await conn.execute(
        "INSERT INTO entry SELECT $1, n, account_id, amount_minor"
        " FROM unnest($2::int[], $3::bigint[]) WITH ORDINALITY x(account_id, amount_minor, n)",
        number,
        accounts,
        [amount for _, amount in amounts],
    )
    return Written(number, lane)


async def post_many(pool: Pool, count: int, *, lanes: int = 2, seed: int = 1) -> list[Written]:
    """Many transactions of all sorts, in database transactions of several each."""
    rng = random.Random(seed)
    written: list[Written] = []
    while len(written) < count:
        async with pool.acquire() as conn, conn.transaction():
            for _ in range(rng.randint(1, 5)):
                amount = rng.randint(1, 10_000)
                written.append(
                    await post(
                        conn,
                        ((RECEIVABLE, amount), (PAYABLE, -amount)),
                        lane=rng.randrange(lanes),
                    )
                )
    return written


def sealing(pool: Pool) -> Sealing:
    """The sweep, at a fixed time."""
    return Sealing(pool, lambda: NOW)


async def tamper(pool: Pool, *statements: str) -> None:
    """Do as somebody would who owns the tables: no trigger sees it."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await conn.execute(statement)
