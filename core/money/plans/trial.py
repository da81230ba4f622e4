"""Describes a sale that nobody made, in the words of people, to try a plan on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.money.money import Money
from core.money.plans.facts import CodesOf, Counted, SaleFacts
from core.money.plans.rules import Plan

_CONSIGNOR = "consignor"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSale:
    """Amounts are decimal numbers of major units, those of one unit.

    `turnover` and `units` are what tiers have seen before.
    """

    price: str
    currency: str
    quantity: int = 1
    cost: str | None = None
    tax: str = "0"
    redeemed: str | None = None
    channel: str = "channel"
    sku: str = ""
    tags: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    buyer: str | None = None
    order_no: int | None = None
    referrers: tuple[str, ...] = ()
    turnover: str = "0"
    units: int = 0
    sold_at: datetime

    def facts(self, plan: Plan) -> SaleFacts:
        """As the plan would be told of it; InvalidInput where an amount is none of the currency's."""
        seen = Counted(0, self._minor(self.turnover), self.units)
        cost_minor = None if self.cost is None else self._minor(self.cost)
        return SaleFacts(
            unit_price=Money.parse(self.price, self.currency),
            codes=(CodesOf(_CONSIGNOR, self.quantity, cost_minor),),
            channel=self.channel,
            sold_at=self.sold_at,
            sku=self.sku,
            tags=frozenset(self.tags),
            segments=frozenset(self.segments),
            unit_tax_minor=self._minor(self.tax),
            unit_redeemed_minor=None if self.redeemed is None else self._minor(self.redeemed),
            buyer=self.buyer,
            buyer_order_no=self.order_no,
            referrers=self.referrers,
            counted={rule.name: seen for rule in plan.rules},
        )

    def _minor(self, text: str) -> int:
        return Money.parse(text, self.currency).amount_minor
