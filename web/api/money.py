"""Lets callers look at balances and at why an order's money was split so."""

from __future__ import annotations

from core.views.ledger import ExplainedOrder, balances, explain_order
from web.access import Right
from web.api.route import Call, Route
from web.api.shapes import BalanceList


async def list_balances(call: Call) -> BalanceList:
    """All accounts with what stands on them."""
    async with call.services.pool.acquire() as conn:
        return BalanceList(await balances(conn))


async def explain(call: Call) -> ExplainedOrder:
    """An order's split, reckoned again."""
    async with call.services.pool.acquire() as conn:
        return await explain_order(conn, call.order_id())


ROUTES = (
    Route("GET", "/ledger/balances", Right.MONEY, "List accounts and balances", BalanceList, list_balances),
    Route("GET", "/ledger/orders/{order_id}", Right.MONEY, "Explain a split", ExplainedOrder, explain),
)
