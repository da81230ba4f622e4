"""Lets a shop's checkout check, hold, give and release coupons, and give buyers some.

A checkout holds a coupon for a basket by its own reference, the one that the order has after; it confirms
when the order is paid and releases when it is not. Orders that we know do both by themselves. Calls may be
repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.audit import note
from core.buyers.buyers import find_buyer
from core.coupons.judging import Basket, BasketLine, Discount, Refused
from core.coupons.uses import Redeemed
from core.db.pool import Connection
from core.money.money import Money
from web.access import Right
from web.api.coupon_views import coupon_id
from web.api.problems import Problem
from web.api.route import Call, Route, Shape
from web.api.shapes import Amount, Currency, Done, Ref, Words

_Code = Annotated[str, Field(min_length=1, max_length=100, description="as the buyer typed it")]


class LineBody(Shape):
    """So many of a SKU, at a price a piece before any coupon."""

    sku_ref: Ref
    quantity: Annotated[int, Field(ge=1, le=10_000)]
    unit_price: Amount


class BasketBody(Shape):
    """A coupon and the basket it is for; `basket_ref` is what the order will be called."""

    code: _Code
    channel: Ref
    basket_ref: Ref
    currency: Currency
    lines: Annotated[tuple[LineBody, ...], Field(min_length=1, max_length=1_000)]
    buyer_ref: Annotated[Ref | None, Field(description="who buys, as the channel calls him")] = None

    def basket(self) -> Basket:
        """What core judges."""
        lines = tuple(
            BasketLine(line.sku_ref, line.quantity, Money.parse(line.unit_price, self.currency).amount_minor)
            for line in self.lines
        )
        return Basket(self.channel, self.basket_ref, self.currency, lines, self.buyer_ref)


class MoveBody(Shape):
    """Which basket, and why."""

    channel: Ref
    basket_ref: Ref
    reason: Words


class RefundBody(MoveBody):
    """What was refunded: everything, or of some goods what the coupon had taken off them."""

    refund_ref: Annotated[Ref | None, Field(description="of a part: the same again changes nothing")] = None
    discount: Annotated[Amount | None, Field(description="of a part: what was off those goods")] = None


class GiveBody(Shape):
    """To whom, and under what reference of yours: the same again is the same coupon."""

    buyer: Annotated[Ref, Field(description="CHANNEL/REFERENCE")]
    ref: Ref
    reason: Words


class RevokeBody(Shape):
    """Why it is taken back."""

    reason: Words


@dataclass(frozen=True, slots=True)
class CouponAnswer:
    """Whether the coupon holds; what it takes off, in all and of each line; or why it does not."""

    holds: bool
    why: str | None
    text: str
    currency: str | None = None
    discount_minor: int = 0
    lines_minor: tuple[int, ...] = ()
    state: str | None = None
    hold_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class GivenCoupon:
    """A coupon with its code in clear, for its buyer alone."""

    coupon_id: int
    series: str
    code: str
    mask: str
    expires_at: datetime | None


async def check(call: Call) -> CouponAnswer:
    """What a coupon would take off."""
    body, services = call.body(BasketBody), call.services
    async with services.pool.acquire() as conn:
        checkout = services.coupons.checkout
        return _answer(await checkout.check(conn, body.code, body.basket(), services.now()))


async def hold(call: Call) -> CouponAnswer:
    """A coupon held for a basket."""
    body, services = call.body(BasketBody), call.services
    async with services.pool.acquire() as conn, conn.transaction():
        found = await services.coupons.checkout.redeem(
            conn, body.code, body.basket(), services.now(), actor=call.token.name
        )
        return _answer(found)


async def confirm(call: Call) -> CouponAnswer:
    """The order is paid."""
    body, checkout = call.body(MoveBody), call.services.coupons.checkout

    async def move(conn: Connection) -> Redeemed:
        told = {"actor": call.token.name, "reason": body.reason}
        return await checkout.confirm(conn, body.channel, body.basket_ref, call.services.now(), **told)

    return await _moved(call, move)


async def release(call: Call) -> CouponAnswer:
    """The basket was given up."""
    body, checkout = call.body(MoveBody), call.services.coupons.checkout

    async def move(conn: Connection) -> Redeemed:
        told = {"actor": call.token.name, "reason": body.reason}
        return await checkout.release(conn, body.channel, body.basket_ref, call.services.now(), **told)

    return await _moved(call, move)


async def give_back(call: Call) -> CouponAnswer:
    """The order was refunded, or some of it."""
    body, services = call.body(RefundBody), call.services
    if (body.refund_ref is None) != (body.discount is None):
        raise Problem(422, "Not understood", "a refund of a part has both refund_ref and discount")

    async def move(conn: Connection) -> Redeemed:
        part = None
        if body.refund_ref is not None and body.discount is not None:
            currency = await services.coupons.checkout.currency_of(conn, body.channel, body.basket_ref)
            part = body.refund_ref, Money.parse(body.discount, currency).amount_minor
        return await services.coupons.checkout.give_back(
            conn,
            body.channel,
            body.basket_ref,
            services.now(),
            actor=call.token.name,
            reason=body.reason,
            part=part,
        )

    return await _moved(call, move)


async def _moved(call: Call, move: Callable[[Connection], Awaitable[Redeemed]]) -> CouponAnswer:
    async with call.services.pool.acquire() as conn, conn.transaction():
        return _answer(await move(conn))


@dataclass(frozen=True, slots=True)
class _Told:
    """Why a coupon was given: a caller's own reference."""

    kind: str
    ref: str


