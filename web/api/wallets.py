"""Lets shops and finance see and move what buyers have: money in wallets, and points.

A reference that holds a stroke is written with %2F.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from core.buyers.buyers import find_buyer
from core.money.money import Money
from core.views.wallets import (
    Expiring,
    LiabilityRow,
    PointsView,
    WalletView,
    expiring,
    liability,
    points_of,
    wallet_of,
)
from core.wallets.desk import GOODWILL, ByHand, WalletDesk
from core.wallets.lots import LotId
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route, Shape
from web.api.shapes import Amount, Currency, Limit, Ref, Words

_LARGEST_ID = 2**63 - 1
_BEFORE = Field(ge=1, le=_LARGEST_ID, description="`next_before` of the page before")
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class WalletQuery(Shape):
    """Which lots to show beside the balances."""

    closed: bool = False
    before: Annotated[int | None, _BEFORE] = None
    limit: Limit = 100


class PointsQuery(Shape):
    """Which programme's points to show, and which lots."""

    programme: str | None = None
    closed: bool = False
    before: Annotated[int | None, _BEFORE] = None
    limit: Limit = 100


class ExpiringQuery(Shape):
    """Within how many days."""

    days: Annotated[int, Field(ge=0, le=3650)] = 30
    limit: Limit = 100


class LiabilityQuery(Shape):
    """Of which programme; all of them without one."""

    programme: str | None = None


class SpendBody(Shape):
    """What is spent, on an order of which channel, under a reference that comes once, such as the order's."""

    amount: Amount
    currency: Currency
    channel: Ref
    ref: Ref
    reason: Words = "checkout"


class CreditBody(Shape):
    """What is given, under a reference that comes once, and which campaign bears it."""

    amount: Amount
    currency: Currency
    ref: Ref
    campaign: Ref = GOODWILL
    expires_days: Annotated[int | None, Field(ge=1, le=36_500)] = None
    reason: Words


class TakeBackBody(Shape):
    """How much of a lot, and why."""

    amount: Amount
    currency: Currency
    reason: Words


class GiveBackBody(Shape):
    """How much of what was spent by `ref` comes back, under a reference of the refund that comes once."""

    ref: Ref
    amount: Amount
    currency: Currency
    refund_ref: Ref
    reason: Words = "refund"


class RedeemBody(Shape):
    """How many points of which programme become money, under a reference that comes once."""

    programme: Ref
    points: Count
    ref: Ref
    reason: Words = "checkout"


class TaskBody(Shape):
    """Which task of which programme the buyer did; the buyer's same reference again gives nothing more."""

    programme: Ref
    task: Ref
    ref: Ref
    reason: Words


@dataclass(frozen=True, slots=True)
class SpentAnswer:
    """What was spent; `again`: by the same reference before, and nothing moved now."""

    spend_id: int
    amount_minor: int
    currency: str
    again: bool


@dataclass(frozen=True, slots=True)
class LotAnswer:
    """The lot that was credited, now or by the same reference before."""

    lot_id: int


@dataclass(frozen=True, slots=True)
class TakenBackAnswer:
    """What the buyer owes now in addition, as it had been spent."""

    lot_id: int
    owed_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class RedeemedAnswer:
    """What points became; `again`: by the same reference before, and nothing moved now."""

    points: int
    amount_minor: int
    currency: str
    lot_id: int
    again: bool


@dataclass(frozen=True, slots=True)
class ExpiringList:
    """Money and points that expire, soonest first."""

    lots: tuple[Expiring, ...]


@dataclass(frozen=True, slots=True)
class Liability:
    """What all points are worth."""

    liability: tuple[LiabilityRow, ...]


async def show_wallet(call: Call) -> WalletView:
    """A buyer's money."""
    query = call.query(WalletQuery)
    async with call.services.pool.acquire() as conn:
        buyer = await find_buyer(conn, buyer_name(call))
        return await wallet_of(conn, buyer, closed=query.closed, before=query.before, limit=query.limit)


async def show_points(call: Call) -> PointsView:
    """A buyer's points."""
    query = call.query(PointsQuery)
    async with call.services.pool.acquire() as conn:
        buyer = await find_buyer(conn, buyer_name(call))
        return await points_of(
            conn, buyer, query.programme, closed=query.closed, before=query.before, limit=query.limit
        )


async def list_expiring(call: Call) -> ExpiringList:
    """What expires soon."""
    query = call.query(ExpiringQuery)
    async with call.services.pool.acquire() as conn:
        return ExpiringList(await expiring(conn, call.services.now(), query.days, query.limit))


async def show_liability(call: Call) -> Liability:
    """What points are worth, by programme and month of expiry."""
    async with call.services.pool.acquire() as conn:
        return Liability(await liability(conn, call.query(LiabilityQuery).programme))


