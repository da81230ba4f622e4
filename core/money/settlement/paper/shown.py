"""Decides what of a statement stands where, as text: the same for all forms of paper. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from core.money.money import Money
from core.money.settlement.fates import CodeFate, Fate
from core.money.settlement.paper.words import Words, day, moment
from core.money.settlement.reading import PaymentView, SettlementLine, SettlementView
from core.money.settlement.statement import Statement, masked

LINE_HEADS = ("number", "date", "kind", "channel", "order", "sku", "quantity", "price", "amount", "note")
CODE_HEADS = (
    "batch", "sku", "code", "mark", "received at", "fate", "date", "channel", "order", "price", "share"
)  # fmt: skip
LINE_RIGHT = frozenset({"quantity", "price", "amount"})
CODE_RIGHT = frozenset({"price", "share"})
_RATE_DIGITS = 6

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """The texts of a statement without its lines and codes."""

    title: str
    facts: tuple[Pair, ...]
    balance: tuple[Pair, ...]
    payment: tuple[Pair, ...]
    held: tuple[Pair, ...]
    batch_heads: tuple[str, ...]
    batches: tuple[tuple[str, ...], ...]


def shown(statement: Statement, words: Words) -> Shown:
    """All of it."""
    detail = statement.detail
    settlement = detail.settlement
    return Shown(
        title=f"{words('title')} {settlement.settlement_id}",
        facts=tuple(_facts(statement, words)),
        balance=tuple(_balance(statement, words)),
        payment=() if detail.payment is None else tuple(_payment(settlement, detail.payment, words)),
        held=tuple(
            (
                words("payable when")
                if part.payable_on is None
                else words("payable from", day=day(part.payable_on)),
                money(part.amount_minor, settlement),
            )
            for part in detail.held
        ),
        batch_heads=(
            words("batch"),
            words("sku"),
            words("received at"),
            words("received"),
            *(words(fate.value) for fate in Fate),
        ),
        batches=tuple(_batches(statement, words)),
    )


def money(amount_minor: int, settlement: SettlementView) -> str:
    """An amount of the settlement's currency."""
    return str(Money(amount_minor, settlement.currency))


def line_cells(line: SettlementLine, settlement: SettlementView, words: Words) -> tuple[str, ...]:
    """A line under LINE_HEADS."""
    price = ""
    if line.unit_price_minor is not None and line.price_currency is not None:
        price = str(Money(line.unit_price_minor, line.price_currency))
    note = line.why or ""
    if line.corrects_id is not None:
        note = words("corrects", number=line.corrects_id, why=note)
    return (
        f"{line.transaction_id}.{line.entry_no}",
        moment(line.posted_at),
        words(f"{line.kind} kind"),
        line.channel or "",
        masked(line.order_ref),
        line.sku_ref or "",
        "" if line.quantity is None else str(line.quantity),
        price,
        money(line.amount_minor, settlement),
        note,
    )


def code_cells(code: CodeFate, words: Words) -> tuple[str, ...]:
    """A code under CODE_HEADS."""
    return (
        str(code.batch_id),
        code.sku_ref,
        code.place,
        code.mark,
        moment(code.received_at),
        words(code.fate.value),
        moment(code.fated_at),
        code.channel or "",
        masked(code.order_ref),
        "" if code.price is None else str(code.price),
        "" if code.share is None else str(code.share),
    )


def _facts(statement: Statement, words: Words) -> Iterator[Pair]:
    detail = statement.detail
    settlement = detail.settlement
    begin = words("from the beginning") if settlement.since is None else moment(settlement.since)
    yield words("payee"), f"{settlement.party}/{settlement.party_name}"
    yield words("period"), f"{begin} {words('until')} {moment(settlement.until)}"
    yield words("currency"), settlement.currency
    yield words("state"), words("paid state" if settlement.state == "paid" else settlement.state)
    yield words("drawn"), f"{moment(settlement.drawn_at)}, {settlement.drawn_by}"
    for approval in detail.approvals:
        yield words("approvals"), f"{approval.approver}, {moment(approval.approved_at)}"


def _balance(statement: Statement, words: Words) -> Iterator[Pair]:
    settlement = statement.detail.settlement
    for movement in statement.movements:
        yield words(movement.part.value), money(movement.amount_minor, settlement)
    yield words("lines total"), money(settlement.lines_minor, settlement)
    if settlement.reserve_minor:
        yield words("reserve", days=settlement.reserve_days), money(-settlement.reserve_minor, settlement)
    yield words("due"), money(settlement.due_minor, settlement)
    if settlement.paid_in and settlement.rate_numerator and settlement.rate_denominator:
        told = _rate(
            settlement.currency, settlement.paid_in, settlement.rate_numerator, settlement.rate_denominator
        )
        source = words("rate source", source=settlement.rate_source or "", at=moment(settlement.rate_at))
        yield words("rate of drawing"), f"{told}, {source}"
    if statement.detail.payment is not None:
        yield words("after"), money(statement.after_payment_minor, settlement)


def _payment(settlement: SettlementView, payment: PaymentView, words: Words) -> Iterator[Pair]:
    yield words("paid on"), moment(payment.paid_on)
    yield words("reference"), payment.payment_ref
    yield words("amount paid"), str(Money(payment.amount_minor, payment.currency))
    if payment.base and payment.numerator and payment.denominator:
        told = _rate(payment.base, payment.currency, payment.numerator, payment.denominator)
        source = words("rate source", source=payment.rate_source or "", at=moment(payment.rate_at))
        yield words("rate"), f"{told}, {source}"


def _rate(base: str, quote: str, numerator: int, denominator: int) -> str:
    """A rate to six digits after the point; with a sign that tells where that is not all of it."""
    scaled = Fraction(numerator, denominator) * 10**_RATE_DIGITS
    whole, part = divmod(round(scaled), 10**_RATE_DIGITS)
    about = "" if scaled.denominator == 1 else "≈ "
    return f"1 {base} = {about}{whole}.{part:0{_RATE_DIGITS}d} {quote}"


def _batches(statement: Statement, words: Words) -> Iterator[tuple[str, ...]]:
    for batch in statement.batches:
        counts = (str(batch.counts[fate]) for fate in Fate)
        yield (
            str(batch.batch_id), batch.sku_ref, moment(batch.received_at), str(batch.received), *counts
        )  # fmt: skip
    if statement.batches:
        received = sum(batch.received for batch in statement.batches)
        totals = (str(sum(batch.counts[fate] for batch in statement.batches)) for fate in Fate)
        yield words("total"), "", "", str(received), *totals
