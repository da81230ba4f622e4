"""Decides what an operator may write about channels' statements: what is a rounding, what is late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field

from config.fields import Name, Table, not_boolean
from config.problems import KeyPath

Tolerance = Annotated[int, BeforeValidator(not_boolean), Field(ge=0, le=100)]
Days = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=400)]


class ChannelStatements(Table):
    """One channel's own ways; what is not written is taken from [statements]."""

    tolerance_minor: Tolerance | None = None
    window_days: Days | None = None
    late_days: Days | None = None
    own_order_refs: bool | None = None


class Statements(Table):
    """How the lines that channels tell are held against what we posted."""

    # A difference of so many minor units a line is booked as rounding; anything more is a discrepancy.
    tolerance_minor: Tolerance = 1
    # How far back a line that names no order is looked for.
    window_days: Days = 30
    # What the channel has not told so long after we posted it is missing.
    late_days: Days = 14
    # The statement names orders by numbers of its own, so that they say nothing.
    own_order_refs: bool = False
    channels: dict[Name, ChannelStatements] = Field(default_factory=dict)


def unknown_channels(written: object) -> Iterator[tuple[KeyPath, str]]:
    """Channels that statements name and that there are not; from raw values, so that no error hides it."""
    root = written if isinstance(written, dict) else {}
    statements, channels = root.get("statements"), root.get("channels", {})
    named = statements.get("channels") if isinstance(statements, dict) else None
    if not isinstance(named, dict) or not isinstance(channels, dict):
        return
    for name in named:
        if name not in channels:
            others = f", or name one of {', '.join(map(str, channels))}" if channels else ""
            yield ("statements", "channels", str(name)), f"no channel is named {name}: remove it{others}"
