"""Decides whether a channel's calculator and our split plan agree on what the channel keeps of a price."""

from __future__ import annotations

from dataclasses import dataclass

from config.settings import Settings
from connectors.kit.abilities import QuotesFees
from connectors.kit.messages import FeeQuote
from core.db.pool import Pool
from core.money.money import Money
from core.money.plans.grossing import commission
from core.money.plans.rules import Plan
from core.offers.price.facts import Offered
from core.offers.price.fees import sale_of
from core.types import ListingRef, PriceBasis
from core.views.stock import ListingView, listings
from scheduler.cli.output import say
from scheduler.composition import published_plans, utc_now
from scheduler.split_plans import written_plan

# A minor unit is rounding; so is a hundredth of the fee.
_SMALLEST_DIFFERENCE_MINOR = 1
_DIFFERENCE_PARTS = 100


@dataclass(frozen=True, slots=True)
class FeeCheck:
    """What the channel keeps of one listing's price: by its own sum, and by the plan we sell on."""

    listing_ref: ListingRef
    currency: str
    price_minor: int
    channel_minor: int
    plan: str
    plan_minor: int
    differs: bool


async def check_fee(pool: Pool, settings: Settings, name: str, connector: QuotesFees) -> FeeCheck | None:
    """Ask about one listing at its current price; None where no listing is linked that has one."""
    priced = await _priced(pool, name)
    if priced is None:
        return None
    listing_ref, price = priced
    quote = await connector.quote_fee(listing_ref, price, PriceBasis.GROSS)
    async with pool.acquire() as conn:
        published = await published_plans(conn, settings)
    plan = written_plan(settings, settings.channels[name].split, published)
    return compare(listing_ref, quote, plan, Offered(channel=name))


def compare(listing_ref: ListingRef, quote: FeeQuote, plan: Plan, offered: Offered | None = None) -> FeeCheck:
    """Both sums side by side; apart by a minor unit or 1 % of the fee they still agree. Pure."""
    channel_minor = (quote.gross - quote.net).amount_minor
    plan_minor = commission(plan, sale_of(quote.gross, utc_now(), offered or Offered()))
    apart_minor = abs(channel_minor - plan_minor)
    return FeeCheck(
        listing_ref=listing_ref,
        currency=quote.gross.currency,
        price_minor=quote.gross.amount_minor,
        channel_minor=channel_minor,
        plan=plan.name,
        plan_minor=plan_minor,
        differs=apart_minor > _SMALLEST_DIFFERENCE_MINOR
        and apart_minor * _DIFFERENCE_PARTS > abs(channel_minor),
    )


async def _priced(pool: Pool, name: str) -> tuple[ListingRef, Money] | None:
    async with pool.acquire() as conn:
        found = await listings(conn, channel=name)
    for listing in found:
        price_minor = _current_minor(listing)
        if listing.enabled and price_minor is not None:
            return listing.listing_ref, Money(price_minor, listing.currency)
    return None


def _current_minor(listing: ListingView) -> int | None:
    """What the channel shows, else what it was told, else what it is to be told."""
    for shown in (listing.observed, listing.published, listing.wanted):
        if shown.price_minor:
            return shown.price_minor
    return None


def show_fee(fee: FeeCheck) -> None:
    """Both sums, and a warning where they differ."""
    price, channel, plan = (
        Money(minor, fee.currency) for minor in (fee.price_minor, fee.channel_minor, fee.plan_minor)
    )
    say(f"of {price} for {fee.listing_ref} the channel keeps {channel}; split plan {fee.plan} says {plan}")
    if fee.differs:
        dear = fee.channel_minor > fee.plan_minor
        what = "prices may be under cost" if dear else "prices are higher than they need to be"
        say(f"warning: they differ, so {what}: mend the channel's rules in [splits.{fee.plan}]")
