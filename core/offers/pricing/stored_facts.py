"""Reads what is stored about many listings' prices at once, as the price engine wants it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.money.money import Money
from core.offers.history.selling import Selling
from core.offers.price.facts import (
    CHANGES_LOOKED_AT,
    Budget,
    ChangeMade,
    Demand,
    ListingFacts,
    ListingQuestion,
    PriceException,
    QuotedFee,
    Sighting,
    Verdict,
)
from core.types import ChannelId, ListingId

_SQL = load_queries("core.offers.pricing", "stored_facts.sql")
_LISTING_PLACES = _SQL["listing_places"]
_CHANGES_SINCE = _SQL["changes_since"]
_CURRENT_SIGHTINGS = _SQL["current_sightings"]
_FREE_CHANGES_TOLD = _SQL["free_changes_told"]
_EXCEPTIONS_IN_FORCE = _SQL["exceptions_in_force"]
_LAST_VERDICTS = _SQL["last_verdicts"]
_NEAREST_QUOTES = _SQL["nearest_quotes"]
_SOLD_IN_WINDOWS = _SQL["sold_in_windows"]

# Verdicts and quotes that are older than this mean nothing to any rule.
_VERDICTS_LOOKED_AT = timedelta(days=7)
_QUOTES_LOOKED_AT = timedelta(days=7)
_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class ChangeTerms:
    """What changes of a price cost on a channel: so many a day are free; None: all of them.

    `fee` is what one more costs, where the operator wrote it; without it none is ever paid.
    """

    free_per_day: int | None = None
    fee: Money | None = None


@dataclass(frozen=True, slots=True)
class ToldQuota:
    """What a channel said itself: so many free changes were left when it was asked."""

    left_over: int
    next_at: datetime | None
    seen_at: datetime


async def read_listing_facts(
    conn: Connection,
    questions: Sequence[ListingQuestion],
    changes: Mapping[ChannelId, ChangeTerms],
    selling: Mapping[ListingId, Selling],
    now: datetime,
) -> dict[ListingId, ListingFacts]:
    """What is stored about these listings; eight statements, however many they are.

    `changes` are the channels' terms for changes, `selling` how the listings' SKUs sell; what is missing
    there is free, and never sold.
    """
    ids = sorted({question.listing_id for question in questions})
    if not ids:
        return {}
    places = {ListingId(row["listing_id"]): row for row in await conn.fetch(_LISTING_PLACES, ids)}
    made = _by_listing(await conn.fetch(_CHANGES_SINCE, ids, now - CHANGES_LOOKED_AT))
    seen = _by_listing(await conn.fetch(_CURRENT_SIGHTINGS, ids))
    quotas = _by_listing(await conn.fetch(_FREE_CHANGES_TOLD, ids))
    signed = _by_listing(await conn.fetch(_EXCEPTIONS_IN_FORCE, ids, now))
    verdicts = _by_listing(await conn.fetch(_LAST_VERDICTS, ids, now - _VERDICTS_LOOKED_AT))
    quotes = _by_listing(await conn.fetch(_NEAREST_QUOTES, ids, now - _QUOTES_LOOKED_AT))
    sold = await _sold(conn, questions, now)
    facts = {}
    for listing_id, place in places.items():
        changed = tuple(_change(row) for row in made[listing_id])
        terms = changes.get(ChannelId(place["channel_id"]), ChangeTerms())
        told = next((_quota(row) for row in quotas[listing_id]), None)
        facts[listing_id] = ListingFacts(
            changes=changed,
            sightings=tuple(_sighting(row) for row in seen[listing_id]),
            budget=budget(terms, told, changed, now),
            exceptions=tuple(_exception(row) for row in signed[listing_id]),
            verdict=next((_verdict(row) for row in verdicts[listing_id]), None),
            fee=next((_quote(row, place["currency"]) for row in quotes[listing_id]), None),
            demand=demand(selling[listing_id], now) if listing_id in selling else None,
            sold_in=sold[listing_id],
        )
    return facts


def budget(
    terms: ChangeTerms, told: ToldQuota | None, changes: Sequence[ChangeMade], now: datetime
) -> Budget:
    """How many changes are free now. The channel's own word counts most, less what was changed since. Pure.

    Without it, the free ones of a day are those of any twenty-four hours: whatever hour the channel's day
    begins at, it never sees more of them.
    """
    if terms.free_per_day is None and told is None:
        return Budget()
    if told is not None and (told.left_over > 0 or told.next_at is None or told.next_at > now):
        since = [change for change in changes if change.at > told.seen_at]
        return Budget(max(told.left_over - len(since), 0), told.next_at, None, terms.fee)
    recent = [change.at for change in changes if change.at > now - _DAY]
    free_left = max((terms.free_per_day or 1) - len(recent), 0)
    return Budget(free_left, recent[0] + _DAY if recent else None, None, terms.fee)


def demand(selling: Selling, now: datetime) -> Demand:
    """How a SKU sells, in the price engine's words. Pure."""
    since = now - timedelta(days=selling.measured_days) if selling.measured_days else None
    return Demand(
        per_day=selling.total() * _DAY_SECONDS,
        usual_stock=selling.usual_stock,
        last_sold_at=selling.last_sold_at,
        measured_since=since,
    )


async def _sold(
    conn: Connection, questions: Sequence[ListingQuestion], now: datetime
) -> dict[ListingId, dict[str, int]]:
    found: dict[ListingId, dict[str, int]] = defaultdict(dict)
    asked = [(question.listing_id, span) for question in questions for span in question.spans]
    if asked:
        rows = await conn.fetch(
            _SOLD_IN_WINDOWS,
            [listing_id for listing_id, _ in asked],
            [span.name for _, span in asked],
            [span.from_at for _, span in asked],
            now,
        )
        for row in rows:
            found[ListingId(row["listing_id"])][str(row["name"])] = int(row["units"])
    return found


def _by_listing(rows: Iterable[Record]) -> dict[ListingId, list[Record]]:
    found: dict[ListingId, list[Record]] = defaultdict(list)
    for row in rows:
        found[ListingId(row["listing_id"])].append(row)
    return found


def _change(row: Record) -> ChangeMade:
    return ChangeMade(row["at"], row["before_minor"], row["after_minor"])


def _sighting(row: Record) -> Sighting:
    price = Money(row["price_minor"], row["currency"])
    return Sighting(row["seller"], price, row["own"], row["seen_at"], row["quantity"])


def _quota(row: Record) -> ToldQuota:
    return ToldQuota(row["left_over"], row["next_at"], row["seen_at"])


def _exception(row: Record) -> PriceException:
    least = Money(row["least_minor"], row["currency"])
    return PriceException(least, row["signed_by"], row["why"], row["from_at"], row["until"])


def _verdict(row: Record) -> Verdict:
    price = Money(row["price_minor"], row["currency"])
    return Verdict(price, row["approved"], row["decided_by"], row["decided_at"])


def _quote(row: Record, currency: str) -> QuotedFee:
    return QuotedFee(Money(row["gross_minor"], currency), Money(row["net_minor"], currency), row["quoted_at"])
