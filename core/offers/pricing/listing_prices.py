"""Moves what prices are made of out of the database, many listings at a time, and has each price decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.db.pool import Connection
from core.errors import SaleUnsplit
from core.money.conversion import Rates
from core.money.money import Money
from core.money.plans.rules import Plan
from core.money.rates import read_rates
from core.offers.closures.closed import Closures
from core.offers.drift.adopted import price_as_found
from core.offers.history.seasons import read_seasons
from core.offers.planning import OfferRow, SkuStock
from core.offers.price.budget import Wish, spend, without_pool
from core.offers.price.engine import plan_price
from core.offers.price.facts import (
    ListingFacts,
    ListingQuestion,
    Offered,
    PriceFacts,
    ShownPrice,
)
from core.offers.price.fees import Fees
from core.offers.price.plan import Priced, PricePlan
from core.offers.price.rule import PriceRule
from core.offers.price.window import spans
from core.offers.pricing.stored_facts import read_listing_facts
from core.offers.terms import ChannelTerms
from core.types import ChannelId, ListingId, SkuId


@dataclass(frozen=True, slots=True)
class PriceCase:
    """A listing whose price is to be decided: the facts, the rule that holds, and its channel's terms."""

    row: OfferRow
    facts: PriceFacts
    rule: PriceRule
    terms: ChannelTerms

    def decide(self) -> PricePlan:
        """Its price, all by itself."""
        return plan_price(self.facts, self.rule, self.split_plan)

    @property
    def split_plan(self) -> Plan:
        """What a sale now would be split by, as far as that is known before it."""
        offered = self.facts.offered
        try:
            return self.terms.plan_for(offered.tags, (), self.facts.now).plan
        except SaleUnsplit:
            # Nothing is in force now; the channel takes its commission all the same.
            return self.terms.plan


async def read_cases(
    conn: Connection,
    rows: Iterable[OfferRow],
    stocks: Mapping[SkuId, SkuStock],
    terms: Mapping[ChannelId, ChannelTerms],
    now: datetime,
) -> list[PriceCase]:
    """The cases of all rows whose channels are configured, read in bulk."""
    known = [row for row in rows if row.channel_id in terms]
    books = {channel_id: each.price.rules_at(now) for channel_id, each in terms.items()}
    facts = {sku_id: stocks[sku_id].facts_at(now) for sku_id in {row.sku_id for row in known}}
    rules = {
        row.listing_id: books[row.channel_id].rule_for(facts[row.sku_id], row.listing_ref) for row in known
    }
    stored = await read_listing_facts(
        conn,
        [ListingQuestion(row.listing_id, spans(rules[row.listing_id])) for row in known],
        {channel_id: each.changes for channel_id, each in terms.items()},
        {row.listing_id: stocks[row.sku_id].selling for row in known},
        now,
    )
    stored = stored | await _seasoned(conn, known, stocks, rules, stored, now)
    rates = await _rates(conn, known, stocks, terms, rules, now)
    return [
        PriceCase(
            row=row,
            facts=_facts(
                row, stocks[row.sku_id], terms[row.channel_id], stored.get(row.listing_id), rates, now
            ),
            rule=rules[row.listing_id],
            terms=terms[row.channel_id],
        )
        for row in known
    ]


def decide_all(
    cases: Sequence[PriceCase], closures: Closures, claimed: set[ListingId]
) -> dict[ListingId, PricePlan]:
    """The price of every listing; free changes of a pool go to those claimed where they earn most. Pure."""
    plans = {case.row.listing_id: case.decide() for case in cases}
    for case in _left_out(cases, plans, claimed):
        listing = replace(case.facts.listing, budget=without_pool(case.facts.listing.budget))
        poor = replace(case, facts=replace(case.facts, listing=listing))
        plans[case.row.listing_id] = poor.decide()
    for case in cases:
        adopted = closures.prices.get(case.row.listing_id)
        if adopted is not None:
            wanted = plans[case.row.listing_id]
            fees = Fees.of(case.split_plan, case.facts.currency, None, case.facts.now, case.facts.offered)
            plans[case.row.listing_id] = price_as_found(
                wanted, least_price(case), adopted, fees, case.terms.written_price
            )
    return plans


