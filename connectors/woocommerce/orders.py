"""Decides how an order of the shop reads in our words: payment, lines, holds."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from connectors.woocommerce.models import WooLine, WooOrder
from connectors.woocommerce.options import WooCommerceOptions
from core.money.money import Money, exponent
from core.types import ChannelOrder, LineRef, ListingRef, OrderLine, OrderRef, Payment

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
    return ChannelOrder(
        order_ref=OrderRef(str(order.id)),
        payment=payment,
        lines=[part for line in order.line_items for part in order_lines(line, order.currency)],
        placed_at=order.date_created_gmt,
        hold_until=order.date_created_gmt + _hold(order.status, options),
        buyer_ref=str(order.customer_id) if order.customer_id else order.billing.email or None,
        fulfilled=payment is Payment.PAID and order.has_our_codes,
        group_ref=order.group,
    )


def order_lines(line: WooLine, currency: str) -> list[OrderLine]:
    """A line at one price a piece, or two lines a minor unit apart when the total does not divide.

    The shop knows only the line's total (coupons and taxes are rounded on it). 10.00 for three pieces is
    two at 3.33 and one at 3.34: the sum stays exact, the second line's reference ends in "+".
    """
    if line.quantity == 0:
        return []
    low_minor, dearer = divmod(_gross_minor(line, currency), line.quantity)
    parts = [(str(line.id), line.quantity - dearer, low_minor), (f"{line.id}+", dearer, low_minor + 1)]
    return [
        OrderLine(LineRef(ref), listing_ref(line), quantity, Money(unit_minor, currency))
        for ref, quantity, unit_minor in parts
        if quantity
    ]


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
