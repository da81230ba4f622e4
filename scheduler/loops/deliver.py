"""Works through a channel's open orders: deliver, ask, wait, let go; each order by the state it is in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum, auto

import structlog

from connectors.kit.abilities import CancelsOrders, DeliversCodes
from connectors.kit.connector import Connector, Options
from connectors.kit.errors import (
    AuthenticationFailed,
    ChannelError,
    ChannelRefused,
    OutcomeUnknown,
    ProtocolBroken,
    TryLater,
)
from connectors.kit.messages import Delivery, DeliveryFound
from core.errors import StaleVersion
from core.offers.closures.guarding import Guard
from core.offers.outbox import Outbox
from core.offers.terms import ChannelTerms
from core.orders.closing import Owners
from core.orders.fulfilment import Attempt, Fulfilment
from core.orders.intake import judge_paid
from core.orders.orders import Order
from core.orders.risk import RiskVerdict
from core.types import Asked, OrderState

_AT_ONCE = 8
_MOST_AT_A_TIME = 200
_MOST_ROUNDS = 50
_NOTHING_TO_DO_SECONDS = 60.0
_BROKEN_PAUSE_SECONDS = 30.0

_log = structlog.get_logger()


class _GivingBack(Enum):
    """What became of giving an order's money back."""

    DONE = auto()
    REFUSED = auto()
    NOT_ASKED = auto()


