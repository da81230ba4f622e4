"""Fixtures of the tests of commands and daemon."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.scheduler.command_line import House


@pytest.fixture
def house(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A migrated database and an empty data directory; the log is as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield House(dsn, tmp_path)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
