"""Finds the installed connectors: entry points of the group `consignd.connectors`, ours included."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from connectors.kit.connector import Connector, Options
from connectors.kit.errors import OptionsRefused

GROUP = "consignd.connectors"

ConnectorType = type[Connector[Options]]


def installed_connectors() -> dict[str, EntryPoint]:
    """The entry points by name; nothing is imported yet."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def load_connector(name: str, among: Mapping[str, EntryPoint] | None = None) -> ConnectorType:
    """The connector class registered under a name; OptionsRefused names those that exist."""
    found = installed_connectors() if among is None else among
    if name not in found:
        raise OptionsRefused(f"connector {name!r} is not installed; installed: {', '.join(found) or 'none'}")
    loaded: object = found[name].load()
    if not (isinstance(loaded, type) and issubclass(loaded, Connector)):
        raise OptionsRefused(f"connector {name!r}: {found[name].value} is not a Connector class")
    return loaded
