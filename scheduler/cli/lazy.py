"""Moves commands in when they are called for: what one command needs, the help and the others do not load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command stands, as module:name, and its line in the help."""

    where: str
    told: str


class LazyGroup(click.Group):
    """A group that knows its commands by their places. Their own help says the same as their line here."""

    places: Mapping[str, Place] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self.places.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.where.partition(":")
        found: object = getattr(import_module(module), name)
        assert isinstance(found, click.Command), f"{place.where} is no command"
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.places[name].told) for name in self.list_commands(ctx)])