def least_price(case: PriceCase) -> ShownPrice | None:
    """What a listing has to show at least: who wants almost nothing gets the floor."""
    rule = PriceRule(
        floor_margin_ppm=case.rule.floor_margin_ppm,
        rounding_minor=case.rule.rounding_minor,
        ending_minor=case.rule.ending_minor,
        rate_max_age=case.rule.rate_max_age,
    )
    facts = replace(case.facts, bases={case.facts.currency: 1}, published=None)
    return plan_price(facts, rule, case.split_plan).shown


def _left_out(
    cases: Sequence[PriceCase], plans: Mapping[ListingId, PricePlan], claimed: set[ListingId]
) -> list[PriceCase]:
    """Cases that share a pool of free changes and get none of it now."""
    wishes: dict[ListingId, Wish] = {}
    free_left: dict[str, int] = {}
    for case in cases:
        plan, old, budget = plans[case.row.listing_id], case.facts.published, case.facts.listing.budget
        if budget.pool is None or budget.free_left is None or old is None or not isinstance(plan, Priced):
            continue
        if plan.gross == old.gross or case.row.listing_id not in claimed:
            continue
        free_left[budget.pool] = budget.free_left
        demand = case.facts.listing.demand
        least = least_price(case)
        wishes[case.row.listing_id] = Wish(
            listing_id=case.row.listing_id,
            pool=budget.pool,
            from_minor=old.gross.amount_minor,
            to_minor=plan.gross.amount_minor,
            sold_per_day=demand.per_day if demand else 0.0,
            urgent=least is not None and old.gross.amount_minor < least.gross.amount_minor,
        )
    granted = spend(list(wishes.values()), free_left)
    return [case for case in cases if case.row.listing_id in wishes.keys() - granted]


def _facts(
    row: OfferRow,
    stock: SkuStock,
    terms: ChannelTerms,
    stored: ListingFacts | None,
    rates: Rates,
    now: datetime,
) -> PriceFacts:
    published = None
    if row.published_price_minor:
        net_minor = row.published_net_minor or 0
        published = ShownPrice(
            Money(row.published_price_minor, terms.currency), Money(net_minor, terms.currency)
        )
    return PriceFacts(
        currency=terms.currency,
        now=now,
        bases=stock.base_price_minor,
        unit_costs=stock.dearest_costs(),
        stock=stock.free_after(now),
        rates=rates,
        published=published,
        listing=stored or ListingFacts(),
        offered=Offered(terms.name, stock.facts.sku_ref, stock.facts.tags),
    )


async def _seasoned(
    conn: Connection,
    rows: Sequence[OfferRow],
    stocks: Mapping[SkuId, SkuStock],
    rules: Mapping[ListingId, PriceRule],
    stored: Mapping[ListingId, ListingFacts],
    now: datetime,
) -> dict[ListingId, ListingFacts]:
    """The facts of listings whose rule follows demand, with seasons: nobody else needs these sums."""
    following = [row for row in rows if rules[row.listing_id].demand is not None and row.listing_id in stored]
    measured = {row.sku_id: stocks[row.sku_id].selling.measured_days for row in following}
    seasons = await read_seasons(conn, sorted(measured), measured, now)
    found = {}
    for row in following:
        facts, season = stored[row.listing_id], seasons.get(row.sku_id)
        if season is not None and facts.demand is not None:
            demand = replace(
                facts.demand,
                usual_per_day=season.usual_per_day,
                weekday=season.weekday,
                hour=season.hour,
                month=season.month,
            )
            found[row.listing_id] = replace(facts, demand=demand)
    return found


async def _rates(
    conn: Connection,
    rows: Sequence[OfferRow],
    stocks: Mapping[SkuId, SkuStock],
    terms: Mapping[ChannelId, ChannelTerms],
    rules: Mapping[ListingId, PriceRule],
    now: datetime,
) -> Rates:
    """The rates that these listings' amounts need; nothing is asked where all is in one currency."""
    pairs = {
        (currency, terms[row.channel_id].currency)
        for row in rows
        for currency in (*stocks[row.sku_id].currencies(), *rules[row.listing_id].currencies())
    }
    pivots = {terms[row.channel_id].price.pivot for row in rows}
    return await read_rates(conn, pairs, now, pivots.pop()) if pivots else {}
