"""Decides what a use of a coupon is: a coupon held against a basket, and what may become of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.money.money import Money
from core.types import OrderState

_SQL = load_queries("core.coupons", "uses.sql")
_RELEASE_USE = _SQL["release_use"]
_UNTAKE = _SQL["untake"]
_ADD_STEP = _SQL["add_step"]

# An order that is in one of these was paid for.
PAID = frozenset({"accepted", "parked", "held", "delivering", "unsure", "delivered"})


class UseState(StrEnum):
    """What became of a coupon that was held against a basket."""

    RESERVED = "reserved"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    RETURNED = "returned"  # its order was refunded: the use is free again
    KEPT = "kept"  # its order was refunded, and the coupon stays spent


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A coupon in a basket: what it takes off, of each line too, and how the use stands."""

    use_id: int
    coupon_id: int
    series: str
    mask: str
    basket_ref: str
    state: UseState
    discount: Money
    lines_minor: tuple[int, ...]
    returned_minor: int
    hold_until: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """By whom and why something is moved, and when."""

    now: datetime
    actor: str
    reason: str


def is_overdue(use: Record, now: datetime) -> bool:
    """Whether a held use is nobody's any more: unpaid for too long, and no order of ours keeps it."""
    kept = use["order_state"] in PAID or use["order_state"] == OrderState.RESERVED
    return use["state"] == UseState.RESERVED and use["hold_until"] <= now and not kept


async def release_use(conn: Connection, row: Record, moved: Moved) -> None:
    minor = int(row["discount_minor"])
    await conn.execute(_RELEASE_USE, row["use_id"])
    await conn.execute(_UNTAKE, row["name"], row["currency"], minor)
    await add_step(conn, row["use_id"], UseState.RELEASED, -minor, moved)


async def add_step(
    conn: Connection,
    use_id: int,
    state: UseState,
    amount_minor: int,
    moved: Moved,
    *,
    refund_ref: str | None = None,
    posted: int | None = None,
) -> None:
    what = (use_id, state, moved.now, moved.actor, moved.reason, amount_minor)
    await conn.execute(_ADD_STEP, *what, refund_ref, posted)


def free_use(uses: Sequence[Record]) -> int:
    taken = {int(use["use_no"]) for use in uses}
    return next(number for number in range(1, len(taken) + 2) if number not in taken)


def redeemed(row: Record) -> Redeemed:
    return Redeemed(
        use_id=int(row["use_id"]),
        coupon_id=int(row["coupon_id"]),
        series=row["name"],
        mask=row["mask"],
        basket_ref=row["basket_ref"],
        state=UseState(row["state"]),
        discount=Money(row["discount_minor"], row["currency"]),
        lines_minor=tuple(row["line_discounts_minor"]),
        returned_minor=int(row["returned_minor"]),
        hold_until=row["hold_until"],
    )
