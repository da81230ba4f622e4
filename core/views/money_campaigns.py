"""Tells of campaigns what people look at first: budgets, the last grants, and refusals with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput

_SQL = load_queries("core.views", "money_campaigns.sql")
_CAMPAIGNS = _SQL["campaigns"]
_GRANTS = _SQL["grants"]
_REFUSALS = _SQL["refusals"]
_REFUSAL_SUMS = _SQL["refusal_sums"]
_LATE = _SQL["late"]


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign beside its budget. `spent_minor` is what was granted less what was taken back."""

    name: str
    currency: str
    budget_minor: int
    spent_minor: int
    version: int
    starts_at: datetime
    ends_at: datetime
    published_at: datetime
    published_by: str
    stopped_at: datetime | None
    stopped_by: str | None
    stopped_why: str | None
    day_budget_minor: int | None
    day_granted_minor: int
    grants: int
    granted_minor: int
    returned_minor: int
    refusals: int

    def state(self, now: datetime) -> str:
        """Where it stands: stopped, coming, over, spent or running."""
        if self.stopped_at is not None:
            return "stopped"
        if now >= self.ends_at:
            return "over"
        if now < self.starts_at:
            return "coming"
        return "spent" if self.spent_minor >= self.budget_minor else "running"


@dataclass(frozen=True, slots=True)
class GrantView:
    """What somebody got of an order; `warning` is what a guard had to say and let pass."""

    grant_id: int
    order_id: int
    order_ref: str | None
    channel: str | None
    reward: str
    party: str
    beneficiary: str
    pays: str
    amount_minor: int
    currency: str
    points: int | None
    warning: str
    granted_at: datetime
    back_minor: int


@dataclass(frozen=True, slots=True)
class RefusalView:
    """Why an order got nothing of a reward."""

    order_id: int
    order_ref: str | None
    channel: str | None
    reward: str
    code: str
    reason: str
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class RefusalSum:
    """How often rewards were refused for a reason."""

    code: str
    refusals: int


@dataclass(frozen=True, slots=True)
class LateView:
    """What could not be done about an order (give, or take_back), why, and when it is tried again."""

    order_id: int
    order_ref: str
    channel: str
    work: str
    error: str
    tries: int
    failed_at: datetime
    next_at: datetime


@dataclass(frozen=True, slots=True)
class CampaignDetail:
    """A campaign and what it did last."""

    campaign: CampaignView
    grants: tuple[GrantView, ...]
    refusals: tuple[RefusalView, ...]
    refusal_sums: tuple[RefusalSum, ...]
    late: tuple[LateView, ...] = ()


async def campaigns(conn: Connection, now: datetime) -> tuple[CampaignView, ...]:
    """All campaigns: those that run, those to come, those that are over."""
    return tuple(CampaignView(**dict(row)) for row in await conn.fetch(_CAMPAIGNS, None, now))


async def campaign_detail(conn: Connection, name: str, now: datetime, *, last: int = 40) -> CampaignDetail:
    """One campaign; InvalidInput if there is none of that name."""
    row = await conn.fetchrow(_CAMPAIGNS, name, now)
    if row is None:
        raise InvalidInput(f"no campaign is named {name[:60]!r}: look for it under Campaigns")
    return CampaignDetail(
        CampaignView(**dict(row)),
        tuple(GrantView(**dict(each)) for each in await conn.fetch(_GRANTS, name, last)),
        tuple(RefusalView(**dict(each)) for each in await conn.fetch(_REFUSALS, name, last)),
        tuple(RefusalSum(**dict(each)) for each in await conn.fetch(_REFUSAL_SUMS, name)),
        await late_orders(conn, name, last=last),
    )


async def late_orders(conn: Connection, name: str | None = None, *, last: int = 40) -> tuple[LateView, ...]:
    """What could not be done about orders, the longest first; of all campaigns, or of one alone."""
    return tuple(LateView(**dict(each)) for each in await conn.fetch(_LATE, name, last))
