"""The fixtures of command lines and web rooms, for tests of the doors to groups."""

from __future__ import annotations

from tests.scheduler.conftest import house
from tests.web.conftest import room

__all__ = ["house", "room"]
