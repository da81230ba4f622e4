"""Decides whether a connector's fees and payout lines can be relied on."""

from __future__ import annotations

import pytest

from connectors.kit.abilities import AnswersReservations, DeliversCodes, QuotesFees, ReportsPayouts
from connectors.kit.contract.base import ContractBase
from connectors.kit.contract.bench import AnyConnector, bounded, having
from connectors.kit.contract.receiver import CallbackReceiver
from connectors.kit.messages import PayoutLine
from connectors.sandbox.market import SandboxMarket
from core.money.money import Money
from core.types import PriceBasis

_MOST_PAGES = 500
_SALES = 5


class MoneyContract(ContractBase):
    """Fee quotes and payout lines."""

    @bounded
    @pytest.mark.parametrize("amount_minor", [500, 1999, 10_001])
    async def test_a_fee_is_quoted_the_same_both_ways(
        self, market: SandboxMarket, connector: AnyConnector, amount_minor: int
    ) -> None:
        quoting = having(connector, QuotesFees)
        ref, price = self.listing(market).listing_ref, Money(amount_minor, market.currency)
        forth = await quoting.quote_fee(ref, price, PriceBasis.GROSS)
        back = await quoting.quote_fee(ref, forth.net, PriceBasis.NET)
        assert forth.gross == price
        assert forth.net.amount_minor <= price.amount_minor
        assert back.net == forth.net
        # Several gross prices can round to one net price.
        assert abs(back.gross.amount_minor - price.amount_minor) <= 2

    @bounded
    async def test_every_payout_line_is_reported_once_oldest_first(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        reporting = self._selling(connector)
        await self.put_on_sale(market, connector)
        orders = [await self.sold(market, connector, callback_receiver) for _ in range(_SALES)]
        lines, _ = await _every_line(reporting, None)
        assert len({line.line_ref for line in lines}) == len(lines)
        assert [line.booked_at for line in lines] == sorted(line.booked_at for line in lines)
        assert {line.amount.currency for line in lines} == {market.currency}
        assert {order.order_ref for order in orders} <= {line.order_ref for line in lines}

    @bounded
    async def test_payout_lines_resume_at_the_cursor(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        reporting = self._selling(connector)
        await self.put_on_sale(market, connector)
        await self.sold(market, connector, callback_receiver)
        before, cursor = await _every_line(reporting, None)
        nothing, same = await _every_line(reporting, cursor)
        order = await self.sold(market, connector, callback_receiver)
        after, _ = await _every_line(reporting, same)
        everything, _ = await _every_line(reporting, None)
        assert nothing == []
        assert order.order_ref in {line.order_ref for line in after}
        assert [line.line_ref for line in (*before, *after)] == [line.line_ref for line in everything]

    @staticmethod
    def _selling(connector: AnyConnector) -> ReportsPayouts:
        reporting = having(connector, ReportsPayouts)
        if not isinstance(connector, DeliversCodes | AnswersReservations):
            pytest.skip("the connector cannot complete a sale")
        return reporting


async def _every_line(connector: ReportsPayouts, cursor: str | None) -> tuple[list[PayoutLine], str]:
    lines: list[PayoutLine] = []
    for _ in range(_MOST_PAGES):
        page = await connector.list_payout_lines(cursor)
        lines.extend(page.lines)
        cursor = page.cursor
        if not page.more:
            return lines, cursor
    raise AssertionError(f"list_payout_lines says `more` after {_MOST_PAGES} pages: the cursor does not move")
