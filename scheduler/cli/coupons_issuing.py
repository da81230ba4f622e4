"""Issues coupons, one or many, writes their codes to a file once, and moves single ones by hand."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TextIO
from uuid import uuid4

import click

from core.audit import note as audit
from core.buyers.buyers import Buyer, find_buyer
from core.buyers.segments import members
from core.coupons.bulk import ExportedCoupon, Issue
from core.coupons.issuing import IssuedCoupon
from core.coupons.uses import Redeemed
from core.errors import InvalidInput
from scheduler.buyer_terms import segments_written
from scheduler.cli.coupons import LARGEST_ID
from scheduler.cli.options import json_option, reason_option
from scheduler.cli.output import amount, bar, note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import Core, open_core, utc_now
from scheduler.coupon_terms import open_coupons

_file_option = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new CSV file for the codes, readable by you alone. They are written once for ever.",
)
_coupon_id = click.argument("coupon_id", type=click.IntRange(1, LARGEST_ID))


@click.command("issue")
@click.argument("series")
@click.option("--count", type=click.IntRange(1, 1_000_000), help="So many, for whoever has the code.")
@click.option("--segment", help="One for each buyer who belongs to this segment now.")
@click.option("--go-on", "issue_id", type=click.IntRange(1), help="Go on with an issue that broke off.")
@_file_option
@reason_option
@json_option
@pass_session
def issue(
    session: Session,
    series: str,
    count: int | None,
    segment: str | None,
    issue_id: int | None,
    file: Path | None,
    reason: str,
    as_json: bool,
) -> None:
    """Issue coupons of SERIES: --count of them for whoever has the code, or one for each of a --segment.

    JSON: {"issue": {"issue_id", "series", "wanted", "issued", "segment", "exported_at"}, "exported"}.
    """
    if (count is None) == (segment is None):
        raise InvalidInput("say for whom: --count or --segment; `coupons give` is for a single buyer")
    _refuse_known(file)
    with bar(f"issuing {series}", as_json=as_json) as progress:

        def told(done: int) -> None:
            if progress is not None:
                progress.advance(progress.task_ids[0], done)

        done = session.drive(_issue(session, series, count, segment, issue_id, reason, told))
    exported = 0 if file is None else _export(session, done.issue_id, file)
    if as_json:
        print_json({"issue": done, "exported": exported})
        return
    say(f"issue {done.issue_id}: {done.issued} of {done.wanted} coupons of {done.series}")
    if file is None:
        note(f"codes stay sealed: `consignd coupons export {done.issue_id} --file FILE` writes them, once")
    else:
        say(f"{exported} codes written to {file}")


async def _issue(
    session: Session,
    series: str,
    count: int | None,
    segment: str | None,
    issue_id: int | None,
    reason: str,
    told: Callable[[int], None],
) -> Issue:
    async with open_core(session.settings()) as core:
        bulk = open_coupons(core).bulk
        buyers = None if segment is None else await _members(core, segment)
        wanted = count or len(buyers or ())
        if not wanted:
            raise InvalidInput(f"nobody belongs to the segment {segment}: there is nothing to issue")
        if issue_id is None:
            begun = await bulk.begin(
                series, wanted, utc_now(), actor=session.actor, reason=reason, segment=segment
            )
            issue_id = begun.issue_id
        return await bulk.go_on(issue_id, utc_now(), buyers=buyers, progress=told)


async def _members(core: Core, segment: str) -> list[Buyer]:
    wanted = [each for each in segments_written(core.settings) if each.name == segment]
    if not wanted:
        raise InvalidInput(f"no segment is named {segment}: write [segments.{segment}]")
    async with core.pool.acquire() as conn:
        return [person async for person, _, names in members(conn, wanted, utc_now()) if names]


@dataclass(frozen=True, slots=True)
class _ByHand:
    """Why a coupon was given: a person's own word, each time a new one."""

    kind: str
    ref: str


@click.command("give")
@click.argument("series")
@click.argument("buyer")
@reason_option
@json_option
@pass_session
def give(session: Session, series: str, buyer: str, reason: str, as_json: bool) -> None:
    """Give a BUYER, named CHANNEL/REFERENCE, one coupon of SERIES, and show its code. It is kept who did.

    JSON: {"coupon_id", "series", "code", "mask", "buyer_id", "expires_at"}.
    """
    given = session.drive(_give(session, series, buyer, reason))
    if as_json:
        print_json(given)
        return
    say(f"coupon {given.coupon_id} of {series} for {buyer}: {given.code}")


async def _give(session: Session, series: str, name: str, reason: str) -> IssuedCoupon:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        now, source = utc_now(), _ByHand("hand", uuid4().hex)
        buyer = await find_buyer(conn, name)
        given = await open_coupons(core).issue(conn, series, buyer, now, source=source)
        subject = f"coupon {given.coupon_id}"
        await audit(conn, at=now, actor=session.actor, action="coupon.give", subject=subject, reason=reason)
        return given


