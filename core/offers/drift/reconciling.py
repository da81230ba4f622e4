"""Moves what a channel was seen to show into repairs, adoptions and questions, as drift.py judges it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.audit import note
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import InvalidInput, UnknownListing
from core.offers.drift.judging import (
    Action,
    Compared,
    Face,
    Finding,
    Kind,
    Lately,
    Policy,
    What,
    judge,
)
from core.offers.terms import ChannelTerms
from core.types import ListingId, ListingRef, PriceBasis

_SQL = load_queries("core.offers.drift", "reconciling.sql")
_DIFFERING = _SQL["differing"]
_LATELY = _SQL["lately"]
_TAKE_AS_SHOWN = _SQL["take_as_shown"]
_NOTE_DRIFTS = _SQL["note_drifts"]
_ASK = _SQL["ask"]
_UNKNOWN_LISTINGS = _SQL["unknown_listings"]
_ADOPT = _SQL["adopt"]
_CLEAR_ADOPTION = _SQL["clear_adoption"]
_FIND_QUESTION = _SQL["find_question"]
_DECIDE = _SQL["decide"]
_FIND_LISTING = _SQL["find_listing"]
_DROP_OLD_DRIFTS = _SQL["drop_old_drifts"]
_TELL_AGAIN = load_queries("core.offers", "dirty.sql")["tell_again"]

DECISIONS = ("repair", "adopt", "dismiss")
_BY_POLICY = "policy"
_AT_ONCE = 1_000
_MOST_ROUNDS = 1_000
_MOST_UNKNOWN = 1_000
_KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing of a listing that differed, and what was found about it."""

    listing_ref: ListingRef
    listing_id: ListingId | None
    finding: Finding
    published: str
    observed: str

    def __str__(self) -> str:
        what, kind, action = self.finding.what, self.finding.kind, self.finding.action
        return f"{self.listing_ref}: {what} {self.published} is shown as {self.observed} ({kind}; {action})"


class Reconciliation:
    """Compares what channels were told with what they show, and acts on it."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now

    async def compare(self, terms: ChannelTerms, at: datetime, *, complete: bool = True) -> list[Drift]:
        """Judge everything that was seen at `at`; what differed, other than by sales and rounding.

        `complete`: the whole list was read, so what was not seen is not there. Call it after orders placed
        before `at` were taken in: a sale we have not heard of is not drift.
        """
        found: list[Drift] = []
        for _ in range(_MOST_ROUNDS):
            some, more = await self._compare_some(terms, at, complete=complete)
            found += some
            if not more:
                break
        return found

    async def _compare_some(
        self, terms: ChannelTerms, at: datetime, *, complete: bool
    ) -> tuple[list[Drift], bool]:
        by_net = terms.written_price is PriceBasis.NET
        async with self._pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(_DIFFERING, terms.channel_id, at, by_net, complete, _AT_ONCE)
            lately = await _read_lately(conn, rows, at - terms.drift.fight_span)
            judged = []
            for row in rows:
                compared = _compared(row, lately.get(ListingId(row["listing_id"]), {}))
                judged.append((compared, judge(compared, terms.drift, at)))
            await self._act(conn, judged, at)
            drifts = [drift for compared, findings in judged for drift in _drifts(compared, findings)]
            await _write(conn, terms, drifts, at)
        # What was judged and left differs still: only progress makes another look worth while.
        moved = any(_tells(findings) for _, findings in judged)
        return drifts, len(rows) == _AT_ONCE and moved

    async def _act(
        self, conn: Connection, judged: Sequence[tuple[Compared, list[Finding]]], at: datetime
    ) -> None:
        for actor, action in ((_BY_POLICY, Action.ADOPT), ("until decided", Action.HOLD)):
            wishes = [(c.listing_id, f.what) for c, fs in judged for f in fs if f.action is action]
            await conn.execute(
                _ADOPT,
                [listing_id for listing_id, _ in wishes],
                [what.value for _, what in wishes],
                actor,
                "as the channel shows it",
                at,
            )
        taken = [(c, fs) for c, fs in judged if any(_is_taken(finding) for finding in fs)]
        await conn.execute(
            _TAKE_AS_SHOWN,
            [c.listing_id for c, _ in taken],
            [any(_is_taken(f) and f.what in (What.QUANTITY, What.SWITCH) for f in fs) for _, fs in taken],
            [any(_is_taken(f) and f.what is What.PRICE for f in fs) for _, fs in taken],
            [_tells(fs) for _, fs in taken],
            [any(f.what is What.LISTING for f in fs) for _, fs in taken],
            at,
        )

    async def note_unknown(self, terms: ChannelTerms, seen: Sequence[ListingRef], at: datetime) -> int:
        """Write down listings the channel shows that we know nothing of, each once; how many are new."""
        async with self._pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(_UNKNOWN_LISTINGS, terms.channel_id, list(seen), _MOST_UNKNOWN)
            asks = terms.drift.policy(What.LISTING, Kind.UNKNOWN) is Policy.ASK
            finding = Finding(What.LISTING, Kind.UNKNOWN, Action.LEAVE, asks, "linked to no SKU")
            drifts = [Drift(ListingRef(row["listing_ref"]), None, finding, "-", "shown") for row in rows]
            await _write(conn, terms, drifts, at)
        return len(drifts)

    async def decide(self, drift_id: int, decision: str, *, actor: str, reason: str) -> None:
        """A person's word on a question: tell it again, keep what is shown, or let it be.

        InvalidInput when nobody asks it (any more), or when it cannot be done.
        """
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            row = await conn.fetchrow(_FIND_QUESTION, drift_id)
            if row is None:
                raise InvalidInput(
                    f"drift {drift_id}: no such question is open; `consignd drift list` shows those that are"
                )
            await self._carry_out(conn, row, decision, actor, reason)
            await conn.execute(_DECIDE, drift_id, decision, now, actor, reason)
            subject = f"{row['what']} of {row['channel']}/{row['listing_ref']}"
            await note(conn, at=now, actor=actor, action=f"drift {decision}", subject=subject, reason=reason)

    async def _carry_out(
        self, conn: Connection, question: Record, decision: str, actor: str, reason: str
    ) -> None:
        what, listing_id = What(question["what"]), question["listing_id"]
        if decision not in DECISIONS:
            raise InvalidInput(f"decision {decision!r}: write one of {', '.join(DECISIONS)}")
        if decision == "dismiss" and question["action"] == Action.HOLD:
            raise InvalidInput("it is kept as shown until decided: write repair or adopt")
        if decision == "dismiss":
            return
        if listing_id is None:
            ref = question["listing_ref"]
            raise InvalidInput(f"listing {ref} is linked to no SKU: link it with `consignd stock link`")
        if decision == "adopt":
            if what is What.LISTING:
                raise InvalidInput("what is not there cannot be kept: write repair or dismiss")
            await conn.execute(_ADOPT, [listing_id], [what.value], actor, reason, self._now())
        else:
            await conn.fetch(_CLEAR_ADOPTION, listing_id, what.value)
        await conn.execute(_TELL_AGAIN, [listing_id], self._now())

    async def clear(self, channel: str, listing_ref: str, *, actor: str, reason: str) -> list[What]:
        """Have a listing show again what its rules say; what had been kept as it was shown."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            listing_id: int | None = await conn.fetchval(_FIND_LISTING, channel, listing_ref)
            if listing_id is None:
                raise UnknownListing(f"listing {listing_ref!r} of channel {channel!r} is not known")
            rows = await conn.fetch(_CLEAR_ADOPTION, listing_id, None)
            await conn.execute(_TELL_AGAIN, [listing_id], now)
            subject = f"listing {channel}/{listing_ref}"
            await note(conn, at=now, actor=actor, action="drift clear", subject=subject, reason=reason)
        return [What(row["what"]) for row in rows]

    async def drop_old(self) -> None:
        """Forget drifts that nobody has to decide and that are long past."""
        await self._pool.execute(_DROP_OLD_DRIFTS, self._now() - _KEPT)


