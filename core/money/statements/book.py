"""Moves lines through the matcher into the journal: each judged once, under the channel's lock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.cursors import move_cursor, read_cursor
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.money.booking import Booker
from core.money.statements.entries import late_booking, line_booking, missing_booking
from core.money.statements.matching import Matcher, missing_kind
from core.money.statements.terms import Due, DueKind, Line, LineKind, MatchTerms, Resolution, Verdict

_SQL = load_queries("core.money.statements", "book.sql")
_LOCK_CHANNEL = _SQL["lock_channel"]
_COVERED = _SQL["covered"]
_COLLECT_DUES = _SQL["collect_dues"]
_WAITING_LINES = _SQL["waiting_lines"]
_DUES_OF_ORDERS = _SQL["dues_of_orders"]
_DUES_NEAR = _SQL["dues_near"]
_KNOWN_REFS = _SQL["known_refs"]
_END_WAITING = _SQL["end_waiting"]
_ADD_VERDICTS = _SQL["add_verdicts"]
_ADD_CLEARINGS = _SQL["add_clearings"]
_TAKE_FROM_DUES = _SQL["take_from_dues"]
_NET_OUT = _SQL["net_out"]
_LATE_DUES = _SQL["late_dues"]
_OPEN_DISCREPANCIES = _SQL["open_discrepancies"]
_MARK_MISSING = _SQL["mark_missing"]
_FOREIGN_LINES = _SQL["foreign_lines"]
_REDUCE = _SQL["reduce"]
_ADD_EVENTS = _SQL["add_events"]

_DUES = "dues"
_BATCH = 500
_NEAR_AT_MOST = 10_000
_RUNS_AT_MOST = 10_000
# A transaction is dated before it is committed, by a clock that may differ from ours.
_OVERLAP = timedelta(hours=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
# A line may be a day ahead of what it is for, and no more.
_YOUNG = 2 * _DAY
_ACTOR = "matching"


@dataclass(frozen=True, slots=True)
class MatchReport:
    """What a round of matching did."""

    dues: int = 0
    lines: int = 0
    matched: int = 0
    opened: int = 0
    settled: int = 0


class StatementBook:
    """Matches what channels told and posts it. Any daemon may; those that meet wait for each other."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now
        self._booker = Booker(pool)

    async def match(self, terms: MatchTerms, *, everything: bool = False) -> MatchReport:
        """Judge all lines that wait, and open a discrepancy for what is late.

        `everything` looks at all transactions and all open discrepancies again, not only at what is new.
        """
        told: Counter[str] = Counter()
        told["dues"] = await self._collect(terms, everything=everything)
        if told["dues"] or everything:
            told["settled"] = await self._retry(terms, _BEGINNING if everything else self._now() - _YOUNG)
        for _ in range(_RUNS_AT_MOST):
            judged = await self._judge(terms)
            told.update(judged)
            if judged["lines"] < _BATCH:
                break
        for _ in range(_RUNS_AT_MOST):
            late = await self._find_missing(terms)
            told["opened"] += late
            if late < _BATCH:
                break
        return MatchReport(**told)

    async def _collect(self, terms: MatchTerms, *, everything: bool) -> int:
        """Work out what new transactions let us expect; nothing of a channel that never told a line."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_LOCK_CHANNEL, terms.channel_id)
            if await _coverage(conn, terms) is None:
                return 0
            cursor = await read_cursor(conn, terms.channel_id, _DUES)
            since = None if everything or cursor is None else datetime.fromisoformat(cursor) - _OVERLAP
            done = await conn.execute(_COLLECT_DUES, terms.channel_id, terms.channel, since or _BEGINNING)
            await move_cursor(conn, terms.channel_id, _DUES, now.isoformat(), now)
        return int(done.rpartition(" ")[2])

    async def _judge(self, terms: MatchTerms) -> Counter[str]:
        """Judge a batch of lines that wait; how many lines, matched ones and new discrepancies."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_LOCK_CHANNEL, terms.channel_id)
            lines = [_line(row) for row in await conn.fetch(_WAITING_LINES, terms.channel_id, _BATCH)]
            if not lines:
                return Counter()
            verdicts = await _judged(conn, terms, lines)
            bookings = [line_booking(terms.channel, verdict) for verdict in verdicts]
            posted = await self._booker.post(conn, bookings, now)
            await conn.execute(_END_WAITING, terms.channel_id, [line.line_ref for line in lines])
            await conn.execute(
                _ADD_VERDICTS,
                terms.channel_id,
                [line.line_ref for line in lines],
                posted,
                [verdict.booked_minor for verdict in verdicts],
                [verdict.rounding_minor for verdict in verdicts],
                [verdict.discrepancy_minor for verdict in verdicts],
                now,
            )
            await _clear(conn, terms, verdicts, posted, now)
            apart = await _open_for_lines(conn, terms, verdicts, posted, now)
        matched = sum(bool(verdict.allotments or verdict.booked_minor) for verdict in verdicts)
        return Counter(lines=len(lines), matched=matched, opened=apart)

    async def _retry(self, terms: MatchTerms, since: datetime) -> int:
        """Match lines that stood apart with what we posted since; how many discrepancies ended."""
        ended, after = 0, 0
        for _ in range(_RUNS_AT_MOST):
            now = self._now()
            async with self._pool.acquire() as conn, conn.transaction():
                await conn.execute(_LOCK_CHANNEL, terms.channel_id)
                rows = await conn.fetch(_FOREIGN_LINES, terms.channel_id, after, _BATCH, since)
                if not rows:
                    return ended
                lines = [_line(row) for row in rows]
                numbers = {row["line_ref"]: int(row["discrepancy_id"]) for row in rows}
                judged = await _judged(conn, terms, lines)
                verdicts = [verdict for verdict in judged if verdict.allotments]
                posted = await self._booker.post(
                    conn, [late_booking(terms.channel, verdict) for verdict in verdicts], now
                )
                await _clear(conn, terms, verdicts, posted, now)
                shrunk = [
                    (
                        numbers[verdict.line.line_ref],
                        verdict.line.amount_minor - verdict.discrepancy_minor,
                        transaction_id,
                    )
                    for verdict, transaction_id in zip(verdicts, posted, strict=True)
                ]
                await reduce(
                    conn, shrunk, Resolution.MATCHED, "matched with what we posted later", _ACTOR, now
                )
                ended += sum(verdict.discrepancy_minor == 0 for verdict in verdicts)
                after = int(rows[-1]["discrepancy_id"])
        return ended

    async def _find_missing(self, terms: MatchTerms) -> int:
        """Open discrepancies for what the channel should have told by now; how many.

        Only where it told things both before and after: a file of March says nothing of April.
        """
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_LOCK_CHANNEL, terms.channel_id)
            covered = await _coverage(conn, terms)
            if covered is None:
                return 0
            since, until = covered[0] - _DAY, min(now, covered[1]) - terms.late
            await conn.execute(_NET_OUT, terms.channel_id, since, until)
            rows = await conn.fetch(_LATE_DUES, terms.channel_id, since, until, _BATCH)
            dues = [_due(row) for row in rows]
            if dues:
                await self._open_for_dues(conn, terms, dues, now)
        return len(dues)

    async def _open_for_dues(
        self, conn: Connection, terms: MatchTerms, dues: Sequence[Due], now: datetime
    ) -> None:
        posted = await self._booker.post(conn, [missing_booking(terms.channel, due) for due in dues], now)
        opened = await conn.fetch(
            _OPEN_DISCREPANCIES,
            terms.channel_id,
            [missing_kind(due.kind).value for due in dues],
            [None] * len(dues),
            [due.due_id for due in dues],
            [due.order_ref for due in dues],
            [due.listing_ref for due in dues],
            [due.left_minor for due in dues],
            [0] * len(dues),
            [due.currency for due in dues],
            [due.at for due in dues],
            posted,
            now,
        )
        numbers = [int(row["discrepancy_id"]) for row in opened]
        await conn.execute(_MARK_MISSING, [int(row["due_id"]) for row in opened], numbers)


