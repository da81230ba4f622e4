"""Says what a campaign is that somebody wrote and nobody published yet. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from core.campaigns.campaign import Campaign


@dataclass(frozen=True, slots=True)
class CampaignDraft:
    """A campaign, or all that is wrong with what was written."""

    campaign: Campaign | None
    problems: tuple[str, ...]
