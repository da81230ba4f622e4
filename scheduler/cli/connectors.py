"""Shows the installed connectors with what they can do, and starts new ones."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import get_args, get_origin

import click
from pydantic import SecretStr

from connectors.kit.abilities import abilities_of
from connectors.kit.connector import Options
from connectors.kit.registry import ConnectorType, installed_connectors, load_connector
from connectors.kit.skeleton import write_skeleton
from scheduler.cli.options import ListGroup, json_option
from scheduler.cli.output import Cells, print_json, say


@dataclass(frozen=True, slots=True)
class OptionShown:
    """An option that an operator writes under [channels.NAME.options]."""

    name: str
    required: bool
    secret: bool


@dataclass(frozen=True, slots=True)
class ConnectorShown:
    """A connector; `error` says why it cannot be loaded, and then the rest is empty."""

    name: str
    package: str
    title: str = ""
    contract: str = ""
    abilities: tuple[str, ...] = ()
    options: tuple[OptionShown, ...] = ()
    error: str | None = None


@click.group("connectors", cls=ListGroup)
def connectors() -> None:
    """Show the installed connectors, or start a new one. Without a command it lists."""


@connectors.command("list")
@json_option
def list_connectors(as_json: bool) -> None:
    """List connectors with their abilities and options.

    JSON: {"connectors": [{"name", "package", "title", "contract", "abilities": [...],
    "options": [{"name", "required", "secret"}], "error"}]}.
    """
    found = [_shown(name, point) for name, point in installed_connectors().items()]
    if as_json:
        print_json({"connectors": found})
        return
    table = Cells("connector", "title", "contract", "abilities", "options (* needed)")
    for row in found:
        options = ", ".join(f"{option.name}{'*' if option.required else ''}" for option in row.options)
        table.add(row.name, row.title, row.contract, row.error or ", ".join(row.abilities), options)
    table.show()


def _shown(name: str, point: EntryPoint) -> ConnectorShown:
    package = point.dist.name if point.dist else point.value
    try:
        kind = load_connector(name)
    except Exception as error:  # a package from outside may fail in any way, and must not hide the others
        return ConnectorShown(name, package, error=f"cannot be loaded: {type(error).__name__}: {error}")
    abilities = tuple(abilities_of(kind))
    return ConnectorShown(name, package, kind.title, kind.traits.contract.value, abilities, _options(kind))


def _options(kind: ConnectorType) -> tuple[OptionShown, ...]:
    """The fields of the model that a connector class is generic in."""
    model = next((model for base in kind.__mro__ for model in _models(base)), Options)
    return tuple(
        OptionShown(name, field.is_required(), SecretStr in (field.annotation, *get_args(field.annotation)))
        for name, field in model.model_fields.items()
    )


def _models(base: type) -> list[type[Options]]:
    written: tuple[object, ...] = base.__dict__.get("__orig_bases__", ())
    arguments = [argument for generic in written if get_origin(generic) for argument in get_args(generic)]
    return [model for model in arguments if isinstance(model, type) and issubclass(model, Options)]


@connectors.command("new")
@click.argument("name")
@click.option(
    "--in", "folder", type=click.Path(path_type=Path), help="Where; otherwise a folder of that name."
)
@json_option
def new_connector(name: str, folder: Path | None, as_json: bool) -> None:
    """Write a small connector package that passes its own contract tests. JSON: {"files": [...]}."""
    files = write_skeleton(name, folder or Path(name))
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        say(f"wrote {file}")
    say(f"next: pip install -e {folder or name}, then pytest {folder or name}")