class Deliverer:
    """One channel's open orders."""

    def __init__(
        self,
        fulfilment: Fulfilment,
        outbox: Outbox,
        guard: Guard,
        terms: ChannelTerms,
        connector: Connector[Options],
        wake_pushes: Callable[[], None],
    ) -> None:
        self._fulfilment = fulfilment
        self._outbox = outbox
        self._guard = guard
        self._wake_pushes = wake_pushes
        self._terms = terms
        self._connector = connector
        self._slots = asyncio.Semaphore(_AT_ONCE)
        # Whether attempts may be written down as under way that nobody is making.
        self._lost_track = False

    async def deliver(self) -> None:
        """Do what is due, oldest first; raises the first error that concerns the channel as a whole."""
        if self._lost_track:
            await self._fulfilment.adopt(self._terms)
            self._lost_track = False
        for _ in range(_MOST_ROUNDS):
            orders = await self._fulfilment.due(self._terms, _MOST_AT_A_TIME)
            if not orders:
                return
            results = await asyncio.gather(
                *(self._look_at(order) for order in orders), return_exceptions=True
            )
            await self._hand_over([result for result in results if isinstance(result, Order)])
            raise_first(results)

    async def _look_at(self, order: Order) -> Order | None:
        """Do what the order's state asks for; the order itself if its codes are to be handed over now."""
        async with self._slots:
            try:
                return await self._by_state(order)
            except StaleVersion:
                _log.info("order.moved_meanwhile", order_id=order.order_id)
                return None

    async def _by_state(self, order: Order) -> Order | None:
        match order.state:
            case OrderState.ACCEPTED:
                return order
            case OrderState.RESERVED:
                await self._fulfilment.release_expired(order)
                self._wake_pushes()
            case OrderState.PARKED:
                await self._parked(order)
            case OrderState.DELIVERING | OrderState.UNSURE:
                return await self._ask(order)
            case OrderState.HELD:
                await self._held(order)
            case _:
                await self._fulfilment.later(order, _NOTHING_TO_DO_SECONDS)
        return None

    async def _hand_over(self, orders: Sequence[Order]) -> None:
        """Write the attempts down together, then try them side by side."""
        if not isinstance(self._connector, DeliversCodes):
            # The channel will ask for the codes; until then there is nothing to do.
            for order in orders:
                await self._fulfilment.later(order, _NOTHING_TO_DO_SECONDS)
            return
        self._lost_track = True
        attempts = await self._fulfilment.start(orders)
        connector = self._connector
        tries = (self._try(connector, attempt) for attempt in attempts)
        results = await asyncio.gather(*tries, return_exceptions=True)
        self._lost_track = any(_is_failure_of_ours(result) for result in results)
        raise_first(results)

    async def _try(self, connector: DeliversCodes, attempt: Attempt) -> None:
        order = attempt.order
        async with self._slots:
            try:
                await connector.deliver_codes(Delivery(order.order_ref, order.attempt_key, attempt.lines))
            except OutcomeUnknown as error:
                await self._fulfilment.unsure(order, str(error))
                return
            except TryLater as error:
                await self._fulfilment.later(order, error.after_seconds)
                return
            except ChannelRefused as error:
                _log.warning("order.delivery_refused", order_id=order.order_id, error=str(error))
                await self._fulfilment.refused(order, str(error))
                if await self._guard.failed(self._terms, Asked.DELIVER, order.order_ref):
                    self._wake_pushes()
                return
            except (AuthenticationFailed, ProtocolBroken):
                await self._fulfilment.later(order, _BROKEN_PAUSE_SECONDS)
                raise
        await self._delivered(order, "", attempt.owners)

    async def _delivered(self, order: Order, reason: str, owners: Owners | None = None) -> None:
        await self._fulfilment.delivered(self._terms, order, reason, owners)
        self._guard.completed(self._terms, Asked.DELIVER, order.order_ref)
        _log.info("order.delivered", channel=self._terms.name, order_id=order.order_id)
        if self._connector.traits.delivery_lowers_quantity:
            await self._outbox.recount([line.listing_id for line in order.lines])
            self._wake_pushes()

    async def _ask(self, order: Order) -> Order | None:
        """Nobody knows whether the codes arrived: ask, and repeat only what surely did not happen."""
        if not isinstance(self._connector, DeliversCodes):
            await self._fulfilment.later(order, _NOTHING_TO_DO_SECONDS)
            return None
        try:
            found = await self._connector.find_delivery(order.order_ref, order.attempt_key)
        except ChannelError as error:
            await self._fulfilment.later(order, error.after_seconds if isinstance(error, TryLater) else 0.0)
            raise
        match found:
            case DeliveryFound.DELIVERED:
                await self._delivered(order, "found at the channel")
            case DeliveryFound.NOT_DELIVERED:
                return order
            case DeliveryFound.UNKNOWN:
                await self._fulfilment.later(order)
        return None

    async def _held(self, order: Order) -> None:
        """A person or a group decides; only what is not to be sold at all goes back."""
        if await self._send_back(order) is not _GivingBack.DONE:
            await self._fulfilment.wait_for_person(order)

    async def _send_back(self, order: Order) -> _GivingBack:
        """Give the money back that is not ours to keep; where the channel does not do it, it is owed."""
        given = await self._refused_by_risk(order)
        if given is not _GivingBack.NOT_ASKED:
            return given
        due = await self._fulfilment.refund_due(order)
        if due is None:
            return _GivingBack.NOT_ASKED
        if await self._give_back(order, due.told, due.actor, due.why) is not _GivingBack.DONE:
            await self._fulfilment.leave_owed(order, due)
            self._wake_pushes()
        return _GivingBack.DONE

    async def _refused_by_risk(self, order: Order) -> _GivingBack:
        """Give the money of a paid order back at the channel, if risk refuses it."""
        judgement = judge_paid(self._terms, order)
        if judgement.verdict is not RiskVerdict.REFUSE:
            return _GivingBack.NOT_ASKED
        # Buyers may read the channel's reason: it does not tell them our limits.
        return await self._give_back(order, "order refused", "risk", judgement.why)

    async def _give_back(self, order: Order, told: str, actor: str, why: str) -> _GivingBack:
        if not isinstance(self._connector, CancelsOrders):
            return _GivingBack.NOT_ASKED
        try:
            await self._connector.cancel_order(order.order_ref, told)
        except ChannelRefused as error:
            _log.warning("order.not_given_back", order_id=order.order_id, error=str(error))
            return _GivingBack.REFUSED
        except ChannelError as error:
            await self._fulfilment.later(order, error.after_seconds if isinstance(error, TryLater) else 0.0)
            raise
        await self._fulfilment.cancel(order, actor, why)
        self._wake_pushes()
        return _GivingBack.DONE

    async def _parked(self, order: Order) -> None:
        given = await self._send_back(order)
        if given is _GivingBack.DONE:
            return
        if await self._fulfilment.retry_parked(self._terms, order) is not OrderState.PARKED:
            self._wake_pushes()
            return
        if given is _GivingBack.NOT_ASKED and self._fulfilment.out_of_patience(self._terms, order):
            given = await self._give_back(order, "out of stock", "shortage", "no codes in time")
        if given is _GivingBack.REFUSED:
            # Its word is final as far as we know: asking every few seconds would only cost calls.
            await self._fulfilment.not_taken_back(order)


def _is_failure_of_ours(result: object) -> bool:
    """Whether what became of an attempt could not be written down; the database went away, perhaps."""
    return isinstance(result, BaseException) and not isinstance(result, ChannelError | StaleVersion)


def raise_first(results: Sequence[object]) -> None:
    """Raise the first error among results; one order's error must not keep the others from being done."""
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, StaleVersion):
            raise result
