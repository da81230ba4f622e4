"""Decides which commands stand under `consignd stock`."""

from __future__ import annotations

from scheduler.cli.stock import stock
from scheduler.cli.stock_rules import explain_skus, tag_skus
from scheduler.cli.stock_simulate import simulate_stock

__all__ = ["stock"]

for command in (explain_skus, tag_skus, simulate_stock):
    stock.add_command(command)
