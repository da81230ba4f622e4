"""What the Eneba sandbox tells of its own ledger is matched to the last cent by a daemon that sells there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from connectors.sandbox.market import SandboxOrderState
from core.types import ListingRef
from core.views.statements import DiscrepancyFilter, DiscrepancyPage, discrepancy_page
from scheduler.composition import utc_now
from tests.e2e.house import House, Markets, buy, listing_of, open_house, three_markets, until


def charging_as_configured() -> Markets:
    """Markets of which Eneba takes what the house's split says: 12 % and 0.25."""
    markets = three_markets()
    terms = replace(markets.eneba.terms, commission_ppm=120_000, commission_fixed_minor=25)
    markets.eneba.terms = markets.eneba.books.terms = terms
    return markets


async def inbox(house: House) -> DiscrepancyPage:
    async with house.core.pool.acquire() as conn:
        return await discrepancy_page(conn, DiscrepancyFilter(), utc_now())


async def judged(house: House) -> int:
    """How many lines of Eneba's have a verdict."""
    await house.sync()
    count: int = await house.core.pool.fetchval("SELECT count(*) FROM line_verdict")
    return count


async def of_account(house: House, purpose: str) -> int:
    total: int = await house.core.pool.fetchval(
        "SELECT coalesce(sum(amount_minor), 0)::bigint FROM entry JOIN account USING (account_id)"
        " WHERE purpose = $1 AND (party_name = 'eneba' OR party = 'operator')",
        purpose,
    )
    return total


async def test_sales_fees_and_a_withdrawal_at_eneba_reconcile(dsn: str, tmp_path: Path) -> None:
    async with open_house(dsn, tmp_path, markets=charging_as_configured(), codes=20) as house:
        eneba = house.markets.eneba
        orders = [await buy(eneba, quantity=quantity) for quantity in (1, 2)]
        await until(
            lambda: all(
                eneba.orders[order.order_ref].state is SandboxOrderState.DELIVERED for order in orders
            ),
            "both orders are delivered",
        )
        auction: ListingRef = listing_of(eneba).listing_ref
        eneba.books.ledger.book("AUCTION_EDIT_FEE", 5, auction_ref=auction)
        eneba.books.ledger.book("WITHDRAW", 1000)
        eneba.books.ledger.book("SOMETHING_NEW", 77, incoming=True)
        told = eneba.books.ledger.transactions
        # Three keys, a SALE and a FEE each, and the three lines above.
        assert len(told) == 9

        async def settled() -> bool:
            open_kinds = {found.kind for found in (await inbox(house)).discrepancies}
            return await judged(house) == len(told) and open_kinds == {"unknown_kind"}

        await until(settled, "all lines are judged, and ours are found in them")
        [found] = (await inbox(house)).discrepancies
        assert (found.ours_minor, found.theirs_minor) == (0, 77)
        total = sum(line.amount_minor * (1 if line.direction == "IN" else -1) for line in told)
        assert await of_account(house, "balance") == total
        assert await of_account(house, "receivable") == 0
        assert await of_account(house, "bank") == 1000
        assert await of_account(house, "edit_fees") == 5
        assert await of_account(house, "discrepancy") == -77
