"""Decides what the pages on campaigns show: budgets, what each gave day by day, and why it refused."""

from __future__ import annotations

from core.views.money_campaigns import campaign_detail, campaigns
from web.console.money_drawing import day_strip
from web.console.visit import Shown, Visit


async def campaign_list(visit: Visit) -> Shown:
    """Campaigns beside their budgets, those that run first."""
    services = visit.services
    async with services.pool.acquire() as conn:
        found = await campaigns(conn, services.now())
    return Shown("money_campaigns.html", {"campaigns": found})


async def campaign(visit: Visit) -> Shown:
    """One campaign: its budget, its days, the last grants and refusals."""
    services, name = visit.services, visit.path("name")
    async with services.pool.acquire() as conn:
        detail = await campaign_detail(conn, name, services.now())
    return Shown("money_campaign.html", {"detail": detail, "strip": day_strip(detail.days)})
