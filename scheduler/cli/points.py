"""Shows buyers' points and what they are worth, and lets people reward tasks and redeem."""

from __future__ import annotations

from collections.abc import Mapping

import click

from core.buyers.buyers import find_buyer
from core.errors import InvalidInput
from core.views.wallets import LiabilityRow, PointsView, liability, points_of
from core.wallets.desk import ByHand, WalletDesk
from core.wallets.lots import LotId
from core.wallets.points import Points, Redeemed
from core.wallets.programmes import Programme
from scheduler.cli.options import json_option, reason_option
from scheduler.cli.output import Cells, amount, plain, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.cli.wallets import all_option, limit_option, show_lots
from scheduler.composition import open_core, utc_now
from scheduler.points_terms import programmes

_buyer = click.argument("buyer")
_programme = click.option("--programme", help="Which programme; may be left out where there is only one.")


@click.group("points")
def points() -> None:
    """Show and move buyers' points. A buyer is named CHANNEL/REFERENCE."""


@points.command("show")
@_buyer
@click.option("--programme", help="Of this programme alone.")
@all_option
@limit_option
@json_option
@pass_session
def show(
    session: Session, buyer: str, programme: str | None, closed: bool, limit: int, as_json: bool
) -> None:
    """Show a buyer's points by programme, the level in each, and the lots that they are made of.

    JSON: {"buyer", "standings": [...], "lots": [...], "next_before", "levels": {programme: level}}.
    """
    found, levels = session.drive(_show(session, buyer, programme, closed, limit))
    if as_json:
        print_json({**_fields(found), "levels": levels})
        return
    for name, level in levels.items():
        say(f"{found.buyer}: {level} in {name}")
    for each in found.standings:
        worth = amount(each.worth_minor, each.currency)
        say(f"{each.programme}: {each.usable} points to redeem, {each.pending} pending, worth {worth}")
    show_lots(found.lots, found.buyer)


def _fields(found: PointsView) -> dict[str, object]:
    told = plain(found)
    assert isinstance(told, dict), "a dataclass is told as an object"
    return told


async def _show(
    session: Session, buyer: str, programme: str | None, closed: bool, limit: int
) -> tuple[PointsView, dict[str, str]]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        who, known = await find_buyer(conn, buyer), programmes(core.settings)
        desk = Points(core.pool, known)
        wanted = known if programme is None else [programme]
        levels = {name: (await desk.level(conn, who, name, utc_now())).name for name in wanted}
        return await points_of(conn, who, programme, closed=closed, limit=limit), levels


@points.command("task")
@_buyer
@click.argument("task_name", metavar="TASK")
@_programme
@click.option("--ref", required=True, help="The buyer's same reference again gives nothing more.")
@reason_option
@json_option
@pass_session
def task(
    session: Session,
    buyer: str,
    task_name: str,
    programme: str | None,
    ref: str,
    reason: str,
    as_json: bool,
) -> None:
    """Give the points of a task that a buyer did. JSON: {"lot_id", "points"}."""
    by = ByHand(session.actor, reason)
    lot_id, earned = session.drive(_task(session, buyer, task_name, programme, by, ref))
    if as_json:
        print_json({"lot_id": lot_id, "points": earned})
    else:
        say(f"lot {lot_id}: {buyer} has {earned} points for {task_name}")


async def _task(
    session: Session, buyer: str, name: str, programme: str | None, by: ByHand, ref: str
) -> tuple[LotId, int]:
    async with open_core(session.settings()) as core:
        known = programmes(core.settings)
        chosen = _chosen(known, programme)
        lot_id = await WalletDesk(core.pool, known, utc_now).task(buyer, chosen, name, by, ref=ref)
        return lot_id, known[chosen].task(name).points


@points.command("redeem")
@_buyer
@click.argument("count", metavar="POINTS", type=click.IntRange(1, 1_000_000_000))
@_programme
@click.option("--ref", required=True, help="The same reference again redeems nothing more.")
@reason_option
@json_option
@pass_session
def redeem(
    session: Session,
    buyer: str,
    count: int,
    programme: str | None,
    ref: str,
    reason: str,
    as_json: bool,
) -> None:
    """Turn points into money in the buyer's wallet, those that expire soonest first.

    JSON: {"points", "amount_minor", "currency", "lot_id", "again"}.
    """
    done = session.drive(_redeem(session, buyer, count, programme, ByHand(session.actor, reason), ref))
    if as_json:
        told = {"points": done.points, "amount_minor": done.amount.amount_minor, "lot_id": done.lot_id}
        print_json({**told, "currency": done.amount.currency, "again": done.again})
    else:
        before = " before" if done.again else ""
        say(f"{buyer}: {done.points} points became {done.amount}{before}, lot {done.lot_id}")


async def _redeem(
    session: Session, buyer: str, count: int, programme: str | None, by: ByHand, ref: str
) -> Redeemed:
    async with open_core(session.settings()) as core:
        known = programmes(core.settings)
        desk = WalletDesk(core.pool, known, utc_now)
        return await desk.redeem(buyer, _chosen(known, programme), count, by, ref=ref)


@points.command("liability")
@click.option("--programme", help="Of this programme alone.")
@json_option
@pass_session
def show_liability(session: Session, programme: str | None, as_json: bool) -> None:
    """Show what all points are worth, by programme and the month (UTC) in which they expire.

    JSON: {"liability": [{"programme", "currency", "month", "points", "amount_minor", "buyers"}]}.
    """
    rows = session.drive(_liability(session, programme))
    if as_json:
        print_json({"liability": rows})
        return
    numbers = ["points", "worth", "buyers"]
    table = Cells("programme", "expires", *numbers, right=numbers)
    for row in rows:
        worth = amount(row.amount_minor, row.currency)
        table.add(row.programme, row.month or "never", row.points, worth, row.buyers)
    table.show()
    for (name, currency), total in _totals(rows).items():
        say(f"{name}: {amount(total, currency)} in all")


def _totals(rows: tuple[LiabilityRow, ...]) -> dict[tuple[str, str], int]:
    totals: dict[tuple[str, str], int] = {}
    for row in rows:
        key = row.programme, row.currency
        totals[key] = totals.get(key, 0) + row.amount_minor
    return totals


async def _liability(session: Session, programme: str | None) -> tuple[LiabilityRow, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await liability(conn, programme)


def _chosen(known: Mapping[str, Programme], programme: str | None) -> str:
    """The programme that was named, or the only one there is."""
    if programme is not None:
        return programme
    if len(known) != 1:
        names = ", ".join(known)
        said = f"write --programme with one of {names}" if names else "write [points.NAME] in the settings"
        raise InvalidInput(f"which programme of points? {said}")
    return next(iter(known))
