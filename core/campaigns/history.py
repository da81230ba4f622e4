"""Keeps what campaigns have given so far: budgets, what each account had, what rules count over a period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from core.buyers.marks import marks_of_people
from core.campaigns.deciding import Granted, Refused, Use
from core.campaigns.standing import Asking, CounterKey, Standing, UseKey, counts, given_of
from core.db.arrays import int_array
from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.plans.facts import Counted
from core.types import BuyerId

_SQL = load_queries("core.campaigns", "history.sql")
_SPENT = _SQL["spent"]
_SPENT_ON = _SQL["spent_on"]
_OF_ORDERS = _SQL["of_orders"]
_OF_PEOPLE = _SQL["of_people"]
_USES = _SQL["uses"]
_COUNTED = _SQL["counted"]
_ADD_RETURNED = _SQL["add_returned"]
_ADD_SPENT = _SQL["add_spent"]
_ADD_DAYS = _SQL["add_days"]
_ADD_USES = _SQL["add_uses"]
_ADD_COUNTERS = _SQL["add_counters"]
_ADD_COUNTED = _SQL["add_counted"]

Answered = Sequence[tuple[Asking, Granted | Refused]]


async def read_standing(conn: Connection, askings: Sequence[Asking]) -> Standing:
    """What came before these decisions; whoever reads it holds the turn to grant."""
    people = {
        (each.judged.person_id, each.judged.facts.currency)
        for each in askings
        if each.judged.person_id is not None
    }
    found = Standing(await _marks(conn, {person_id for person_id, _ in people}))
    names = sorted({asking.campaign.name for asking in askings})
    for row in await conn.fetch(_SPENT, names):
        found.spent[row["name"]] = int(row["spent_minor"])
    for row in await conn.fetch(_SPENT_ON, *_columns({asking.day for asking in askings}, 2)):
        found.spent_on[row["name"], row["day"]] = int(row["granted_minor"])
    orders = {asking.judged.facts.order_id for asking in askings}
    for row in await conn.fetch(_OF_ORDERS, sorted(orders)):
        found.of_order[row["order_id"], row["currency"]] = int(row["left_minor"])
    for row in await conn.fetch(_OF_PEOPLE, *_columns(people, 2)):
        found.of_person[BuyerId(row["person_id"]), row["currency"]] = int(row["left_minor"])
    keys = {key for asking in askings for key in found.use_keys(asking)}
    for row in await conn.fetch(_USES, *_columns(keys, 3)) if keys else []:
        use = Use(row["kind"], row["grants"], int(row["amount_minor"]))
        found.uses[row["name"], row["kind"], row["mark"]] = use
    counters = {counter for asking in askings if (counter := asking.counter) is not None}
    for row in await conn.fetch(_COUNTED, *_columns(counters, 4)) if counters else []:
        key, numbers = tuple(row)[:4], tuple(row)[4:]
        found.counted[key] = Counted(*numbers)
    return found


async def note_answers(conn: Connection, answered: Answered) -> None:
    """Count what was decided: in all, by day, for each mark, and over periods."""
    granted = [(asking, answer) for asking, answer in answered if isinstance(answer, Granted)]
    if granted:
        await _note_granted(conn, granted)
    counted = [(asking, answer) for asking, answer in answered if counts(answer)]
    rows = [(asking, answer, key) for asking, answer in counted if (key := asking.counter) is not None]
    if not rows:
        return
    sums: dict[CounterKey, list[int]] = {}
    for _, answer, key in rows:
        known = sums.setdefault(key, [0, 0, 0])
        for place, more in enumerate((given_of(answer), answer.base_minor, 1)):
            known[place] += more
    await conn.execute(_ADD_COUNTERS, *_columns(((*key, *sums[key]) for key in sums), 7))
    told = [
        (
            asking.judged.facts.order_id,
            *key,
            answer.base_minor,
            answer.eligible_minor,
            int_array(answer.line_nos),
        )
        for asking, answer, key in rows
    ]
    await conn.execute(_ADD_COUNTED, *_columns(told, 8))


async def _note_granted(conn: Connection, granted: Sequence[tuple[Asking, Granted]]) -> None:
    spent: Counter[str] = Counter()
    days: Counter[tuple[str, date]] = Counter()
    for asking, answer in granted:
        spent[asking.campaign.name] += answer.amount_minor
        days[asking.day] += answer.amount_minor
    times = Counter(asking.day for asking, _ in granted)
    await conn.execute(_ADD_SPENT, *_columns(spent.items(), 2))
    await conn.execute(_ADD_DAYS, *_columns(((*day, days[day], times[day]) for day in times), 4))


async def note_uses(conn: Connection, standing: Standing, granted: Sequence[tuple[Asking, Granted]]) -> None:
    """Count what each of the buyers' marks has had."""
    times: Counter[UseKey] = Counter()
    amounts: Counter[UseKey] = Counter()
    for asking, answer in granted:
        for key in standing.use_keys(asking):
            times[key] += 1
            amounts[key] += answer.amount_minor
    if times:
        rows = ((*key, times[key], amounts[key]) for key in times)
        await conn.execute(_ADD_USES, *_columns(rows, 5))


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
    row = (name, reward, beneficiary, start, -taken, -turnover_minor, 0)
    await conn.execute(_ADD_COUNTERS, *_columns([row], 7))


async def _marks(conn: Connection, people: set[BuyerId]) -> dict[BuyerId, tuple[tuple[str, str], ...]]:
    """Each person's account, addresses and devices: kinds, and marks as text."""
    found = {person_id: [("account", f"buyer {person_id}")] for person_id in people}
    for person_id, mark in await marks_of_people(conn, people):
        found[person_id].append((str(mark.kind), mark.hash.hex()))
    return {person_id: tuple(sorted(marks)) for person_id, marks in found.items()}


def _columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows in the order of their words, as columns."""
    return [list(column) for column in zip(*sorted(rows), strict=True)] or [[] for _ in range(width)]
