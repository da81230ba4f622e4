"""Says why an order got what of which campaign, or why nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.campaigns.publishing import Version, read_versions, versions_for
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import UnknownOrder
from core.types import OrderId

_SQL = load_queries("core.campaigns", "explaining.sql")
_ORDER_MOMENTS = _SQL["order_moments"]
_GRANTS = _SQL["grants"]
_PARTS = _SQL["parts"]
_REFUSALS = _SQL["refusals"]
_LATER = "it has not been looked at yet"


@dataclass(frozen=True, slots=True)
class PartTold:
    """A part of a grant: money or points, what of it came back, when it vests."""

    part_no: int
    amount: int
    back: int
    vests_at: datetime


@dataclass(frozen=True, slots=True)
class GrantTold:
    """What an order got of a reward. `base_minor` is what it was reckoned of."""

    campaign: str
    version: int
    reward: str
    party: str
    beneficiary: str
    pays: str
    amount_minor: int
    currency: str
    points: int | None
    base_minor: int
    outcome_no: int | None
    warning: str
    granted_at: datetime
    back_minor: int
    parts: tuple[PartTold, ...]


@dataclass(frozen=True, slots=True)
class RefusalTold:
    """Why it got nothing of one."""

    campaign: str
    version: int
    reward: str
    code: str
    reason: str
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class Outside:
    """A campaign that does not look at the order, and why."""

    campaign: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderRewards:
    """All that campaigns have to say of an order."""

    order_id: int
    grants: tuple[GrantTold, ...]
    refusals: tuple[RefusalTold, ...]
    outside: tuple[Outside, ...]


async def explain_rewards(conn: Connection, order_id: OrderId) -> OrderRewards:
    """What an order got and why. UnknownOrder: there is none."""
    moments = await conn.fetchrow(_ORDER_MOMENTS, order_id)
    if moments is None:
        raise UnknownOrder(f"order {order_id}: no such order; `consignd orders` lists them")
    grants = await conn.fetch(_GRANTS, order_id)
    parts: dict[int, list[PartTold]] = {}
    for row in await conn.fetch(_PARTS, [grant["grant_id"] for grant in grants]):
        part = PartTold(row["part_no"], int(row["amount"]), int(row["back"]), row["vests_at"])
        parts.setdefault(int(row["grant_id"]), []).append(part)
    told = tuple(_told(grant, parts.get(int(grant["grant_id"]), [])) for grant in grants)
    refusals = tuple(
        RefusalTold(row["name"], row["version"], row["reward"], row["code"], row["reason"], row["refused_at"])
        for row in await conn.fetch(_REFUSALS, order_id)
    )
    answered = {grant.campaign for grant in told} | {refusal.campaign for refusal in refusals}
    versions = [each for each in await read_versions(conn) if each.campaign.name not in answered]
    return OrderRewards(
        int(order_id), told, refusals, outside(versions, moments["placed_at"], moments["delivered_at"])
    )


def _told(row: Record, parts: Sequence[PartTold]) -> GrantTold:
    fields = {name: value for name, value in row.items() if name not in ("name", "grant_id")}
    return GrantTold(campaign=row["name"], parts=tuple(parts), **fields)


def outside(
    versions: Sequence[Version], placed_at: datetime, delivered_at: datetime | None
) -> tuple[Outside, ...]:
    """Why each campaign has said nothing; pure."""
    if delivered_at is None:
        return tuple(
            Outside(name, "the order is not delivered, or its money is not split yet")
            for name in sorted({version.campaign.name for version in versions})
        )
    sold_at = min(placed_at, delivered_at)
    due = {version.campaign.name for version in versions_for(versions, sold_at, delivered_at)}
    newest = {version.campaign.name: version for version in versions}
    return tuple(
        Outside(
            name, "it has not been looked at yet" if name in due else _why(version, sold_at, delivered_at)
        )
        for name, version in sorted(newest.items())
    )


def _why(version: Version, sold_at: datetime, delivered_at: datetime) -> str:
    campaign = version.campaign
    if version.stopped_at is not None and delivered_at >= version.stopped_at:
        return f"delivered after it was stopped at {version.stopped_at:%Y-%m-%d %H:%M} UTC"
    if sold_at < campaign.starts_at:
        return f"sold before it began at {campaign.starts_at:%Y-%m-%d %H:%M} UTC"
    if sold_at >= campaign.ends_at:
        return f"sold after it ended at {campaign.ends_at:%Y-%m-%d %H:%M} UTC"
    return f"delivered before it was published at {version.published_at:%Y-%m-%d %H:%M} UTC"
