"""Posts sales and tells statement lines for tests, and reckons both sides up from the tables."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Pool
from core.db.queries import load_queries
from core.money.money import Money
from core.money.payouts import ToldLine, keep_lines
from core.money.statements.book import MatchReport, StatementBook
from core.money.statements.settling import DiscrepancyDesk
from core.money.statements.terms import MatchTerms
from tests.factories import NOW, Shop, add_shop

_STATEMENTS_APART = load_queries("core.views", "invariants_money.sql")["statements_apart"]
_IDS = itertools.count(10_000_000)


@dataclass(slots=True)
class Desk:
    """A channel with its statements, at a time that tests move."""

    pool: Pool
    shop: Shop
    terms: MatchTerms
    now: datetime = NOW

    @classmethod
    async def open(cls, pool: Pool) -> Desk:
        shop = await add_shop(pool)
        return cls(pool, shop, MatchTerms(shop.channel_id, shop.channel))

    def book(self) -> StatementBook:
        return StatementBook(self.pool, lambda: self.now)

    def people(self) -> DiscrepancyDesk:
        return DiscrepancyDesk(self.pool, lambda: self.now)

    async def match(self, *, everything: bool = False) -> MatchReport:
        return await self.book().match(self.terms, everything=everything)

    async def sell(
        self, order_ref: str, gross: int, fee: int, *, quantity: int = 1, days_ago: float = 0
    ) -> int:
        """A delivered order of one line, posted as the journal has it; its transaction."""
        at = self.now - timedelta(days=days_ago)
        order_id, transaction_id = next(_IDS), next(_IDS)
        await self.pool.execute(
            "INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash,"
            " currency, placed_at, created_at) VALUES ($1, 0, $2, $3, 'accepted', '', 'EUR', $4, $4)",
            order_id,
            self.shop.channel_id,
            order_ref,
            at,
        )
        await self.pool.execute(
            "INSERT INTO order_line (order_id, line_no, lane, line_ref, listing_id, sku_id, quantity,"
            " unit_price_minor, valid_until) VALUES ($1, 1, 0, '1', $2, $3, $4, $5, $6)",
            order_id,
            self.shop.listing_id,
            self.shop.sku_id,
            quantity,
            gross // quantity,
            at,
        )
        await self.pool.execute(
            "INSERT INTO split_plan (name, version, rules) VALUES ('p', 1, '[]') ON CONFLICT DO NOTHING"
        )
        await self.pool.execute(
            "INSERT INTO journal_transaction"
            " (transaction_id, lane, kind, order_id, line_no, plan_id, posted_at)"
            " SELECT $1, 0, 'sale', $2, 1, plan_id, $3 FROM split_plan WHERE name = 'p'",
            transaction_id,
            order_id,
            at,
        )
        await self._enter(transaction_id, gross, fee)
        return transaction_id

    async def take_back(self, transaction_id: int, gross: int, fee: int, *, days_ago: float = 0) -> None:
        """The refund of a sale, its exact negative."""
        refund_id = next(_IDS)
        await self.pool.execute(
            "INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id,"
            " reverses_id, posted_at) SELECT $1, 0, 'refund', order_id, line_no, plan_id, $2, $3"
            " FROM journal_transaction WHERE transaction_id = $2",
            refund_id,
            transaction_id,
            self.now - timedelta(days=days_ago),
        )
        await self._enter(refund_id, -gross, -fee)

    async def _enter(self, transaction_id: int, gross: int, fee: int) -> None:
        parts = [
            ("channel", self.shop.channel, "receivable", gross - fee),
            ("channel", self.shop.channel, "commission", fee),
            ("channel", self.shop.channel, "recharged", -fee),
            ("consignor", "Kaart", "payable", fee - gross),
        ]
        parts = [part for part in parts if part[3]]
        for part in parts:
            await self.pool.execute(
                "INSERT INTO account (party, party_name, purpose, currency) VALUES ($1, $2, $3, 'EUR')"
                " ON CONFLICT DO NOTHING",
                *part[:3],
            )
        await self.pool.execute(
            "INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)"
            " SELECT $1, told.n, account.account_id, told.amount_minor"
            " FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) WITH ORDINALITY"
            " told(party, party_name, purpose, amount_minor, n)"
            " JOIN account ON account.party = told.party AND account.party_name = told.party_name"
            " AND account.purpose = told.purpose AND account.currency = 'EUR'",
            transaction_id,
            *([part[n] for part in parts] for n in range(4)),
        )

    async def tell(
        self,
        line_ref: str,
        kind: str,
        amount: int,
        order_ref: str | None = None,
        *,
        days_ago: float = 0,
        listing_ref: str | None = None,
    ) -> int:
        """A line of the channel's; how many were new."""
        at = self.now - timedelta(days=days_ago)
        line = ToldLine(line_ref, kind, Money(amount, "EUR"), at, order_ref, listing_ref)
        async with self.pool.acquire() as conn, conn.transaction():
            return await keep_lines(conn, self.shop.channel_id, [line], self.now)

    async def balances(self) -> dict[str, int]:
        """What stands on the channel's accounts and the operator's, those at zero left out."""
        rows = await self.pool.fetch(
            "SELECT CASE WHEN party = 'operator' THEN 'operator ' ELSE '' END || purpose AS purpose,"
            " sum(amount_minor)::bigint AS amount_minor FROM entry JOIN account USING (account_id)"
            " WHERE party IN ('channel', 'operator') GROUP BY 1 HAVING sum(amount_minor) <> 0"
        )
        return {row["purpose"]: row["amount_minor"] for row in rows}

    async def open_kinds(self) -> dict[str, int]:
        """What is left of each open discrepancy by kind; theirs less ours."""
        rows = await self.pool.fetch("SELECT kind, left_minor FROM discrepancy WHERE state = 'open'")
        return {row["kind"]: row["left_minor"] for row in rows}

    async def reckon(self) -> None:
        """Ours and the discrepancies are theirs, on paper and in the journal; nothing is matched twice."""
        rows = await self.pool.fetch(_RECKONING, self.shop.channel_id)
        told = {row["name"]: int(row["amount"]) for row in rows}
        accounts = await self.balances()
        rounding = -accounts.get("rounding", 0)
        at_once = told["cleared"] - (told["matched late"] - (rounding - told["rounding"]))
        assert at_once + told["booked"] + told["rounding"] + told["apart"] == told["judged"]
        bank = accounts.get("operator bank", 0)
        assert accounts.get("balance", 0) == told["judged"], "the balance is the sum of all lines"
        assert -accounts.get("discrepancy", 0) == told["open"], "open discrepancies stand on their account"
        # Ours: all that sales and refunds promised, less what is still due; with it what was booked at once.
        ours = told["promised"] - told["due"] + told["booked"] + rounding
        assert ours + told["open"] + told["settled"] == told["judged"]
        assert accounts.get("receivable", 0) == told["due"], "the receivable is what is still due"
        assert bank == -told["withdrawn"] + told["from bank"]
        assert told["over"] == 0, "nothing is matched twice"
        assert await self.broken() == []

    async def broken(self) -> list[str]:
        """What the check of the whole database says of statements."""
        return [row["what"] for row in await self.pool.fetch(_STATEMENTS_APART)]


