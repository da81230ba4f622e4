"""A house that owes: posts what payees are owed, runs settlements, and holds them against the books."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.db.pool import Connection, Pool
from core.money.settlement.drawing import Drawn, SettlementRuns
from core.money.settlement.states import Payment, SettlementDesk
from core.money.settlement.terms import Payee, PayeeTerms, SettlementTerms
from core.views.invariants import Invariant, check
from tests.factories import NOW
from tests.journal.books import Row, post

ADA = Payee("consignor", "Ada")
BOB = Payee("referrer", "Bob")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# Whoever draws up, and the two who may agree to it.
CLERK, CHIEF, OWNER = "clerk", "chief", "owner"


def terms(usual: PayeeTerms | None = None, **by_payee: PayeeTerms) -> SettlementTerms:
    """Everybody by the same terms; Ada and Bob otherwise where that is said."""
    known = {"ada": ADA, "bob": BOB}
    return SettlementTerms(usual or PayeeTerms(), {known[name]: each for name, each in by_payee.items()})


def runs(pool: Pool, wanted: SettlementTerms | None = None, now: datetime = NOW) -> SettlementRuns:
    """Runs at a moment."""
    return SettlementRuns(pool, wanted or terms(), lambda: now)


def desk(pool: Pool, wanted: SettlementTerms | None = None, now: datetime = NOW) -> SettlementDesk:
    """The desk at a moment."""
    return SettlementDesk(pool, wanted or terms(), lambda: now)


async def owe(
    pool: Pool,
    payee: Payee,
    owed_minor: int,
    *,
    at: datetime = NOW - DAY,
    currency: str = "EUR",
    purpose: str = "payable",
) -> int:
    """So much more is owed; the transaction, whose rows are committed together as all that are posted."""
    async with pool.acquire() as conn, conn.transaction():
        return await owe_in(conn, payee, owed_minor, at=at, currency=currency, purpose=purpose)


async def owe_in(
    conn: Connection,
    payee: Payee,
    owed_minor: int,
    *,
    at: datetime = NOW - DAY,
    currency: str = "EUR",
    purpose: str = "payable",
) -> int:
    """The same within a transaction that is still open."""
    account: Row = (payee.party, payee.name, purpose, currency)
    counter: Row = ("channel", "shop", "receivable", currency)
    written = await post(conn, ((counter, owed_minor), (account, -owed_minor)), at=at)
    return written.transaction_id


async def draw(
    pool: Pool,
    *payees: Payee,
    until: datetime = NOW,
    wanted: SettlementTerms | None = None,
    now: datetime = NOW,
) -> list[Drawn]:
    """Settle on demand."""
    return await runs(pool, wanted, now).run(payees, until, actor=CLERK)


async def drawn_id(pool: Pool, payee: Payee = ADA, wanted: SettlementTerms | None = None) -> int:
    """The one settlement that is drawn up."""
    [drawn] = await draw(pool, payee, wanted=wanted)
    assert drawn.settlement_id is not None
    return drawn.settlement_id


async def settle(
    pool: Pool, settlement_id: int, wanted: SettlementTerms | None = None, now: datetime = NOW
) -> None:
    """Approve and pay."""
    here = desk(pool, wanted, now)
    await here.approve(settlement_id, actor=CHIEF, reason="as agreed")
    await here.pay(settlement_id, Payment(now, "SEPA 1"), actor=CHIEF)


async def balance(pool: Pool, payee: Payee, purpose: str = "payable", currency: str = "EUR") -> int:
    """What is owed by the entries themselves."""
    return int(
        await pool.fetchval(
            "SELECT coalesce(-sum(amount_minor), 0) FROM entry JOIN account USING (account_id)"
            " WHERE party = $1 AND party_name = $2 AND purpose = $3 AND currency = $4",
            payee.party,
            payee.name,
            purpose,
            currency,
        )
    )


async def accounts(pool: Pool, currencies: Sequence[str] = ("EUR",)) -> dict[tuple[str, str, str], int]:
    """Every balance that is not zero, debit positive."""
    rows = await pool.fetch(
        "SELECT party, purpose, currency, sum(amount_minor)::bigint AS sum FROM entry"
        " JOIN account USING (account_id) WHERE currency = ANY ($1)"
        " GROUP BY 1, 2, 3 HAVING sum(amount_minor) <> 0",
        list(currencies),
    )
    return {(row["party"], row["purpose"], row["currency"]): row["sum"] for row in rows}


async def tie(pool: Pool) -> None:
    """Every payable entry stands in one living settlement or open, and all sums are those of the books."""
    await runs(pool).collect()
    missing = await pool.fetchval(
        "SELECT count(*) FROM entry JOIN account USING (account_id)"
        " FULL JOIN payable_entry USING (transaction_id, entry_no)"
        " WHERE (account.purpose IS NULL OR (account.purpose = 'payable' AND account.party <> 'buyer'))"
        " AND (payable_entry.owed_minor IS DISTINCT FROM -entry.amount_minor)"
    )
    assert missing == 0
    wrong = await pool.fetch(
        "SELECT settlement_id FROM settlement LEFT JOIN payable_entry USING (settlement_id)"
        " GROUP BY settlement_id, state, lines_minor, entries"
        " HAVING count(*) FILTER (WHERE NOT pays)"
        "   IS DISTINCT FROM CASE WHEN state = 'withdrawn' THEN 0 ELSE entries END"
        " OR coalesce(sum(owed_minor) FILTER (WHERE NOT pays), 0)"
        "   <> CASE WHEN state = 'withdrawn' THEN 0 ELSE lines_minor END"
        " OR coalesce(sum(owed_minor) FILTER (WHERE pays), 0)"
        "   <> CASE WHEN state = 'paid' THEN -lines_minor ELSE 0 END"
    )
    assert not wrong, wrong


async def balanced(pool: Pool) -> Invariant:
    """What `consignd check` finds about the books."""
    report = await check(pool, bound_permille=1000, now=NOW, vault=None)
    [found] = [invariant for invariant in report.invariants if invariant.name == "balanced"]
    return found
