"""Lets callers bring codes in, follow one, and see one in clear with a reason that is kept."""

from __future__ import annotations

from core.codes.allocator import Place
from core.codes.custody import Standing, trace
from core.codes.importer import ImportOrder, ImportReport
from core.errors import InvalidInput
from core.offers.catalogue import add_consignor, find_priority, find_sku
from web.access import Right
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
from web.api.uploads import uploaded

_FILE_LIMIT_BYTES = 1 << 30
# Of a consignor who is new and is given no other.
_USUAL_PRIORITY = 100


async def import_codes(call: Call) -> ImportAnswer:
    """A consignor's file, streamed to a private file, imported, and the file removed."""
    async with uploaded(call, ImportForm, _FILE_LIMIT_BYTES, "upload.txt") as (form, path):
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
