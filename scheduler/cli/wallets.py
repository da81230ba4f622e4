"""Shows what buyers have in their wallets, lot by lot, and lets people credit, spend and take back."""

from __future__ import annotations

import click

from core.buyers.buyers import find_buyer
from core.money.money import Money
from core.views.wallets import Expiring, LotView, WalletView, expiring, wallet_of
from core.wallets.desk import GOODWILL, ByHand, WalletDesk
from core.wallets.lots import LotId
from core.wallets.wallets import Spent
from core.wallets.writing_off import WrittenOff
from scheduler.cli.options import json_option, reason_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.points_terms import programmes

_buyer = click.argument("buyer")
_amount = click.argument("amount_text", metavar="AMOUNT")
_currency = click.option("--currency", required=True, help="Of the amount, such as EUR.")
limit_option = click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
all_option = click.option("--all", "closed", is_flag=True, help="Also lots of which nothing is left.")


@click.group("wallets")
def wallets() -> None:
    """Show and move what buyers have in their wallets. A buyer is named CHANNEL/REFERENCE."""


@wallets.command("show")
@_buyer
@all_option
@limit_option
@json_option
@pass_session
def show(session: Session, buyer: str, closed: bool, limit: int, as_json: bool) -> None:
    """Show a buyer's money and the lots that it is made of, newest first, with what happened to each.

    JSON: {"buyer", "standings": [...], "lots": [{"lot_id", "state", ..., "uses": [...]}], "next_before"}.
    """
    found = session.drive(_show(session, buyer, closed, limit))
    if as_json:
        print_json(found)
        return
    for each in found.standings:
        usable, pending = amount(each.usable_minor, each.currency), amount(each.pending_minor, each.currency)
        owed = f", owes us {amount(each.owed_minor, each.currency)}" if each.owed_minor else ""
        say(f"{found.buyer}: {usable} to spend, {pending} pending{owed}")
    show_lots(found.lots, found.buyer)


async def _show(session: Session, buyer: str, closed: bool, limit: int) -> WalletView:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await wallet_of(conn, await find_buyer(conn, buyer), closed=closed, limit=limit)


def show_lots(lots: tuple[LotView, ...], buyer: str) -> None:
    """Lots as a table, each followed by what happened to it; those of a person's other names say whose."""
    numbers = ["points", "credited", "left"]
    table = Cells("lot", "state", *numbers, "at", "vests", "expires", "why", right=numbers)
    for lot in lots:
        left = amount(lot.left_minor, lot.currency)
        points = None if lot.points is None else f"{lot.points_left}/{lot.points}"
        under = f" ({lot.buyer})" if lot.buyer != buyer else ""
        why = f"{lot.source_kind} {lot.source_ref}{under}"
        credited = amount(lot.amount_minor, lot.currency)
        table.add(
            lot.lot_id, lot.state, points, credited, left, lot.credited_at, lot.vests_at, lot.expires_at, why
        )
        for use in lot.uses:
            told = " ".join(filter(None, (use.ref, use.reason)))
            size = amount(use.amount_minor, lot.currency)
            table.add("", f"  {use.kind}", use.points, size, "", use.used_at, "", "", told)
    table.show()


@wallets.command("list")
@click.option("--expiring", "days", type=click.IntRange(0, 3650), default=30, show_default=True, help="Days.")
@limit_option
@json_option
@pass_session
def list_expiring(session: Session, days: int, limit: int, as_json: bool) -> None:
    """List money and points that expire within so many days, soonest first.

    JSON: {"lots": [{"buyer", "lot_id", "programme", "currency", "points", "amount_minor", "expires_at"}]}.
    """
    lots = session.drive(_expiring(session, days, limit))
    if as_json:
        print_json({"lots": lots})
        return
    numbers = ["points", "amount"]
    table = Cells("buyer", "lot", "programme", *numbers, "expires", right=numbers)
    for lot in lots:
        size = amount(lot.amount_minor, lot.currency)
        table.add(lot.buyer, lot.lot_id, lot.programme, lot.points, size, lot.expires_at)
    table.show()


