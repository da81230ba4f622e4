"""Decides how an order of the shop reads in our words: payment, lines, holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from connectors.woocommerce.models import DEVICE_META, REFERRER_META, WooLine, WooOrder
from connectors.woocommerce.options import WooCommerceOptions
from core.money.money import Money, exponent, share
from core.types import ChannelOrder, LineRef, ListingRef, MarkKind, OrderLine, OrderRef, Payment, ToldMark

_PAYMENTS = {
    "pending": Payment.PENDING,
    "on-hold": Payment.PENDING,
    "processing": Payment.PAID,
    "completed": Payment.PAID,
    "cancelled": Payment.CANCELLED,
    "failed": Payment.CANCELLED,
    "trash": Payment.CANCELLED,
    "refunded": Payment.REFUNDED,
}
# A cart on its way through the checkout, not yet an order.
_DRAFTS = ("checkout-draft", "auto-draft", "draft", "new")


def payment_of(status: str) -> Payment:
    """A status that a plug-in added is pending: never hand out codes on a word we do not know."""
    return _PAYMENTS.get(status, Payment.PENDING)


def is_ours(order: WooOrder, options: WooCommerceOptions) -> bool:
    """Whether the order is one to report: a real one, placed since we serve this shop."""
    return order.status not in _DRAFTS and order.date_created_gmt >= options.orders_from


def channel_order(order: WooOrder, options: WooCommerceOptions) -> ChannelOrder:
    """The order in our words; products that are not ours are reported too, intake decides."""
    payment = payment_of(order.status)
    # A shop that reckons no taxes writes zeros: that tells nothing of them.
    taxed = any(Decimal(line.total_tax) for line in order.line_items)
    parts = [part for line in order.line_items for part in order_lines(line, order.currency)]
    return ChannelOrder(
        order_ref=OrderRef(str(order.id)),
        payment=payment,
        lines=parts if taxed else [replace(part, tax=None) for part in parts],
        placed_at=order.date_created_gmt,
        hold_until=order.date_created_gmt + _hold(order.status, options),
        buyer_ref=str(order.customer_id) if order.customer_id else order.billing.email or None,
        fulfilled=payment is Payment.PAID and order.has_our_codes,
        referrer=order.meta(REFERRER_META),
        marks=marks(order),
        group_ref=order.group,
    )


def marks(order: WooOrder) -> tuple[ToldMark, ...]:
    """What the buyer left. The browser's name is no device: a million buyers have the same."""
    told = (
        (MarkKind.ACCOUNT, order.billing.email),
        (MarkKind.ADDRESS, order.billing.address),
        (MarkKind.ADDRESS, order.customer_ip_address),
        (MarkKind.DEVICE, order.meta(DEVICE_META)),
    )
    return tuple(ToldMark(kind, value.strip()) for kind, value in told if value and value.strip())


def order_lines(line: WooLine, currency: str) -> list[OrderLine]:
    """A line at one price a piece, or two lines a minor unit apart when the total does not divide.

    The shop knows only the line's total (coupons and taxes are rounded on it). 10.00 for three pieces is
    two at 3.33 and one at 3.34: the sum stays exact, the second line's reference ends in "+".
    """
    if line.quantity == 0:
        return []
    low_minor, dearer = divmod(_gross_minor(line, currency), line.quantity)
    parts = [(str(line.id), line.quantity - dearer, low_minor), (f"{line.id}+", dearer, low_minor + 1)]
    taxes = _taxes(line, currency, [quantity * unit_minor for _, quantity, unit_minor in parts])
    return [
        OrderLine(LineRef(ref), listing_ref(line), quantity, Money(unit_minor, currency), tax)
        for (ref, quantity, unit_minor), tax in zip(parts, taxes, strict=True)
        if quantity
    ]


def _taxes(line: WooLine, currency: str, grosses_minor: list[int]) -> list[Money | None]:
    """The line's tax over its parts, to the last minor unit."""
    tax_minor = nearest_minor(Decimal(line.total_tax), currency)
    if tax_minor < 0 or not any(grosses_minor):
        return [None for _ in grosses_minor]
    return [Money(part, currency) for part in share(tax_minor, grosses_minor)]


def listing_ref(line: WooLine) -> ListingRef:
    """`product` or `product:variation`."""
    variation = f":{line.variation_id}" if line.variation_id else ""
    return ListingRef(f"{line.product_id}{variation}")


def nearest_minor(amount: Decimal, currency: str) -> int:
    """An amount in major units as minor units, half away from zero.

    Only a shop that is set to show more decimals than its currency has makes this round at all.
    """
    return int(amount.scaleb(exponent(currency)).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def remaining_minor(order: WooOrder) -> int:
    """What has not been refunded yet."""
    parts = [Decimal(order.total), *(Decimal(refund.total) for refund in order.refunds)]
    return nearest_minor(sum(parts, Decimal(0)), order.currency)


def _gross_minor(line: WooLine, currency: str) -> int:
    return nearest_minor(Decimal(line.total) + Decimal(line.total_tax), currency)


def _hold(status: str, options: WooCommerceOptions) -> timedelta:
    if status == "on-hold":
        return timedelta(hours=options.on_hold_hours)
    return timedelta(minutes=options.pending_minutes)
