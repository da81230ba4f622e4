"""Moves an operator's commands: `consignd` and everything below it."""

from __future__ import annotations

from scheduler.cli.entry import main

__all__ = ["main"]
