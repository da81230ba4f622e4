"""The fixture of commands that tests of coupons share."""

from __future__ import annotations

from tests.scheduler.conftest import house

__all__ = ["house"]
