"""The terms on which we sell on a channel: the operator's wishes and its traits, as core needs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from core.buyers.fact_terms import FactTerms
from core.group_buying.offers import GroupOffer
from core.money.plans.choice import PlanChoice, choose
from core.money.plans.rules import Plan
from core.offers.closures.guard import GuardRule
from core.offers.drift.judging import DriftRule
from core.offers.price.book import PriceBook
from core.offers.price.rule import Span
from core.offers.pricing.stored_facts import ChangeTerms
from core.offers.stock.rules import StockRule
from core.orders.risk import RiskRule
from core.types import ChannelId, ListingRef, PriceBasis


class Shortage(StrEnum):
    """What to do with a paid order for which there are no codes."""

    WAIT = "wait"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class ChannelTerms:
    """Everything about a channel that a decision of core depends on."""

    channel_id: ChannelId
    name: str
    currency: str
    plan_id: int
    plan: Plan
    stock: StockRule
    price: PriceBook
    shortage: Shortage
    written_price: PriceBasis
    reservation_is_authoritative: bool
    takes_partial_orders: bool
    hold: timedelta
    min_validity: timedelta
    largest_quantity: int
    # How long a paid order may wait for codes before the shortage policy acts.
    patience: timedelta = timedelta(minutes=10)
    risk: RiskRule = field(default_factory=RiskRule)
    drift: DriftRule = field(default_factory=DriftRule)
    guard: GuardRule = field(default_factory=GuardRule)
    # What the operator says of single listings there, and the tier that rules on SKUs know the channel by.
    listing_stock: Mapping[ListingRef, StockRule] = field(default_factory=dict)
    tier: str = ""
    # What changes of a price cost there.
    changes: ChangeTerms = field(default_factory=ChangeTerms)
    # Works out and shows what it would publish, and publishes nothing.
    dry_run: bool = False
    # Plans for some of its sales, the first that fits; `plan` is for all others.
    plan_choices: tuple[PlanChoice, ...] = ()
    # How long the channel keeps money before it pays us, for shares that vest after that.
    payout_hold: timedelta = timedelta(0)
    # How what split plans ask of a sale beside its price is told there.
    facts: FactTerms = field(default_factory=FactTerms)

    # Listings that are sold to groups, and when flash sales are on that limit what may be taken.
    group_offers: Mapping[ListingRef, GroupOffer] = field(default_factory=dict)
    limited_sales: tuple[Span, ...] = ()

    def plan_for(self, tags: Collection[str], consignors: Collection[str], at: datetime) -> PlanChoice:
        """What splits a line of such an SKU and of these consignors; SaleUnsplit where nothing does."""
        otherwise = PlanChoice(self.plan_id, self.plan, f"channels.{self.name}.split")
        return choose(self.plan_choices, otherwise, tags, consignors, at)

    @property
    def asks_more_of_orders(self) -> bool:
        """Whether any order may have to wait, or be refused, for more than its worth."""
        return bool(self.group_offers or self.limited_sales)

    @property
    def stock_looks_at_sales(self) -> bool:
        """Whether quantities there change with what is measured, without anything of ours changing."""
        return any(rule.looks_at_sales for rule in (self.stock, *self.listing_stock.values()))
