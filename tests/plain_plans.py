"""Makes plans of channel, operator and consignor in a few words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from core.money.money import Money
from core.money.plans import grossing
from core.money.plans.facts import CodesOf, SaleFacts
from core.money.plans.rules import Base, Party, Plan
from core.money.plans.stored import EarlyRule, early_plan
from core.offers.price.fees import Fees

ANY_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def plain_rule(
    party: Party,
    base: Base = Base.GROSS,
    rate_ppm: int = 0,
    fixed_minor: int = 0,
    minimum_minor: int | None = None,
    maximum_minor: int | None = None,
    *,
    rest: bool = False,
    currency: str | None = None,
) -> EarlyRule:
    return EarlyRule(
        str(party), base, rate_ppm, fixed_minor, minimum_minor, maximum_minor, rest=rest, currency=currency
    )


def plain_plan(name: str, version: int, rules: Iterable[EarlyRule]) -> Plan:
    """As the settings' own tables give it."""
    return early_plan(name, version, tuple(rules))


def one_sale(gross: Money, consignor: str = "Ada", quantity: int = 1) -> SaleFacts:
    return SaleFacts(gross, (CodesOf(consignor, quantity),), "shop", ANY_MOMENT)


def commission(plan: Plan, gross: Money) -> int:
    return grossing.commission(plan, one_sale(gross))


def gross_up(plan: Plan, net: Money, now: datetime = ANY_MOMENT) -> Money:
    """The smallest price of which the channel leaves this."""
    return Fees.of(plan, net.currency, None, now).gross_up(net)
