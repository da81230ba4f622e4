"""Closes sales whose plans ask for more than a price, and parks money that cannot be split.

What such a plan was told is kept with the sale, so that it can be split again exactly. Where the plan asks
for more than there is, or for what nobody told, the order is delivered all the same and its split is owed: it
is tried again until plan or facts are mended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import asyncpg
import structlog

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import PlanRefused
from core.money.after_sale import next_due
from core.money.ledger import Ledger, Sale
from core.money.money import Money
from core.money.plans.choice import PlanChoice
from core.money.plans.facts import Counted, Milestones, SaleFacts
from core.money.plans.journal import sale_postings, schedule
from core.money.plans.memory import Questions
from core.money.plans.refunds import Refunded
from core.money.plans.rules import Scope
from core.money.plans.waterfall import Split
from core.money.sold import Sources, Told, told_to_json
from core.orders.asked_facts import AskedSale, Asks, KnownFacts, know
from core.orders.closing_group import Closing, Owners, close_group
from core.orders.orders import TakenLine
from core.orders.plan_facts import (
    CounterKey,
    Counters,
    Line,
    LineFacts,
    counter_keys,
    read_lines,
    without_costs,
)
from core.types import OrderId

_SQL = load_queries("core.orders", "planned.sql")
_ADD_SALE_FACTS = _SQL["add_sale_facts"]
_ADD_SPLIT_DUES = _SQL["add_split_dues"]
_ADD_OWED = _SQL["add_owed"]
_FIRST_RETRY = timedelta(minutes=1)

_log = structlog.get_logger()

Asked = tuple[Closing, Owners]


class _Stale(Exception):
    """Somebody moved orders of the group: what was reckoned with them among them must not stand."""

    def __init__(self, order_ids: Sequence[OrderId]) -> None:
        self.order_ids = order_ids


@dataclass(frozen=True, slots=True)
class SplitLine:
    """A line that was split: what to post, what its plan was told, and when more vests."""

    sale: Sale
    told: Told
    due_at: datetime | None


@dataclass(slots=True)
class Reckoned:
    """What became of a group of orders: their lines split, or why an order's money is owed."""

    lines: list[SplitLine] = field(default_factory=list)
    owed: dict[OrderId, str] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of an order of a group, and which plans split its lines."""

    lines: Mapping[Line, LineFacts]
    chosen: Mapping[Line, PlanChoice]
    sale: AskedSale
    known: KnownFacts


class PlannedSales:
    """Splits and closes groups of such sales, each group in a transaction of its own."""

    def __init__(self, ledger: Ledger, pool: Pool) -> None:
        self._ledger = ledger
        self._pool = pool
        self._questions: dict[int, Questions] = {}

    async def close(
        self, group: Sequence[Asked], now: datetime
    ) -> tuple[list[OrderId], dict[OrderId, Exception]]:
        """Orders that somebody moved meanwhile, and those that failed by themselves; others are closed."""
        try:
            return await self._close_unmoved(group, now), {}
        except asyncpg.IntegrityConstraintViolationError as error:
            if len(group) == 1:
                return [], {group[0][0].order.order_id: error}
        # One bad order must not fail the others.
        stale: list[OrderId] = []
        failed: dict[OrderId, Exception] = {}
        for asked in group:
            moved, errors = await self.close([asked], now)
            stale += moved
            failed |= errors
        return stale, failed

    async def _close_unmoved(self, group: Sequence[Asked], now: datetime) -> list[OrderId]:
        """Again without those that were moved: what others count must not depend on them."""
        stale: list[OrderId] = []
        left = list(group)
        while left:
            try:
                async with self._pool.acquire() as conn, conn.transaction():
                    await self._write(conn, left, now)
                return stale
            except _Stale as moved:
                stale += moved.order_ids
                left = [asked for asked in left if asked[0].order.order_id not in moved.order_ids]
        return stale

    async def _write(self, conn: Connection, group: Sequence[Asked], now: datetime) -> None:
        reckoned = await self.reckon(conn, group, now)
        columns = await self._ledger.lay_out_in(conn, [line.sale for line in reckoned.lines])
        stale = await close_group(conn, [closing for closing, _ in group], columns, now)
        if stale:
            raise _Stale(stale)
        await self.keep(conn, reckoned)
        if reckoned.owed:
            channels = {closing.order.order_id: closing.order.channel_id for closing, _ in group}
            ids = list(reckoned.owed)
            await conn.execute(
                _ADD_OWED,
                ids,
                [channels[order_id] for order_id in ids],
                list(reckoned.owed.values()),
                now,
                now + _FIRST_RETRY,
            )
            _log.error("split.owed", orders=ids, why=next(iter(reckoned.owed.values())))

    async def keep(self, conn: Connection, reckoned: Reckoned) -> None:
        """Write what plans were told and counted, and when more vests."""
        lines = reckoned.lines
        if lines:
            keys = ([line.sale.order_id for line in lines], [line.sale.line_no for line in lines])
            await conn.execute(_ADD_SALE_FACTS, *keys, [told_to_json(line.told) for line in lines])
        waiting = [line for line in lines if line.due_at is not None]
        if waiting:
            keys = ([line.sale.order_id for line in waiting], [line.sale.line_no for line in waiting])
            await conn.execute(_ADD_SPLIT_DUES, *keys, [line.due_at for line in waiting])
        await reckoned.counters.write(conn)

    async def reckon(
        self, conn: Connection, group: Sequence[Asked], now: datetime, delivered_at: datetime | None = None
    ) -> Reckoned:
        """Split the orders of a group; nothing is written but what locks counters."""
        ids = [closing.order.order_id for closing, _ in group]
        lines = await read_lines(conn, ids)
        chosen: dict[Line, PlanChoice] = {}
        reckoned = Reckoned()
        for closing, owners in group:
            try:
                chosen |= _choose(closing, owners, lines, now)
            except PlanRefused as error:
                reckoned.owed[closing.order.order_id] = str(error)
        asked = self._asked(group, lines, chosen, now)
        known = await know(conn, asked, now)
        keys = {
            key
            for closing, owners in group
            for line_no in owners
            if (choice := chosen.get((closing.order.order_id, line_no))) is not None
            for key in self._keys(closing, choice, now).values()
        }
        await reckoned.counters.hold(conn, keys)
        for (closing, owners), sale in zip(group, asked, strict=True):
            if closing.order.order_id not in reckoned.owed:
                told = _Told(lines, chosen, sale, known)
                self._reckon_order(reckoned, closing, owners, told, now, delivered_at)
        return reckoned

    def _asked(
        self,
        group: Sequence[Asked],
        lines: Mapping[Line, LineFacts],
        chosen: Mapping[Line, PlanChoice],
        now: datetime,
    ) -> list[AskedSale]:
        """The orders of a group with what the plans of their lines ask."""
        asked = []
        for closing, owners in group:
            order = closing.order
            choices = [chosen[place] for n in owners if (place := (order.order_id, n)) in chosen]
            sale = AskedSale(
                order_id=order.order_id,
                channel_id=order.channel_id,
                currency=order.currency,
                sold_at=min(order.placed_at, now),
                buyer_ref=lines[order.order_id, order.lines[0].line_no].buyer_ref,
                asks=Asks.of(self._questions_of(choice) for choice in choices),
                terms=closing.terms.facts,
            )
            asked.append(sale)
        return asked

    def _reckon_order(
        self,
        reckoned: Reckoned,
        closing: Closing,
        owners: Owners,
        told: _Told,
        now: datetime,
        delivered_at: datetime | None,
    ) -> None:
        """All lines of an order, or none: what it cannot split leaves no trace in the counters."""
        order, before = closing.order, dict(reckoned.counters.counted)
        number = told.known.count_order(order.order_id)
        done: list[SplitLine] = []
        try:
            for index, line in enumerate(_owned(closing, owners)):
                choice = told.chosen[order.order_id, line.line_no]
                bare = _facts(closing, owners, index, line, told.lines[order.order_id, line.line_no], now)
                facts, sources = told.known.tell(
                    told.sale, line.line_no, bare, self._questions_of(choice), number
                )
                facts = replace(facts, counted=self._counted(closing, choice, line, reckoned, before, now))
                split = told.known.split(told.sale, line.line_no, choice.plan, facts)
                done.append(self._split(closing, line, choice, split, sources, reckoned, now, delivered_at))
        except PlanRefused as error:
            reckoned.counters.counted = before
            reckoned.owed[order.order_id] = str(error)
            return
        reckoned.lines += done

    def _split(
        self,
        closing: Closing,
        line: TakenLine,
        choice: PlanChoice,
        split: Split,
        sources: Sources,
        reckoned: Reckoned,
        now: datetime,
        delivered_at: datetime | None,
    ) -> SplitLine:
        order, terms, facts = closing.order, closing.terms, split.facts
        milestones = Milestones(facts.sold_at, delivered_at or now, None, terms.payout_hold)
        postings = tuple(sale_postings(split, milestones, now))
        self._count(split, self._keys(closing, choice, now), reckoned.counters)
        due_at = None
        if self._questions_of(choice).waiting:
            due_at = next_due(schedule(split, Refunded.nothing(split), milestones, now))
        sale = Sale(order.order_id, line.line_no, order.lane, choice.plan_id, postings)
        return SplitLine(sale, Told(facts, terms.payout_hold, choice.origin, delivered_at, sources), due_at)

    def _counted(
        self,
        closing: Closing,
        choice: PlanChoice,
        line: TakenLine,
        reckoned: Reckoned,
        before: Mapping[CounterKey, Counted],
        now: datetime,
    ) -> dict[str, Counted]:
        """What each rule has counted: a rule for the whole order knows nothing of the order's other lines."""
        scopes = {rule.name: rule.scope for rule in choice.plan.rules}
        return {
            name: (before if scopes[name] is Scope.ORDER else reckoned.counters.counted)[key]
            for name, key in self._keys(closing, choice, now).items()
        }

    def _count(self, split: Split, keys: Mapping[str, CounterKey], counters: Counters) -> None:
        for index, rule in enumerate(split.plan.rules):
            if rule.name in keys and split.unmet[index] is None:
                key = keys[rule.name]
                counters.counted[key] = counters.counted[key].after(
                    split.amount_minor(index), split.base_minor(index), split.facts.quantity
                )

    def _keys(self, closing: Closing, choice: PlanChoice, now: datetime) -> dict[str, CounterKey]:
        if not self._questions_of(choice).counting:
            return {}
        at = min(closing.order.placed_at, now)
        return counter_keys(choice.plan, closing.terms.name, closing.order.currency, at)

    def _questions_of(self, choice: PlanChoice) -> Questions:
        if choice.plan_id not in self._questions:
            self._questions[choice.plan_id] = Questions.of(choice.plan)
        return self._questions[choice.plan_id]


