"""Fixtures of the tests of wallets: a web room, a house for commands."""

from __future__ import annotations

from tests.scheduler.conftest import house
from tests.web.conftest import room

__all__ = ["house", "room"]
