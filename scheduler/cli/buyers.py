"""Shows buyers and who brought them, joins their names, and takes files of referrals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from config.settings import Settings
from core.audit import note as note_audit
from core.buyers.buyers import Buyer, find_buyer, named_buyer
from core.buyers.marks import MarkKey, forget_marks, note_marks
from core.buyers.people import join, part
from core.buyers.referral_files import ReferralLine, RowReport, read_referral_file, take_referral
from core.buyers.referrals import Referral, Telling, attribute, end_referral
from core.errors import InvalidInput
from core.types import MarkKind, ToldMark
from core.views.buyers import BuyerShown, show_buyer
from scheduler.buyer_terms import referral_terms
from scheduler.cli.options import json_option, reason_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_buyer = click.argument("buyer")


@click.group("buyers")
def buyers() -> None:
    """Show buyers, who brought them, and which names are one person. A buyer is named CHANNEL/REFERENCE."""


@buyers.command("show")
@_buyer
@json_option
@pass_session
def show(session: Session, buyer: str, as_json: bool) -> None:
    """Show a person: names, who brought him, whom he brought, segments, and what stands for him.

    JSON: {"name", "names": [...], "joins": [...], "referrers": [name], "rings": [text], "referrals": [...],
    "refusals": [...], "brought": [...], "orders", "first_at", "last_at", "channels", "tags", "lists",
    "segments": [{"segment", "belongs", "why_not"}], "marks": {kind: count}, "balances": [...]}.
    """
    found = session.drive(_shown(session.settings(), buyer))
    if as_json:
        print_json(found)
        return
    _show_person(found)
    _show_history(found)


async def _shown(settings: Settings, buyer: str) -> BuyerShown:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await show_buyer(conn, await find_buyer(conn, buyer), utc_now())


def _show_person(found: BuyerShown) -> None:
    last = f", the last {found.last_at:%Y-%m-%d}" if found.last_at else ""
    say(f"{found.name}: {found.orders} orders{last}")
    for name in found.names:
        if name.name != found.name or name.handles:
            say(" ".join(["known as", name.name, *(f"({handle})" for handle in name.handles)]))
    if found.referrers:
        say(f"brought by {', who was brought by '.join(found.referrers)}")
    for ring in found.rings:
        say(f"gets nothing for it: {ring}")
    for each in found.segments:
        why_not = f": {each.why_not}" if each.why_not else ""
        say(f"{'belongs to' if each.belongs else 'not in'} {each.segment}{why_not}")
    if found.lists:
        say(f"on lists {', '.join(found.lists)}")
    if found.marks:
        say("marks kept: " + ", ".join(f"{count} of {kind}" for kind, count in found.marks.items()))
    for balance in found.balances:
        # A liability of ours is a credit: shown as what is his.
        size = amount(-balance.balance_minor, balance.currency)
        say(f"{balance.party} {balance.party_name} {balance.purpose}: {size}")


def _show_history(found: BuyerShown) -> None:
    if found.referrals:
        table = Cells("buyer", "brought by", "since", "until", "told by", "source", title="referrals")
        for row in found.referrals:
            until = row.holds_until or ("for ever" if row.referrer else None)
            table.add(row.buyer, row.referrer or "(nobody)", row.since, until, row.actor, row.source)
        table.show()
    if found.refusals:
        table = Cells("buyer", "was not brought by", "source", "at", "why", title="refused")
        for refused in found.refusals:
            table.add(refused.buyer, refused.referrer, refused.source, refused.told_at, refused.reason)
        table.show()
    if found.brought:
        table = Cells("buyer", "since", title="has brought")
        for each in found.brought:
            table.add(each.name, each.since)
        table.show()


@buyers.command("refer")
@_buyer
@click.option("--by", "referrer", required=True, help="Who brought the buyer: a name, or another buyer's.")
@click.option("--replace", is_flag=True, help="End what stands, which was a mistake.")
@click.option("--reason", default="", help="Why; needed with --replace, and kept.")
@json_option
@pass_session
def refer(session: Session, buyer: str, referrer: str, replace: bool, reason: str, as_json: bool) -> None:
    """Write down who brought BUYER. The first who is told holds for the configured days.

    Two levels are paid where a plan says so, never a third: pay over three levels of referrals is what the
    law on pyramid selling forbids.

    JSON: {"referrer", "since", "holds_until", "source"}.
    """
    if replace and not reason.strip():
        raise InvalidInput("--replace ends what stands: say why with --reason; it is kept")
    done = session.drive(_refer(session, buyer, referrer, reason, replaces=replace))
    if as_json:
        print_json(done)
    else:
        until = f"until {done.holds_until:%Y-%m-%d %H:%M} UTC" if done.holds_until else "for ever"
        say(f"{buyer} was brought by {done.referrer}, which holds {until}")


async def _refer(session: Session, buyer: str, referrer: str, reason: str, *, replaces: bool) -> Referral:
    settings, now = session.settings(), utc_now()
    async with open_core(settings) as core, core.pool.acquire() as conn:
        found = await named_buyer(conn, buyer, now)
        telling = Telling("by hand", session.actor, now, replaces)
        async with conn.transaction():
            if replaces:
                subject = f"{found.name} by {referrer}"
                await note_audit(
                    conn,
                    at=now,
                    actor=session.actor,
                    action="referral.replace",
                    subject=subject,
                    reason=reason,
                )
            return await attribute(conn, found, referrer, telling, referral_terms(settings), now)


@buyers.command("unrefer")
@_buyer
@reason_option
@pass_session
def unrefer(session: Session, buyer: str, reason: str) -> None:
    """End that anybody has brought BUYER. What was sold until now stays as it was split."""
    ended = session.drive(_unrefer(session, buyer, reason))
    say(
        f"{buyer}: brought by nobody from now on"
        if ended
        else f"{buyer}: nobody stands as having brought him"
    )


async def _unrefer(session: Session, buyer: str, reason: str) -> bool:
    now = utc_now()
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        found = await find_buyer(conn, buyer)
        actor = session.actor
        await note_audit(conn, at=now, actor=actor, action="referral.end", subject=found.name, reason=reason)
        return await end_referral(conn, found, Telling("by hand", actor, now), now)


@buyers.command("import-referrals")
@click.argument("file", type=_FILE)
@json_option
@pass_session
def import_referrals(session: Session, file: Path, as_json: bool) -> None:
    """Take who brought whom from FILE: CSV with the columns buyer,referrer and, if wanted, since.

    Each row is taken by itself; what is refused is reported with its reason.

    JSON: {"rows": [{"line", "buyer", "referrer", "taken", "why"}]}.
    """
    rows = read_referral_file(file)
    reports = session.drive(_import(session, rows, file.name))
    refused = [report for report in reports if not report.taken]
    if as_json:
        print_json({"rows": reports})
    else:
        if refused:
            table = Cells("line", "buyer", "referrer", "why", right=("line",))
            for report in refused:
                table.add(report.line, report.buyer, report.referrer, report.why)
            table.show()
        say(
            f"{len(reports)} rows in {file.name}, {len(reports) - len(refused)} taken, {len(refused)} refused"
        )


async def _import(session: Session, rows: Sequence[ReferralLine], file: str) -> list[RowReport]:
    settings, now = session.settings(), utc_now()
    terms = referral_terms(settings)
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return [await take_referral(conn, row, f"file {file}", session.actor, terms, now) for row in rows]


@buyers.command("join")
@click.argument("buyer")
@click.argument("other")
@reason_option
@pass_session
def join_two(session: Session, buyer: str, other: str, reason: str) -> None:
    """Make OTHER the same person as BUYER, known under BUYER's name from now on.

    What stands on OTHER's accounts stays under its name and is listed with BUYER's.
    """
    person = session.drive(_join(session, buyer, other, reason))
    say(f"{buyer} and {other} are one person, known as {person.name}")


async def _join(session: Session, buyer: str, other: str, reason: str) -> Buyer:
    now = utc_now()
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        one, two = await find_buyer(conn, buyer), await find_buyer(conn, other)
        return await join(conn, one, two, actor=session.actor, reason=reason, now=now)


@buyers.command("part")
@_buyer
@reason_option
@pass_session
def part_name(session: Session, buyer: str, reason: str) -> None:
    """Have a name that was joined stand for itself again."""
    session.drive(_part(session, buyer, reason))
    say(f"{buyer} stands for itself again")


async def _part(session: Session, buyer: str, reason: str) -> None:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        found = await find_buyer(conn, buyer)
        await part(conn, found, actor=session.actor, reason=reason, now=utc_now())


@buyers.command("mark")
@_buyer
@click.option("--account", multiple=True, help="An account of his, such as an e-mail address.")
@click.option("--address", multiple=True, help="An address of the internet or of a street.")
@click.option("--device", multiple=True, help="A device, as the shop tells devices apart.")
@pass_session
def mark(
    session: Session, buyer: str, account: tuple[str, ...], address: tuple[str, ...], device: tuple[str, ...]
) -> None:
    """Remember what tells BUYER from others. Only keyed hashes are kept, for [buyers] marks_days."""
    if not session.settings().buyers.marks_days:
        raise InvalidInput("marks are not kept: write marks_days under [buyers], such as marks_days = 90")
    named = ((MarkKind.ACCOUNT, account), (MarkKind.ADDRESS, address), (MarkKind.DEVICE, device))
    told = [ToldMark(kind, value) for kind, values in named for value in values]
    if not told:
        raise InvalidInput("write at least one of --account, --address and --device")
    kept = Counter(each.kind for each in told)
    session.drive(_mark(session.settings(), buyer, told))
    say(f"{buyer}: kept {', '.join(f'{count} of {kind}' for kind, count in kept.items())}")


async def _mark(settings: Settings, buyer: str, told: Sequence[ToldMark]) -> None:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        found = await named_buyer(conn, buyer, utc_now())
        async with conn.transaction():
            await note_marks(conn, MarkKey.of(core.vault), found, told, utc_now())


@buyers.command("forget")
@_buyer
@reason_option
@pass_session
def forget(session: Session, buyer: str, reason: str) -> None:
    """Forget all marks of BUYER, under all of his names."""
    say(f"{buyer}: {session.drive(_forget(session, buyer, reason))} marks forgotten")


async def _forget(session: Session, buyer: str, reason: str) -> int:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        found = await find_buyer(conn, buyer)
        now, actor = utc_now(), session.actor
        await note_audit(conn, at=now, actor=actor, action="marks.forget", subject=found.name, reason=reason)
        return await forget_marks(conn, found)
