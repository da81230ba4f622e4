"""Writes the journal: what entries there are is decided here alone. Append-only, each transaction at zero."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.db.arrays import int_array
from core.db.ids import IdBlocks
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.splits import Posting, SplitPlan, plan_to_json
from core.types import Lane, OrderId

_SQL = load_queries("core.money", "ledger.sql")
_FIND_ACCOUNT = _SQL["find_account"]
_ADD_ACCOUNT = _SQL["add_account"]
_SALES_TO_REVERSE = _SQL["sales_to_reverse"]
_POST_REVERSAL = _SQL["post_reversal"]
_COPY_NEGATED = _SQL["copy_negated"]
_LATEST_PLAN = _SQL["latest_plan"]
_LOCK_PLANS = _SQL["lock_plans"]
_ADD_PLAN = _SQL["add_plan"]


@dataclass(frozen=True, slots=True)
class Sale:
    """One delivered line to post: a transaction of its own, under the plan that split it."""

    order_id: OrderId
    line_no: int
    lane: Lane
    plan_id: int
    postings: Sequence[Posting]


class Ledger:
    """Lays sales out as entries, and reverses them. Accounts are made when first used."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transaction_ids = IdBlocks(pool, "transaction_id_block")
        # Reversals take theirs while they hold a connection.
        self._reversal_ids = IdBlocks(pool, "transaction_id_block")
        self._accounts: dict[tuple[str, str, str, str], int] = {}

    async def lay_out(self, sales: Sequence[Sale]) -> tuple[str, ...]:
        """The columns of the sales' transactions and of their splits, which `close_group` writes.

        Accounts that are missing are made here, in transactions of their own, so that a new account never
        makes other daemons wait for it. A line that was posted before violates `journal_line_sold_once`.
        """
        ids = await self._transaction_ids.take(len(sales))
        # By identity: whoever hands in sales that are split alike hands in the same postings.
        splits = {id(sale.postings): sale.postings for sale in sales}
        split_nos = {identity: number for number, identity in enumerate(splits)}
        transactions: list[tuple[int, ...]] = [
            (
                transaction_id,
                sale.lane,
                sale.order_id,
                sale.line_no,
                sale.plan_id,
                split_nos[id(sale.postings)],
            )
            for transaction_id, sale in zip(ids, sales, strict=True)
        ]
        entries: list[tuple[int, ...]] = [
            (split_no, entry_no, await self._account_id(posting), posting.amount_minor)
            for split_no, postings in enumerate(splits.values())
            for entry_no, posting in enumerate(postings, start=1)
        ]
        return *_columns(transactions, 6), *_columns(entries, 4)

    async def reverse_order(self, conn: Connection, order_id: OrderId, now: datetime) -> int:
        """Post the exact negative of every sale of an order that stands; how many were reversed."""
        sales = await conn.fetch(_SALES_TO_REVERSE, order_id)
        for sale, transaction_id in zip(sales, await self._reversal_ids.take(len(sales), conn), strict=True):
            await conn.execute(
                _POST_REVERSAL,
                transaction_id,
                sale["lane"],
                sale["order_id"],
                sale["line_no"],
                sale["plan_id"],
                sale["transaction_id"],
                now,
            )
            await conn.execute(_COPY_NEGATED, transaction_id, sale["transaction_id"])
        return len(sales)

    async def _account_id(self, posting: Posting) -> int:
        key = (posting.party, posting.party_name, posting.purpose, posting.currency)
        if key not in self._accounts:
            account_id: int | None = await self._pool.fetchval(_FIND_ACCOUNT, *key)
            if account_id is None:
                await self._pool.execute(_ADD_ACCOUNT, *key)
                account_id = await self._pool.fetchval(_FIND_ACCOUNT, *key)
            assert account_id is not None, "an account is never deleted"
            self._accounts[key] = account_id
        return self._accounts[key]


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> list[str]:
    """Rows turned into columns; as many columns when there is no row."""
    return [int_array(column) for column in zip(*rows, strict=True)] or ["{}"] * width


async def publish_plan(conn: Connection, plan: SplitPlan) -> tuple[int, SplitPlan]:
    """Make a plan known: its id and version. Other rules under a known name become its next version."""
    async with conn.transaction():
        await conn.execute(_LOCK_PLANS)
        row = await conn.fetchrow(_LATEST_PLAN, plan.name)
        rules = json.loads(plan_to_json(plan))
        if row is not None and row["rules"] == rules:
            return int(row["plan_id"]), replace(plan, version=int(row["version"]))
        version = 1 if row is None else int(row["version"]) + 1
        plan_id: int = await conn.fetchval(_ADD_PLAN, plan.name, version, rules)
        return plan_id, replace(plan, version=version)
