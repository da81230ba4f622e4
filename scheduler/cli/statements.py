"""Imports channels' statements, keeps mappings of their columns, matches them, and shows what was matched."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click

from core.errors import UnreadableFile
from core.money.statements.book import MatchReport, StatementBook
from core.money.statements.files import read_bytes
from core.money.statements.importing import (
    ImportedStatement,
    SavedMapping,
    StatementImporter,
    find_channel,
    find_mapping,
    list_mappings,
    save_mapping,
)
from core.money.statements.mapping import StatementMapping, mapping_to_json, read_mapping
from core.views.statements import StatementLine, StatementPage, StatementView, statement_page
from core.views.statements import statements as read_statements
from scheduler.cli.options import ListGroup, json_option
from scheduler.cli.output import Cells, amount, note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.statement_terms import match_terms

_TOLD_ROWS = 50


@click.group("statements", cls=ListGroup)
def statements() -> None:
    """Hold what channels tell of our money against what we posted. Without a command it lists."""


@statements.command("list")
@click.option("--channel", help="Of this channel alone.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
@pass_session
def list_statements(session: Session, channel: str | None, limit: int, as_json: bool) -> None:
    """List statements, newest first: imported files, and the months of what was pulled.

    JSON: {"statements": [...]}; amounts are minor units.
    """
    found = session.drive(_list(session, channel, limit))
    if as_json:
        print_json({"statements": found})
        return
    numbers = ["lines", "waiting", "total", "open", "differs by"]
    table = Cells("id", "channel", "source", "name", *numbers, "until", right=numbers)
    for view in found:
        table.add(*_cells(view))
    table.show()


async def _list(session: Session, channel: str | None, limit: int) -> tuple[StatementView, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        if channel is not None:
            await find_channel(conn, channel)
        return await read_statements(conn, channel, limit=limit)


def _cells(view: StatementView) -> tuple[object, ...]:
    total, differs = amount(view.total_minor, view.currency), amount(view.open_minor, view.currency)
    return (
        view.statement_id, view.channel, view.source, view.name, view.lines, view.waiting, total, view.open,
        differs, view.until,
    )  # fmt: skip


@statements.command("show")
@click.argument("statement_id", type=click.IntRange(1, 2**31 - 1))
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
@pass_session
def show_statement(session: Session, statement_id: int, limit: int, as_json: bool) -> None:
    """Show a statement's lines, and what of ours each is.

    JSON: {"statements": [...], "lines": [...], "next_at", "next_ref"}.
    """
    page = session.drive(_show(session, statement_id, limit))
    if as_json:
        print_json(page)
        return
    for view in page.statements:
        say(f"{view.channel}, {view.source} {view.name}: {view.lines} lines, {view.open} open discrepancies")
    table = Cells("booked", "line", "kind", "order", "amount", "matched", "what", right=["amount", "matched"])
    for line in page.lines:
        told, matched = amount(line.amount_minor, line.currency), amount(line.matched_minor, line.currency)
        order = line.order_ref or ", ".join(line.matched_refs)
        table.add(line.booked_at, line.line_ref, line.kind, order, told, matched, _fate(line))
    table.show()
    if page.next_ref is not None:
        say(f"and more: --limit {limit * 10} shows them")


async def _show(session: Session, statement_id: int, limit: int) -> StatementPage:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await statement_page(conn, statement_id, limit=limit)


def _fate(line: StatementLine) -> str:
    """What became of a line, in a few words."""
    if line.judged_at is None:
        return "waits"
    rounding = amount(line.rounding_minor, line.currency)
    parts = ["booked"] if line.booked_minor else []
    parts += ["matched"] if line.matched_minor else []
    parts += [f"rounding {rounding}"] if line.rounding_minor else []
    if line.discrepancy_id is not None:
        parts.append(f"discrepancy {line.discrepancy_id} ({line.discrepancy}, {line.state})")
    return ", ".join(parts) or "no money"


@statements.command("match")
@click.option("--channel", multiple=True, help="This channel alone; may be repeated.")
@click.option("--everything", is_flag=True, help="Look at all transactions and open discrepancies again.")
@json_option
@pass_session
def match(session: Session, channel: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Match what waits now; daemons do the same every few minutes. Safe beside them.

    JSON: {"channels": {name: {"dues", "lines", "matched", "opened", "settled"}}}.
    """
    reports = session.drive(_match(session, channel, everything))
    if as_json:
        print_json({"channels": reports})
        return
    for name, report in reports.items():
        say(
            f"{name}: {report.lines} lines judged, {report.matched} matched, "
            f"{report.opened} discrepancies opened, {report.settled} settled"
        )


