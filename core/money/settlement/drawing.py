"""Draws settlements up: what of a payee is open at a moment goes into one, once, and none of it is lost.

First everything that was committed is collected, behind the writers' backs (see `collect_payable` in
migration 0024): an entry that was committed late is collected by the next run, and falls into the next
settlement. Then, payee by payee, one transaction each decides what becomes of what is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.money.booking import Booker
from core.money.conversion import Conversion
from core.money.journal.periods import open_date
from core.money.money import Money
from core.money.rates import read_rates
from core.money.settlement.entries import release_booking
from core.money.settlement.terms import (
    CycleKind,
    Open,
    Outcome,
    Payee,
    PayeeTerms,
    SettlementTerms,
    outcome,
    reserve_minor,
)

_SQL = load_queries("core.money.settlement", "settling.sql")
_COLLECT = _SQL["collect"]
_PAYEES = _SQL["payees"]
_RUN_UNTIL = _SQL["run_until"]
_LOCK_PAYEE = _SQL["lock_payee"]
_HOLD_CURSOR = _SQL["hold_cursor"]
_ADD_RUN = _SQL["add_run"]
_OPEN_ENTRIES = _SQL["open_entries"]
_BEFORE = _SQL["before"]
_CLOSING = _SQL["closing"]
_ADD_SETTLEMENT = _SQL["add_settlement"]
_TAKE_ENTRIES = _SQL["take_entries"]
_ADD_HELD = _SQL["add_held"]
_ADD_OUTCOME = _SQL["add_outcome"]
_ADD_MOVE = _SQL["add_move"]
_HELD_BALANCES = _SQL["held_balances"]
_HELD_BY_DAY = _SQL["held_by_day"]
_RESERVES_DUE = _SQL["reserves_due"]
_RELEASE_RESERVE = _SQL["release_reserve"]

_TRANSACTIONS_A_CALL = 20_000
# Reading what is held, or taking the entries of a large settlement, may be longer than a command usually is.
_QUERY_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a run made of a payee's open entries in one currency; the id of what was drawn up, if it was."""

    payee: Payee
    until: datetime
    outcome: Outcome
    owed: Money
    entries: int
    settlement_id: int | None


@dataclass(frozen=True, slots=True)
class _Asked:
    payee: Payee
    until: datetime
    cycle: CycleKind


# By account: parts with the day from which each is payable.
_Parts = Sequence[tuple[date | None, int]]
_Held = Mapping[tuple[Payee, str], _Parts]


