"""Keeps what campaigns have given so far: budgets, what each account had, what rules count over a period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from core.buyers.marks import marks_of
from core.campaigns.campaign import Reward
from core.campaigns.deciding import Granted, History, Refused, Use, beneficiary_of
from core.campaigns.facts import Judged
from core.campaigns.publishing import Version
from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.plans.facts import Counted
from core.money.plans.periods import period_start
from core.money.plans.rules import Per

_SQL = load_queries("core.campaigns", "history.sql")
_STANDING = _SQL["standing"]
_USES = _SQL["uses"]
_COUNTED = _SQL["counted"]
_ADD_GRANTED = _SQL["add_granted"]
_ADD_RETURNED = _SQL["add_returned"]
_ADD_COUNTER = _SQL["add_counter"]
_ADD_COUNTED = _SQL["add_counted"]


@dataclass(frozen=True, slots=True)
class Marked:
    """What tells one buyer from another, for one reward of a campaign: kinds, and marks as text."""

    kinds: tuple[str, ...]
    marks: tuple[str, ...]


async def read_marks(conn: Connection, judged: Judged, reward: str) -> Marked:
    """The buyer's account, addresses and devices; each reward is counted for itself."""
    assert judged.buyer is not None, "nobody is counted without a buyer"
    found = [("account", f"buyer {judged.person_id}")]
    for mark in await marks_of(conn, judged.buyer):
        found.append((str(mark.kind), mark.hash.hex()))
    found.sort()
    return Marked(tuple(kind for kind, _ in found), tuple(f"{reward}: {mark}" for _, mark in found))


async def read_history(
    conn: Connection, version: Version, reward: Reward, judged: Judged, marked: Marked
) -> History:
    """What came before a decision; whoever reads it holds the turn to grant."""
    campaign, facts = version.campaign, judged.facts
    about = (facts.order_id, judged.person_id, facts.currency)
    standing = await conn.fetchrow(_STANDING, campaign.name, day_of(facts.delivered_at), *about)
    assert standing is not None, "a published campaign has its row"
    uses = await conn.fetch(_USES, campaign.name, marked.kinds, marked.marks)
    counted = Counted()
    if reward.rule.counts:
        row = await conn.fetchrow(_COUNTED, *_counter(version, reward, judged))
        counted = Counted(*row) if row is not None else counted
    return History(
        counted=counted,
        spent_minor=int(standing["spent_minor"]),
        spent_today_minor=int(standing["today_minor"]),
        of_order_minor=int(standing["of_order_minor"]),
        of_buyer_minor=int(standing["of_buyer_minor"]),
        uses=tuple(Use(row["kind"], row["grants"], int(row["amount_minor"])) for row in uses),
        rings=judged.rings,
    )


async def note_granted(
    conn: Connection, version: Version, reward: Reward, judged: Judged, marked: Marked, granted: Granted
) -> None:
    """Count what was granted."""
    name, day = version.campaign.name, day_of(judged.facts.delivered_at)
    await conn.execute(_ADD_GRANTED, name, day, marked.kinds, marked.marks, granted.amount_minor)
    await note_counted(conn, version, reward, judged, granted)


async def note_counted(
    conn: Connection, version: Version, reward: Reward, judged: Judged, answer: Granted | Refused
) -> None:
    """Count what an order adds to a reward's period, whether or not it got anything."""
    if not reward.rule.counts or not answer.line_nos:
        return
    key, facts = _counter(version, reward, judged), judged.facts
    taken = answer.given if isinstance(answer, Granted) else 0
    await conn.execute(_ADD_COUNTER, *key, taken, answer.base_minor, 1)
    about = (answer.base_minor, answer.eligible_minor, list(answer.line_nos))
    await conn.execute(_ADD_COUNTED, facts.order_id, *key, *about)


async def note_returned(conn: Connection, name: str, day: date, amount_minor: int) -> None:
    """Count what came back, on the day whose budget it was of."""
    await conn.execute(_ADD_RETURNED, name, day, amount_minor)


async def note_turnover_back(
    conn: Connection,
    name: str,
    reward: str,
    beneficiary: str,
    start: datetime,
    *,
    taken: int,
    turnover_minor: int,
) -> None:
    """Take off a period what came back."""
    await conn.execute(_ADD_COUNTER, name, reward, beneficiary, start, -taken, -turnover_minor, 0)


def day_of(moment: datetime) -> date:
    """The day in UTC, by which budgets are counted."""
    return moment.astimezone(UTC).date()


def _counter(version: Version, reward: Reward, judged: Judged) -> tuple[str, str, str, datetime]:
    rule, facts = reward.rule, judged.facts
    by_tiers = rule.tiers.per if rule.tiers is not None else Per.EVER
    per = rule.cap.per if rule.cap is not None else by_tiers
    beneficiary = beneficiary_of(rule, facts)
    return version.campaign.name, rule.name, beneficiary, period_start(per, facts.sold_at)
