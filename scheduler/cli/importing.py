"""Takes a consignor's file of codes in, and tells the operator of every row that was refused."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from rich.progress import Progress

from core.codes.importer import ImportOrder, ImportProgress, ImportReport
from core.codes.readers import CodeFile
from core.codes.rows import Refused
from core.db.pool import Connection
from core.errors import InvalidInput, UnknownConsignor, UnknownSku
from core.money.money import Money
from core.offers.catalogue import (
    NewSku,
    add_consignor,
    add_sku,
    find_consignor,
    find_priority,
    find_sku,
    lane_of,
)
from core.types import ConsignorId, Sku, SkuId
from scheduler.cli.options import json_option, money, read_expiry
from scheduler.cli.output import bar, note, print_json, say
from scheduler.cli.session import Session, Terminated
from scheduler.composition import open_core

_TOLD_ROWS = 50
_USUAL_PRIORITY = 100
# Stand-ins for what a dry run does not add.
_NO_SKU, _NO_CONSIGNOR = SkuId(0), ConsignorId(0)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    path: Path
    sku_ref: str
    consignor: str
    unit_cost: Money | None
    expires_at: datetime | None
    priority: int | None
    dry_run: bool


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sku", "sku_ref", required=True, help="What the codes are; a SKU that is not known is added.")
@click.option("--consignor", required=True, help="Whose they are; one who is not known is added.")
@click.option("--unit-cost", metavar="AMOUNT", help="What one code costs us, such as 9.50.")
@click.option("--currency", help="The currency of the unit cost, such as EUR.")
@click.option("--expires", type=read_expiry, metavar="DATE", help="For rows that name no expiry themselves.")
@click.option(
    "--priority",
    type=click.IntRange(0, 1 << 30),
    help="Lower is sold first among codes that expire together.",
)
@click.option("--dry-run", is_flag=True, help="Read and judge every row, import nothing.")
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every refused row there as CSV: row,reason,detail.",
)
@json_option
@click.pass_context
def import_codes(
    ctx: click.Context,
    file: Path,
    sku_ref: str,
    consignor: str,
    unit_cost: str | None,
    currency: str | None,
    expires: datetime | None,
    priority: int | None,
    dry_run: bool,
    report_path: Path | None,
    as_json: bool,
) -> None:
    """Import a FILE of codes: CSV, TSV, text with a code a line, or Excel.

    Importing the same file again is harmless. Refused rows are told by number on standard error and never
    quoted; they do not make the command fail, since the others are in and the count says so.

    JSON: {"batch_id", "read", "imported", "refused": {reason: n}, "seconds"}; batch_id is null when nothing
    was imported.
    """
    session = ctx.ensure_object(Session)
    if currency is not None and unit_cost is None:
        raise InvalidInput(f"--currency {currency}: say what one code costs too, with --unit-cost")
    cost = money(unit_cost, currency, "--unit-cost")
    wish = Wish(file, sku_ref, consignor, cost, expires, priority, dry_run)
    session.settings()
    with bar(f"importing {file.name}", as_json=as_json) as progress, _refusals_to(report_path) as keep:
        watch = _Watch(progress)
        try:
            report = session.drive(_import(session, wish, watch, keep))
        except (KeyboardInterrupt, Terminated):
            note(f"consignd: at least {watch.imported} codes are in; import the same file again for the rest")
            raise
    _tell_refused(report)
    if as_json:
        print_json(_shape(report))
    else:
        _tell(report, wish)


async def _import(
    session: Session, wish: Wish, watch: _Watch, keep: Callable[[Sequence[Refused]], None] | None
) -> ImportReport:
    # An unreadable file is refused before a SKU is added for it.
    await asyncio.to_thread(_open_once, wish.path)
    async with open_core(session.settings(), "consignd import") as core:
        async with core.pool.acquire() as conn, conn.transaction():
            order = await _order(conn, wish, core.settings.sync.lanes, session.actor)
        return await core.importer.run(order, watch.note, keep)


def _open_once(path: Path) -> None:
    with CodeFile(path):
        return


async def _order(conn: Connection, wish: Wish, lanes: int, actor: str) -> ImportOrder:
    """The import with its SKU and consignor, which are added where they are missing, except in a dry run."""
    sku = await _sku(conn, wish, lanes)
    consignor_id, priority = await _consignor(conn, wish)
    return ImportOrder(
        path=wish.path,
        sku=sku,
        consignor_id=consignor_id,
        consignor_priority=priority if wish.priority is None else wish.priority,
        unit_cost=wish.unit_cost,
        expires_default=wish.expires_at,
        actor=actor,
        dry_run=wish.dry_run,
    )


async def _sku(conn: Connection, wish: Wish, lanes: int) -> Sku:
    try:
        return await find_sku(conn, wish.sku_ref)
    except UnknownSku:
        if wish.dry_run:
            note(f"consignd: SKU {wish.sku_ref} is not known; the import would add it")
            return Sku(_NO_SKU, lane_of(wish.sku_ref, lanes), wish.sku_ref, wish.sku_ref)
    note(f"consignd: SKU {wish.sku_ref} is new; `consignd stock price {wish.sku_ref} 12.50 EUR` prices it")
    return await add_sku(conn, NewSku(wish.sku_ref), lanes)


async def _consignor(conn: Connection, wish: Wish) -> tuple[ConsignorId, int]:
    """Who owns the codes, and the priority that is theirs."""
    try:
        return await find_consignor(conn, wish.consignor), await find_priority(conn, wish.consignor)
    except UnknownConsignor:
        priority = _USUAL_PRIORITY if wish.priority is None else wish.priority
        if wish.dry_run:
            note(f"consignd: consignor {wish.consignor} is not known; the import would add them")
            return _NO_CONSIGNOR, priority
    note(f"consignd: consignor {wish.consignor} is new")
    return await add_consignor(conn, wish.consignor, priority), priority


class _Watch:
    """Follows an import: on the bar if there is one, and for whoever interrupts it."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self.imported = 0

    def note(self, now: ImportProgress) -> None:
        """The import got so far."""
        self.imported = now.imported
        if self._progress is not None:
            said = f"{now.imported:,} imported, {now.refused:,} refused"
            self._progress.update(
                self._progress.task_ids[0], completed=now.bytes_read, total=now.size_bytes, said=said
            )


