"""Decides what stands over a line, and writes it down with its notices: one daemon at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import asyncpg

from core.alerts.hysteresis import Change, Standing, Transition, judge
from core.alerts.quiet import release_of
from core.alerts.readings.looking import View
from core.alerts.readings.taking import INTERVAL_SECONDS, take_readings
from core.alerts.rules import Fact, Measure, Reading, Route, Rule, Severity, Subject
from core.audit import note
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import StaleVersion, UnknownIncident

_SQL = load_queries("core.alerts", "incidents.sql")
_TRY_ALONE = _SQL["try_alone"]
_HOLD_PLANNER = _SQL["hold_planner"]
_DATABASE_TIME = _SQL["database_time"]
_DUE_MEASURES = _SQL["due_measures"]
_NOTE_MEASURED = _SQL["note_measured"]
_STANDINGS = _SQL["standings"]
_WAIT = _SQL["wait"]
_STOP_WAITING = _SQL["stop_waiting"]
_RAISE_INCIDENT = _SQL["raise_incident"]
_KEEP_INCIDENTS = _SQL["keep_incidents"]
_CLOSE_INCIDENT = _SQL["close_incident"]
_REMIND = _SQL["remind"]
_WITHDRAW = _SQL["withdraw"]
_FORGET_WAITING = _SQL["forget_waiting"]
_WRITE_NOTICES = _SQL["write_notices"]
_TOLD_ROUTES = _SQL["told_routes"]
_LOCK_INCIDENT = _SQL["lock_incident"]
_ACKNOWLEDGE = _SQL["acknowledge"]

# What keeps one thing from being measured; when the connection is lost, nothing is.
_NOT_MEASURED = (asyncpg.DataError, asyncpg.SyntaxOrAccessError, asyncpg.QueryCanceledError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched, and who is told: the rules, the routes, and the channels that should be driven."""

    rules: tuple[Rule, ...]
    routes: Mapping[str, Route] = field(default_factory=dict)
    driven: tuple[str, ...] = ()
    sweep_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep came to. `unmeasured`: what could not be measured and so changed nothing, and why."""

    raised: int = 0
    recovered: int = 0
    reminded: int = 0
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Incident:
    """An open incident, as far as going on with it needs."""

    incident_id: int
    told_at: datetime
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class _Told:
    """A notice to one route."""

    incident_id: int
    kind: str
    turn: int
    route: str
    value: float | None
    facts: Mapping[str, Fact]
    due_at: datetime


class IncidentBook:
    """The incidents of one database."""

    def __init__(self, pool: Pool, watch: Watch) -> None:
        self._pool = pool
        self._watch = watch

    async def sweep(self, now: datetime | None = None) -> Swept | None:
        """Look at everything that is due, once; None: another daemon is looking.

        Without `now` the database's clock counts, so that daemons' clocks may differ.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            alone: bool = await conn.fetchval(_TRY_ALONE)
            if not alone:
                return None
            await conn.execute(_HOLD_PLANNER)
            at: datetime = now or await conn.fetchval(_DATABASE_TIME)
            return await _Sweep(conn, self._watch, at).run()


