"""Turns what the operator wrote of statements into the terms that lines are matched by. Pure."""

from __future__ import annotations

from datetime import timedelta

from config.settings import Settings
from config.statements import ChannelStatements
from core.money.statements.terms import MatchTerms
from core.types import ChannelId


def match_terms(settings: Settings, channel_id: ChannelId, name: str) -> MatchTerms:
    """A channel's own words, and [statements] for the rest."""
    own = settings.statements.channels.get(name, ChannelStatements())
    said = settings.statements.model_copy(
        update={field: value for field, value in own if value is not None},
    )
    return MatchTerms(
        channel_id=channel_id,
        channel=name,
        tolerance_minor=said.tolerance_minor,
        window=timedelta(days=said.window_days),
        late=timedelta(days=said.late_days),
        own_order_refs=said.own_order_refs,
    )
