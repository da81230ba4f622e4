"""Lets finance look at campaigns, publish and stop them, and see why an order got what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.campaigns.auditing import Audit, audit
from core.campaigns.explaining import OrderRewards, explain_rewards
from core.campaigns.publishing import publish, stop
from core.errors import PlanRefused
from core.views.money_campaigns import (
    CampaignDetail,
    CampaignView,
    LateView,
    campaign_detail,
    campaigns,
    late_orders,
)
from web.access import Right
from web.api.route import Call, Route, Shape
from web.api.shapes import Done, Words

Toml = Annotated[str, Field(max_length=1 << 16, description="the campaign, as its file would hold it")]


class CampaignBody(Shape):
    """A campaign to look at."""

    campaign: Toml


class PublishBody(Shape):
    """A campaign to publish as its next version, and why."""

    campaign: Toml
    reason: Words


class StopBody(Shape):
    """Why a campaign ends before its time."""

    reason: Words


@dataclass(frozen=True, slots=True)
class CampaignVerdict:
    """Whether a campaign would be taken, and all that is wrong with it."""

    ok: bool
    name: str | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishedCampaign:
    """A version; not new where the same was published before. `seed_hash` binds its draws, where it draws."""

    name: str
    version: int
    new: bool
    published_at: datetime
    seed_hash: str


@dataclass(frozen=True, slots=True)
class CampaignList:
    """All campaigns, those that run first, and orders that they could not do something about."""

    campaigns: tuple[CampaignView, ...]
    late: tuple[LateView, ...]


async def list_campaigns(call: Call) -> CampaignList:
    """How far each is."""
    async with call.services.pool.acquire() as conn:
        return CampaignList(await campaigns(conn, call.services.now()), await late_orders(conn))


async def show_campaign(call: Call) -> CampaignDetail:
    """One, with what it did last."""
    async with call.services.pool.acquire() as conn:
        return await campaign_detail(conn, call.path("name"), call.services.now())


async def lint_campaign(call: Call) -> CampaignVerdict:
    """Everything that is wrong with it."""
    draft = call.services.read_campaign(call.body(CampaignBody).campaign)
    name = None if draft.campaign is None else draft.campaign.name
    return CampaignVerdict(not draft.problems, name, draft.problems)


async def publish_campaign(call: Call) -> PublishedCampaign:
    """The next version, which every daemon takes up."""
    body, services = call.body(PublishBody), call.services
    draft = services.read_campaign(body.campaign)
    if draft.campaign is None:
        raise PlanRefused("; ".join(draft.problems))
    async with services.pool.acquire() as conn, conn.transaction():
        done = await publish(
            conn,
            services.seeds,
            draft.campaign,
            actor=call.token.name,
            reason=body.reason,
            now=services.now(),
        )
    told = done.campaign
    return PublishedCampaign(told.name, told.version, done.new, done.published_at, done.seed_hash)


async def stop_campaign(call: Call) -> Done:
    """No more of it."""
    body, services, name = call.body(StopBody), call.services, call.path("name")
    async with services.pool.acquire() as conn, conn.transaction():
        await stop(conn, name, actor=call.token.name, reason=body.reason, now=services.now())
    return Done(f"{name} is stopped: orders delivered from now on get nothing of it")


async def audit_campaign(call: Call) -> Audit:
    """The seeds, and all draws again."""
    services = call.services
    async with services.pool.acquire() as conn, conn.transaction():
        return await audit(conn, services.seeds, call.path("name"), services.now())


async def show_rewards(call: Call) -> OrderRewards:
    """Why an order got what."""
    async with call.services.pool.acquire() as conn:
        return await explain_rewards(conn, call.order_id())


_MONEY = Right.MONEY
ROUTES = (
    Route("GET", "/campaigns", _MONEY, "List campaigns and their budgets", CampaignList, list_campaigns),
    Route(
        "POST",
        "/campaigns",
        _MONEY,
        "Publish a campaign as its next version",
        PublishedCampaign,
        publish_campaign,
        body=PublishBody,
    ),
    Route(
        "POST",
        "/campaigns/lint",
        _MONEY,
        "Say what is wrong with a campaign",
        CampaignVerdict,
        lint_campaign,
        body=CampaignBody,
    ),
    Route(
        "GET",
        "/campaigns/{name}",
        _MONEY,
        "Show a campaign and what it did last",
        CampaignDetail,
        show_campaign,
    ),
    Route(
        "POST",
        "/campaigns/{name}/stop",
        _MONEY,
        "End a campaign before its time",
        Done,
        stop_campaign,
        body=StopBody,
    ),
    Route(
        "GET",
        "/campaigns/{name}/audit",
        _MONEY,
        "Tell the seeds of a campaign that is over, and draw again",
        Audit,
        audit_campaign,
    ),
    Route(
        "GET",
        "/orders/{order_id}/campaigns",
        _MONEY,
        "Say what an order got of campaigns, and why",
        OrderRewards,
        show_rewards,
    ),
)
