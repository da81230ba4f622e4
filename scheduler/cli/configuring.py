"""Shows the settings in force, and refuses here what `run` would refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from config.problems import KeyPath, Problem, SettingsRefused, dotted
from config.settings import Settings
from config.show import describe
from connectors.kit.errors import OptionsRefused
from core.errors import ConsigndError
from core.money.plans.rules import CONSIGNOR, Plan, Rule
from core.types import ChannelId
from scheduler.cli.exits import Exit
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, note, print_json, say
from scheduler.cli.session import Session
from scheduler.composition import open_connector, read_keyring
from scheduler.group_terms import with_group_offers
from scheduler.split_plans import plan_choices, published_names, written_plan
from scheduler.terms import channel_terms

# Nothing is written, so neither channel nor plan has an id yet.
_NO_CHANNEL, _NO_PLAN = ChannelId(0), 0


@click.group("config", no_args_is_help=True)
def config() -> None:
    """Look at the settings."""


@config.command("check")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@json_option
@click.pass_context
def check_config(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Show the settings of FILE in force and where each was written, secrets masked; 3 if they are refused.

    Nothing is connected to and nothing is written.

    JSON: {"ok", "settings": [{"path", "value_text", "origin"}], "warnings": [text],
    "problems": [{"source", "line", "path", "text"}]}.
    """
    session = ctx.ensure_object(Session)
    if file is not None:
        session.file = file
    settings: Settings | None = None
    try:
        settings = session.settings()
        problems = list(_problems(settings))
    except SettingsRefused as refused:
        problems = list(refused.problems)
    if as_json:
        print_json(_shape(session, settings, problems))
    else:
        _show(session, settings, problems)
    if problems:
        ctx.exit(Exit.SETTINGS)


def _problems(settings: Settings) -> Iterator[Problem]:
    """What only the connectors and core can judge."""
    plans: dict[str, Plan] = {}
    for name in settings.splits:
        try:
            plans[name] = written_plan(settings, name, _stand_ins(settings))
        except SettingsRefused as refused:
            yield from refused.problems
    if settings.keys.files:
        try:
            read_keyring(settings)
        except ConsigndError as error:
            yield _problem(settings, ("keys",), error)
    for name, channel in settings.channels.items():
        if channel.enabled:
            yield from _channel_problems(settings, name, plans.get(channel.split))


def _stand_ins(settings: Settings) -> dict[str, Plan]:
    """For plans that were published by hand: they stand in the database, which is not asked here."""
    rest = Rule("rest", CONSIGNOR, rest=True)
    return {name: Plan(name, (rest,)) for name in published_names(settings)}


def _channel_problems(settings: Settings, name: str, plan: Plan | None) -> Iterator[Problem]:
    try:
        connector = open_connector(settings, name)
        if plan is not None:
            choices = plan_choices(settings, name, _stand_ins(settings))
            terms = channel_terms(settings, name, _NO_CHANNEL, _NO_PLAN, plan, connector.traits, choices)
            with_group_offers(settings, terms, connector.traits, {})
    except SettingsRefused as refused:
        yield from refused.problems
    except (OptionsRefused, ConsigndError) as error:
        yield _problem(settings, ("channels", name), error)


def _problem(settings: Settings, path: KeyPath, error: Exception) -> Problem:
    """Placed at the table it is about, which is as near as the error tells."""
    source, _, line = settings.origin(path).rpartition(":")
    placed = bool(source) and line.isdigit()
    return Problem(
        source if placed else settings.origin(path), int(line) if placed else None, dotted(path), str(error)
    )


def _shape(session: Session, settings: Settings | None, problems: list[Problem]) -> dict[str, object]:
    scrub = session.scrubber.text
    return {
        "ok": not problems,
        "settings": describe(settings) if settings else [],
        "warnings": [scrub(str(warning)) for warning in settings.warnings] if settings else [],
        "problems": [
            {
                "source": problem.source,
                "line": problem.line,
                "path": problem.path,
                "text": scrub(problem.text),
            }
            for problem in problems
        ],
    }


def _show(session: Session, settings: Settings | None, problems: list[Problem]) -> None:
    if settings is not None:
        table = Cells("setting", "value", "from")
        for effective in describe(settings):
            table.add(effective.path, effective.value_text, effective.origin)
        table.show()
        for warning in settings.warnings:
            note(f"warning: {session.scrubber.text(str(warning))}")
    for problem in problems:
        note(f"consignd: {session.scrubber.text(str(problem))}")
    if not problems:
        say("these settings can be run")
