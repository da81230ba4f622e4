"""Lets finance see what sales set aside for a purpose, and book what is spent of it or given back."""

from __future__ import annotations

from dataclasses import dataclass

from core.money.budgets import Budgets, BudgetView, Use, UseView, Why, list_budgets, list_uses
from core.money.money import Money
from web.access import Right
from web.api.route import Call, Route, Shape
from web.api.shapes import Amount, Currency, Limit, Ref, Words


class UsesQuery(Shape):
    """How many."""

    limit: Limit = 100


class ReleaseBody(Shape):
    """How much of it is not needed; `ref` is booked once."""

    amount: Amount
    currency: Currency
    ref: Ref
    reason: Words


class SpendBody(ReleaseBody):
    """What was paid for its purpose, off a channel's balance or from our bank."""

    channel: Ref | None = None


@dataclass(frozen=True, slots=True)
class BudgetList:
    """Budgets by name and currency."""

    budgets: tuple[BudgetView, ...]


@dataclass(frozen=True, slots=True)
class UseList:
    """What was taken, newest first."""

    uses: tuple[UseView, ...]


async def show_budgets(call: Call) -> BudgetList:
    """What is set aside, spent and left."""
    async with call.services.pool.acquire() as conn:
        return BudgetList(await list_budgets(conn))


async def show_uses(call: Call) -> UseList:
    """What was taken from one."""
    limit = call.query(UsesQuery).limit
    async with call.services.pool.acquire() as conn:
        return UseList(await list_uses(conn, call.path("budget"), limit))


async def spend_budget(call: Call) -> Use:
    """Booked; the same again changes nothing."""
    body, services, budget = call.body(SpendBody), call.services, call.path("budget")
    paid, why = Money.parse(body.amount, body.currency), Why(body.ref, call.token.name, body.reason)
    async with services.pool.acquire() as conn, conn.transaction():
        return await Budgets(services.pool).spend(conn, budget, paid, body.channel, why, services.now())


async def release_budget(call: Call) -> Use:
    """Given back; the same again changes nothing."""
    body, services, budget = call.body(ReleaseBody), call.services, call.path("budget")
    back, why = Money.parse(body.amount, body.currency), Why(body.ref, call.token.name, body.reason)
    async with services.pool.acquire() as conn, conn.transaction():
        return await Budgets(services.pool).release(conn, budget, back, why, services.now())


_MONEY = Right.MONEY
ROUTES = (
    Route("GET", "/budgets", _MONEY, "List what sales set aside for a purpose", BudgetList, show_budgets),
    Route(
        "GET",
        "/budgets/{budget}/uses",
        _MONEY,
        "List what was taken from a budget",
        UseList,
        show_uses,
        query=UsesQuery,
    ),
    Route(
        "POST",
        "/budgets/{budget}/spend",
        _MONEY,
        "Book what was paid for a budget's purpose",
        Use,
        spend_budget,
        body=SpendBody,
    ),
    Route(
        "POST",
        "/budgets/{budget}/release",
        _MONEY,
        "Give back what a budget does not need",
        Use,
        release_budget,
        body=ReleaseBody,
    ),
)
