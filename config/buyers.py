"""Decides what an operator may write about buyers: referrals, marks, segments, the tax in what they pay."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from config.fields import Amount, Currency, Name, Table, Whole, not_boolean
from config.problems import KeyPath

Days = Annotated[int, BeforeValidator(not_boolean), Field(ge=0, le=36_500)]
_Word = Annotated[str, Field(min_length=1, max_length=200)]
_TaxPercent = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, le=100, decimal_places=4)]


class Buyers(Table):
    """How long the first who brought a buyer holds, and how long marks are kept."""

    # 0: for ever.
    attribution_days: Days = 365
    # Accounts, addresses and devices, as keyed hashes, so long after they were last seen; 0: none are kept.
    marks_days: Days = 0


class TaxRate(Table):
    """The tax in the prices of some channels and tags; all that is written must hold."""

    rate_percent: _TaxPercent
    # True: the price is net plus tax. False: the tax is reckoned of the whole price.
    included: bool = True
    channels: tuple[Name, ...] = ()
    tags: tuple[_Word, ...] = ()


class Segment(Table):
    """Who belongs to it: whoever meets all that is written. Orders that were given back do not count."""

    orders_from: Whole | None = None
    orders_to: Whole | None = None
    # What was spent within turnover_days, from this amount on.
    turnover: Amount | None = None
    currency: Currency | None = None
    turnover_days: Annotated[Days, Field(ge=1)] = 365
    first_order_from_days: Days | None = None
    first_order_to_days: Days | None = None
    last_order_from_days: Days | None = None
    last_order_to_days: Days | None = None
    channels: tuple[Name, ...] = ()
    tags: tuple[_Word, ...] = ()
    lists: tuple[_Word, ...] = ()
    unless_lists: tuple[_Word, ...] = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.turnover is None) != (self.currency is None):
            raise ValueError('a turnover and its currency go together: add currency = "EUR"')
        for what, low, high in (
            ("orders", self.orders_from, self.orders_to),
            ("first_order", self.first_order_from_days, self.first_order_to_days),
            ("last_order", self.last_order_from_days, self.last_order_to_days),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"what {what} begins from is above what it goes to: exchange them")
        if not self.model_fields_set - {"turnover_days"}:
            raise ValueError("it says nothing, so everybody would belong to it: write a condition")
        return self


def unknown_tax_channels(written: object) -> Iterator[tuple[KeyPath, str]]:
    """Channels that tax rates name and that there are not; from raw values, so that no error hides it."""
    root = written if isinstance(written, dict) else {}
    rates, channels = root.get("tax"), root.get("channels", {})
    for number, rate in enumerate(rates if isinstance(rates, list) else []):
        named = rate.get("channels") if isinstance(rate, dict) else None
        for name in named if isinstance(named, list) else []:
            if isinstance(channels, dict) and name not in channels:
                yield ("tax", number, "channels"), f"no channel is named {name}: remove it"
