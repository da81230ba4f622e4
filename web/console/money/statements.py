"""Decides what the pages on channels' statements show, and takes files in once somebody said yes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from aiohttp import web

from core.errors import InvalidInput, UnknownStatement
from core.money.statements.files import read_statement
from core.money.statements.importing import StatementImporter, find_mapping, list_mappings
from core.views.channels import channels
from core.views.money_statements import statement_months
from core.views.statements import statement_page, statements
from web.api.problems import Problem
from web.console.forms import Form
from web.console.money.uploads import Pending
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH

_YEAR = timedelta(days=366)
_STATEMENTS = 40
_LINES = 60
_FIRST_LINES, _FIRST_REFUSED = 12, 50
_LARGEST = 2**31 - 1


async def statement_list(visit: Visit) -> Shown:
    """Months by channel, statements, and a form for a file."""
    services, channel = visit.services, visit.query("channel")
    before = visit.query("before")
    async with services.pool.acquire() as conn:
        found = await statements(conn, channel, before=_number(before) if before else None, limit=_STATEMENTS)
        values = {
            "months": await statement_months(conn, channel, services.now() - _YEAR),
            "mappings": [saved.name for saved in await list_mappings(conn)],
            "names": [each.name for each in await channels(conn, services.now())],
        }
    older = found[-1].statement_id if len(found) == _STATEMENTS else None
    more = {"statements": found, "channel": channel, "older": older}
    return Shown("money_statements.html", {**values, **more})


async def statement(visit: Visit) -> Shown:
    """One statement, line by line, with what of ours each line is."""
    number, after = _number(visit.path("statement_id")), _after(visit)
    async with visit.services.pool.acquire() as conn:
        page = await statement_page(conn, number, after=after, limit=_LINES)
    return Shown("money_statement.html", {"page": page, "number": number, "paged": after is not None})


async def read_file(visit: Visit, form: Form) -> Shown:
    """A file that somebody sent, to be looked at. Nothing of it is kept in the books."""
    if visit.upload is None:
        raise Problem(422, "Not understood", ENGLISH["choose_file"])
    pending = Pending(visit.session.csrf, form.get("channel", ""), form.get("mapping", ""), visit.upload)
    # It is read once before it is shown: what is wrong with all of it is told where it was sent.
    await _reading(visit, pending)
    key = visit.memory.uploads.keep(pending)
    raise web.HTTPSeeOther(f"/console/money/statements/file?key={key}")


async def file(visit: Visit) -> Shown:
    """What a file would bring: its first lines, and what is wrong with its rows."""
    key = visit.query("key") or ""
    pending = visit.memory.uploads.look(key, visit.session.csrf)
    if pending is None:
        visit.session.notice = ENGLISH["file_gone"]
        raise web.HTTPSeeOther("/console/money/statements")
    return Shown("money_upload.html", {"key": key, "pending": pending} | await _reading(visit, pending))


async def _reading(visit: Visit, pending: Pending) -> dict[str, object]:
    """A file read to its end, without keeping anything."""
    services, upload, actor = visit.services, pending.upload, visit.session.token.name
    importer = StatementImporter(services.pool, services.now)
    done = await importer.run(
        pending.channel, pending.mapping, upload.name, upload.content, actor=actor, dry_run=True
    )
    async with services.pool.acquire() as conn:
        saved = await find_mapping(conn, pending.mapping)
    read = await asyncio.to_thread(read_statement, upload.name, upload.content, saved.mapping)
    first = {"lines": read.lines[:_FIRST_LINES], "refused": done.refused[:_FIRST_REFUSED]}
    return {"mapping": saved, "done": done, **first}


async def keep_file(visit: Visit, form: Form) -> Shown:
    """A file that somebody has looked at, kept; the channel's matching is woken."""
    pending = visit.memory.uploads.take(form.get("key", ""), visit.session.csrf)
    if pending is None:
        raise Problem(409, ENGLISH["wrong"], ENGLISH["file_gone"])
    services, upload = visit.services, pending.upload
    importer = StatementImporter(services.pool, services.now)
    actor = visit.session.token.name
    done = await importer.run(pending.channel, pending.mapping, upload.name, upload.content, actor=actor)
    if pending.channel in services.channels:
        await services.sync_now(pending.channel)
    visit.session.notice = ENGLISH["file_kept"] % (done.new, done.lines, upload.name)
    place = "" if done.statement_id is None else f"/{done.statement_id}"
    raise web.HTTPSeeOther(f"/console/money/statements{place}")


def _after(visit: Visit) -> tuple[datetime, str] | None:
    """Where the page of lines begins."""
    at, ref = visit.query("after_at"), visit.query("after_ref")
    if at is None or ref is None:
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(f"after_at {at[:40]!r} is not a moment; go back to the statement's first page")
    return moment, ref


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST:
        raise UnknownStatement(f"statement {text[:40]!r}: they have numbers; Statements lists them")
    return int(text)