class _Sweep:
    """One look at everything that is due, inside its transaction."""

    def __init__(self, conn: Connection, watch: Watch, now: datetime) -> None:
        self._conn = conn
        self._watch = watch
        self._now = now
        self._notices: list[_Told] = []
        self._standings: dict[str, dict[Subject, Standing]] = {}
        self._incidents: dict[tuple[str, Subject], _Incident] = {}
        self._counts = dict.fromkeys(Change, 0)
        self._reminded = 0

    async def run(self) -> Swept:
        """Measure, judge, write down."""
        measured, unmeasured = await self._measure()
        rules = [rule for rule in self._watch.rules if rule.measure in measured]
        await self._read_standings([rule.name for rule in rules])
        transitions = [
            transition
            for rule in rules
            for transition in judge(
                rule, self._standings.get(rule.name, {}), measured[rule.measure], self._now
            )
        ]
        await self._write(transitions)
        names = [rule.name for rule in self._watch.rules]
        await self._conn.execute(_WITHDRAW, names, self._now)
        await self._conn.execute(_FORGET_WAITING, names, self._now)
        await self._conn.execute(_NOTE_MEASURED, sorted({str(measure) for measure in measured}), self._now)
        return Swept(
            self._counts[Change.RAISED],
            self._counts[Change.RECOVERED] + self._counts[Change.GONE],
            self._reminded,
            unmeasured,
        )

    async def _measure(self) -> tuple[dict[Measure, list[Reading]], tuple[str, ...]]:
        """What is due, measured; what cannot be measured now is nobody's end of an alert."""
        every = list(dict.fromkeys(rule.measure for rule in self._watch.rules))
        seconds = [INTERVAL_SECONDS.get(each.metric, self._watch.sweep_seconds) for each in every]
        rows = await self._conn.fetch(_DUE_MEASURES, [str(each) for each in every], seconds, self._now)
        due = {row["measure"] for row in rows}
        view = View(self._now, self._watch.driven)
        measured: dict[Measure, list[Reading]] = {}
        failed = []
        for measure in every:
            if str(measure) not in due:
                continue
            try:
                async with self._conn.transaction():
                    measured[measure] = await take_readings(self._conn, measure, view)
            except (
                asyncpg.DataError,
                asyncpg.SyntaxOrAccessError,
                asyncpg.QueryCanceledError,
                TimeoutError,
            ) as error:
                failed.append(f"{measure.metric}: {type(error).__name__}: {error}")
        return measured, tuple(failed)

    async def _read_standings(self, rules: Sequence[str]) -> None:
        for row in await self._conn.fetch(_STANDINGS, rules):
            subject = Subject.parse(row["subject"])
            raised = row["incident_id"] is not None
            self._standings.setdefault(row["rule"], {})[subject] = Standing(row["since"], raised)
            if raised:
                self._incidents[row["rule"], subject] = _Incident(
                    row["incident_id"], row["told_at"], row["acknowledged"]
                )

    async def _write(self, transitions: Sequence[Transition]) -> None:
        by_change = sorted(transitions, key=lambda each: each.change)
        for change, group in groupby(by_change, key=lambda each: each.change):
            each = list(group)
            self._counts[change] = len(each)
            match change:
                case Change.WAITING:
                    await self._wait(each)
                case Change.CALMED:
                    await self._stop_waiting(each)
                case Change.RAISED:
                    await self._raise(each)
                case Change.STANDING:
                    await self._keep(each)
                case Change.RECOVERED | Change.GONE:
                    await self._close(change, each)
        await self._write_notices()

    async def _wait(self, waiting: Sequence[Transition]) -> None:
        await self._conn.execute(_WAIT, *_keys(waiting), [each.since for each in waiting])

    async def _stop_waiting(self, calmed: Sequence[Transition]) -> None:
        await self._conn.execute(_STOP_WAITING, *_keys(calmed))

    async def _raise(self, raised: Sequence[Transition]) -> None:
        await self._stop_waiting(raised)
        for each in raised:
            assert each.reading is not None, "only what was measured is raised"
            rule, reading = each.rule, each.reading
            incident_id: int = await self._conn.fetchval(
                _RAISE_INCIDENT,
                rule.name,
                rule.measure.metric.value,
                str(each.subject),
                rule.severity.value,
                rule.cross,
                rule.clear,
                reading.value,
                dict(reading.facts),
                each.since,
                self._now,
            )
            for route in self._watch.routes.values():
                if route.wants(rule):
                    self._tell(route, each, incident_id, "raised", 0)

    async def _keep(self, standing: Sequence[Transition]) -> None:
        ids, values, facts = [], [], []
        for each in standing:
            assert each.reading is not None, "what stands was measured"
            incident = self._incidents[each.rule.name, each.subject]
            ids.append(incident.incident_id)
            values.append(each.reading.value)
            facts.append(_encoded(each.reading.facts))
            if _to_remind(each.rule, incident, self._now):
                await self._remind(each, incident.incident_id)
        await self._conn.execute(_KEEP_INCIDENTS, ids, values, facts, self._now)

    async def _remind(self, standing: Transition, incident_id: int) -> None:
        turn: int = await self._conn.fetchval(_REMIND, incident_id, self._now)
        self._reminded += 1
        for route in await self._told([incident_id]):
            self._tell(route, standing, incident_id, "reminder", turn)

    async def _close(self, change: Change, closed: Sequence[Transition]) -> None:
        for each in closed:
            incident_id = self._incidents[each.rule.name, each.subject].incident_id
            value = each.reading.value if each.reading else None
            await self._conn.execute(_CLOSE_INCIDENT, incident_id, self._now, change.value, value)
            for route in await self._told([incident_id]):
                self._tell(route, each, incident_id, change.value, 0)

    async def _told(self, incident_ids: Sequence[int]) -> list[Route]:
        """The routes that heard of the beginning and are still there."""
        rows = await self._conn.fetch(_TOLD_ROUTES, incident_ids)
        return [self._watch.routes[row["route"]] for row in rows if row["route"] in self._watch.routes]

    def _tell(self, route: Route, each: Transition, incident_id: int, kind: str, turn: int) -> None:
        # What is critical wakes people; and nobody is woken by good news.
        wakes = each.rule.severity is Severity.CRITICAL and kind in ("raised", "reminder")
        due_at = self._now if wakes else release_of(self._now, each.rule.quiet, route.quiet)
        facts = each.reading.facts if each.reading else {}
        value = each.reading.value if each.reading else None
        self._notices.append(_Told(incident_id, kind, turn, route.name, value, facts, due_at))

    async def _write_notices(self) -> None:
        told = self._notices
        if not told:
            return
        await self._conn.execute(
            _WRITE_NOTICES,
            [each.incident_id for each in told],
            [each.kind for each in told],
            [each.turn for each in told],
            [each.route for each in told],
            [each.value for each in told],
            [_encoded(each.facts) for each in told],
            [each.due_at for each in told],
            self._now,
        )


