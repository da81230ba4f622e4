"""Decides which commands stand under `consignd coupons`."""

from __future__ import annotations

from scheduler.cli.coupons import coupons
from scheduler.cli.coupons_issuing import export, give, give_back, issue, release, reveal, revoke

__all__ = ["coupons"]

for command in (issue, give, export, reveal, revoke, release, give_back):
    coupons.add_command(command)