async def spend(call: Call) -> SpentAnswer:
    """A shop's checkout pays with the wallet."""
    body = call.body(SpendBody)
    amount = Money.parse(body.amount, body.currency)
    by = ByHand(call.token.name, body.reason)
    spent = await desk_of(call).spend(buyer_name(call), amount, by, ref=body.ref, channel=body.channel)
    return SpentAnswer(spent.spend_id, spent.amount.amount_minor, spent.amount.currency, spent.again)


async def credit(call: Call) -> LotAnswer:
    """Money given by hand."""
    body = call.body(CreditBody)
    lot_id = await desk_of(call).credit(
        buyer_name(call),
        Money.parse(body.amount, body.currency),
        ByHand(call.token.name, body.reason),
        ref=body.ref,
        campaign=body.campaign,
        expires_days=body.expires_days,
    )
    return LotAnswer(lot_id)


async def take_back(call: Call) -> TakenBackAnswer:
    """Money taken back by hand."""
    body, lot_id = call.body(TakeBackBody), _lot_id(call)
    by = ByHand(call.token.name, body.reason)
    owed = await desk_of(call).take_back(lot_id, Money.parse(body.amount, body.currency), by)
    return TakenBackAnswer(lot_id, owed.amount_minor, owed.currency)


async def give_back(call: Call) -> LotAnswer:
    """An order that was paid with the wallet is refunded."""
    body = call.body(GiveBackBody)
    amount = Money.parse(body.amount, body.currency)
    by = ByHand(call.token.name, body.reason)
    return LotAnswer(await desk_of(call).give_back(body.ref, amount, by, refund_ref=body.refund_ref))


async def redeem(call: Call) -> RedeemedAnswer:
    """Points become money in the wallet."""
    body = call.body(RedeemBody)
    by = ByHand(call.token.name, body.reason)
    done = await desk_of(call).redeem(buyer_name(call), body.programme, body.points, by, ref=body.ref)
    return RedeemedAnswer(
        done.points, done.amount.amount_minor, done.amount.currency, done.lot_id, done.again
    )


async def reward_task(call: Call) -> LotAnswer:
    """Points for a task."""
    body = call.body(TaskBody)
    by = ByHand(call.token.name, body.reason)
    return LotAnswer(await desk_of(call).task(buyer_name(call), body.programme, body.task, by, ref=body.ref))


def buyer_name(call: Call) -> str:
    """The buyer that an address names."""
    return f"{call.path('channel')}/{call.path('ref')}"


def desk_of(call: Call) -> WalletDesk:
    """Where buyers' money is moved by hand."""
    return WalletDesk(call.services.pool, call.services.programmes, call.services.now)


def _lot_id(call: Call) -> LotId:
    text = call.path("lot_id")
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID:
        raise Problem(404, "Not known", "lots are numbers; a buyer's wallet shows them")
    return LotId(int(text))


_BUYER = "/buyers/{channel}/{ref}"
ROUTES = (
    Route(
        "GET",
        f"{_BUYER}/wallet",
        Right.SPEND,
        "Show a buyer's money, lot by lot",
        WalletView,
        show_wallet,
        query=WalletQuery,
    ),
    Route(
        "POST",
        f"{_BUYER}/wallet/spend",
        Right.SPEND,
        "Spend a buyer's money on an order, once for each reference",
        SpentAnswer,
        spend,
        body=SpendBody,
    ),
    Route(
        "POST",
        f"{_BUYER}/wallet/credit",
        Right.MONEY,
        "Give a buyer money, once for each reference",
        LotAnswer,
        credit,
        body=CreditBody,
    ),
    Route(
        "GET",
        f"{_BUYER}/points",
        Right.SPEND,
        "Show a buyer's points, lot by lot",
        PointsView,
        show_points,
        query=PointsQuery,
    ),
    Route(
        "POST",
        f"{_BUYER}/points/redeem",
        Right.SPEND,
        "Turn points into money in the wallet, once for each reference",
        RedeemedAnswer,
        redeem,
        body=RedeemBody,
    ),
    Route(
        "POST",
        f"{_BUYER}/points/task",
        Right.SPEND,
        "Give the points of a task that a buyer did",
        LotAnswer,
        reward_task,
        body=TaskBody,
    ),
    Route(
        "POST",
        "/wallets/lots/{lot_id}/take-back",
        Right.MONEY,
        "Take money of a lot back; what was spent of it is owed",
        TakenBackAnswer,
        take_back,
        body=TakeBackBody,
    ),
    Route(
        "POST",
        "/wallets/give-back",
        Right.SPEND,
        "Put back what was spent by a reference, once for each refund",
        LotAnswer,
        give_back,
        body=GiveBackBody,
    ),
    Route(
        "GET",
        "/wallets/expiring",
        Right.MONEY,
        "List money and points that expire soon",
        ExpiringList,
        list_expiring,
        query=ExpiringQuery,
    ),
    Route(
        "GET",
        "/points/liability",
        Right.MONEY,
        "Show what points are worth, by programme and month of expiry",
        Liability,
        show_liability,
        query=LiabilityQuery,
    ),
)
