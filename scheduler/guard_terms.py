"""Turns what the operator wrote of drift and penalties, and what a connector declares, into rules. Pure."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from config.guard import Drift, Guard
from config.settings import Settings
from connectors.kit.traits import Traits
from core.offers.closures.guard import GuardRule
from core.offers.drift.judging import DriftRule, Kind, Policy, What


def drift_rule(settings: Settings, name: str, traits: Traits) -> DriftRule:
    """How a channel's drift is treated: its own words, and [drift] for the rest."""
    said: Drift = settings.drift.model_copy(update=_said(settings.channels[name].drift))
    lost = Policy(said.lost)
    return DriftRule(
        policies={
            (What.QUANTITY, Kind.EDITED): Policy(said.quantity),
            (What.PRICE, Kind.EDITED): Policy(said.price),
            (What.SWITCH, Kind.EDITED): Policy(said.switched_off),
            **{(what, Kind.LOST): lost for what in (What.QUANTITY, What.PRICE, What.SWITCH)},
            (What.LISTING, Kind.VANISHED): Policy(said.vanished),
            (What.LISTING, Kind.UNKNOWN): Policy.ASK if said.unknown == "ask" else Policy.REPAIR,
        },
        price_step_minor=traits.price_step_minor,
        fight_after=said.fight_after,
        fight_span=timedelta(hours=said.fight_hours),
        first_wait=timedelta(seconds=said.first_wait_seconds),
        longest_wait=timedelta(seconds=said.longest_wait_seconds),
    )


def guard_rule(settings: Settings, name: str, traits: Traits) -> GuardRule:
    """The lines a channel declares, and how far from them we stay; no lines where it is not guarded."""
    said: Guard = settings.guard.model_copy(update=_said(settings.channels[name].guard))
    lines = tuple(penalty.line for penalty in traits.penalties if penalty.line is not None)
    return GuardRule(
        lines=lines if said.on else (),
        margin=float(said.margin_percent) / 100,
        spare_failures=said.spare_failures,
        least_closed=timedelta(seconds=said.least_closed_seconds),
    )


def _said(table: BaseModel) -> dict[str, object]:
    return {name: value for name, value in table if value is not None}
