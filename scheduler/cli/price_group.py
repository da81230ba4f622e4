"""Decides under which word all about prices stands: `consignd price`. Its commands register themselves."""

from __future__ import annotations

import click


@click.group("price", no_args_is_help=True)
def price() -> None:
    """Prices: how one comes about, which wait for a person, and who signed below the floor."""