async def _match(session: Session, names: tuple[str, ...], everything: bool) -> dict[str, MatchReport]:
    settings = session.settings()
    async with open_core(settings) as core:
        book = StatementBook(core.pool, utc_now)
        reports = {}
        for name in names or tuple(settings.channels):
            async with core.pool.acquire() as conn:
                channel_id = await find_channel(conn, name)
            terms = match_terms(settings, channel_id, name)
            reports[name] = await book.match(terms, everything=everything)
        return reports


@statements.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--channel", required=True, help="Whose statement it is.")
@click.option("--mapping", required=True, help="How it is read; `statements mappings save` keeps one.")
@click.option("--dry-run", is_flag=True, help="Read and judge every row, keep nothing.")
@json_option
@pass_session
def import_statement(
    session: Session, file: Path, channel: str, mapping: str, dry_run: bool, as_json: bool
) -> None:
    """Import a FILE of a channel's, CSV or Excel, and match it. Importing it again is harmless.

    Rows that cannot be read are told on standard error, with their column and why; the others are in.

    JSON: {"statement_id", "rows", "lines", "new", "refused": [{"row", "column", "why"}], "matched"}.
    """
    content = read_bytes(file)
    done, report = session.drive(_import(session, file.name, content, channel, mapping, dry_run))
    for refused in done.refused[:_TOLD_ROWS]:
        where = f"row {refused.row}" if refused.row else "the file"
        where += f", column {refused.column}" if refused.column else ""
        note(f"{where}: {refused.why}")
    if len(done.refused) > _TOLD_ROWS:
        note(f"and {len(done.refused) - _TOLD_ROWS} more; --json tells them all")
    if as_json:
        shape = {"statement_id": done.statement_id, "rows": done.rows, "lines": done.lines, "new": done.new}
        print_json({**shape, "refused": done.refused, "matched": report})
        return
    verb = "would keep" if dry_run else "kept"
    say(f"{verb} {done.new} new of {done.lines} lines from {done.rows} rows; {len(done.refused)} refused")
    if report is not None:
        say(f"{report.matched} lines matched, {report.opened} discrepancies opened")


async def _import(
    session: Session, name: str, content: bytes, channel: str, mapping: str, dry_run: bool
) -> tuple[ImportedStatement, MatchReport | None]:
    settings = session.settings()
    async with open_core(settings) as core:
        importer = StatementImporter(core.pool, utc_now)
        done = await importer.run(channel, mapping, name, content, actor=session.actor, dry_run=dry_run)
        if dry_run:
            return done, None
        async with core.pool.acquire() as conn:
            channel_id = await find_channel(conn, channel)
        terms = match_terms(settings, channel_id, channel)
        return done, await StatementBook(core.pool, utc_now).match(terms)


@statements.group("mappings", cls=ListGroup)
def mappings() -> None:
    """Keep how channels' files are read. Without a command it lists."""


@mappings.command("list")
@json_option
@pass_session
def show_mappings(session: Session, as_json: bool) -> None:
    """List mappings. JSON: {"mappings": [{"name", "version", "saved_by", "saved_at"}]}."""
    found = session.drive(_mappings(session))
    if as_json:
        print_json({"mappings": [_brief(saved) for saved in found]})
        return
    table = Cells("name", "version", "saved by", "saved at")
    for saved in found:
        table.add(saved.name, saved.version, saved.saved_by, saved.saved_at)
    table.show()


async def _mappings(session: Session) -> tuple[SavedMapping, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await list_mappings(conn)


def _brief(saved: SavedMapping) -> dict[str, object]:
    return {
        "name": saved.name,
        "version": saved.version,
        "saved_by": saved.saved_by,
        "saved_at": saved.saved_at,
    }


@mappings.command("save")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@pass_session
def save(session: Session, name: str, file: Path, as_json: bool) -> None:
    """Keep the mapping that FILE (TOML) describes; another one under the name is its next version.

    JSON: {"name", "version", "saved_by", "saved_at"}.
    """
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UnreadableFile(f"{file}: is no TOML ({error})") from None
    saved = session.drive(_save(session, name, read_mapping(written)))
    if as_json:
        print_json(_brief(saved))
    else:
        say(f"mapping {saved.name}, version {saved.version}")


async def _save(session: Session, name: str, mapping: StatementMapping) -> SavedMapping:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        return await save_mapping(conn, name, mapping, actor=session.actor, now=utc_now())


@mappings.command("show")
@click.argument("name")
@pass_session
def show_mapping(session: Session, name: str) -> None:
    """Show a mapping as JSON."""
    click.echo(session.drive(_mapping(session, name)))


async def _mapping(session: Session, name: str) -> str:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return mapping_to_json((await find_mapping(conn, name)).mapping)