async def _read_lately(
    conn: Connection, rows: Sequence[Record], since: datetime
) -> dict[ListingId, dict[What, Lately]]:
    found: dict[ListingId, dict[What, Lately]] = {}
    for row in await conn.fetch(_LATELY, [row["listing_id"] for row in rows], since):
        things = found.setdefault(ListingId(row["listing_id"]), {})
        things[What(row["what"])] = Lately(int(row["repairs"]), row["last_at"])
    return found


def _compared(row: Record, lately: dict[What, Lately]) -> Compared:
    shown = Face(row["observed_quantity"], row["observed_minor"], row["observed_on"])
    return Compared(
        listing_id=ListingId(row["listing_id"]),
        listing_ref=ListingRef(row["listing_ref"]),
        published=Face(row["published_quantity"], row["published_minor"], row["published_on"]),
        before=Face(row["before_quantity"], row["before_minor"], row["before_on"]),
        observed=None if row["vanished"] else shown,
        held=row["held"],
        sold=row["sold"],
        lately=lately,
    )


def _is_taken(finding: Finding) -> bool:
    """Whether what is shown counts from now on as what the channel was told last."""
    return finding.kind is Kind.ROUNDED or finding.action is not Action.LEAVE


def _tells(findings: Sequence[Finding]) -> bool:
    """Whether the offer is worked out and told again."""
    return any(finding.action is not Action.LEAVE for finding in findings)


def _drifts(compared: Compared, findings: Sequence[Finding]) -> list[Drift]:
    return [
        Drift(
            compared.listing_ref,
            compared.listing_id,
            finding,
            str(compared.published),
            "nothing" if compared.observed is None else str(compared.observed),
        )
        for finding in findings
        if not finding.explained
    ]


async def _write(conn: Connection, terms: ChannelTerms, drifts: Sequence[Drift], at: datetime) -> None:
    """A row for everything that was done, and one for each question."""
    done = [drift for drift in drifts if not drift.finding.asks or drift.finding.action is Action.REPAIR]
    for query, some in ((_NOTE_DRIFTS, done), (_ASK, [drift for drift in drifts if drift.finding.asks])):
        if some:
            await conn.execute(
                query,
                terms.channel_id,
                [drift.listing_ref for drift in some],
                [drift.listing_id for drift in some],
                [drift.finding.what.value for drift in some],
                [drift.finding.kind.value for drift in some],
                [drift.finding.action.value for drift in some],
                [drift.finding.why for drift in some],
                [drift.published for drift in some],
                [drift.observed for drift in some],
                at,
            )
