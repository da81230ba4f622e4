"""Decides whether the database keeps every promise, and names the rows that break one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import structlog

from core.codes.vault import Vault
from core.db.pool import Acquired, Connection, Pool
from core.db.queries import load_queries
from core.types import ChannelId
from core.views.leaks import Finding, find_leaks

_STOCK = load_queries("core.views", "invariants.sql")
_MONEY = load_queries("core.views", "invariants_money.sql")
_GROUPS = load_queries("core.views", "invariants_groups.sql")
_WALLETS = load_queries("core.views", "invariants_wallets.sql")
_COUPONS = load_queries("core.views", "invariants_coupons.sql")
_SETTLEMENTS = load_queries("core.views", "invariants_settlements.sql")
_CAMPAIGNS = load_queries("core.views", "invariants_campaigns.sql")
_MORE_MEMORY = _STOCK["more_memory"]
_MISSING_GUARDS = _STOCK["missing_guards"]
_HELD_TWICE = _STOCK["held_twice"]
_RELEASED_AFTER_SEEN = _STOCK["released_after_seen"]
_SOLD_AND_WITHDRAWN = _STOCK["sold_and_withdrawn"]
_WRONG_COUNT = _STOCK["wrong_count"]
_FOREIGN_CODES = _STOCK["foreign_codes"]
_NO_REQUEST = _STOCK["no_request"]
_BROKEN_CHAIN = _STOCK["broken_chain"]
_STOCK_UNBALANCED = _STOCK["stock_unbalanced"]
_SLOTS_NOT_DENSE = _STOCK["slots_not_dense"]
_STANDS_UNMATCHED = _STOCK["stands_unmatched"]
_ORDERS_LOST = _STOCK["orders_lost"]
_ORDERS_STUCK = _STOCK["orders_stuck"]
_SUMS_NOT_ZERO = _MONEY["sums_not_zero"]
_ENTRIES_UNMATCHED = _MONEY["entries_unmatched"]
_REFUNDS_NOT_NEGATIVE = _MONEY["refunds_not_negative"]
_LINES_NOT_SPLIT = _MONEY["lines_not_split"]
_SPLITS_OWED = _MONEY["splits_owed"]
_REFUNDS_UNMATCHED = _MONEY["refunds_unmatched"]
_STATEMENTS_APART = _MONEY["statements_apart"]
_OFFERS_APART = _MONEY["offers_apart"]
_PROMISES_OUT_OF_BOUND = _MONEY["promises_out_of_bound"]
_STOCK_OVERPROMISED = _MONEY["stock_overpromised"]
_SEALS_MALFORMED = _MONEY["seals_malformed"]
_GROUPS_APART = _GROUPS["groups_apart"]
_LOTS_APART = _WALLETS["lots_apart"]
_WALLETS_APART = _WALLETS["wallets_apart"]
_COUPONS_OVERUSED = _COUPONS["coupons_overused"]
_COUPONS_APART = _COUPONS["coupons_apart"]
_CAMPAIGNS_APART = _CAMPAIGNS["campaigns_apart"]
_REWARDS_APART = _CAMPAIGNS["rewards_apart"]
_SETTLEMENTS_APART = _SETTLEMENTS["settlements_apart"]
_PAYEES_APART = _SETTLEMENTS["payees_apart"]

MOST_DETAIL = 20
# A look at a hundred million rows may take its time; the pool's limit is for daily statements.
_QUERY_SECONDS = 3600.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Invariant:
    """What was found about one promise: how many violations, and up to 20 of them by their ids."""

    name: str
    violations: int
    detail: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it holds. Its detail may still tell of what is under way."""
        return self.violations == 0


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found about every promise, at one moment of the database."""

    invariants: tuple[Invariant, ...]

    @property
    def ok(self) -> bool:
        """Whether all of them hold."""
        return all(invariant.ok for invariant in self.invariants)

    def to_json(self) -> dict[str, object]:
        """The shape that operators script against."""
        return {
            "ok": self.ok,
            "invariants": {
                invariant.name: {
                    "ok": invariant.ok,
                    "violations": invariant.violations,
                    "detail": list(invariant.detail),
                }
                for invariant in self.invariants
            },
        }


@dataclass(frozen=True, slots=True)
class Probe:
    """One way in which an invariant could be broken: a query that answers with what is wrong."""

    invariant: str
    sql: str
    arguments: tuple[object, ...] = ()


@runtime_checkable
class _Lends(Protocol):
    """What tells a pool from a connection."""

    def acquire(self) -> Acquired: ...


async def check(
    database: Pool | Connection,
    *,
    bound_permille: int,
    now: datetime,
    vault: Vault | None,
    stuck_after: timedelta = timedelta(hours=1),
    strict: bool = False,
    partial_channel_ids: Sequence[ChannelId] = (),
) -> CheckReport:
    """Check every invariant that the database can show, all at the same moment; nothing is written.

    Without a vault no code is opened, so `sealed` is judged by the shape of what is stored. `strict` says
    that everything should have come to rest: an offer still under way is then a violation. Orders of the
    channels in `partial_channel_ids` may have got fewer codes than they asked for.
    """
    probes = _probes(bound_permille, now, stuck_after, strict, partial_channel_ids)
    async with AsyncExitStack() as held:
        conn = (
            await held.enter_async_context(database.acquire()) if isinstance(database, _Lends) else database
        )
        await held.enter_async_context(conn.transaction(isolation="repeatable_read", readonly=True))
        await conn.execute(_MORE_MEMORY)
        findings = {name: Finding(0, ()) for name in dict.fromkeys(probe.invariant for probe in probes)}
        for probe in probes:
            findings[probe.invariant] += await _ask(conn, probe)
        findings["sealed"] += await find_leaks(conn, vault)
    report = CheckReport(
        tuple(Invariant(name, f.total, f.what[:MOST_DETAIL]) for name, f in findings.items())
    )
    for invariant in report.invariants:
        if not invariant.ok:
            _log.error("invariant.violated", invariant=invariant.name, violations=invariant.violations)
    return report


def _probes(
    bound_permille: int,
    now: datetime,
    stuck_after: timedelta,
    strict: bool,
    partial_channel_ids: Sequence[ChannelId],
) -> list[Probe]:
    """Every invariant of the design, in its order, with the ways to break it."""
    return [
        *_selling_probes(now, stuck_after, partial_channel_ids),
        *_money_probes(strict),
        Probe("convergence", _OFFERS_APART, (strict,)),
        Probe("bounded-promise", _PROMISES_OUT_OF_BOUND),
        Probe("bounded-promise", _STOCK_OVERPROMISED, (now, bound_permille)),
        Probe("sealed", _SEALS_MALFORMED),
    ]


def _selling_probes(
    now: datetime, stuck_after: timedelta, partial_channel_ids: Sequence[ChannelId]
) -> list[Probe]:
    """Codes and orders: whoever asks gets his own, once, and nothing is lost on the way."""
    selling_guards = ["code_key", "code_fingerprint_once", "allocation_key", "departure_key"]
    order_guards = ["order_ref_once", "order_move_key"]
    coupon_guards = ["coupon_use_no_once", "coupon_use_basket_once", "coupon_source_once"]
    return [
        Probe("one-buyer", _MISSING_GUARDS, (selling_guards,)),
        Probe("one-buyer", _HELD_TWICE),
        Probe("one-buyer", _RELEASED_AFTER_SEEN),
        Probe("one-buyer", _SOLD_AND_WITHDRAWN),
        Probe("one-buyer", _MISSING_GUARDS, (coupon_guards,)),
        Probe("one-buyer", _COUPONS_OVERUSED),
        Probe("same-answer", _MISSING_GUARDS, (order_guards,)),
        Probe("same-answer", _WRONG_COUNT, (list(partial_channel_ids),)),
        Probe("same-answer", _FOREIGN_CODES),
        Probe("same-answer", _NO_REQUEST),
        Probe("same-answer", _BROKEN_CHAIN),
        Probe("conservation", _STOCK_UNBALANCED, (now,)),
        Probe("conservation", _SLOTS_NOT_DENSE),
        Probe("conservation", _STANDS_UNMATCHED),
        Probe("no-lost-order", _ORDERS_LOST),
        Probe("no-lost-order", _ORDERS_STUCK, (now, stuck_after)),
        Probe("no-lost-order", _GROUPS_APART),
    ]


def _money_probes(strict: bool) -> list[Probe]:
    """Money, points and coupons: the books come to zero, and everything kept beside them says the same."""
    return [
        Probe("balanced", _SUMS_NOT_ZERO),
        Probe("balanced", _ENTRIES_UNMATCHED),
        Probe("balanced", _REFUNDS_NOT_NEGATIVE),
        Probe("balanced", _STATEMENTS_APART),
        Probe("balanced", _LOTS_APART),
        Probe("balanced", _WALLETS_APART),
        Probe("balanced", _COUPONS_APART),
        Probe("balanced", _CAMPAIGNS_APART),
        Probe("balanced", _REWARDS_APART),
        Probe("balanced", _SETTLEMENTS_APART),
        Probe("balanced", _PAYEES_APART),
        Probe("paid-is-split", _MISSING_GUARDS, (["journal_line_sold_once", "sale_refunded_whole_once"],)),
        Probe("paid-is-split", _LINES_NOT_SPLIT),
        Probe("paid-is-split", _SPLITS_OWED, (strict,)),
        Probe("paid-is-split", _REFUNDS_UNMATCHED),
    ]


async def _ask(conn: Connection, probe: Probe) -> Finding:
    rows = await conn.fetch(probe.sql, *probe.arguments, timeout=_QUERY_SECONDS)
    total = int(rows[0]["total"]) if rows else 0
    return Finding(total, tuple(str(row["what"]) for row in rows))