async def _expiring(session: Session, days: int, limit: int) -> tuple[Expiring, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await expiring(conn, utc_now(), days, limit)


@wallets.command("credit")
@_buyer
@_amount
@_currency
@click.option("--ref", required=True, help="The same reference again credits nothing more.")
@click.option("--campaign", default=GOODWILL, show_default=True, help="Who bears it.")
@click.option("--expires-days", type=click.IntRange(1, 36_500), help="After so many days; else never.")
@reason_option
@json_option
@pass_session
def credit(
    session: Session,
    buyer: str,
    amount_text: str,
    currency: str,
    ref: str,
    campaign: str,
    expires_days: int | None,
    reason: str,
    as_json: bool,
) -> None:
    """Give a buyer money at the cost of a campaign. JSON: {"lot_id"}."""
    size = Money.parse(amount_text, currency)
    by = ByHand(session.actor, reason)
    lot_id = session.drive(_credit(session, buyer, size, by, ref, campaign, expires_days))
    if as_json:
        print_json({"lot_id": lot_id})
    else:
        say(f"lot {lot_id}: {buyer} has {size} of {campaign}")


async def _credit(
    session: Session, buyer: str, size: Money, by: ByHand, ref: str, campaign: str, expires_days: int | None
) -> LotId:
    async with open_core(session.settings()) as core:
        desk = WalletDesk(core.pool, programmes(core.settings), utc_now)
        return await desk.credit(buyer, size, by, ref=ref, campaign=campaign, expires_days=expires_days)


@wallets.command("spend")
@_buyer
@_amount
@_currency
@click.option("--ref", required=True, help="Such as the order's number; again, it spends nothing more.")
@click.option("--channel", help="On an order of this channel, which then has so much less to pay us.")
@click.option("--paid-out", is_flag=True, help="Not on an order: we paid it to the buyer from our bank.")
@reason_option
@json_option
@pass_session
def spend(
    session: Session,
    buyer: str,
    amount_text: str,
    currency: str,
    ref: str,
    channel: str | None,
    paid_out: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Spend a buyer's money, what expires soonest first.

    JSON: {"spend_id", "amount_minor", "currency", "again"}.
    """
    if (channel is not None) is paid_out:
        raise click.UsageError("say where the money goes: either --channel or --paid-out")
    size = Money.parse(amount_text, currency)
    spent = session.drive(_spend(session, buyer, size, ByHand(session.actor, reason), ref, channel))
    if as_json:
        told = {"spend_id": spent.spend_id, "amount_minor": size.amount_minor, "currency": currency}
        print_json({**told, "again": spent.again})
    else:
        say(f"{buyer}: {size} were spent before by {ref}" if spent.again else f"{buyer}: {size} spent")


async def _spend(
    session: Session, buyer: str, size: Money, by: ByHand, ref: str, channel: str | None
) -> Spent:
    async with open_core(session.settings()) as core:
        desk = WalletDesk(core.pool, programmes(core.settings), utc_now)
        return await desk.spend(buyer, size, by, ref=ref, channel=channel)


@wallets.command("give-back")
@click.argument("ref")
@_amount
@_currency
@click.option("--refund-ref", required=True, help="The same reference again gives nothing more back.")
@reason_option
@json_option
@pass_session
def give_back(
    session: Session,
    ref: str,
    amount_text: str,
    currency: str,
    refund_ref: str,
    reason: str,
    as_json: bool,
) -> None:
    """Put back what was spent by REF, as when its order is cancelled. JSON: {"lot_id"}."""
    size = Money.parse(amount_text, currency)
    lot_id = session.drive(_give_back(session, ref, size, ByHand(session.actor, reason), refund_ref))
    if as_json:
        print_json({"lot_id": lot_id})
    else:
        say(f"lot {lot_id}: {size} of {ref} are back in the wallet")


async def _give_back(session: Session, ref: str, size: Money, by: ByHand, refund_ref: str) -> LotId:
    async with open_core(session.settings()) as core:
        desk = WalletDesk(core.pool, programmes(core.settings), utc_now)
        return await desk.give_back(ref, size, by, refund_ref=refund_ref)


@wallets.command("take-back")
@click.argument("lot_id", type=click.IntRange(1, 2**63 - 1))
@_amount
@_currency
@reason_option
@json_option
@pass_session
def take_back(
    session: Session, lot_id: int, amount_text: str, currency: str, reason: str, as_json: bool
) -> None:
    """Take money of a lot back; what was spent of it already is owed by the buyer.

    JSON: {"lot_id", "owed_minor", "currency"}.
    """
    size = Money.parse(amount_text, currency)
    owed = session.drive(_take_back(session, LotId(lot_id), size, ByHand(session.actor, reason)))
    if as_json:
        print_json({"lot_id": lot_id, "owed_minor": owed.amount_minor, "currency": owed.currency})
    else:
        say(f"lot {lot_id}: {size} taken back; the buyer owes {owed} more than before")


async def _take_back(session: Session, lot_id: LotId, size: Money, by: ByHand) -> Money:
    async with open_core(session.settings()) as core:
        return await WalletDesk(core.pool, programmes(core.settings), utc_now).take_back(lot_id, size, by)


@wallets.command("write-off")
@_buyer
@click.option("--currency", help="Only what is owed in it; otherwise all.")
@reason_option
@json_option
@pass_session
def write_off(session: Session, buyer: str, currency: str | None, reason: str, as_json: bool) -> None:
    """Write off what a buyer owes and will never pay: it becomes a loss of ours.

    JSON: {"written_off": [{"buyer", "amount_minor", "currency", "transaction_id"}]}.
    """
    done = session.drive(_write_off(session, buyer, ByHand(session.actor, reason), currency))
    if as_json:
        told = [
            {
                "buyer": each.buyer,
                "amount_minor": each.amount.amount_minor,
                "currency": each.amount.currency,
                "transaction_id": each.transaction_id,
            }
            for each in done
        ]
        print_json({"written_off": told})
        return
    for each in done:
        say(f"{each.buyer}: {each.amount} are written off, and owed no more")


async def _write_off(
    session: Session, buyer: str, by: ByHand, currency: str | None
) -> tuple[WrittenOff, ...]:
    async with open_core(session.settings()) as core:
        desk = WalletDesk(core.pool, programmes(core.settings), utc_now)
        return await desk.write_off(buyer, by, currency=currency)