async def give(call: Call) -> GivenCoupon:
    """One coupon for a buyer."""
    body, services, name = call.body(GiveBody), call.services, call.token.name
    async with services.pool.acquire() as conn, conn.transaction():
        now, buyer = services.now(), await find_buyer(conn, body.buyer)
        source = _Told(f"api:{name}", body.ref)
        given = await services.coupons.issue(conn, call.path("series"), buyer, now, source=source)
        subject = f"coupon {given.coupon_id}"
        await note(conn, at=now, actor=name, action="coupon.give", subject=subject, reason=body.reason)
    return GivenCoupon(given.coupon_id, given.series, given.code, given.mask, given.expires_at)


async def revoke(call: Call) -> Done:
    """A coupon taken back."""
    body, services, number = call.body(RevokeBody), call.services, coupon_id(call)
    async with services.pool.acquire() as conn, conn.transaction():
        done = await services.coupons.revoke(
            conn, number, services.now(), actor=call.token.name, reason=body.reason
        )
    return Done(f"coupon {number} is taken back" if done else f"coupon {number} was taken back before")


def _answer(found: Discount | Redeemed | Refused) -> CouponAnswer:
    match found:
        case Refused():
            return CouponAnswer(holds=False, why=found.why, text=found.text)
        case Discount():
            total = found.total
            return CouponAnswer(
                True, None, f"{total} off", total.currency, total.amount_minor, found.lines_minor
            )
        case Redeemed():
            total = found.discount
            return CouponAnswer(
                holds=found.state in ("reserved", "confirmed"),
                why=None,
                text=f"{total} off: {found.state}",
                currency=total.currency,
                discount_minor=total.amount_minor,
                lines_minor=found.lines_minor,
                state=found.state,
                hold_until=found.hold_until,
            )


_SHOP = Right.OPERATE
ROUTES = (
    Route(
        "POST",
        "/coupons/check",
        _SHOP,
        "Say what a coupon would take off a basket",
        CouponAnswer,
        check,
        body=BasketBody,
    ),
    Route("POST", "/coupons/hold", _SHOP, "Hold a coupon for a basket", CouponAnswer, hold, body=BasketBody),
    Route(
        "POST", "/coupons/confirm", _SHOP, "The basket's order is paid", CouponAnswer, confirm, body=MoveBody
    ),
    Route(
        "POST",
        "/coupons/release",
        _SHOP,
        "The basket was given up unpaid",
        CouponAnswer,
        release,
        body=MoveBody,
    ),
    Route(
        "POST",
        "/coupons/give-back",
        _SHOP,
        "The basket's order was refunded",
        CouponAnswer,
        give_back,
        body=RefundBody,
    ),
    Route(
        "POST",
        "/coupons/series/{series}/give",
        Right.REVEAL,
        "Give a buyer a coupon, and answer its code",
        GivenCoupon,
        give,
        body=GiveBody,
    ),
    Route("POST", "/coupons/{coupon_id}/revoke", _SHOP, "Take a coupon back", Done, revoke, body=RevokeBody),
)
