"""Decides how offers become GraphQL mutations, and what became of each offer by the reply.

A call is one request of aliased mutations, carried out in this order: switch off, declare stock, set prices,
switch on. On and off travel apart from prices, so that a refused price cannot keep an offer on sale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from connectors.eneba import documents
from connectors.eneba.client import error_of, money_input
from connectors.eneba.models import Envelope, PricesUpdated, StockUpdated, read
from connectors.kit.errors import ChannelRefused
from connectors.kit.json import Json
from connectors.kit.messages import OfferResult, OfferStatus
from core.types import ListingRef, OfferWanted

STOCKS_PER_MUTATION = 50
MUTATIONS_PER_REQUEST = 100
_ACTION_FAILED_SECONDS = 30.0

# What of several parts decides: what may go again comes before what never will.
_WORST_FIRST = (OfferStatus.UNKNOWN, OfferStatus.TRY_LATER, OfferStatus.REFUSED, OfferStatus.PUBLISHED)


class Part(StrEnum):
    """What a mutation writes."""

    SWITCH = "switch"
    STOCK = "stock"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One aliased mutation of a request, and the listings it is about."""

    alias: str
    part: Part
    items: Sequence[Json]
    refs: Sequence[ListingRef]

    @property
    def input_type(self) -> str:
        """The type of its variable."""
        stock = self.part is Part.STOCK
        return "P_API_UpdateDeclaredStockInput!" if stock else "P_API_UpdateAuctionPriceInput!"

    @property
    def variable(self) -> Json:
        """The value of its variable."""
        return {"statuses" if self.part is Part.STOCK else "items": list(self.items)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one mutation said of one listing; with an action, what it has only accepted yet."""

    listing_ref: ListingRef
    part: Part
    status: OfferStatus
    detail: str = ""
    after_seconds: float = 0.0
    action_ref: str | None = None


def mutations_for(offers: Sequence[OfferWanted]) -> list[Mutation]:
    """The mutations of a batch; price and quantity only where they changed, the switch always.

    The switch costs no free price change, and an offer does not tell whether it changed.
    """
    off = [offer for offer in offers if not offer.on]
    on = [offer for offer in offers if offer.on]
    stock = [offer for offer in offers if offer.quantity_changed]
    price = [offer for offer in offers if offer.price_changed]
    return [
        *_mutation("off", Part.SWITCH, off, _switch_item),
        *stock_mutations(stock, STOCKS_PER_MUTATION),
        *_mutation("price", Part.PRICE, price, _price_item),
        *_mutation("on", Part.SWITCH, on, _switch_item),
    ]


def stock_mutations(offers: Sequence[OfferWanted], size: int) -> list[Mutation]:
    """Quantities in mutations of at most so many; size 1 tells for each offer alone what became of it."""
    groups = [offers[start : start + size] for start in range(0, len(offers), size)]
    return [
        mutation
        for number, group in enumerate(groups)
        for mutation in _mutation(f"stock{number}", Part.STOCK, group, _stock_item)
    ]


def document_for(mutations: Sequence[Mutation], *, with_actions: bool) -> tuple[str, dict[str, Json]]:
    """The document and variables that carry these mutations in one request."""
    assert len(mutations) <= MUTATIONS_PER_REQUEST, "more mutations than a request takes"
    action = " actionId" if with_actions else ""
    fields = [
        (documents.STOCK_FIELD if each.part is Part.STOCK else documents.PRICE_FIELD)
        % {"alias": each.alias, "action": action}
        for each in mutations
    ]
    declared = ", ".join(f"${each.alias}: {each.input_type}" for each in mutations)
    aliased = "\n".join(f"  {each.alias}: {text}" for each, text in zip(mutations, fields, strict=True))
    return f"mutation Publish({declared}) {{\n{aliased}\n}}", {
        each.alias: each.variable for each in mutations
    }


def outcomes_of(mutations: Sequence[Mutation], envelope: Envelope) -> list[Outcome]:
    """What the reply says of each listing in each mutation."""
    return [outcome for mutation in mutations for outcome in _outcomes_of_one(mutation, envelope)]


def results_for(offers: Sequence[OfferWanted], outcomes: Iterable[Outcome]) -> list[OfferResult]:
    """One result an offer, in the offers' order: the worst of its parts."""
    by_ref: dict[ListingRef, list[Outcome]] = {}
    for outcome in outcomes:
        by_ref.setdefault(outcome.listing_ref, []).append(outcome)
    return [_result(offer.listing_ref, by_ref[offer.listing_ref]) for offer in offers]


def settled(outcome: Outcome, states: Mapping[str, str]) -> Outcome:
    """The outcome once it is known how its action ended; an action without an end is UNKNOWN."""
    if outcome.action_ref is None:
        return outcome
    status, detail, after_seconds = OfferStatus.UNKNOWN, "Eneba has not said yet what became of it", 0.0
    state = states.get(outcome.action_ref)
    if state == "COMPLETED":
        status, detail = OfferStatus.PUBLISHED, ""
    elif state == "FAILED":
        # Eneba promises that nothing was changed, and does not say why.
        status, detail, after_seconds = OfferStatus.TRY_LATER, "the action failed", _ACTION_FAILED_SECONDS
    return Outcome(outcome.listing_ref, outcome.part, status, detail, after_seconds)


def _result(ref: ListingRef, outcomes: Sequence[Outcome]) -> OfferResult:
    status = min((outcome.status for outcome in outcomes), key=_WORST_FIRST.index)
    deciding = [outcome for outcome in outcomes if outcome.status is status]
    detail = "; ".join(f"{outcome.part}: {outcome.detail}" for outcome in deciding if outcome.detail)
    return OfferResult(ref, status, detail, max(outcome.after_seconds for outcome in deciding))


def _mutation(
    alias: str, part: Part, offers: Sequence[OfferWanted], item: Callable[[OfferWanted], Json]
) -> list[Mutation]:
    """The mutation for these offers, or none where there are no offers."""
    refs = [offer.listing_ref for offer in offers]
    return [Mutation(alias, part, [item(offer) for offer in offers], refs)] if offers else []


def _switch_item(offer: OfferWanted) -> Json:
    return {"auctionId": offer.listing_ref, "enabled": offer.on}


def _stock_item(offer: OfferWanted) -> Json:
    # Eneba documents null as "none"; whether it takes 0 nobody has seen.
    return {"auctionId": offer.listing_ref, "declaredStock": offer.quantity or None}


def _price_item(offer: OfferWanted) -> Json:
    return {
        "auctionId": offer.listing_ref,
        "price": money_input(offer.price),
        "preventPaidPriceChange": not offer.may_pay,
    }


def _outcomes_of_one(mutation: Mutation, envelope: Envelope) -> list[Outcome]:
    answer = (envelope.data or {}).get(mutation.alias)
    if answer is None:
        error = error_of(mutation.part, envelope.errors_at(mutation.alias))
        if isinstance(error, ChannelRefused):
            return _same_for_all(mutation, OfferStatus.REFUSED, str(error))
        return _same_for_all(mutation, OfferStatus.TRY_LATER, str(error), error.after_seconds)
    if mutation.part is not Part.STOCK:
        return _outcomes_of_items(mutation, read(PricesUpdated, answer, "P_updateAuctionPrice"))
    updated = read(StockUpdated, answer, "P_updateDeclaredStock")
    if not updated.success:
        return _same_for_all(mutation, OfferStatus.REFUSED, "Eneba answered success: false")
    return _same_for_all(mutation, OfferStatus.PUBLISHED, action_ref=updated.action_id)


def _outcomes_of_items(mutation: Mutation, updated: PricesUpdated) -> list[Outcome]:
    items = {item.auction_id: item for item in updated.items}
    outcomes = []
    for ref in mutation.refs:
        item = items.get(ref)
        if item is None:
            outcomes.append(Outcome(ref, mutation.part, OfferStatus.UNKNOWN, "Eneba did not answer for it"))
        elif item.success:
            accepted = OfferStatus.PUBLISHED
            outcomes.append(Outcome(ref, mutation.part, accepted, action_ref=updated.action_id))
        else:
            text = item.error or "Eneba gave no reason"
            outcomes.append(Outcome(ref, mutation.part, OfferStatus.REFUSED, text))
    return outcomes


def _same_for_all(
    mutation: Mutation,
    status: OfferStatus,
    detail: str = "",
    after_seconds: float = 0.0,
    action_ref: str | None = None,
) -> list[Outcome]:
    return [Outcome(ref, mutation.part, status, detail, after_seconds, action_ref) for ref in mutation.refs]
