"""Turns what the operator wrote and what a connector declares into the terms core decides by. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from config.models import Channel, Risk
from config.settings import Settings
from connectors.kit.errors import OptionsRefused
from connectors.kit.traits import Traits
from core.errors import InvalidInput
from core.flash.limits import limited_sales
from core.money.money import Money
from core.money.plans.choice import PlanChoice
from core.money.plans.rules import Plan
from core.money.plans.waterfall import require_currency
from core.offers.pricing.stored_facts import ChangeTerms
from core.offers.terms import ChannelTerms, Shortage
from core.orders.risk import RiskRule
from core.types import ChannelId
from scheduler.buyer_terms import fact_terms
from scheduler.guard_terms import drift_rule, guard_rule
from scheduler.price_terms import price_book
from scheduler.stock_terms import channel_stock, channel_tier, listing_stock, stock_policy


def channel_terms(
    settings: Settings,
    name: str,
    channel_id: ChannelId,
    plan_id: int,
    plan: Plan,
    traits: Traits,
    plan_choices: Sequence[PlanChoice] = (),
) -> ChannelTerms:
    """The terms of a configured channel; raises when its currency fits neither connector nor plan."""
    channel = settings.channels[name]
    plans = (plan, *(choice.plan for choice in plan_choices))
    price = price_book(settings, name)
    _require_currency(name, channel.currency, traits, plans)
    return ChannelTerms(
        channel_id=channel_id,
        name=name,
        currency=channel.currency,
        plan_id=plan_id,
        plan=plan,
        stock=channel_stock(settings, name),
        price=price,
        shortage=Shortage(channel.shortage),
        patience=timedelta(minutes=channel.shortage_patience_minutes),
        written_price=traits.written_price,
        reservation_is_authoritative=traits.reservation_is_authoritative,
        takes_partial_orders=traits.takes_partial_orders,
        hold=_hold(settings, traits),
        min_validity=timedelta(days=channel.min_validity_days),
        largest_quantity=traits.largest_quantity,
        risk=risk_rule(name, channel.risk, channel.currency),
        drift=drift_rule(settings, name, traits),
        guard=guard_rule(settings, name, traits),
        listing_stock=listing_stock(settings, name),
        tier=channel_tier(settings, name),
        changes=_changes(name, channel, traits),
        dry_run=channel.dry_run,
        plan_choices=tuple(plan_choices),
        payout_hold=timedelta(days=channel.payout_hold_days),
        facts=fact_terms(settings, name, plans),
        limited_sales=limited_sales(price),
    )


def _require_currency(name: str, currency: str, traits: Traits, plans: Sequence[Plan]) -> None:
    if traits.currency is not None and currency != traits.currency:
        raise OptionsRefused(
            f"channels.{name}.currency: this marketplace trades in {traits.currency} only; write that"
        )
    for plan in plans:
        require_currency(plan, currency)


def _changes(name: str, channel: Channel, traits: Traits) -> ChangeTerms:
    """What the connector declares to be free, and what the operator says that more would cost."""
    try:
        fee_minor = _minor(channel.price_change_fee, channel.currency)
    except InvalidInput as error:
        raise OptionsRefused(f"channels.{name}.price_change_fee: {error}") from None
    fee = None if fee_minor is None else Money(fee_minor, channel.currency)
    return ChangeTerms(traits.free_price_changes_per_day, fee)


def bound_permille(settings: Settings) -> int:
    """The largest bound on the sum of promises that any SKU has: 1000 promises no code twice."""
    return stock_policy(settings.stock).largest_bound_permille


def pull_seconds(settings: Settings, channel: Channel) -> float:
    """How often a channel's orders are asked for."""
    return channel.poll_interval_seconds or settings.sync.pull_interval_seconds


def _hold(settings: Settings, traits: Traits) -> timedelta:
    """As long as the channel may want; where it does not say, as long as the operator allows."""
    return timedelta(seconds=traits.hold_seconds or settings.sync.reservation_hold_seconds)


def risk_rule(name: str, risk: Risk, currency: str) -> RiskRule:
    """A channel's limits in minor units; OptionsRefused when they are finer than its currency."""
    try:
        hold_above_minor = _minor(risk.hold_above, currency)
        refuse_above_minor = _minor(risk.refuse_above, currency)
    except InvalidInput as error:
        raise OptionsRefused(f"channels.{name}.risk: {error}") from None
    return RiskRule(hold_above_minor, refuse_above_minor, risk.hold_above_quantity, currency)


def _minor(amount: Decimal | None, currency: str | None) -> int | None:
    if amount is None or currency is None:
        return None
    return Money.parse(str(amount), currency).amount_minor