_RECKONING = """
WITH line AS (
    SELECT * FROM payout_line WHERE channel_id = $1
),
verdict AS (
    SELECT * FROM line_verdict WHERE channel_id = $1
),
step AS (
    SELECT e.what, e.amount_minor, d.line_ref
    FROM discrepancy_event e
    JOIN discrepancy d USING (discrepancy_id)
    WHERE d.channel_id = $1
),
ours AS (
    SELECT * FROM due WHERE channel_id = $1
)
SELECT figure.name, coalesce(figure.amount, 0)::bigint AS amount
FROM (VALUES
    ('judged', (SELECT sum(amount_minor) FROM line JOIN verdict USING (line_ref))),
    ('withdrawn', (SELECT sum(amount_minor) FROM line WHERE kind = 'withdrawal')),
    ('cleared', (SELECT sum(amount_minor) FROM clearing WHERE channel_id = $1)),
    ('matched late', (SELECT sum(amount_minor) FROM step WHERE what = 'matched' AND line_ref IS NOT NULL)),
    ('booked', (SELECT sum(booked_minor) FROM verdict)),
    ('rounding', (SELECT sum(rounding_minor) FROM verdict)),
    ('apart', (SELECT sum(discrepancy_minor) FROM verdict)),
    ('open', (SELECT sum(left_minor) FROM discrepancy WHERE channel_id = $1)),
    ('settled', (SELECT sum(amount_minor) FROM step WHERE what IN ('fee', 'write_off', 'bank', 'pair'))),
    ('from bank', (SELECT -sum(amount_minor) FROM step WHERE what = 'bank')),
    ('promised', (SELECT sum(amount_minor) FROM ours)),
    ('due', (SELECT sum(left_minor) FROM ours WHERE discrepancy_id IS NULL)),
    ('over', (SELECT count(*) FROM (
        SELECT due_id FROM ours JOIN clearing USING (due_id)
        GROUP BY due_id, ours.amount_minor HAVING abs(sum(clearing.amount_minor)) > abs(ours.amount_minor)
    ) twice))
) figure(name, amount)
"""
