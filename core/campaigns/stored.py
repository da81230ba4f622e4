"""Writes a campaign as the JSON that its row keeps, and reads it back. Pure."""

from __future__ import annotations

import json
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from core.campaigns.campaign import Campaign
from core.errors import PlanRefused

_CAMPAIGN = TypeAdapter(Campaign)


def campaign_to_json(campaign: Campaign) -> object:
    """The campaign as a JSON object, every field written."""
    return json.loads(_CAMPAIGN.dump_json(campaign))


def campaign_from_json(name: str, version: int, stored: object) -> Campaign:
    """The campaign that was stored or sent; words that this program does not know are refused."""
    try:
        found = _CAMPAIGN.validate_json(json.dumps(stored), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "campaign"
        raise PlanRefused(f"campaign {name} version {version}, {where}: {first['msg']}") from None
    return replace(found, name=name, version=version)
