"""Spends what sales set aside for a purpose, or gives it back to the operator: once for each reference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import Conflict, InvalidInput, ReferenceReused
from core.money.booking import Booker, Booking, BookingKind
from core.money.money import Money
from core.money.plans.budgets import release, spend
from core.money.posting import Posting
from core.money.statements.importing import find_channel

_SQL = load_queries("core.money", "budgets.sql")
_LOCK = _SQL["lock_budget"]
_STANDING = _SQL["standing"]
_FIND_USE = _SQL["find_use"]
_ADD_USE = _SQL["add_use"]
_IS_KNOWN = _SQL["is_known"]
_BUDGETS = _SQL["budgets"]
_USES = _SQL["uses"]
_LONGEST_REF = 200


@dataclass(frozen=True, slots=True)
class Use:
    """What was taken from a budget: `covered` by it, the rest at the operator's cost."""

    amount: Money
    covered: Money
    transaction_id: int


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A budget in one currency, in minor units: all that was set aside, and what became of it.

    `beyond_minor` was spent above what the budget held. What refunds took back is `set_aside_minor` less the
    others.
    """

    budget: str
    currency: str
    set_aside_minor: int
    spent_minor: int
    released_minor: int
    left_minor: int
    beyond_minor: int


@dataclass(frozen=True, slots=True)
class UseView:
    """One use of a budget; without a channel it was paid from our bank, or released."""

    use_id: int
    ref: str
    kind: str
    currency: str
    amount_minor: int
    covered_minor: int
    channel: str | None
    transaction_id: int
    actor: str
    reason: str
    used_at: datetime


@dataclass(frozen=True, slots=True)
class Why:
    """Who uses a budget, under which reference, and why."""

    ref: str
    actor: str
    reason: str


class Budgets:
    """Takes from budgets in the caller's transaction."""

    def __init__(self, pool: Pool) -> None:
        self._booker = Booker(pool)

    async def spend(
        self, conn: Connection, budget: str, amount: Money, channel: str | None, why: Why, now: datetime
    ) -> Use:
        """Book what was paid for the purpose, off a channel's balance or from our bank.

        InvalidInput: no sale ever set anything aside under that name. ReferenceReused: that reference was
        used for something else.
        """
        set_aside = await self._begin(conn, budget, amount.currency, why)
        if channel is not None:
            await find_channel(conn, channel)
        paid_from = ("operator", "", "bank") if channel is None else ("channel", channel, "receivable")
        if (before := await _before(conn, budget, why.ref, "spent", amount, channel)) is not None:
            return before
        entries = spend(budget, Money(max(set_aside.amount_minor, 0), amount.currency), amount, paid_from)
        return await self._take(conn, budget, "spent", amount, entries, channel, why, now)

    async def release(self, conn: Connection, budget: str, amount: Money, why: Why, now: datetime) -> Use:
        """Give back what is not needed to the operator. Conflict: so much does not stand there."""
        set_aside = await self._begin(conn, budget, amount.currency, why)
        if (before := await _before(conn, budget, why.ref, "released", amount, None)) is not None:
            return before
        if amount.amount_minor > set_aside.amount_minor:
            raise Conflict(f"budget {budget} holds {set_aside}: {amount} cannot be released")
        entries = release(budget, amount)
        return await self._take(conn, budget, "released", amount, entries, None, why, now)

    async def _begin(self, conn: Connection, budget: str, currency: str, why: Why) -> Money:
        """What stands in it, under its lock."""
        assert conn.is_in_transaction(), "what is taken stands or falls with its row"
        if not why.reason.strip() or not 1 <= len(why.ref.strip()) <= _LONGEST_REF:
            raise InvalidInput(
                f"budget {budget}: give a reference of 1 to {_LONGEST_REF} signs and a reason; both are kept"
            )
        await conn.execute(_LOCK, budget)
        if not await conn.fetchval(_IS_KNOWN, budget):
            raise InvalidInput(
                f"no sale has set anything aside for {budget!r}: `consignd budgets list` lists budgets"
            )
        return Money(int(await conn.fetchval(_STANDING, budget, currency)), currency)

    async def _take(
        self,
        conn: Connection,
        budget: str,
        kind: str,
        amount: Money,
        entries: list[Posting],
        channel: str | None,
        why: Why,
        now: datetime,
    ) -> Use:
        covered_minor = sum(each.amount_minor for each in entries if each.party == "budget")
        (posted,) = await self._booker.post(conn, [Booking(BookingKind.BUDGET, tuple(entries))], now)
        assert posted is not None, "what is taken is above zero"
        money = (amount.currency, amount.amount_minor, covered_minor)
        told = (channel, posted, why.actor, why.reason.strip(), now)
        await conn.execute(_ADD_USE, budget, why.ref.strip(), kind, *money, *told)
        return Use(amount, Money(covered_minor, amount.currency), posted)


async def list_budgets(conn: Connection) -> tuple[BudgetView, ...]:
    """Every budget that sales ever set anything aside for."""
    return tuple(BudgetView(**dict(row)) for row in await conn.fetch(_BUDGETS))


async def list_uses(conn: Connection, budget: str, limit: int = 100) -> tuple[UseView, ...]:
    """What was taken from a budget, newest first."""
    return tuple(UseView(**dict(row)) for row in await conn.fetch(_USES, budget, limit))


async def _before(
    conn: Connection, budget: str, ref: str, kind: str, amount: Money, channel: str | None
) -> Use | None:
    """The use that had this reference, if it was the same."""
    row = await conn.fetchrow(_FIND_USE, budget, ref.strip())
    if row is None:
        return None
    told = Money(int(row["amount_minor"]), row["currency"])
    if (row["kind"], told, row["channel"]) != (kind, amount, channel):
        raise ReferenceReused(
            f"budget {budget}: reference {ref!r} stands for {told} {row['kind']} already; take another one"
        )
    return Use(told, Money(int(row["covered_minor"]), told.currency), int(row["transaction_id"]))
