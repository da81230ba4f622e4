"""Turns what the operator wrote of coupons into the series that core issues, and opens the door to them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from config.coupons import CouponSeries
from config.problems import Problem, SettingsRefused, dotted
from config.settings import Settings
from core.coupons.coupons import Coupons
from core.coupons.series import CouponKind, Series
from core.errors import InvalidInput
from core.money.money import Money
from scheduler.composition import Core, read_keyring

_PPM_OF_PERCENT = 10_000


def open_coupons(core: Core) -> Coupons:
    """The coupons of this database, by the series that settings name."""
    return Coupons(core.pool, core.vault, coupon_series(core.settings), lambda: read_keyring(core.settings))


def coupon_series(settings: Settings) -> dict[str, Series]:
    """Every series by its name; SettingsRefused places an amount that is finer than its currency."""
    return {name: _series(settings, name, written) for name, written in settings.coupons.items()}


def _series(settings: Settings, name: str, written: CouponSeries) -> Series:
    def minor(field: str, amount: Decimal | None) -> int | None:
        return None if amount is None else _minor(settings, name, field, amount, written.currency)

    return Series(
        name=name,
        kind=CouponKind(written.kind),
        currency=written.currency,
        amount_minor=minor("amount", written.amount) or 0,
        rate_ppm=int((written.percent or 0) * _PPM_OF_PERCENT),
        minimum_minor=minor("minimum_order", written.minimum_order) or 0,
        maximum_minor=minor("maximum_discount", written.maximum_discount),
        valid_for=None if written.valid_days is None else timedelta(days=written.valid_days),
        until=written.ends_at(),
        uses=written.uses,
        per_buyer=written.per_buyer,
        skus=frozenset(written.skus),
        tags=frozenset(written.tags),
        channels=frozenset(written.channels),
        segments=frozenset(written.segments),
        personal=not written.transferable,
        budget_minor=minor("budget", written.budget),
        borne_by=written.borne_by,
        remind_days=tuple(sorted(written.remind_days, reverse=True)),
        hold=timedelta(minutes=written.hold_minutes),
        comes_back=written.after_refund == "give back",
    )


def _minor(settings: Settings, name: str, field: str, amount: Decimal, currency: str) -> int:
    try:
        return Money.parse(str(amount), currency).amount_minor
    except InvalidInput as error:
        path = ("coupons", name, field)
        raise SettingsRefused([Problem(settings.origin(path), None, dotted(path), str(error))]) from None
