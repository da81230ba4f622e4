"""Writes the journal: what entries there are is decided here alone. Append-only, each transaction at zero."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from msgspec import Struct

from core.db.arrays import int_array
from core.db.ids import IdBlocks
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.accounts import Account, account_ids, account_of, lasting_account_id
from core.money.plans.journal import moves, position
from core.money.plans.refunds import Refunded
from core.money.plans.rules import Plan
from core.money.plans.stored import plan_from_json, plan_to_json
from core.money.posting import Posting
from core.money.sold import load_sold
from core.types import Lane, OrderId

_SQL = load_queries("core.money", "ledger.sql")
_POST_OF_ORDER = _SQL["post_of_order"]
_ADD_ENTRIES = _SQL["add_entries"]
_LATEST_PLAN = _SQL["latest_plan"]
_LOCK_PLANS = _SQL["lock_plans"]
_ADD_PLAN = _SQL["add_plan"]
_SOLD = load_queries("core.money", "sold.sql")
_ADD_REFUND = _SOLD["add_refund"]
_DROP_SPLIT_DUE = _SOLD["drop_split_due"]
_SETTLE_OWED_AS_REFUNDED = _SOLD["settle_owed_as_refunded"]


class Sale(Struct, frozen=True, gc=False):
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
        # Whatever is posted within a caller's transaction takes its ids while a connection is held.
        self._following_ids = IdBlocks(pool, "transaction_id_block")
        self._accounts: dict[Account, int] = {}

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

    async def lay_out_in(self, conn: Connection, sales: Sequence[Sale]) -> tuple[str, ...]:
        """As `lay_out`, within the caller's transaction."""
        accounts = await self._accounts_in(conn, [each for sale in sales for each in sale.postings])
        ids = await self._following_ids.take(len(sales), conn)
        transactions = [
            (transaction_id, sale.lane, sale.order_id, sale.line_no, sale.plan_id, number)
            for number, (transaction_id, sale) in enumerate(zip(ids, sales, strict=True))
        ]
        entries = [
            (number, entry_no, accounts[account_of(posting)], posting.amount_minor)
            for number, sale in enumerate(sales)
            for entry_no, posting in enumerate(sale.postings, start=1)
        ]
        return *_columns(transactions, 6), *_columns(entries, 4)

    async def post(
        self,
        conn: Connection,
        kind: str,
        sale: Sale,
        now: datetime,
        reverses_id: int | None = None,
    ) -> int:
        """Post one transaction about a line of an order, within the caller's transaction; its id."""
        assert conn.is_in_transaction(), "what is posted stands or falls with why it is posted"
        (transaction_id,) = await self._following_ids.take(1, conn)
        accounts = await self._accounts_in(conn, sale.postings)
        about = (sale.order_id, sale.line_no, sale.plan_id, reverses_id)
        await conn.execute(_POST_OF_ORDER, transaction_id, sale.lane, kind, *about, now)
        if sale.postings:
            await conn.execute(
                _ADD_ENTRIES,
                transaction_id,
                [accounts[account_of(posting)] for posting in sale.postings],
                [posting.amount_minor for posting in sale.postings],
            )
        return transaction_id

    async def reverse_order(
        self,
        conn: Connection,
        order_id: OrderId,
        now: datetime,
        *,
        actor: str = "",
        reason: str = "the order was taken back",
    ) -> int:
        """Refund whatever is left of an order's sales; how many lines that were.

        What stands on a line's accounts goes back: the exact negative, but for what a plan lets somebody
        keep. An order whose split is still owed needs none any more.
        """
        done = 0
        for sold in await load_sold(conn, order_id, lock=True):
            if sold.whole:
                continue
            everything = Refunded.everything(sold.split)
            after = position(sold.split, everything, sold.milestones, now)
            back = moves(sold.standing, after, sold.split.currency)
            sale = Sale(order_id, sold.line_no, sold.lane, sold.plan_id, back)
            posted = await self.post(conn, "refund", sale, now, sold.sale_id)
            number = sold.refunds + 1
            await conn.execute(_ADD_REFUND, sold.sale_id, number, posted, None, None, now, actor, reason)
            await conn.execute(_DROP_SPLIT_DUE, order_id, sold.line_no)
            done += 1
        await conn.execute(_SETTLE_OWED_AS_REFUNDED, order_id, now)
        return done

    async def _accounts_in(self, conn: Connection, postings: Sequence[Posting]) -> dict[Account, int]:
        """Ids of accounts, made where missing. Not remembered: our transaction may be rolled back."""
        keys = {account_of(posting) for posting in postings}
        found = {key: self._accounts[key] for key in keys if key in self._accounts}
        return found | await account_ids(conn, keys - found.keys())

    async def _account_id(self, posting: Posting) -> int:
        key = account_of(posting)
        if key not in self._accounts:
            self._accounts[key] = await lasting_account_id(self._pool, key)
        return self._accounts[key]


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> list[str]:
    """Rows turned into columns; as many columns when there is no row."""
    return [int_array(column) for column in zip(*rows, strict=True)] or ["{}"] * width


async def publish_plan(conn: Connection, plan: Plan) -> tuple[int, Plan]:
    """Make a plan known: its id and version. Other rules under a known name become its next version."""
    async with conn.transaction():
        await conn.execute(_LOCK_PLANS)
        row = await conn.fetchrow(_LATEST_PLAN, plan.name)
        if row is not None:
            version = int(row["version"])
            known = replace(plan, version=version)
            if plan_from_json(plan.name, version, json.dumps(row["rules"])) == known:
                return int(row["plan_id"]), known
        new = replace(plan, version=1 if row is None else int(row["version"]) + 1)
        plan_id: int = await conn.fetchval(_ADD_PLAN, plan.name, new.version, json.loads(plan_to_json(new)))
        return plan_id, new