async def acknowledge(conn: Connection, incident_id: int, *, actor: str, reason: str, now: datetime) -> None:
    """Somebody has seen an open incident: no more reminders. The end is told all the same.

    Raises UnknownIncident, and StaleVersion where it is over or somebody else was first.
    """
    row = await conn.fetchrow(_LOCK_INCIDENT, incident_id)
    if row is None:
        raise UnknownIncident(f"alert {incident_id}: no such alert; `consignd alerts` lists them")
    if row["closed_at"] is not None:
        raise StaleVersion(f"alert {incident_id} is over since {row['closed_at']:%Y-%m-%d %H:%M} UTC")
    if row["acknowledged_at"] is not None:
        raise StaleVersion(f"alert {incident_id} was acknowledged by {row['acknowledged_by']} already")
    subject = f"alert {incident_id} {row['rule']} {row['subject']}"
    await note(conn, at=now, actor=actor, action="acknowledge", subject=subject, reason=reason)
    await conn.execute(_ACKNOWLEDGE, incident_id, now, actor, reason.strip())


def _keys(transitions: Sequence[Transition]) -> tuple[list[str], list[str]]:
    return [each.rule.name for each in transitions], [str(each.subject) for each in transitions]


def _to_remind(rule: Rule, incident: _Incident, now: datetime) -> bool:
    asked = rule.remind_every
    return asked is not None and not incident.acknowledged and now - incident.told_at >= asked


def _encoded(facts: Mapping[str, Fact]) -> str:
    return json.dumps(dict(facts), ensure_ascii=False)
