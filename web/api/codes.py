"""Lets callers bring codes in, follow one, and see one in clear with a reason that is kept."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePath

from aiohttp import BodyPartReader, web

from core.codes.allocator import Place
from core.codes.custody import Standing, trace
from core.codes.importer import ImportOrder, ImportReport
from core.errors import InvalidInput
from core.offers.catalogue import add_consignor, find_priority, find_sku
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route, optional_money
from web.api.shapes import (
    CodeReveal,
    CodeStanding,
    CodeTrace,
    ImportAnswer,
    ImportForm,
    ReasonBody,
    RefusedRow,
    Revealed,
)

_FILE_LIMIT_BYTES = 1 << 30
_FIELD_LIMIT_BYTES = 4096
_CHUNK_BYTES = 1 << 18
_FIELDS_AT_MOST = 16
# Of a consignor who is new and is given no other.
_USUAL_PRIORITY = 100


async def import_codes(call: Call) -> ImportAnswer:
    """A consignor's file, streamed to a private file, imported, and the file removed."""
    async with _upload(call) as (form, path):
        cost = optional_money(form.unit_cost, form.currency, "unit_cost and currency")
        if form.expires is not None and form.expires.tzinfo is None:
            raise InvalidInput("expires: write the time zone, such as 2027-12-31T23:59:59Z")
        services = call.services
        async with services.pool.acquire() as conn:
            sku = await find_sku(conn, form.sku_ref)
            asked = _USUAL_PRIORITY if form.priority is None else form.priority
            consignor_id = await add_consignor(conn, form.consignor, asked)
            own = await find_priority(conn, form.consignor)
        order = ImportOrder(
            path=path,
            sku=sku,
            consignor_id=consignor_id,
            consignor_priority=own if form.priority is None else form.priority,
            unit_cost=cost,
            expires_default=form.expires,
            actor=call.token.name,
            dry_run=form.dry_run,
        )
        report = await services.importer.run(order)
    services.wake_all()
    return _answer(report)


def _answer(report: ImportReport) -> ImportAnswer:
    return ImportAnswer(
        batch_id=report.batch_id,
        read=report.read,
        imported=report.imported,
        refused={reason.value: count for reason, count in sorted(report.refused.items())},
        refusals=tuple(RefusedRow(row.row, row.reason.value, row.detail) for row in report.refusals),
        seconds=round(report.seconds, 3),
    )


@asynccontextmanager
async def _upload(call: Call) -> AsyncIterator[tuple[ImportForm, Path]]:
    """The form's fields and its file, in a folder of its own that is gone afterwards.

    The file keeps its name, because the name's end says which kind of file it is and the batch remembers it.
    """
    if not call.raw.content_type.startswith("multipart/form-data"):
        raise Problem(415, "Not understood", "send multipart/form-data: the fields, then the part `file`")
    with tempfile.TemporaryDirectory(dir=call.services.upload_dir, prefix="import-") as folder:
        fields: dict[str, str] = {}
        reader = await call.raw.multipart()
        async for part in reader:
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise Problem(422, "Not understood", "each part of the form needs a name and plain content")
            if part.name == "file":
                path = Path(folder) / _safe_name(part.filename)
                await _store(part, path)
                yield ImportForm.model_validate(fields), path
                return
            if len(fields) >= _FIELDS_AT_MOST:
                raise Problem(422, "Not understood", f"more than {_FIELDS_AT_MOST} fields before the file")
            fields[part.name] = (await part.read_chunk(_FIELD_LIMIT_BYTES)).decode("utf-8", "replace")
        raise Problem(422, "Not understood", "the part `file` is missing; it comes last in the form")


async def _store(part: BodyPartReader, path: Path) -> None:
    size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while chunk := await part.read_chunk(_CHUNK_BYTES):
            size += len(chunk)
            if size > _FILE_LIMIT_BYTES:
                raise web.HTTPRequestEntityTooLarge(_FILE_LIMIT_BYTES, size)
            await asyncio.to_thread(file.write, chunk)


def _safe_name(given: str | None) -> str:
    """The last part of the name, in plain signs."""
    name = PurePath((given or "").replace("\\", "/")).name
    kept = "".join(sign if sign.isalnum() or sign in "._- " else "_" for sign in name)[-100:]
    return kept.lstrip(".") or "upload.txt"


async def reveal_code(call: Call) -> Revealed:
    """One code in clear, once the row that says who saw it and why is committed."""
    body, place, services = call.body(ReasonBody), call.place(), call.services
    async with services.pool.acquire() as conn, conn.transaction():
        payload = await services.opener.reveal(
            conn, place, actor=call.token.name, role=call.token.role.value, reason=body.reason
        )
    return Revealed(str(place), payload.kind.value, payload.number, payload.secret, payload.pin)


async def trace_code(call: Call) -> CodeTrace:
    """The story of a code."""
    async with call.services.pool.acquire() as conn:
        story = await trace(conn, call.place())
    cost = story.unit_cost
    return CodeTrace(
        origin=str(story.origin),
        sku_ref=story.sku_ref,
        consignor=story.consignor,
        batch_id=story.batch_id,
        source_name=story.source_name,
        imported_at=story.imported_at,
        imported_by=story.imported_by,
        expires_at=story.expires_at,
        unit_cost_minor=cost.amount_minor if cost else None,
        currency=cost.currency if cost else None,
        custody=story.custody.value,
        standings=tuple(_standing(standing) for standing in story.standings),
        reveals=tuple(CodeReveal(seen.at, seen.actor, seen.reason) for seen in story.reveals),
    )


def _standing(standing: Standing) -> CodeStanding:
    taken, departed = standing.taken, standing.departed
    return CodeStanding(
        place=str(standing.place),
        order_id=taken.order_id if taken else None,
        line_no=taken.line_no if taken else None,
        channel=taken.channel if taken else None,
        order_ref=taken.order_ref if taken else None,
        state=taken.state if taken else None,
        departed=departed.kind if departed else None,
        departed_at=departed.at if departed else None,
        departed_reason=departed.reason if departed else None,
        instead_of=_named(standing.instead_of),
        replaced_by=_named(standing.replaced_by),
    )


def _named(place: Place | None) -> str | None:
    return None if place is None else str(place)


ROUTES = (
    Route(
        "POST",
        "/imports",
        Right.OPERATE,
        "Import a file of codes",
        ImportAnswer,
        import_codes,
        body=ImportForm,
        status=201,
        upload=True,
    ),
    Route("GET", "/codes/{place}", Right.READ, "Tell a code's story, not the code", CodeTrace, trace_code),
    Route(
        "POST",
        "/codes/{place}/reveal",
        Right.REVEAL,
        "Show one code in clear",
        Revealed,
        reveal_code,
        body=ReasonBody,
    ),
)
