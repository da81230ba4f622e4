"""Decides what an operator may write about drift, and about keeping away from a channel's penalties."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from config.fields import Seconds, Table, Whole, not_boolean

# What becomes of what was changed at the channel: told again, kept as it is, or kept until a person decides.
Treatment = Literal["repair", "adopt", "ask"]
Times = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=1_000)]
# Half of a line kept free is far away from it already: beyond, offers would never come back.
Margin = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, lt=50, decimal_places=4)]


class Drift(Table):
    """What is done about listings that show something else than they were told."""

    # Edited at the channel by a person or another program; what shows too much is repaired in any case.
    quantity: Treatment = "repair"
    price: Treatment = "repair"
    switched_off: Treatment = "repair"
    # Acknowledged, and then lost by the channel.
    lost: Literal["repair", "ask"] = "repair"
    vanished: Literal["repair", "ask"] = "repair"
    # Shown there and linked to no SKU: written down, or asked about as well.
    unknown: Literal["report", "ask"] = "report"
    # What was repaired so often in so many hours is a fight: repairs wait ever longer, and a person is asked.
    fight_after: Times = 4
    fight_hours: Times = 6
    first_wait_seconds: Seconds = 60.0
    longest_wait_seconds: Seconds = 3600.0


class ChannelDrift(Table):
    """One channel's own treatment of drift; what is not written is taken from [drift]."""

    quantity: Treatment | None = None
    price: Treatment | None = None
    switched_off: Treatment | None = None
    lost: Literal["repair", "ask"] | None = None
    vanished: Literal["repair", "ask"] | None = None
    unknown: Literal["report", "ask"] | None = None
    fight_after: Times | None = None
    fight_hours: Times | None = None
    first_wait_seconds: Seconds | None = None
    longest_wait_seconds: Seconds | None = None


class Guard(Table):
    """How far offers stay from the lines at which channels punish failures."""

    on: bool = True
    # The part of a line that is never used, and how many more failures must always be possible.
    margin_percent: Margin = Decimal(10)
    spare_failures: Whole = 0
    least_closed_seconds: Seconds = 300.0


class ChannelGuard(Table):
    """One channel's own guard; what is not written is taken from [guard]."""

    on: bool | None = None
    margin_percent: Margin | None = None
    spare_failures: Whole | None = None
    least_closed_seconds: Seconds | None = None
