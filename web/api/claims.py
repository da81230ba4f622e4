"""Lets finance write off what buyers owe and will never pay."""

from __future__ import annotations

from dataclasses import dataclass

from core.wallets.desk import ByHand
from web.access import Right
from web.api.route import Call, Route, Shape
from web.api.shapes import Currency, Words
from web.api.wallets import buyer_name, desk_of


class WriteOffBody(Shape):
    """Why what the buyer owes will never be paid; all of it, or what is in a currency."""

    currency: Currency | None = None
    reason: Words


@dataclass(frozen=True, slots=True)
class WrittenOffClaim:
    """What one of the buyer's names owed, and the transaction that made it our loss."""

    buyer: str
    amount_minor: int
    currency: str
    transaction_id: int


@dataclass(frozen=True, slots=True)
class WrittenOffAnswer:
    """What was written off, by name and currency."""

    written_off: tuple[WrittenOffClaim, ...]


async def write_off(call: Call) -> WrittenOffAnswer:
    """What a buyer owes becomes our loss."""
    body = call.body(WriteOffBody)
    by = ByHand(call.token.name, body.reason)
    done = await desk_of(call).write_off(buyer_name(call), by, currency=body.currency)
    return WrittenOffAnswer(
        tuple(
            WrittenOffClaim(each.buyer, each.amount.amount_minor, each.amount.currency, each.transaction_id)
            for each in done
        )
    )


ROUTES = (
    Route(
        "POST",
        "/buyers/{channel}/{ref}/wallet/write-off",
        Right.MONEY,
        "Write off what a buyer owes and will never pay",
        WrittenOffAnswer,
        write_off,
        body=WriteOffBody,
    ),
)
