"""Moves our own prices through a simulated day by the engine of the daemon, within channels' budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.money.money import Money
from core.money.plans.rules import CHANNEL, CONSIGNOR
from core.offers.price.engine import plan_price
from core.offers.price.facts import (
    CHANGES_LOOKED_AT,
    Budget,
    ChangeMade,
    ListingFacts,
    PriceFacts,
    ShownPrice,
    Sighting,
)
from core.offers.price.plan import Priced
from core.offers.price.rule import Damping, Follow, PriceRule, RivalRule, Spending
from core.offers.pricing.stored_facts import ChangeTerms, ToldQuota, budget
from core.offers.replay.scene import Asked, ReplayListing
from core.offers.replay.world import World
from core.types import ChannelId, ListingId, SkuId
from tests.plain_plans import gross_up, plain_plan, plain_rule
from tests.simulation.contest import OURS, Contest, wanted_minor

BEGINNING = datetime(2026, 5, 6, tzinfo=UTC)
CURRENCY = "EUR"
PLAN = plain_plan("day", 1, [plain_rule(CHANNEL, rate_ppm=100_000), plain_rule(CONSIGNOR, rest=True)])
_COST_PPM = 820_000
_LOOKS_EVERY_SECONDS = 300.0
# The first channel tells how many changes are left, as Eneba does: ten, each back after an hour.
_QUOTA, _QUOTA_BACK = 10, timedelta(hours=1)
# The third has three a day, as Kinguin does; in the shop between they are free.
_TERMS = {
    1: ChangeTerms(fee=Money(25, CURRENCY)),
    3: ChangeTerms(free_per_day=3, fee=Money(50, CURRENCY)),
}

DAMPED = PriceRule(rival=RivalRule(Follow.UNDERCUT))
# What a program does that only looks at the cheapest rival: at once, always, for money, down to its costs.
UNDAMPED = PriceRule(
    rival=RivalRule(
        Follow.UNDERCUT,
        below_ppm=1_000_000,
        damping=Damping(interval=timedelta(0), rounds=1_000_000, rest=timedelta(0)),
    ),
    spending=Spending(pay=True),
)


@dataclass(slots=True)
class Repricer:
    """Our prices. `lowest_share` is the lowest that was reached, in relation to what was aimed at."""

    contest: Contest
    rule: PriceRule
    shown: dict[ListingId, ShownPrice] = field(default_factory=dict)
    targets: dict[ListingId, int] = field(default_factory=dict)
    made: dict[ListingId, list[ChangeMade]] = field(default_factory=dict)
    lowest_share: float = 1.0
    changes: int = 0
    paid: int = 0
    paid_minor: int = 0
    earned_minor: int = 0

    def enter(self) -> None:
        """Begin at what is aimed at."""
        for listing_id, listing in self.contest.listings.items():
            net = Money(wanted_minor(listing.sku_id), CURRENCY)
            gross = gross_up(PLAN, net, BEGINNING)
            self.shown[listing_id] = ShownPrice(gross, net)
            self.targets[listing_id] = gross.amount_minor
            self.made[listing_id] = []
            self.contest.enter(OURS, listing_id, gross.amount_minor)

    def act(self, world: World, at: float) -> float | None:
        """Work every price out anew."""
        now = BEGINNING + timedelta(seconds=at)
        for listing in self.contest.listings.values():
            self._reprice(listing, world.available(listing.sku_id), now)
        return at + _LOOKS_EVERY_SECONDS

    def takes(self, world: World, asked: Asked) -> bool:
        """Buyers decide by prices; what is left of theirs, where they find any, is counted."""
        shown = self.shown.get(asked.listing_id)
        if shown is not None and world.shown(asked.listing_id) >= asked.quantity:
            cost_minor = cost_of(self.contest.listings[asked.listing_id].sku_id)
            self.earned_minor += (shown.net.amount_minor - cost_minor) * asked.quantity
        return True

    def counts(self) -> Mapping[str, int]:
        """What its changes came to; what was paid for them is taken off what was earned."""
        return {
            "price changes": self.changes,
            "paid": self.paid,
            "paid minor": self.paid_minor,
            "earned minor": self.earned_minor - self.paid_minor,
        }

    def _reprice(self, listing: ReplayListing, stock: int, now: datetime) -> None:
        listing_id, old = listing.listing_id, self.shown[listing.listing_id]
        facts = self._facts(listing, stock, now)
        plan = plan_price(facts, self.rule, PLAN)
        if plan.shown is None or plan.shown.gross == old.gross:
            return
        new = plan.shown
        self.changes += 1
        if isinstance(plan, Priced) and plan.pays:
            fee = facts.listing.budget.fee
            self.paid += 1
            self.paid_minor += fee.amount_minor if fee else 0
        self.shown[listing_id] = new
        made = ChangeMade(now, old.gross.amount_minor, new.gross.amount_minor)
        self.made[listing_id].append(made)
        self.lowest_share = min(self.lowest_share, new.gross.amount_minor / self.targets[listing_id])
        self.contest.enter(OURS, listing_id, new.gross.amount_minor)

    def _facts(self, listing: ReplayListing, stock: int, now: datetime) -> PriceFacts:
        wanted, listing_id = wanted_minor(listing.sku_id), listing.listing_id
        made = [change for change in self.made[listing_id] if change.at > now - CHANGES_LOOKED_AT]
        self.made[listing_id] = made
        others = self.contest.others(OURS, listing_id)
        return PriceFacts(
            currency=CURRENCY,
            now=now,
            bases={CURRENCY: wanted},
            unit_costs=(Money(cost_of(listing.sku_id), CURRENCY),),
            stock=stock,
            published=self.shown[listing_id],
            listing=ListingFacts(
                changes=tuple(made),
                sightings=tuple(
                    Sighting(seller, Money(minor, CURRENCY), False, now) for seller, minor in others.items()
                ),
                budget=budget_of(listing.channel_id, made, now),
            ),
        )


def cost_of(sku_id: SkuId) -> int:
    """What a code of a SKU cost."""
    return wanted_minor(sku_id) * _COST_PPM // 1_000_000


def budget_of(channel_id: ChannelId, made: list[ChangeMade], now: datetime) -> Budget:
    """What a channel still gives, by the sum that the daemon makes of what channels tell."""
    used = [change.at for change in made if change.at > now - _QUOTA_BACK]
    told = None
    if channel_id == 1:
        told = ToldQuota(max(0, _QUOTA - len(used)), used[0] + _QUOTA_BACK if used else None, now)
    return budget(_TERMS.get(channel_id, ChangeTerms()), told, made, now)
