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
from web.console.uploads import Pending
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
    """What a file would bring: its first lines, and what is wrong with its rows. Nothing is kept yet."""
    channel, mapping, upload = form.get("channel", ""), form.get("mapping", ""), visit.upload
    if upload is None:
        raise Problem(422, "Not understood", ENGLISH["choose_file"])
    services = visit.services
    importer = StatementImporter(services.pool, services.now)
    actor = visit.session.token.name
    done = await importer.run(channel, mapping, upload.name, upload.content, actor=actor, dry_run=True)
    async with services.pool.acquire() as conn:
        saved = await find_mapping(conn, mapping)
    file = await asyncio.to_thread(read_statement, upload.name, upload.content, saved.mapping)
    key = visit.memory.uploads.keep(Pending(visit.session.csrf, channel, mapping, upload))
    return Shown(
        "money_upload.html",
        {
            "key": key,
            "channel": channel,
            "mapping": saved,
            "name": upload.name,
            "done": done,
            "lines": file.lines[:_FIRST_LINES],
            "refused": done.refused[:_FIRST_REFUSED],
        },
    )


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
