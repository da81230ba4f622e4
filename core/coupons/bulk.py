"""Moves many coupons at once: issued in steps that may be gone on with, written to a file once, one shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.audit import note
from core.buyers.buyers import Buyer
from core.codes.keys import WrappedKey
from core.coupons.issuing import CouponPress
from core.coupons.sealing import CouponSeal, SealedCode
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import InvalidInput, MoveRefused, UnknownCoupon

_SQL = load_queries("core.coupons", "bulk.sql")
_BEGIN_ISSUE = _SQL["begin_issue"]
_FIND_ISSUE = _SQL["find_issue"]
_LOCK_ISSUE = _SQL["lock_issue"]
_MARK_EXPORTED = _SQL["mark_exported"]
_SEALED_COUPONS = _SQL["sealed_coupons"]
_SEALED_COUPON = _SQL["sealed_coupon"]

MOST_AT_ONCE = 1_000_000
STEP_COUPONS = 1_000


@dataclass(frozen=True, slots=True)
class Issue:
    """Many coupons issued at once, and how many of them there are already."""

    issue_id: int
    series: str
    wanted: int
    issued: int
    segment: str | None
    exported_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExportedCoupon:
    """A row of the file: the code in clear, and whose it is."""

    coupon_id: int
    code: str = field(repr=False)
    buyer: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Reason:
    """Each coupon's place in its issue: going on after a crash finds what is there already."""

    kind: str
    ref: str


class BulkPress:
    """Issues many coupons, each step in a transaction of its own."""

    def __init__(self, pool: Pool, press: CouponPress, seal: CouponSeal) -> None:
        self._pool = pool
        self._press = press
        self._seal = seal

    async def begin(
        self, series: str, wanted: int, now: datetime, *, actor: str, reason: str, segment: str | None = None
    ) -> Issue:
        """Write down what is wanted, before the first coupon is made."""
        if not 1 <= wanted <= MOST_AT_ONCE:
            raise InvalidInput(f"coupons {series}: issue 1 to {MOST_AT_ONCE:,} at once, not {wanted:,}")
        async with self._pool.acquire() as conn, conn.transaction():
            terms = (await self._press.find_series(conn, series, now)).terms
            if segment is not None and terms.segments and segment not in terms.segments:
                allowed = ", ".join(sorted(terms.segments))
                raise InvalidInput(f"coupons {series}: are for {allowed}, not for the segment {segment}")
            if segment is None and terms.personal:
                raise InvalidInput(f"coupons {series}: each belongs to a buyer: issue them to a segment")
            issue_id: int = await conn.fetchval(
                _BEGIN_ISSUE, series, wanted, segment, actor, reason.strip(), now
            )
            subject = f"coupon issue {issue_id}"
            what = f"{wanted} of {series}: {reason.strip()}"
            await note(conn, at=now, actor=actor, action="coupons.issue", subject=subject, reason=what)
            return await find_issue(conn, issue_id)

    async def go_on(
        self,
        issue_id: int,
        now: datetime,
        *,
        buyers: Sequence[Buyer] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Issue:
        """Make what is missing: one for each of `buyers`, or as many as were wanted for whoever has the code.

        After a crash call it again: places that have their coupon are left alone.
        """
        async with self._pool.acquire() as conn:
            issue = await find_issue(conn, issue_id)
        if (buyers is None) != (issue.segment is None):
            raise InvalidInput(f"coupon issue {issue_id}: name its segment again, and no other")
        for wanted in _steps(issue, buyers):
            async with self._pool.acquire() as conn, conn.transaction():
                await conn.fetchrow(_LOCK_ISSUE, issue_id)
                published = await self._press.find_series(conn, issue.series, now)
                await self._press.add(conn, published, wanted, now, issue_id)
            if progress is not None:
                progress(len(wanted))
        async with self._pool.acquire() as conn:
            return await find_issue(conn, issue_id)

    async def export(
        self, issue_id: int, now: datetime, write: Callable[[Sequence[ExportedCoupon]], None], *, actor: str
    ) -> int:
        """Hand every code of an issue to `write`, once for ever; how many. `write` ends when all is safe."""
        async with self._pool.acquire() as conn, conn.transaction():
            row = await conn.fetchrow(_LOCK_ISSUE, issue_id)
            if row is None:
                raise _no_such_issue(issue_id)
            if row["exported_at"] is not None:
                when = f"{row['exported_at']:%Y-%m-%d}"
                raise MoveRefused(
                    f"coupon issue {issue_id}: {row['exported_by']} exported it {when}; codes are written to "
                    "a file once: issue new ones, or reveal single ones"
                )
            count, last = 0, 0
            while rows := await conn.fetch(_SEALED_COUPONS, issue_id, last, STEP_COUPONS):
                write([await self._exported(conn, each) for each in rows])
                count, last = count + len(rows), int(rows[-1]["coupon_id"])
            await conn.execute(_MARK_EXPORTED, issue_id, now, actor)
            subject = f"coupon issue {issue_id}"
            reason = f"{count} codes written to a file"
            await note(conn, at=now, actor=actor, action="coupons.export", subject=subject, reason=reason)
        return count

    async def reveal(
        self, conn: Connection, coupon_id: int, now: datetime, *, actor: str, reason: str
    ) -> str:
        """One code in clear. Show it only once the caller's transaction is committed: it says who saw it."""
        subject = f"coupon {coupon_id}"
        await note(conn, at=now, actor=actor, action="coupon.reveal", subject=subject, reason=reason)
        row = await conn.fetchrow(_SEALED_COUPON, coupon_id)
        if row is None:
            raise UnknownCoupon(f"coupon {coupon_id} is not known; `consignd coupons list` lists them")
        return await self._open(conn, row)

    async def _exported(self, conn: Connection, row: Record) -> ExportedCoupon:
        code = await self._open(conn, row)
        return ExportedCoupon(int(row["coupon_id"]), code, row["buyer"], row["expires_at"])

    async def _open(self, conn: Connection, row: Record) -> str:
        key = WrappedKey(row["key_id"], row["wrapped_key"])
        sealed = SealedCode(row["fingerprint"], row["sealed"])
        (code,) = await self._seal.open(conn, int(row["series_id"]), key, [sealed])
        return code


async def find_issue(conn: Connection, issue_id: int) -> Issue:
    """An issue by its number."""
    row = await conn.fetchrow(_FIND_ISSUE, issue_id)
    if row is None:
        raise _no_such_issue(issue_id)
    return Issue(
        int(row["issue_id"]),
        row["series_name"],
        int(row["wanted"]),
        int(row["issued"]),
        row["segment"],
        row["exported_at"],
    )


def _steps(issue: Issue, buyers: Sequence[Buyer] | None) -> Iterator[list[tuple[Buyer | None, _Reason]]]:
    if buyers is None:
        for first in range(issue.issued, issue.wanted, STEP_COUPONS):
            numbers = range(first, min(first + STEP_COUPONS, issue.wanted))
            yield [(None, _Reason("issue", f"{issue.issue_id}/{number}")) for number in numbers]
        return
    for first in range(0, len(buyers), STEP_COUPONS):
        part = buyers[first : first + STEP_COUPONS]
        yield [(buyer, _Reason("issue", f"{issue.issue_id}/{buyer.name}")) for buyer in part]


def _no_such_issue(issue_id: int) -> InvalidInput:
    return UnknownCoupon(f"coupon issue {issue_id} is not known; `consignd coupons issues` lists them")
