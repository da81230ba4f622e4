"""Takes channels' statements in as files, and keeps the mappings by which they are read."""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.errors import InvalidInput
from core.money.statements.importing import ImportedStatement, StatementImporter, list_mappings, save_mapping
from core.money.statements.mapping import read_mapping
from web.access import Right
from web.api.route import Call, Route, Shape
from web.api.shapes import Ref
from web.api.uploads import uploaded

_FILE_LIMIT_BYTES = 64 << 20


class StatementForm(Shape):
    """What comes with the file; `file` is the last part of the form."""

    channel: Ref
    mapping: Ref
    dry_run: bool = False


class MappingBody(Shape):
    """How a file is read, as TOML."""

    name: Ref
    mapping: Annotated[
        str, Field(max_length=1 << 16, description="TOML, as `statements mappings save` reads it")
    ]


@dataclass(frozen=True, slots=True)
class MappingView:
    """A saved mapping's newest version."""

    name: str
    version: int
    saved_by: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class MappingList:
    """Saved mappings by name."""

    mappings: tuple[MappingView, ...]


async def import_statement(call: Call) -> ImportedStatement:
    """A channel's file; its lines are matched within minutes."""
    async with uploaded(call, StatementForm, _FILE_LIMIT_BYTES, "statement.csv") as (form, path):
        content = await asyncio.to_thread(path.read_bytes)
        importer = StatementImporter(call.services.pool, call.services.now)
        return await importer.run(
            form.channel, form.mapping, path.name, content, actor=call.token.name, dry_run=form.dry_run
        )


async def show_mappings(call: Call) -> MappingList:
    """What is saved."""
    async with call.services.pool.acquire() as conn:
        saved = await list_mappings(conn)
    return MappingList(
        tuple(MappingView(each.name, each.version, each.saved_by, each.saved_at) for each in saved)
    )


async def keep_mapping(call: Call) -> MappingView:
    """The same again stays the version that it is."""
    body = call.body(MappingBody)
    try:
        written = tomllib.loads(body.mapping)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"mapping {body.name}: is no TOML ({error})") from None
    async with call.services.pool.acquire() as conn, conn.transaction():
        saved = await save_mapping(
            conn, body.name, read_mapping(written), actor=call.token.name, now=call.services.now()
        )
    return MappingView(saved.name, saved.version, saved.saved_by, saved.saved_at)


ROUTES = (
    Route(
        "POST",
        "/statement-files",
        Right.MONEY,
        "Import a channel's statement, CSV or Excel, as multipart/form-data",
        ImportedStatement,
        import_statement,
        body=StatementForm,
        upload=True,
    ),
    Route("GET", "/statement-mappings", Right.MONEY, "List saved mappings", MappingList, show_mappings),
    Route(
        "POST",
        "/statement-mappings",
        Right.MONEY,
        "Save how a channel's files are read",
        MappingView,
        keep_mapping,
        body=MappingBody,
    ),
)
