"""Decides which commands stand under `consignd ledger`."""

from __future__ import annotations

from scheduler.cli.ledger import ledger
from scheduler.cli.ledger_books import close, export_period, list_periods, reopen, show_trial_balance
from scheduler.cli.ledger_chain import show_head, verify_ledger

__all__ = ["ledger"]

for command in (verify_ledger, show_head, close, reopen, list_periods, show_trial_balance, export_period):
    ledger.add_command(command)