@click.command("export")
@click.argument("issue_id", type=click.IntRange(1, LARGEST_ID))
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A new CSV file."
)
@json_option
@pass_session
def export(session: Session, issue_id: int, file: Path, as_json: bool) -> None:
    """Write an issue's codes to a new CSV file that you alone can read; once for ever.

    JSON: {"exported"}.
    """
    _refuse_known(file)
    exported = _export(session, issue_id, file)
    if as_json:
        print_json({"exported": exported})
        return
    say(f"{exported} codes written to {file}")


def _refuse_known(file: Path | None) -> None:
    if file is not None and file.exists():
        raise InvalidInput(f"{file}: exists already, and no file is written over: name another")


def _export(session: Session, issue_id: int, file: Path) -> int:
    """Codes are on the disk before the export is marked; where it is not, no file is left."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as out:
            return session.drive(_export_to(session, issue_id, out))
    except BaseException:
        file.unlink(missing_ok=True)
        raise


async def _export_to(session: Session, issue_id: int, out: TextIO) -> int:
    async with open_core(session.settings()) as core:
        bulk = open_coupons(core).bulk
        return await bulk.export(issue_id, utc_now(), _writer(out), actor=session.actor)


def _writer(out: TextIO) -> Callable[[Sequence[ExportedCoupon]], None]:
    rows = csv.writer(out)
    rows.writerow(["coupon", "code", "buyer", "expires"])

    def write(coupons: Sequence[ExportedCoupon]) -> None:
        for each in coupons:
            expires = "" if each.expires_at is None else each.expires_at.astimezone(UTC).isoformat()
            rows.writerow([each.coupon_id, each.code, each.buyer or "", expires])
        out.flush()
        os.fsync(out.fileno())

    return write


@click.command("reveal")
@_coupon_id
@reason_option
@json_option
@pass_session
def reveal(session: Session, coupon_id: int, reason: str, as_json: bool) -> None:
    """Show one coupon's code. That you saw it is kept.

    JSON: {"coupon_id", "code"}.
    """
    code = session.drive(_reveal(session, coupon_id, reason))
    if as_json:
        print_json({"coupon_id": coupon_id, "code": code})
        return
    say(code)


async def _reveal(session: Session, coupon_id: int, reason: str) -> str:
    async with open_core(session.settings()) as core:
        bulk = open_coupons(core).bulk
        async with core.pool.acquire() as conn, conn.transaction():
            return await bulk.reveal(conn, coupon_id, utc_now(), actor=session.actor, reason=reason)


@click.command("revoke")
@_coupon_id
@reason_option
@pass_session
def revoke(session: Session, coupon_id: int, reason: str) -> None:
    """Take a coupon back: it holds for no basket from now on. Baskets that have it keep their price."""
    done = session.drive(_revoke(session, coupon_id, reason))
    say(f"coupon {coupon_id} is taken back" if done else f"coupon {coupon_id} was taken back before")


async def _revoke(session: Session, coupon_id: int, reason: str) -> bool:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        return await open_coupons(core).revoke(conn, coupon_id, utc_now(), actor=session.actor, reason=reason)


@click.command("release")
@click.argument("channel")
@click.argument("basket")
@reason_option
@json_option
@pass_session
def release(session: Session, channel: str, basket: str, reason: str, as_json: bool) -> None:
    """Free the coupon that an unpaid BASKET of CHANNEL holds.

    JSON: the use, with its state.
    """
    _told(session.drive(_move(session, channel, basket, reason, paid=False)), as_json=as_json)


@click.command("give-back")
@click.argument("channel")
@click.argument("basket")
@reason_option
@json_option
@pass_session
def give_back(session: Session, channel: str, basket: str, reason: str, as_json: bool) -> None:
    """Take back what was taken off a refunded BASKET of CHANNEL; orders that we know do so by themselves.

    JSON: the use, with its state.
    """
    _told(session.drive(_move(session, channel, basket, reason, paid=True)), as_json=as_json)


async def _move(session: Session, channel: str, basket: str, reason: str, *, paid: bool) -> Redeemed:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        checkout = open_coupons(core).checkout
        move = checkout.give_back if paid else checkout.release
        return await move(conn, channel, basket, utc_now(), actor=session.actor, reason=reason)


def _told(use: Redeemed, *, as_json: bool) -> None:
    if as_json:
        print_json(use)
        return
    off = amount(use.discount.amount_minor, use.discount.currency)
    say(f"{use.series} {use.mask} in basket {use.basket_ref}: {use.state}, {off} off")
