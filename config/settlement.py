"""Decides what an operator may write about settlements: when payees are paid, how, and who has to agree."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from config.fields import Amount, Currency, Percent, Table, not_boolean

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKLY = re.compile(rf"weekly on ({'|'.join(WEEKDAYS)})")
_MONTHLY = re.compile(r"monthly on day (3[01]|[12][0-9]|[1-9])")
_PAYEE = re.compile(r"(consignor|referrer|party|budget)/.+")


def _cycle(text: str) -> str:
    if text != "on demand" and not _WEEKLY.fullmatch(text) and not _MONTHLY.fullmatch(text):
        raise ValueError('not a cycle: write "weekly on monday", "monthly on day 1" or "on demand"')
    return text


def _payee(text: str) -> str:
    if not _PAYEE.fullmatch(text):
        raise ValueError('not a payee: write a kind and a name, "consignor/Ada", referrer, party or budget')
    return text


Days = Annotated[int, BeforeValidator(not_boolean), Field(ge=0, le=3_650)]
CycleText = Annotated[str, AfterValidator(_cycle)]
PayeeName = Annotated[str, AfterValidator(_payee)]
Approvals = Annotated[int, BeforeValidator(not_boolean), Field(ge=0, le=2)]
Language = Literal["en", "zh"]


class PayeeSettlement(Table):
    """How one payee is settled; what is not written is taken from [settlement]."""

    cycle: CycleText | None = None
    minimum: Amount | None = None
    paid_in: Currency | None = None
    approvals: Approvals | None = None
    reserve_percent: Percent | None = None
    reserve_days: Days | None = None
    language: Language | None = None


class Settlement(Table):
    """How everybody is settled."""

    cycle: CycleText = "on demand"
    # Less than this, in whatever currency is owed, waits for the next cycle.
    minimum: Amount = Decimal(0)
    # Whoever is to be paid in another currency than what is owed.
    paid_in: Currency | None = None
    # How many others than who drew it up have to agree before it is paid.
    approvals: Approvals = 0
    # Kept back of what is paid, and for how long, for refunds that may come.
    reserve_percent: Percent = Decimal(0)
    reserve_days: Days = 0
    language: Language = "en"
    # By no older rate is anything paid in another currency.
    rate_max_age_days: Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=31)] = 4
    payees: dict[PayeeName, PayeeSettlement] = Field(default_factory=dict)
