"""Decides which moves an order may make. The schema holds the same table; a test compares them."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import MoveRefused
from core.types import OrderState

_S = OrderState

ALLOWED: Mapping[OrderState, frozenset[OrderState]] = {
    _S.HELD: frozenset({_S.ACCEPTED, _S.PARKED, _S.CANCELLED}),
    _S.RESERVED: frozenset({_S.HELD, _S.ACCEPTED, _S.DELIVERED, _S.RELEASED, _S.CANCELLED}),
    _S.REFUSED: frozenset({_S.HELD, _S.ACCEPTED, _S.PARKED, _S.CANCELLED}),
    _S.RELEASED: frozenset({_S.HELD, _S.ACCEPTED, _S.PARKED, _S.CANCELLED}),
    _S.ACCEPTED: frozenset({_S.HELD, _S.DELIVERING, _S.DELIVERED, _S.CANCELLED}),
    _S.PARKED: frozenset({_S.HELD, _S.ACCEPTED, _S.CANCELLED}),
    _S.DELIVERING: frozenset({_S.DELIVERED, _S.UNSURE, _S.CANCELLED}),
    _S.UNSURE: frozenset({_S.DELIVERED, _S.DELIVERING, _S.CANCELLED}),
    _S.DELIVERED: frozenset({_S.REFUNDED}),
    _S.CANCELLED: frozenset(),
    _S.REFUNDED: frozenset(),
}

# States in which nothing is left to do for us. A late payment may still wake REFUSED and RELEASED.
ENDED = frozenset({_S.DELIVERED, _S.REFUSED, _S.RELEASED, _S.CANCELLED, _S.REFUNDED})

# States in which codes are kept that nobody outside can have seen.
KEPT_UNSEEN = frozenset({_S.HELD, _S.RESERVED, _S.ACCEPTED})


def refuse_move(order_ref: str, present: OrderState, wanted: OrderState) -> None:
    """Raise MoveRefused unless an order may go from its present state to the wanted one."""
    if wanted not in ALLOWED[present]:
        allowed = ", ".join(sorted(ALLOWED[present])) or "nothing: it has ended"
        raise MoveRefused(f"order {order_ref} is {present} and cannot become {wanted}; possible: {allowed}")