def _choose(
    closing: Closing, owners: Owners, lines: Mapping[Line, LineFacts], now: datetime
) -> dict[Line, PlanChoice]:
    at, order_id = min(closing.order.placed_at, now), closing.order.order_id
    return {
        (order_id, line_no): closing.terms.plan_for(
            lines[order_id, line_no].tags, [name for name, _ in consignors], at
        )
        for line_no, consignors in owners.items()
    }


def _owned(closing: Closing, owners: Owners) -> list[TakenLine]:
    return [line for line in closing.order.lines if line.line_no in owners]


def _facts(
    closing: Closing, owners: Owners, index: int, line: TakenLine, read: LineFacts, now: datetime
) -> SaleFacts:
    """What the order itself says of a line."""
    order = closing.order
    each_minor = (
        owned.unit_price_minor * sum(codes for _, codes in owners[owned.line_no])
        for owned in _owned(closing, owners)
    )
    return SaleFacts(
        unit_price=Money(line.unit_price_minor, order.currency),
        codes=without_costs(owners[line.line_no]),
        channel=closing.terms.name,
        sold_at=min(order.placed_at, now),
        sku=read.sku,
        tags=read.tags,
        buyer=None if read.buyer_ref is None else f"{closing.terms.name}/{read.buyer_ref}",
        order_lines_minor=tuple(each_minor),
        line_index=index,
    )
