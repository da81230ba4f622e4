"""Lets people approve, pay, withdraw and correct settlements, and writes their statements."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import click

from core.money.money import Money
from core.money.settlement.paper.writing import Form, statement_parts
from core.money.settlement.states import Payment, SettlementDesk, State
from scheduler.cli.options import json_option, money, reason_option
from scheduler.cli.output import note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.cli.settlements import by_option, number, read_moment
from scheduler.composition import Core, open_core, utc_now
from scheduler.settlement_terms import settlement_terms


@click.command("approve")
@number
@by_option
@reason_option
@json_option
@pass_session
def approve(session: Session, settlement_id: int, by: str | None, reason: str, as_json: bool) -> None:
    """Agree to a settlement that somebody else drew up. JSON: {"settlement_id", "state"}."""
    state = session.drive(_approve(session, settlement_id, by or session.actor, reason))
    if as_json:
        print_json({"settlement_id": settlement_id, "state": state.value})
    else:
        done = "approved" if state is State.APPROVED else "not approved by enough yet"
        say(f"settlement {settlement_id} is {done}")


async def _approve(session: Session, settlement_id: int, actor: str, reason: str) -> State:
    async with open_core(session.settings()) as core:
        return await _desk(session, core).approve(settlement_id, actor=actor, reason=reason)


@click.command("pay")
@number
@click.option("--ref", required=True, help="The payment's reference, as the bank has it.")
@click.option("--on", "paid_on", help="When it was paid, such as 2026-11-01; otherwise now.")
@click.option("--amount", help="What left the bank, for another currency, where it is not the day's rate.")
@click.option("--currency", help="In which currency that is.")
@by_option
@json_option
@pass_session
def pay(
    session: Session,
    settlement_id: int,
    ref: str,
    paid_on: str | None,
    amount: str | None,
    currency: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Write down that an approved settlement was paid, by entries. JSON: {"settlement_id", "paid"}."""
    at = utc_now() if paid_on is None else read_moment(paid_on)
    payment = Payment(at, ref, money(amount, currency, "--amount"))
    left = session.drive(_pay(session, settlement_id, payment, by or session.actor))
    if as_json:
        print_json({"settlement_id": settlement_id, "paid": str(left)})
    else:
        say(f"settlement {settlement_id} is paid: {left}")


async def _pay(session: Session, settlement_id: int, payment: Payment, actor: str) -> Money:
    async with open_core(session.settings()) as core:
        return await _desk(session, core).pay(settlement_id, payment, actor=actor)


@click.command("withdraw")
@number
@by_option
@reason_option
@json_option
@pass_session
def withdraw(session: Session, settlement_id: int, by: str | None, reason: str, as_json: bool) -> None:
    """Take a settlement back before it is paid: the next one takes its entries. JSON: {"settlement_id"}."""
    session.drive(_withdraw(session, settlement_id, by or session.actor, reason))
    if as_json:
        print_json({"settlement_id": settlement_id})
    else:
        say(f"settlement {settlement_id} is withdrawn: its entries are open again")


async def _withdraw(session: Session, settlement_id: int, actor: str, reason: str) -> None:
    async with open_core(session.settings()) as core:
        await _desk(session, core).withdraw(settlement_id, actor=actor, reason=reason)


@click.command("correct")
@number
@click.argument("amount")
@click.argument("currency")
@by_option
@reason_option
@json_option
@pass_session
def correct(
    session: Session,
    settlement_id: int,
    amount: str,
    currency: str,
    by: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Put a settlement right by an entry that the payee's next one takes.

    Above zero: we owe more; write -- before an AMOUNT below zero. JSON: {"settlement_id", "transaction_id"}.
    """
    owed = Money.parse(amount, currency)
    posted = session.drive(_correct(session, settlement_id, owed, by or session.actor, reason))
    if as_json:
        print_json({"settlement_id": settlement_id, "transaction_id": posted})
    else:
        say(f"settlement {settlement_id}: {owed} stands open for the next one")


async def _correct(session: Session, settlement_id: int, owed: Money, actor: str, reason: str) -> int:
    async with open_core(session.settings()) as core:
        return await _desk(session, core).correct(settlement_id, owed, actor=actor, reason=reason)


@click.command("statement")
@number
@click.option("--format", "form", type=click.Choice([form.value for form in Form]), default=Form.HTML.value)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to; otherwise here.")
@pass_session
def statement(session: Session, settlement_id: int, form: str, out: Path | None) -> None:
    """Write a settlement's statement: balance, entries, and the fate of every code, none in clear."""
    if out is None and sys.stdout.isatty() and Form(form) in (Form.PDF, Form.XLSX):
        raise click.UsageError("this form is no text: say where to with --out")
    session.drive(_statement(session, settlement_id, Form(form), out))


async def _statement(session: Session, settlement_id: int, form: Form, out: Path | None) -> None:
    async with open_core(session.settings()) as core:
        parts = statement_parts(core.pool, settlement_id, form)
        if out is None:
            await _write(parts, None)
            return
        # A statement that breaks off half-way leaves no file behind that looks like one.
        unfinished = out.with_name(f".{out.name}.unfinished")
        try:
            await _write(parts, unfinished)
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
        note(f"written to {out}")


async def _write(parts: AsyncIterator[bytes], path: Path | None) -> None:
    stream = sys.stdout.buffer if path is None else path.open("wb")
    try:
        async for part in parts:
            stream.write(part)
        stream.flush()
    finally:
        if path is not None:
            stream.close()


def _desk(session: Session, core: Core) -> SettlementDesk:
    return SettlementDesk(core.pool, settlement_terms(session.settings()), utc_now)
