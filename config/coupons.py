"""Decides what an operator may write about a series of coupons: what it takes off, for whom, and how long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from config.fields import Amount, Currency, Name, Percent, Table, not_boolean
from config.problems import KeyPath

_Word = Annotated[str, Field(min_length=1)]
_Days = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=3_650)]
_Uses = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=10_000)]
_Minutes = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=43_200)]


class CouponSeries(Table):
    """A series of coupons; amounts are major units of its currency.

    Everything that is written must hold; of several SKUs, tags or channels one is enough. A SKU counts when
    it is named, or has one of the tags.
    """

    kind: Literal["amount", "percent"]
    currency: Currency
    amount: Amount | None = None
    percent: Percent | None = None
    # From what price on of the goods it is for, and the most that is taken off.
    minimum_order: Amount | None = None
    maximum_discount: Amount | None = None
    # It runs out so long after it is issued, or on this day (the first moment of it, UTC), whatever is first.
    valid_days: _Days | None = None
    until: datetime | date | None = None
    uses: _Uses = 1
    # Uses of all coupons of the series together.
    per_buyer: _Uses | None = None
    skus: tuple[_Word, ...] = ()
    tags: tuple[_Word, ...] = ()
    channels: tuple[Name, ...] = ()
    # Which segments it may be issued to; none: to any.
    segments: tuple[Name, ...] = ()
    # False: only the buyer it was issued to may use it.
    transferable: bool = True
    # The most that all coupons of the series may take off together.
    budget: Amount | None = None
    # A third party who pays us what is taken off; without one, we take less.
    borne_by: _Word | None = None
    # So many days before it runs out its buyer is to be reminded.
    remind_days: Annotated[tuple[_Days, ...], Field(max_length=10)] = ()
    # How long a basket keeps it unpaid, where we do not know the order.
    hold_minutes: _Minutes = 30
    # Whether a refunded order's coupon may be used again.
    after_refund: Literal["give back", "keep"] = "give back"

    @model_validator(mode="after")
    def _takes_something_off(self) -> Self:
        if self.kind == "amount" and (not self.amount or self.percent is not None):
            raise ValueError('such a coupon takes off an amount: write amount = "5.00", and no percent')
        if self.kind == "percent" and (not self.percent or self.amount is not None):
            raise ValueError("such a coupon takes that off: write percent = 10, and no amount")
        for name in ("maximum_discount", "budget"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name} is 0, so nothing would ever be taken off: raise or remove it")
        return self

    @model_validator(mode="after")
    def _reminds_in_time(self) -> Self:
        if self.remind_days and self.valid_days is None and self.until is None:
            raise ValueError("remind_days has nothing to count to: write valid_days or until")
        if self.valid_days is not None and any(day >= self.valid_days for day in self.remind_days):
            raise ValueError(f"it holds for {self.valid_days} days: remind fewer days before it runs out")
        if len(set(self.remind_days)) < len(self.remind_days):
            raise ValueError("remind_days names a day twice: remove one")
        return self

    def ends_at(self) -> datetime | None:
        """The moment that `until` is; times without a zone are UTC."""
        if self.until is None or isinstance(self.until, datetime):
            return self.until if self.until is None or self.until.tzinfo else self.until.replace(tzinfo=UTC)
        return datetime(self.until.year, self.until.month, self.until.day, tzinfo=UTC)


def unknown_coupon_names(written: object) -> Iterator[tuple[KeyPath, str]]:
    """Channels and segments that series name and that there are not; from raw values, to hide no error."""
    root = written if isinstance(written, dict) else {}
    series = root.get("coupons", {})
    for name, terms in series.items() if isinstance(series, dict) else ():
        for what in ("channels", "segments"):
            named = terms.get(what, ()) if isinstance(terms, dict) else ()
            known = root.get(what, {})
            for each in named if isinstance(named, list) and isinstance(known, dict) else ():
                if isinstance(each, str) and each not in known:
                    path: KeyPath = ("coupons", str(name), what)
                    yield path, f"no {what[:-1]} is named {each}: write [{what}.{each}], or remove it here"
