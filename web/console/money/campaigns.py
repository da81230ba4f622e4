"""Decides what the pages on campaigns show: budgets, what each cost and brought, and why it refused."""

from __future__ import annotations

from core.views.campaign_report import CampaignReport, read_campaign_report
from core.views.money_campaigns import campaign_detail, campaigns, late_orders
from web.console.money.campaign_figures import campaign_chart
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH


async def campaign_list(visit: Visit) -> Shown:
    """Campaigns beside their budgets, those that run first, and orders that wait for another try."""
    services = visit.services
    async with services.pool.acquire() as conn:
        found, late = await campaigns(conn, services.now()), await late_orders(conn)
    return Shown("money_campaigns.html", {"campaigns": found, "late": late})


async def campaign(visit: Visit) -> Shown:
    """One campaign: its budget, its report, orders that wait for it, the last grants and refusals."""
    services, name = visit.services, visit.path("name")
    now, report = services.now(), None
    async with services.pool.acquire() as conn:
        detail = await campaign_detail(conn, name, now)

        async def read() -> CampaignReport:
            """Looks at all that was sold in its time and as long before it."""
            return await read_campaign_report(conn, name, now)

        if now > detail.campaign.starts_at:
            report = await visit.memory.get(f"campaign {name}", read, CampaignReport)
    chart = "" if report is None else campaign_chart(report, ENGLISH["sold_and_given"])
    return Shown("money_campaign.html", {"detail": detail, "report": report, "chart": chart})
