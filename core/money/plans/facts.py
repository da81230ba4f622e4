"""Says what a split needs to know of a sale, and of what came before it. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.money.money import Money


@dataclass(frozen=True, slots=True)
class CodesOf:
    """So many codes of a line are one consignor's, and what each cost, in the currency of the sale.

    `unit_tax_minor` is the tax in the price of each where it is not that of the line's other units.
    """

    consignor: str
    quantity: int
    unit_cost_minor: int | None = None
    unit_tax_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What one rule has seen and taken in its period before this line."""

    taken_minor: int = 0
    turnover_minor: int = 0
    units: int = 0

    def after(self, taken_minor: int, base_minor: int, units: int) -> Counted:
        """The same with one more taking."""
        return Counted(self.taken_minor + taken_minor, self.turnover_minor + base_minor, self.units + units)


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """One line of an order, as far as split plans ask. Amounts are minor units of the price's currency.

    `buyer_order_no` is 1 for the buyer's first order. `referrers` names level 1, then level 2.
    `order_lines_minor` holds the gross amounts of all lines of the order, this one at `line_index`; empty
    where the line is alone. `counted` is by the rule's name, what other lines of the same order took left
    out.
    """

    unit_price: Money
    codes: tuple[CodesOf, ...]
    channel: str
    sold_at: datetime
    sku: str = ""
    tags: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    unit_tax_minor: int = 0
    unit_redeemed_minor: int | None = None
    buyer: str | None = None
    buyer_order_no: int | None = None
    referrers: tuple[str, ...] = ()
    order_lines_minor: tuple[int, ...] = ()
    line_index: int = 0
    counted: Mapping[str, Counted] = field(default_factory=dict)

    @property
    def quantity(self) -> int:
        """How many units are sold."""
        return sum(codes.quantity for codes in self.codes)

    def tax_minor(self, codes: CodesOf) -> int:
        """The tax in the price of one of these codes."""
        return self.unit_tax_minor if codes.unit_tax_minor is None else codes.unit_tax_minor

    @property
    def gross_minor(self) -> int:
        """The price of the whole line."""
        return self.unit_price.amount_minor * self.quantity


@dataclass(frozen=True, slots=True)
class Milestones:
    """What has happened to a sale so far, for what vests; `hold` is how long the channel lets money wait."""

    sold_at: datetime
    delivered_at: datetime | None = None
    redeemed_at: datetime | None = None
    hold: timedelta = timedelta()
