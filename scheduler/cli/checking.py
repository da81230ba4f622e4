"""Looks at the database as a whole: brings its schema up, and checks every promise it can show."""

from __future__ import annotations

from dataclasses import dataclass

import click

from config.settings import Settings
from connectors.kit.errors import OptionsRefused
from connectors.kit.registry import load_connector
from core.db.migrate import MIGRATIONS, Applied, read_migrations
from core.db.migrate import migrate as migrate_schema
from core.db.pool import Connection
from core.offers.catalogue import channel_states
from core.types import ChannelId
from core.views.invariants import CheckReport
from core.views.invariants import check as check_invariants
from scheduler.cli.exits import Exit
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, open_database, utc_now
from scheduler.terms import bound_permille


@dataclass(frozen=True, slots=True)
class Migrated:
    """The schema's version, and the files that this call applied."""

    version: int
    applied: tuple[str, ...]


@click.command("migrate")
@json_option
@pass_session
def migrate(session: Session, as_json: bool) -> None:
    """Bring the database's schema up to this program's; harmless when it is.

    JSON: {"version", "applied": [file, ...]}.
    """
    done = session.drive(_migrate(session.settings()))
    if as_json:
        print_json(done)
        return
    for file in done.applied:
        say(f"applied {file}")
    say(f"the schema is at version {done.version}")


async def _migrate(settings: Settings) -> Migrated:
    async with open_database(settings) as (_, pool), pool.acquire() as conn:
        applied: list[Applied] = await migrate_schema(conn)
    return Migrated(len(read_migrations(MIGRATIONS)), tuple(row.file_name for row in applied))


@click.command("check")
@json_option
@click.option(
    "--strict", is_flag=True, help="Everything should be at rest: what is still under way counts too."
)
@click.pass_context
def check(ctx: click.Context, as_json: bool, strict: bool) -> None:
    """Check every promise that the database can show; ends with 0 only when all hold.

    JSON: {"ok", "invariants": {name: {"ok", "violations", "detail": [...]}}}. Rows are named by their ids,
    at most 20 for each. Safe at any time, also beside a running daemon.
    """
    session = ctx.ensure_object(Session)
    report = session.drive(_check(session.settings(), strict))
    if as_json:
        print_json(report.to_json())
    else:
        _show(report)
    if not report.ok:
        ctx.exit(Exit.VIOLATED)


async def _check(settings: Settings, strict: bool) -> CheckReport:
    async with open_core(settings, "consignd check") as core:
        async with core.pool.acquire() as conn:
            partial = await partial_channels(conn)
        return await check_invariants(
            core.pool,
            bound_permille=bound_permille(settings),
            now=utc_now(),
            vault=core.vault,
            strict=strict,
            partial_channel_ids=partial,
        )


async def partial_channels(conn: Connection) -> list[ChannelId]:
    """The channels whose connectors take orders of which only a part can be served."""
    return [
        state.channel_id for state in await channel_states(conn) if _takes_partial_orders(state.connector)
    ]


def _takes_partial_orders(connector: str) -> bool:
    try:
        return load_connector(connector).traits.takes_partial_orders
    except OptionsRefused:
        # Its package is gone; then its orders are held to the stricter promise.
        return False


def _show(report: CheckReport) -> None:
    table = Cells("invariant", "holds", "violations", "detail", right=["violations"])
    for invariant in report.invariants:
        first, *others = invariant.detail or ("",)
        table.add(invariant.name, invariant.ok, invariant.violations, first)
        for detail in others:
            table.add(None, None, None, detail)
    table.show()