async def reduce(
    conn: Connection,
    shrunk: Sequence[tuple[int, int, int | None]],
    resolution: Resolution,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """Take amounts off discrepancies, each with the transaction that did it, and write down why."""
    if not shrunk:
        return
    numbers, amounts, posted = (list(column) for column in zip(*shrunk, strict=True))
    whole: Counter[int] = Counter()
    for number, amount_minor, _ in shrunk:
        whole[number] += amount_minor
    await conn.execute(_REDUCE, list(whole), list(whole.values()), resolution.value, reason, actor, now)
    reasons = [reason] * len(numbers)
    await conn.execute(_ADD_EVENTS, numbers, amounts, posted, reasons, resolution.value, actor, now)


async def _judged(conn: Connection, terms: MatchTerms, lines: Sequence[Line]) -> list[Verdict]:
    """The verdicts on some lines; in a thread, since lines that fit nothing are held against everything."""
    matcher = await _matcher(conn, terms, lines)
    return await asyncio.to_thread(matcher.match_all, lines)


async def _matcher(conn: Connection, terms: MatchTerms, lines: Sequence[Line]) -> Matcher:
    """A matcher that knows what these lines can be."""
    refs = sorted({line.order_ref for line in lines if line.order_ref is not None})
    known = {str(row["order_ref"]) for row in await conn.fetch(_KNOWN_REFS, terms.channel_id, refs)}
    rows = list(await conn.fetch(_DUES_OF_ORDERS, terms.channel_id, refs))
    unnamed = [
        line
        for line in lines
        if line.order_ref is None or (terms.own_order_refs and line.order_ref not in known)
    ]
    if unnamed:
        first, last = min(line.at for line in unnamed) - terms.window, max(line.at for line in unnamed) + _DAY
        rows += await conn.fetch(_DUES_NEAR, terms.channel_id, first, last, _NEAR_AT_MOST)
    dues = {int(row["due_id"]): _due(row) for row in rows}
    return Matcher(terms, dues.values(), known)


async def _clear(
    conn: Connection,
    terms: MatchTerms,
    verdicts: Iterable[Verdict],
    posted: Iterable[int | None],
    now: datetime,
) -> None:
    """Take what was allotted off the dues, and off the discrepancies of those that were missing."""
    parts = [
        (verdict.line.line_ref, part.due, part.amount_minor, transaction_id)
        for verdict, transaction_id in zip(verdicts, posted, strict=True)
        for part in verdict.allotments
    ]
    if not parts:
        return
    taken: Counter[int] = Counter()
    for _, due, amount_minor, _ in parts:
        taken[due.due_id] += amount_minor
    await conn.execute(
        _ADD_CLEARINGS,
        terms.channel_id,
        [line_ref for line_ref, _, _, _ in parts],
        [due.due_id for _, due, _, _ in parts],
        [amount_minor for _, _, amount_minor, _ in parts],
        [transaction_id for _, _, _, transaction_id in parts],
    )
    await conn.execute(_TAKE_FROM_DUES, list(taken), list(taken.values()))
    found = [
        (due.discrepancy_id, -amount_minor, transaction_id)
        for _, due, amount_minor, transaction_id in parts
        if due.discrepancy_id is not None
    ]
    await reduce(conn, found, Resolution.MATCHED, "the channel told it late", _ACTOR, now)


async def _open_for_lines(
    conn: Connection,
    terms: MatchTerms,
    verdicts: Iterable[Verdict],
    posted: Iterable[int | None],
    now: datetime,
) -> int:
    apart = [
        (verdict, transaction_id)
        for verdict, transaction_id in zip(verdicts, posted, strict=True)
        if verdict.discrepancy is not None
    ]
    if apart:
        lines = [verdict.line for verdict, _ in apart]
        await conn.execute(
            _OPEN_DISCREPANCIES,
            terms.channel_id,
            [verdict.discrepancy for verdict, _ in apart],
            [line.line_ref for line in lines],
            [None] * len(lines),
            [line.order_ref for line in lines],
            [line.listing_ref for line in lines],
            [verdict.ours_minor for verdict, _ in apart],
            [verdict.ours_minor + verdict.discrepancy_minor for verdict, _ in apart],
            [line.currency for line in lines],
            [line.at for line in lines],
            [transaction_id for _, transaction_id in apart],
            now,
        )
    return len(apart)


async def _coverage(conn: Connection, terms: MatchTerms) -> tuple[datetime, datetime] | None:
    row = await conn.fetchrow(_COVERED, terms.channel_id)
    return None if row is None or row["since"] is None else (row["since"], row["until"])


def _line(row: Record) -> Line:
    return Line(
        line_ref=row["line_ref"],
        kind=LineKind(row["kind"]),
        amount_minor=int(row["amount_minor"]),
        currency=row["currency"],
        at=row["booked_at"],
        order_ref=row["order_ref"],
        listing_ref=row["listing_ref"],
    )


def _due(row: Record) -> Due:
    return Due(
        due_id=int(row["due_id"]),
        transaction_id=int(row["transaction_id"]),
        kind=DueKind(row["kind"]),
        left_minor=int(row["left_minor"]),
        unit_minor=int(row["unit_minor"]),
        currency=row["currency"],
        at=row["at"],
        order_ref=row["order_ref"],
        listing_ref=row["listing_ref"],
        discrepancy_id=row["discrepancy_id"],
    )
