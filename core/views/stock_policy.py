"""Tells why each listing of a SKU shows what it shows: every number with its rule, and every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import UnknownSku
from core.offers.outbox import Outbox
from core.offers.planning import OfferPlan
from core.offers.stock.rules import SkuPolicy
from core.offers.stock.wants import Step
from core.types import ChannelId, ListingId, ListingRef, SkuId

_SKU_OF_POLICY = load_queries("core.views", "stock_policy.sql")["sku_of_policy"]


@dataclass(frozen=True, slots=True)
class RuleValue:
    """A number that is in force, as people read it, and the rule it came from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class ExplainedListing:
    """A listing: what it should show, what it may be told now, what it may be showing, and why.

    `tell_quantity` is below `wanted_quantity` while other listings have to show less first.
    """

    listing_id: ListingId
    channel: str
    listing_ref: ListingRef
    wanted_quantity: int
    tell_quantity: int
    showing_quantity: int
    rules: tuple[RuleValue, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class ExplainedStock:
    """A SKU with what holds for all of its listings, and each of them whose channel is configured."""

    sku_ref: str
    tags: tuple[str, ...]
    available: int
    rules: tuple[RuleValue, ...]
    listings: tuple[ExplainedListing, ...]


async def explain_stock(
    conn: Connection, outbox: Outbox, channels: Mapping[ChannelId, str], sku_ref: str
) -> ExplainedStock:
    """Worked out now, as the next claim would; nothing is written. UnknownSku if there is no such SKU.

    `channels` has the names of the configured channels by id.
    """
    row = await conn.fetchrow(_SKU_OF_POLICY, sku_ref)
    if row is None:
        raise UnknownSku(f"SKU {sku_ref!r} is not known; `consignd stock` lists those that are")
    plans = await outbox.plan([SkuId(row["sku_id"])])
    return ExplainedStock(
        sku_ref=sku_ref,
        tags=tuple(row["tags"]),
        available=plans[0].available if plans else 0,
        rules=_sku_rules(plans[0].sku_policy) if plans else (),
        listings=tuple(_listing(plan, channels[plan.row.channel_id]) for plan in plans),
    )


def _sku_rules(policy: SkuPolicy) -> tuple[RuleValue, ...]:
    bound, last_codes = policy.bound_permille, policy.last_codes
    return (
        RuleValue("bound", f"{bound.value / 1000:g}", bound.source),
        RuleValue("shared_by", policy.shared_by.value.value, policy.shared_by.source),
        RuleValue("last_codes", str(last_codes.value), last_codes.source),
        RuleValue("last_to", policy.last_to.value.value, policy.last_to.source),
    )


def _listing(plan: OfferPlan, channel: str) -> ExplainedListing:
    return ExplainedListing(
        listing_id=plan.row.listing_id,
        channel=channel,
        listing_ref=plan.row.listing_ref,
        wanted_quantity=plan.wanted_quantity,
        tell_quantity=plan.quantity,
        showing_quantity=plan.row.showing,
        rules=tuple(RuleValue(name, *said) for name, said in plan.policy.words().items()),
        steps=plan.steps,
    )
