"""Turns what the operator wrote about settlements into the terms core decides by. Pure."""

from __future__ import annotations

from datetime import timedelta

from config.settings import Settings
from config.settlement import WEEKDAYS, PayeeSettlement
from core.money.settlement.terms import Cycle, CycleKind, Payee, PayeeTerms, SettlementTerms

_PPM_OF_PERCENT = 10_000


def settlement_terms(settings: Settings) -> SettlementTerms:
    """How everybody is settled, and those who are settled otherwise."""
    written = settings.settlement
    return SettlementTerms(
        _terms(settings, PayeeSettlement()),
        {Payee.parse(name): _terms(settings, payee) for name, payee in written.payees.items()},
        settings.rates.pivot,
    )


def _terms(settings: Settings, payee: PayeeSettlement) -> PayeeTerms:
    usual = settings.settlement
    percent = usual.reserve_percent if payee.reserve_percent is None else payee.reserve_percent
    return PayeeTerms(
        cycle=cycle_of(usual.cycle if payee.cycle is None else payee.cycle),
        minimum=usual.minimum if payee.minimum is None else payee.minimum,
        paid_in=usual.paid_in if payee.paid_in is None else payee.paid_in,
        approvals=usual.approvals if payee.approvals is None else payee.approvals,
        reserve_ppm=int(percent * _PPM_OF_PERCENT),
        reserve_days=usual.reserve_days if payee.reserve_days is None else payee.reserve_days,
        language=usual.language if payee.language is None else payee.language,
        rate_max_age=timedelta(days=usual.rate_max_age_days),
    )


def cycle_of(text: str) -> Cycle:
    """A cycle as it is written: "weekly on monday", "monthly on day 1", "on demand"."""
    kind, _, day = text.partition(" on ")
    if kind == CycleKind.WEEKLY:
        return Cycle(CycleKind.WEEKLY, WEEKDAYS.index(day))
    if kind == CycleKind.MONTHLY:
        return Cycle(CycleKind.MONTHLY, int(day.removeprefix("day ")))
    return Cycle()
