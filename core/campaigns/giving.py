"""Decides what many orders get, one after the other in memory, and writes all of it in few statements.

Each decision knows all that came before it: what stood in the database, and what was decided on the way. So
it makes no difference how many are decided at once, but for the time that it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.campaigns.campaign import PaysKind
from core.campaigns.deciding import Granted, PointTerms, Refused, decide
from core.campaigns.guards import guard
from core.campaigns.history import note_answers, note_uses, read_standing
from core.campaigns.paying import Payer, Payment
from core.campaigns.sealing import SeedSeal
from core.campaigns.standing import Asking, Standing
from core.db.arrays import int_array
from core.db.pool import Connection
from core.db.queries import load_queries
from core.wallets.points import Measured
from core.wallets.programmes import Measure

_SQL = load_queries("core.campaigns", "giving.sql")
_ADD_GRANTS = _SQL["add_grants"]
_ADD_PARTS = _SQL["add_parts"]
_ADD_REFUSALS = _SQL["add_refusals"]


@dataclass(frozen=True, slots=True)
class _Levels:
    """By what the levels of members are told, where points are paid."""

    payer: Payer
    measured: Mapping[Measured, int]

    def terms(self, asking: Asking, standing: Standing) -> PointTerms | None:
        """What points come to for this buyer, those counted that were earned on the way."""
        programme = self.payer.programme(asking.reward.pays, asking.campaign.currency)
        measured = _measured(asking)
        if programme is None or measured is None:
            return None
        so_far = self.measured[measured]
        if programme.measure is Measure.POINTS:
            so_far += standing.earned[asking.judged.person_id, programme.name]
        return self.payer.terms(programme, so_far)


async def give(
    conn: Connection, payer: Payer, seal: SeedSeal, askings: Sequence[Asking], now: datetime
) -> int:
    """Decide in this order and write everything, or nothing where anything fails; how many were granted.

    Nothing of it was decided before. The buyers are held, and so is the turn to grant.
    """
    standing = await read_standing(conn, askings)
    levels = _Levels(payer, await _read_levels(conn, payer, askings))
    seeds = await _open_seeds(conn, seal, askings)
    answered: list[tuple[Asking, Granted | Refused]] = []
    for asking in askings:
        answer = _decide(asking, standing, levels, seeds.get(asking.version.version_id))
        standing.count(asking, answer)
        answered.append((asking, answer))
    granted = [(asking, answer) for asking, answer in answered if isinstance(answer, Granted)]
    await refuse(
        conn,
        [(asking, answer.why, answer.reason) for asking, answer in answered if isinstance(answer, Refused)],
        now,
    )
    if granted:
        await _pay(conn, payer, granted, now)
        await note_uses(conn, standing, granted)
    await note_answers(conn, answered)
    return len(granted)


async def refuse(conn: Connection, refused: Iterable[tuple[Asking, str, str]], now: datetime) -> None:
    """Write why orders got nothing: the reason for programs, and for people."""
    rows = [
        (
            asking.campaign.name,
            asking.version.version_id,
            asking.judged.facts.order_id,
            asking.reward.rule.name,
            str(code),
            reason,
        )
        for asking, code, reason in refused
    ]
    if rows:
        await conn.execute(_ADD_REFUSALS, *map(list, zip(*rows, strict=True)), now)


def _decide(asking: Asking, standing: Standing, levels: _Levels, seed: bytes | None) -> Granted | Refused:
    return decide(
        asking.campaign,
        asking.reward,
        asking.judged.facts,
        standing.before(asking),
        guard,
        seed=seed,
        points=levels.terms(asking, standing),
    )


async def _open_seeds(conn: Connection, seal: SeedSeal, askings: Sequence[Asking]) -> dict[int, bytes]:
    """The seeds of versions whose draws are to be done now, by the version."""
    drawing = {asking.version.version_id: asking.version.seed for asking in askings if asking.reward.outcomes}
    return {
        version_id: await seal.open(conn, sealed)
        for version_id, sealed in drawing.items()
        if sealed is not None
    }


async def _read_levels(conn: Connection, payer: Payer, askings: Sequence[Asking]) -> Mapping[Measured, int]:
    asked = [
        measured
        for asking in askings
        if payer.programme(asking.reward.pays, asking.campaign.currency) is not None
        and (measured := _measured(asking)) is not None
    ]
    return await payer.measured(conn, asked) if asked else {}


def _measured(asking: Asking) -> Measured | None:
    buyer = asking.judged.buyer
    if buyer is None:
        return None
    return buyer.buyer_id, asking.reward.pays.name, asking.judged.facts.delivered_at


async def _pay(
    conn: Connection, payer: Payer, granted: Sequence[tuple[Asking, Granted]], now: datetime
) -> None:
    rows = [_row(asking, answer) for asking, answer in granted]
    added = await conn.fetch(_ADD_GRANTS, *map(list, zip(*rows, strict=True)), now)
    grant_ids = {(row["name"], row["order_id"], row["reward"]): int(row["grant_id"]) for row in added}
    paid = await payer.pay(conn, [(_payment(*each), each[1].parts) for each in granted], now)
    parts = [
        (
            grant_ids[asking.campaign.name, asking.judged.facts.order_id, asking.reward.rule.name],
            number,
            part.amount,
            part.vests_at,
            each.vested_at,
            each.paid_ref,
        )
        for (asking, answer), paid_parts in zip(granted, paid, strict=True)
        for number, (part, each) in enumerate(zip(answer.parts, paid_parts, strict=True), 1)
    ]
    await conn.execute(_ADD_PARTS, *map(list, zip(*parts, strict=True)))


def _row(asking: Asking, granted: Granted) -> tuple[object, ...]:
    reward, buyer = asking.reward, asking.judged.buyer
    assert buyer is not None, "without a buyer nothing is granted"
    return (
        asking.campaign.name,
        asking.version.version_id,
        asking.judged.facts.order_id,
        reward.rule.name,
        buyer.buyer_id,
        str(reward.rule.party),
        granted.beneficiary,
        str(reward.pays),
        granted.amount_minor,
        asking.campaign.currency,
        granted.given if reward.pays.kind is PaysKind.POINTS else None,
        granted.base_minor,
        granted.eligible_minor,
        int_array(granted.line_nos),
        granted.outcome_no,
        reward.rule.on_refund.value,
        granted.warning,
    )


def _payment(asking: Asking, granted: Granted) -> Payment:
    name, facts, buyer = asking.campaign.name, asking.judged.facts, asking.judged.buyer
    assert buyer is not None, "without a buyer nothing is granted"
    return Payment(
        campaign=name,
        pays=asking.reward.pays,
        buyer=buyer,
        beneficiary=granted.beneficiary,
        currency=asking.campaign.currency,
        source=f"{name}/{facts.order_id}/{asking.reward.rule.name}",
        expires_days=asking.reward.expires_days,
    )
