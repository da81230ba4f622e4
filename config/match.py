"""Decides what an operator may write to say which SKUs a rule is for."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.fields import Amount, Currency, Table, Whole

_Word = Annotated[str, Field(min_length=1)]


class Match(Table):
    """Which SKUs a rule is for: all that is written must hold. Ranges end below their second value."""

    tags: tuple[_Word, ...] = ()
    brand: _Word | None = None
    kind: _Word | None = None
    region: _Word | None = None
    face_value_from: Amount | None = None
    face_value_below: Amount | None = None
    currency: Currency | None = None
    # How long the code that would be sold next stays valid.
    validity_days_from: Whole | None = None
    validity_days_below: Whole | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        low, high = self.face_value_from, self.face_value_below
        if (low is None and high is None) != (self.currency is None):
            raise ValueError('face values and their currency go together: add currency = "EUR"')
        if low is not None and high is not None and low >= high:
            raise ValueError("face_value_from must be below face_value_below: exchange them")
        since, until = self.validity_days_from, self.validity_days_below
        if since is not None and until is not None and since >= until:
            raise ValueError("validity_days_from must be below validity_days_below: exchange them")
        return self

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.words():
            raise ValueError('no SKU is said: write match = { tags = ["steam"] }, or the rule under [stock]')
        return self

    def words(self) -> str:
        """The SKUs in a few words, for rules without a name."""
        named = [f"tag {tag}" for tag in self.tags]
        named += [word for word in (self.brand, self.kind, self.region) if word]
        if self.currency:
            named.append(_range("", self.face_value_from, self.face_value_below, self.currency))
        if self.validity_days_from is not None or self.validity_days_below is not None:
            named.append(_range("valid ", self.validity_days_from, self.validity_days_below, "days"))
        return ", ".join(named)


def _range(what: str, low: object, high: object, unit: str) -> str:
    since = "" if low is None else f"from {low} "
    until = "" if high is None else f"below {high} "
    return f"{what}{since}{until}{unit}"
