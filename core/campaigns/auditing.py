"""Tells the seeds of a campaign that is over, and draws all its random returns again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from core.campaigns.campaign import Campaign
from core.campaigns.drawing import DrawnFor, commitment, draw
from core.campaigns.sealing import SeedSeal, sealed_seed
from core.campaigns.stored import campaign_from_json
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import InvalidInput, MoveRefused

_SQL = load_queries("core.campaigns", "explaining.sql")
_DRAWN_VERSIONS = _SQL["drawn_versions"]
_NEWEST_END = _SQL["newest_end"]
_DRAWS = _SQL["draws"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw: what it was for, what was given, and what comes when it is done again."""

    channel: str
    order_ref: str
    reward: str
    outcome_no: int
    drawn_no: int

    @property
    def agrees(self) -> bool:
        """Whether both are one."""
        return self.outcome_no == self.drawn_no


@dataclass(frozen=True, slots=True)
class OutcomeSeen:
    """How often an outcome came, beside its share of the weights."""

    reward: str
    outcome_no: int
    weight: int
    of_weight: int
    times: int


@dataclass(frozen=True, slots=True)
class AuditedVersion:
    """A version whose seed is told: whether it is the one that was bound, and all draws again."""

    version: int
    seed: str
    seed_hash: str
    seed_holds: bool
    draws: int
    differing: tuple[Drawn, ...]
    outcomes: tuple[OutcomeSeen, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """A campaign's draws, done again."""

    campaign: str
    ok: bool
    versions: tuple[AuditedVersion, ...]


async def audit(conn: Connection, seal: SeedSeal, name: str, now: datetime) -> Audit:
    """Tell the seeds and draw again. MoveRefused: it is not over, and a seed that is told could be used.

    InvalidInput: there is no campaign of that name, or it draws nothing.
    """
    ends_at: datetime | None = await conn.fetchval(_NEWEST_END, name)
    if ends_at is None:
        raise InvalidInput(f"no campaign is named {name!r}: `consignd campaigns` lists them")
    await seal.seal_plain(conn)
    rows = await conn.fetch(_DRAWN_VERSIONS, name)
    if not rows:
        raise InvalidInput(f"campaign {name} draws nothing: `consignd campaigns explain` shows what it gave")
    if ends_at > now and rows[0]["stopped_at"] is None:
        raise MoveRefused(
            f"campaign {name} runs until {ends_at:%Y-%m-%d %H:%M} UTC: its seed is told when it is over"
        )
    versions = tuple([await _audited(conn, seal, name, row) for row in rows])
    ok = all(version.seed_holds and not version.differing for version in versions)
    return Audit(name, ok, versions)


async def _audited(conn: Connection, seal: SeedSeal, name: str, row: Record) -> AuditedVersion:
    campaign = campaign_from_json(name, row["version"], row["content"])
    sealed = sealed_seed(row)
    assert sealed is not None, "what was in clear was sealed before"
    seed = await seal.open(conn, sealed)
    draws = [_again(campaign, seed, each) for each in await conn.fetch(_DRAWS, row["version_id"])]
    return AuditedVersion(
        version=row["version"],
        seed=seed.hex(),
        seed_hash=row["seed_hash"].hex(),
        seed_holds=commitment(seed) == row["seed_hash"],
        draws=len(draws),
        differing=tuple(each for each in draws if not each.agrees),
        outcomes=_seen(campaign, draws),
    )


def _again(campaign: Campaign, seed: bytes, row: Record) -> Drawn:
    reward = campaign.reward(row["reward"])
    assert reward is not None, "a grant is of a reward of its version"
    drawn_for = DrawnFor(campaign.name, campaign.version, row["reward"], row["channel"], row["order_ref"])
    drawn_no = draw(seed, drawn_for, reward.outcomes)
    return Drawn(row["channel"], row["order_ref"], row["reward"], row["outcome_no"], drawn_no)


def _seen(campaign: Campaign, draws: list[Drawn]) -> tuple[OutcomeSeen, ...]:
    times = Counter((each.reward, each.outcome_no) for each in draws)
    return tuple(
        OutcomeSeen(
            reward.rule.name,
            number,
            outcome.weight,
            sum(each.weight for each in reward.outcomes),
            times[reward.rule.name, number],
        )
        for reward in campaign.rewards
        for number, outcome in enumerate(reward.outcomes, 1)
    )
