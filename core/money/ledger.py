"""Writes the journal: the only writer of entries. Append-only, zero per transaction and currency."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.db.ids import IdBlocks
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.splits import Posting, SplitPlan, plan_to_json
from core.types import Lane, OrderId

_SQL = load_queries("core.money", "ledger.sql")
_FIND_ACCOUNT = _SQL["find_account"]
_ADD_ACCOUNT = _SQL["add_account"]
_POST_TRANSACTIONS = _SQL["post_transactions"]
_POST_ENTRIES = _SQL["post_entries"]
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
    """Posts transactions in the caller's database transaction. Accounts are made when first used."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transaction_ids = IdBlocks(pool, "transaction_id_block")
        self._accounts: dict[tuple[str, str, str, str], int] = {}

    async def prepare(self, sales: Sequence[Sale]) -> None:
        """Make the accounts that sales will need, in transactions of their own.

        Called before the sales' transaction, so that a new account never makes other daemons wait for it.
        """
        for sale in sales:
            for posting in sale.postings:
                await self._account(posting)

    async def post_sales(self, conn: Connection, sales: Sequence[Sale], now: datetime) -> None:
        """Post one transaction per sale; a line that was posted before violates `journal_line_sold_once`."""
        ids = await self._transaction_ids.take(len(sales))
        await conn.execute(
            _POST_TRANSACTIONS,
            ids,
            [sale.lane for sale in sales],
            [sale.order_id for sale in sales],
            [sale.line_no for sale in sales],
            [sale.plan_id for sale in sales],
            now,
        )
        rows = [
            (transaction_id, entry_no, self._known(posting), posting.amount_minor)
            for transaction_id, sale in zip(ids, sales, strict=True)
            for entry_no, posting in enumerate(sale.postings, start=1)
        ]
        if rows:
            await conn.execute(_POST_ENTRIES, *(list(column) for column in zip(*rows, strict=True)))

    async def reverse_order(self, conn: Connection, order_id: OrderId, now: datetime) -> int:
        """Post the exact negative of every sale of an order that stands; how many were reversed."""
        sales = await conn.fetch(_SALES_TO_REVERSE, order_id)
        for sale, transaction_id in zip(sales, await self._transaction_ids.take(len(sales)), strict=True):
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

    async def _account(self, posting: Posting) -> int:
        key = _key(posting)
        if key not in self._accounts:
            account_id: int | None = await self._pool.fetchval(_FIND_ACCOUNT, *key)
            if account_id is None:
                await self._pool.execute(_ADD_ACCOUNT, *key)
                account_id = await self._pool.fetchval(_FIND_ACCOUNT, *key)
            assert account_id is not None, "an account is never deleted"
            self._accounts[key] = account_id
        return self._accounts[key]

    def _known(self, posting: Posting) -> int:
        return self._accounts[_key(posting)]


def _key(posting: Posting) -> tuple[str, str, str, str]:
    return posting.party, posting.party_name, posting.purpose, posting.currency


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
