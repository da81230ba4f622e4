"""Pushes offers to a channel: what is dirty is worked out, told, and settled by the channel's answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from connectors.kit.abilities import PublishesOffers
from connectors.kit.errors import ChannelRefused, OutcomeUnknown, TryLater
from connectors.kit.messages import OfferResult, OfferStatus
from connectors.kit.traits import Traits
from core.money.money import Money
from core.offers.answers import Delay, Refusal
from core.offers.outbox import Outbox
from core.offers.planning import OfferPlan
from core.offers.price.plan import Priced
from core.offers.terms import ChannelTerms
from core.types import OfferWanted

_MOST_ROUNDS = 1_000
_EXPIRY_SECONDS = 10.0
_LEAST_PAUSE_SECONDS = 1.0
_REHEARSED_AT_ONCE = 200
_BROKEN_PAUSE_SECONDS = 15.0

_log = structlog.get_logger()


class Pusher:
    """Publishes one channel's dirty offers."""

    def __init__(
        self,
        outbox: Outbox,
        terms: ChannelTerms,
        connector: PublishesOffers,
        traits: Traits,
        note_lags: Callable[[str, Sequence[float]], None] | None = None,
    ) -> None:
        self._outbox = outbox
        self._terms = terms
        self._connector = connector
        self._pause = timedelta(seconds=traits.seconds_between_writes)
        self._note_lags = note_lags
        self._expiry_due = 0.0

    async def push(self) -> None:
        """Tell the channel everything that is due; raises what kept it from telling."""
        await self._outbox.collect(self._terms.channel_id)
        if time.monotonic() >= self._expiry_due:
            await self._outbox.collect_expired(self._terms)
            self._expiry_due = time.monotonic() + _EXPIRY_SECONDS
        if self._terms.dry_run:
            await self._rehearse()
            return
        for _ in range(_MOST_ROUNDS):
            claim = await self._outbox.claim(self._terms.channel_id, self._connector.offers_per_call)
            if not claim.looked_at:
                return
            if claim.plans:
                await self._tell(claim.plans)

    async def _rehearse(self) -> None:
        """Work everything out and tell nobody."""
        for _ in range(_MOST_ROUNDS):
            claim = await self._outbox.rehearse(self._terms.channel_id, _REHEARSED_AT_ONCE)
            if not claim.looked_at:
                return
            _log.info("offers.rehearsed", channel=self._terms.name, would_tell_count=len(claim.plans))

    async def _tell(self, plans: Sequence[OfferPlan]) -> None:
        try:
            results = await self._connector.publish_offers([offer_wanted(plan) for plan in plans])
        except ChannelRefused as refused:
            await self._outbox.settle([], [Refusal(plan, str(refused)) for plan in plans], [])
            raise
        except BaseException as error:
            unknown = not isinstance(error, TryLater)
            await self._outbox.settle([], [], [Delay(plan, _pause_after(error), unknown) for plan in plans])
            raise
        await self._settle(plans, results)

    async def _settle(self, plans: Sequence[OfferPlan], results: Sequence[OfferResult]) -> None:
        published: list[OfferPlan] = []
        refused: list[Refusal] = []
        later: list[Delay] = []
        for plan, result in zip(plans, results, strict=True):
            match result.status:
                case OfferStatus.PUBLISHED:
                    published.append(plan)
                case OfferStatus.REFUSED:
                    refused.append(Refusal(plan, result.detail))
                case OfferStatus.TRY_LATER | OfferStatus.UNKNOWN:
                    # Without a pause this very round would ask again, and again.
                    after_seconds = max(result.after_seconds, _LEAST_PAUSE_SECONDS)
                    later.append(Delay(plan, after_seconds, result.status is OfferStatus.UNKNOWN))
        lags = await self._outbox.settle(published, refused, later, self._pause)
        if self._note_lags is not None:
            self._note_lags(self._terms.name, lags)
        _log.info(
            "offers.pushed",
            channel=self._terms.name,
            published_count=len(published),
            refused_count=len(refused),
            later_count=len(later),
        )


def offer_wanted(plan: OfferPlan) -> OfferWanted:
    """An offer in the words of the kit."""
    return OfferWanted(
        listing_ref=plan.row.listing_ref,
        quantity=plan.quantity,
        price=Money(plan.price_minor, plan.currency),
        net_price=Money(plan.net_minor, plan.currency),
        on=plan.on,
        price_changed=plan.price_changed,
        quantity_changed=plan.quantity_changed,
        may_pay=isinstance(plan.priced, Priced) and plan.priced.pays,
    )


def _pause_after(error: BaseException) -> float:
    match error:
        case TryLater(after_seconds=seconds):
            return seconds
        case OutcomeUnknown():
            return _LEAST_PAUSE_SECONDS
        case _:
            return _BROKEN_PAUSE_SECONDS
