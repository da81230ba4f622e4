"""Decides which commands stand under `consignd price`."""

from __future__ import annotations

import click

from scheduler.cli.price import PRICE_COMMANDS
from scheduler.cli.price_holds import HOLD_COMMANDS


@click.group("price", no_args_is_help=True)
def price() -> None:
    """Prices: how one comes about, which wait for a person, and who signed below the floor."""


for command in (*PRICE_COMMANDS, *HOLD_COMMANDS):
    price.add_command(command)
