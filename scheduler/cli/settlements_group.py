"""Decides which commands stand under `consignd settlements`."""

from __future__ import annotations

from scheduler.cli.settlements import settlements
from scheduler.cli.settlements_moves import approve, correct, pay, statement, withdraw

__all__ = ["settlements"]

for command in (approve, pay, withdraw, correct, statement):
    settlements.add_command(command)