@contextmanager
def _refusals_to(path: Path | None) -> Iterator[Callable[[Sequence[Refused]], None] | None]:
    """Writes refused rows to a file as they come; None where no file is wanted."""
    if path is None:
        yield None
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "reason", "detail"])

        def keep(refusals: Sequence[Refused]) -> None:
            writer.writerows((refusal.row, refusal.reason.value, refusal.detail) for refusal in refusals)

        yield keep


def _tell_refused(report: ImportReport) -> None:
    for refusal in report.refusals[:_TOLD_ROWS]:
        note(f"row {refusal.row}: {refusal.reason}: {refusal.detail}")
    more = report.refused.total() - min(len(report.refusals), _TOLD_ROWS)
    if more:
        note(f"and {more} more refused rows; --report FILE writes them all")


def _shape(report: ImportReport) -> dict[str, object]:
    """The keys that operators script against, no more and no fewer."""
    return {
        "batch_id": report.batch_id,
        "read": report.read,
        "imported": report.imported,
        "refused": {reason.value: count for reason, count in sorted(report.refused.items())},
        "seconds": round(report.seconds, 3),
    }


def _tell(report: ImportReport, wish: Wish) -> None:
    done = "would import" if wish.dry_run else "imported"
    batch = "" if report.batch_id is None else f", batch {report.batch_id}"
    say(
        f"{done} {report.imported} of {report.read} codes for {wish.sku_ref} in {report.seconds:.1f} s{batch}"
    )
    for reason, count in sorted(report.refused.items()):
        say(f"refused {count}: {reason.value.replace('_', ' ')}")
