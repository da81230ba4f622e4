"""Moves offers to Eneba: sends the mutations, waits for their actions, and asks why prices were refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from connectors.eneba import documents
from connectors.eneba.client import EnebaClient, error_of
from connectors.eneba.models import ActionState, Envelope, GraphqlError, Quota, QuotaConnection, read
from connectors.eneba.publishing import (
    MUTATIONS_PER_REQUEST,
    Mutation,
    Outcome,
    Part,
    document_for,
    mutations_for,
    outcomes_of,
    results_for,
    settled,
    stock_mutations,
)
from connectors.kit.errors import TryLater
from connectors.kit.json import Json
from connectors.kit.messages import OfferResult, OfferStatus
from core.types import ListingRef, OfferWanted

# A price that waits for its free change must not hold back the next quantity of its listing for long.
_LONGEST_QUOTA_WAIT_SECONDS = 60.0
_ENDED = ("COMPLETED", "FAILED")

_log = structlog.get_logger()


class OfferPublisher:
    """Publishes batches of offers for one account."""

    def __init__(self, channel: str, client: EnebaClient, wait_seconds: float, poll_seconds: float) -> None:
        self._channel = channel
        self._client = client
        self._wait_seconds = wait_seconds
        self._poll_seconds = poll_seconds
        # Eneba's documents disagree on whether bulk mutations return an action: found out at the first call.
        self._with_actions = True

    async def publish(self, offers: Sequence[OfferWanted]) -> list[OfferResult]:
        """Write the offers; one result each, in their order."""
        mutations = mutations_for(offers)
        if not mutations:
            return []
        outcomes = outcomes_of(mutations, await self._send(mutations))
        outcomes = await self._one_by_one(offers, mutations, outcomes)
        outcomes = await self._ask_quotas(outcomes)
        states = await self._await_actions({each.action_ref for each in outcomes if each.action_ref})
        return results_for(offers, [settled(outcome, states) for outcome in outcomes])

    async def _send(self, mutations: Sequence[Mutation]) -> Envelope:
        envelope = await self._run(mutations)
        if envelope.data is None and self._with_actions and _names_action(envelope.errors):
            # Refused before anything was done, so the same mutations may go again.
            self._with_actions = False
            _log.info("eneba.actions_unknown", channel=self._channel)
            envelope = await self._run(mutations)
        if envelope.data is None:
            raise error_of("offers", envelope.errors)
        return envelope

    async def _run(self, mutations: Sequence[Mutation]) -> Envelope:
        document, variables = document_for(mutations, with_actions=self._with_actions)
        return await self._client.run(document, variables)

    async def _one_by_one(
        self, offers: Sequence[OfferWanted], mutations: Sequence[Mutation], outcomes: Sequence[Outcome]
    ) -> list[Outcome]:
        """Quantities share one flag: where it said no to several, ask again for each alone."""
        grouped = {
            ref for each in mutations if each.part is Part.STOCK and len(each.refs) > 1 for ref in each.refs
        }
        doubtful = {
            outcome.listing_ref
            for outcome in outcomes
            if outcome.part is Part.STOCK
            and outcome.status is OfferStatus.REFUSED
            and outcome.listing_ref in grouped
        }
        if not doubtful:
            return list(outcomes)
        alone = stock_mutations([offer for offer in offers if offer.listing_ref in doubtful], 1)
        kept = [
            outcome
            for outcome in outcomes
            if outcome.part is not Part.STOCK or outcome.listing_ref not in doubtful
        ]
        try:
            return kept + outcomes_of(alone, await self._send(alone))
        except TryLater as later:
            status = OfferStatus.TRY_LATER
            return kept + [
                Outcome(ref, Part.STOCK, status, str(later), later.after_seconds) for ref in sorted(doubtful)
            ]

    async def _ask_quotas(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Turn a price that was refused for want of a free change into one for later."""
        refused = [
            outcome.listing_ref
            for outcome in outcomes
            if outcome.part is Part.PRICE and outcome.status is OfferStatus.REFUSED
        ]
        quotas = await self._quotas(refused) if refused else {}
        return [
            _until_free(outcome, quotas[outcome.listing_ref])
            if outcome.part is Part.PRICE and outcome.listing_ref in quotas
            else outcome
            for outcome in outcomes
        ]

    async def _quotas(self, refs: Sequence[ListingRef]) -> Mapping[ListingRef, Quota]:
        """The free price changes of these auctions, as far as Eneba tells."""
        assert len(refs) <= MUTATIONS_PER_REQUEST, "a call has no more offers than a request takes"
        variables: dict[str, Json] = {f"q{number}": ref for number, ref in enumerate(refs)}
        document = _query("Quotas", "S_Uuid", documents.QUOTA_FIELD, variables)
        try:
            envelope = await self._client.run(document, variables)
        except TryLater:
            return {}
        found: dict[ListingRef, Quota] = {}
        for alias, ref in zip(variables, refs, strict=True):
            if (answer := (envelope.data or {}).get(alias)) is not None:
                edges = read(QuotaConnection, answer, "S_stock").edges
                found.update((ref, edge.node.price_update_quota) for edge in edges if edge.node.id == ref)
        return found

    async def _await_actions(self, action_refs: set[str]) -> dict[str, str]:
        """How the actions ended, of those that did within the time that the options allow."""
        ended: dict[str, str] = {}
        clock = asyncio.get_running_loop().time
        until = clock() + self._wait_seconds
        while waiting := sorted(action_refs - ended.keys()):
            try:
                states = await self._states(waiting)
            except TryLater as later:
                _log.info("eneba.actions_not_told", channel=self._channel, reason=str(later))
                states = {}
            ended.update({ref: state for ref, state in states.items() if state in _ENDED})
            if clock() + self._poll_seconds > until:
                break
            if len(ended) < len(action_refs):
                await asyncio.sleep(self._poll_seconds)
        return ended

    async def _states(self, action_refs: Sequence[str]) -> dict[str, str]:
        """The states that Eneba tells; an action that has not started yet has none."""
        variables: dict[str, Json] = {f"a{number}": ref for number, ref in enumerate(action_refs)}
        document = _query("Actions", "A_Uuid", documents.ACTION_FIELD, variables)
        answers = (await self._client.run(document, variables)).data or {}
        return {
            ref: read(ActionState, answer, "A_action").state
            for alias, ref in zip(variables, action_refs, strict=True)
            if (answer := answers.get(alias)) is not None
        }


def _query(name: str, id_type: str, field: str, variables: Mapping[str, Json]) -> str:
    """A query that asks the same field once for each variable."""
    declared = ", ".join(f"${alias}: {id_type}!" for alias in variables)
    fields = "\n".join(f"  {alias}: {field % {'alias': alias}}" for alias in variables)
    return f"query {name}({declared}) {{\n{fields}\n}}"


def _names_action(errors: Sequence[GraphqlError]) -> bool:
    return any("actionId" in error.message for error in errors)


def _until_free(outcome: Outcome, quota: Quota) -> Outcome:
    if outcome.status is not OfferStatus.REFUSED or quota.quota > 0:
        return outcome
    wait_seconds = min(float(quota.next_free_in or 0), _LONGEST_QUOTA_WAIT_SECONDS)
    detail = f"free price changes are used up, the next in {quota.next_free_in} s"
    return replace(outcome, status=OfferStatus.TRY_LATER, detail=detail, after_seconds=max(wait_seconds, 1.0))