class SettlementRuns:
    """Runs cycles and what people ask for. Any daemon may, at any time: a cycle of a payee is run once."""

    def __init__(self, pool: Pool, terms: SettlementTerms, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._terms = terms
        self._now = now
        self._booker = Booker(pool)

    async def run_due(self, actor: str) -> list[Drawn]:
        """Run the cycles that have ended and were not run; what they drew up or carried over."""
        await self.release_reserves()
        asked = await self._due()
        return await self._run(asked, actor, dry_run=False) if asked else []

    async def run(
        self,
        payees: Sequence[Payee],
        until: datetime,
        *,
        actor: str,
        dry_run: bool = False,
    ) -> list[Drawn]:
        """Settle on demand what these payees are owed of before a moment; nobody named: everybody.

        InvalidInput for a moment to come. A dry run says what it would do, and leaves everything as it was.
        """
        if until > self._now():
            raise InvalidInput(f"{until.isoformat()} is still to come: settle what was before now")
        known = await self._known()
        strangers = [str(payee) for payee in payees if payee not in known]
        if strangers:
            raise InvalidInput(
                f"{', '.join(strangers)}: nothing was ever owed to them; `consignd settlements payees` lists"
                " those to whom something was"
            )
        if not dry_run:
            await self.release_reserves()
        asked = [_Asked(payee, until, CycleKind.ON_DEMAND) for payee in (payees or known)]
        return await self._run(asked, actor, dry_run=dry_run)

    async def collect(self) -> None:
        """Take in what was committed since the last time; in steps, so that nobody waits long."""
        while await self._pool.fetchval(_COLLECT, _TRANSACTIONS_A_CALL, timeout=_QUERY_SECONDS):
            continue

    async def release_reserves(self) -> int:
        """Make reserves payable whose time is over; how many."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(_RESERVES_DUE, now)
            for row in rows:
                payee = Payee(row["party"], row["party_name"])
                booking = release_booking(payee, Money(int(row["amount_minor"]), row["currency"]))
                dated = await open_date(conn, row["due_at"])
                [posted] = await self._booker.post(conn, [booking], dated)
                await conn.execute(_RELEASE_RESERVE, row["settlement_id"], posted)
        return len(rows)

    async def _known(self) -> list[Payee]:
        return [Payee(row["party"], row["party_name"]) for row in await self._pool.fetch(_PAYEES)]

    async def _due(self) -> list[_Asked]:
        run = {
            Payee(row["party"], row["party_name"]): row["until"] for row in await self._pool.fetch(_RUN_UNTIL)
        }
        now, found = self._now(), []
        for payee in await self._known():
            cycle = self._terms.of(payee).cycle
            end = cycle.last_end(now)
            if end is not None and (payee not in run or run[payee] < end):
                found.append(_Asked(payee, end, cycle.kind))
        return found

    async def _run(self, asked: Sequence[_Asked], actor: str, *, dry_run: bool) -> list[Drawn]:
        await self.collect()
        held = {} if dry_run else await self._held()
        drawn: list[Drawn] = []
        for each in asked:
            try:
                async with self._pool.acquire() as conn, conn.transaction():
                    if dry_run:
                        drawn += await self._look(conn, each)
                        continue
                    found = await self._draw(conn, each, held, actor)
                    drawn += found
                    # Nobody needs to know that nothing was found where it was asked for.
                    if not found and each.cycle is CycleKind.ON_DEMAND:
                        raise _LeaveAsItWasError
            except _LeaveAsItWasError:
                continue
        return drawn

    async def _look(self, conn: Connection, asked: _Asked) -> list[Drawn]:
        """What would be drawn up. Nothing is written, so no number is given away that nothing will bear."""
        payee, terms = asked.payee, self._terms.of(asked.payee)
        return [
            _drawn(asked, here, outcome(here, terms), None)
            for here in map(_open, await conn.fetch(_OPEN_ENTRIES, payee.party, payee.name, asked.until))
        ]

    async def _draw(self, conn: Connection, asked: _Asked, held: _Held, actor: str) -> list[Drawn]:
        payee = asked.payee
        await conn.execute(_LOCK_PAYEE, payee.party, payee.name)
        run_id: int | None = await conn.fetchval(
            _ADD_RUN, payee.party, payee.name, asked.until, asked.cycle.value, self._now(), actor
        )
        if run_id is None:
            return []
        await conn.execute(_HOLD_CURSOR)
        terms, found = self._terms.of(payee), []
        for row in await conn.fetch(_OPEN_ENTRIES, payee.party, payee.name, asked.until):
            here = _open(row)
            verdict = outcome(here, terms)
            settlement_id = None
            if verdict is Outcome.DRAWN:
                parts = held.get((payee, here.currency), ())
                settlement_id = await self._add(conn, run_id, asked, row["account_id"], here, parts, actor)
            counted = (verdict.value, here.owed_minor, here.entries, settlement_id)
            await conn.execute(_ADD_OUTCOME, run_id, here.currency, *counted)
            found.append(_drawn(asked, here, verdict, settlement_id))
        return found

    async def _add(
        self,
        conn: Connection,
        run_id: int,
        asked: _Asked,
        account_id: int,
        found: Open,
        parts: _Parts,
        actor: str,
    ) -> int:
        terms, now = self._terms.of(asked.payee), self._now()
        sums = await _sums(conn, account_id)
        rate = await self._rate(conn, found.currency, terms, now)
        # Where nobody is asked, it is approved as it is drawn up.
        state = "draft" if terms.approvals else "approved"
        settlement_id: int = await conn.fetchval(
            _ADD_SETTLEMENT,
            run_id,
            account_id,
            asked.until,
            sums.previous_id,
            state,
            found.entries,
            sums.opening_minor,
            sums.paid_since_minor,
            sums.freed_since_minor,
            found.owed_minor,
            sums.paid_before_minor,
            reserve_minor(found, terms),
            terms.reserve_days,
            sum(amount_minor for _, amount_minor in parts),
            terms.approvals,
            _other(terms, found.currency),
            *_rate_columns(rate),
            terms.language,
            now,
            actor,
        )
        await self._take(conn, settlement_id, account_id, asked.until, found)
        await conn.execute(_ADD_HELD, settlement_id, [day for day, _ in parts], [part for _, part in parts])
        why = f"{asked.cycle}, until {asked.until:%Y-%m-%d %H:%M}"
        await conn.execute(_ADD_MOVE, settlement_id, state, now, actor, why)
        return settlement_id

    async def _take(
        self, conn: Connection, settlement_id: int, account_id: int, until: datetime, found: Open
    ) -> None:
        """Make exactly the entries that were reckoned the settlement's, so no other will pay them."""
        done = await conn.execute(_TAKE_ENTRIES, settlement_id, account_id, until, timeout=_QUERY_SECONDS)
        assert int(done.rpartition(" ")[2]) == found.entries, "what is open stays so while the cursor is held"

    async def _rate(
        self, conn: Connection, currency: str, terms: PayeeTerms, now: datetime
    ) -> Conversion | None:
        """The rate of the day, by which what is owed is valued; without one it is when it is paid."""
        paid_in = _other(terms, currency)
        if paid_in is None:
            return None
        rate = (await read_rates(conn, [(currency, paid_in)], now, self._terms.pivot)).get(
            (currency, paid_in)
        )
        return rate if rate is not None and now - rate.at <= terms.rate_max_age else None

    async def _held(self) -> _Held:
        """What is held of each payee's, by the day from which it is payable, as far as dates tell."""
        async with self._pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            balances = await conn.fetch(_HELD_BALANCES)
            days = await conn.fetch(_HELD_BY_DAY, timeout=_QUERY_SECONDS) if balances else []
        dated: dict[int, list[tuple[date | None, int]]] = {}
        for row in days:
            part = (row["payable_on"], int(row["amount_minor"]))
            dated.setdefault(row["account_id"], []).append(part)
        held = {}
        for row in balances:
            parts = dated.get(row["account_id"], [])
            rest = int(row["held_minor"]) - sum(amount_minor for _, amount_minor in parts)
            held[Payee(row["party"], row["party_name"]), row["currency"]] = [
                *parts,
                *([(None, rest)] if rest else []),
            ]
        return held


def _open(row: Record) -> Open:
    return Open(row["currency"], int(row["owed_minor"]), row["entries"], int(row["released_minor"]))


def _drawn(asked: _Asked, found: Open, verdict: Outcome, settlement_id: int | None) -> Drawn:
    owed = Money(found.owed_minor, found.currency)
    return Drawn(asked.payee, asked.until, verdict, owed, found.entries, settlement_id)


class _LeaveAsItWasError(Exception):
    """Ends a transaction that is to leave nothing behind."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """What a settlement opens with, and what became of that since the one before was drawn up."""

    previous_id: int | None
    opening_minor: int
    paid_since_minor: int
    freed_since_minor: int
    paid_before_minor: int


async def _sums(conn: Connection, account_id: int) -> _Sums:
    now = await conn.fetchrow(_BEFORE, account_id)
    assert now is not None, "an aggregate has a row"
    opening_minor = paid_then_minor = 0
    if now["previous_id"] is not None:
        before = await conn.fetchrow(_CLOSING, now["previous_id"])
        assert before is not None, "a settlement is never deleted"
        opening_minor, paid_then_minor = int(before["closing_minor"]), int(before["paid_before_minor"])
    paid_since_minor = paid_then_minor - int(now["paid_minor"])
    return _Sums(
        previous_id=now["previous_id"],
        opening_minor=opening_minor,
        paid_since_minor=paid_since_minor,
        # Whatever else it comes to is what withdrawn settlements gave back: their entries stand open again.
        freed_since_minor=int(now["unpaid_minor"]) - opening_minor - paid_since_minor,
        paid_before_minor=int(now["paid_minor"]),
    )


def _rate_columns(rate: Conversion | None) -> tuple[int | None, int | None, str | None, datetime | None]:
    return (
        (None, None, None, None) if rate is None else (rate.numerator, rate.denominator, rate.source, rate.at)
    )


def _other(terms: PayeeTerms, currency: str) -> str | None:
    """The currency a payee is paid in, where it is not the one that is owed."""
    return terms.paid_in if terms.paid_in != currency else None
