"""Publishes campaigns as versions that never change, stops them, and says which one an order falls under."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from core.audit import note
from core.campaigns.campaign import Campaign
from core.campaigns.drawing import SEED_BYTES, commitment
from core.campaigns.lint import require_sound
from core.campaigns.sealing import SealedSeed, SeedSeal, sealed_seed
from core.campaigns.stored import campaign_from_json, campaign_to_json
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput, MoveRefused

_SQL = load_queries("core.campaigns", "publishing.sql")
_LOCK_CAMPAIGN = _SQL["lock_campaign"]
_ADD_CAMPAIGN = _SQL["add_campaign"]
_SET_BUDGET = _SQL["set_budget"]
_LATEST_VERSION = _SQL["latest_version"]
_ADD_VERSION = _SQL["add_version"]
_READ_EARLIER = _SQL["read_earlier"]
_ADD_STOP = _SQL["add_stop"]
_VERSIONS = _SQL["versions"]


@dataclass(frozen=True, slots=True)
class Published:
    """A version, what it bound its draws to, and whether it is new: the same content again is not."""

    version_id: int
    campaign: Campaign
    published_at: datetime
    seed_hash: str
    new: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A version as decisions need it."""

    version_id: int
    campaign: Campaign
    published_at: datetime
    stopped_at: datetime | None
    # None: it draws nothing.
    seed: SealedSeed | None


async def publish(
    conn: Connection, seal: SeedSeal, campaign: Campaign, *, actor: str, reason: str, now: datetime
) -> Published:
    """Publish the next version of a campaign, in the caller's transaction.

    PlanRefused: the linter found something. MoveRefused: it was stopped, or has spent more already than its
    new budget. InvalidInput: its currency changed, which no money would follow.
    """
    assert conn.is_in_transaction(), "a version stands or falls with its seed and its audit"
    require_sound(campaign)
    budget_minor = campaign.budget.total_minor
    await conn.execute(_ADD_CAMPAIGN, campaign.name, campaign.currency, budget_minor, now)
    standing = await conn.fetchrow(_LOCK_CAMPAIGN, campaign.name)
    assert standing is not None, "a campaign is never deleted"
    _refuse(campaign, standing["currency"], int(standing["spent_minor"]), standing["stopped_at"], now)
    latest = await conn.fetchrow(_LATEST_VERSION, campaign.name)
    number = 1 if latest is None else int(latest["version"]) + 1
    if latest is not None:
        known = campaign_from_json(campaign.name, int(latest["version"]), latest["content"])
        if replace(campaign, version=known.version) == known:
            return Published(latest["version_id"], known, latest["published_at"], "", new=False)
    new = replace(campaign, version=number)
    seed = secrets.token_bytes(SEED_BYTES) if new.draws else None
    seed_hash = None if seed is None else commitment(seed)
    await conn.execute(_SET_BUDGET, new.name, budget_minor)
    dates = (new.starts_at, new.ends_at, now, actor)
    version_id: int = await conn.fetchval(
        _ADD_VERSION, new.name, number, campaign_to_json(new), *dates, seed_hash
    )
    if seed is not None:
        await seal.add(conn, version_id, seed)
    if new.earlier_orders:
        await conn.execute(_READ_EARLIER, version_id, now)
    subject = f"campaign {new.name} version {number}"
    await note(conn, at=now, actor=actor, action="publish", subject=subject, reason=reason)
    return Published(version_id, new, now, "" if seed_hash is None else seed_hash.hex(), new=True)


def _refuse(
    campaign: Campaign, currency: str, spent_minor: int, stopped_at: datetime | None, now: datetime
) -> None:
    if stopped_at is not None:
        raise MoveRefused(
            f"campaign {campaign.name} was stopped at {stopped_at:%Y-%m-%d %H:%M} UTC: give the new one"
            " another name"
        )
    if campaign.currency != currency:
        raise InvalidInput(
            f"campaign {campaign.name} is in {currency}: give one in {campaign.currency} another name"
        )
    if campaign.ends_at <= now:
        raise InvalidInput(f"campaign {campaign.name} is over before it is published: move ends_at")
    if campaign.budget.total_minor < spent_minor:
        raise MoveRefused(
            f"campaign {campaign.name} has given more already than this budget: write a larger one,"
            " or stop it"
        )


async def stop(conn: Connection, name: str, *, actor: str, reason: str, now: datetime) -> None:
    """End a campaign: orders delivered from now on get nothing. InvalidInput: there is none of that name.

    What was granted stays, vests and comes back as ever. MoveRefused: it was stopped before.
    """
    if await conn.fetchrow(_LOCK_CAMPAIGN, name) is None:
        raise InvalidInput(f"no campaign is named {name!r}: `consignd campaigns` lists them")
    await note(conn, at=now, actor=actor, action="stop", subject=f"campaign {name}", reason=reason)
    if await conn.fetchval(_ADD_STOP, name, now, actor, reason.strip()) is None:
        raise MoveRefused(f"campaign {name} was stopped before")


async def read_versions(conn: Connection) -> list[Version]:
    """All that was ever published."""
    return [
        Version(
            version_id=row["version_id"],
            campaign=campaign_from_json(row["name"], row["version"], row["content"]),
            published_at=row["published_at"],
            stopped_at=row["stopped_at"],
            seed=sealed_seed(row),
        )
        for row in await conn.fetch(_VERSIONS)
    ]


def versions_for(versions: Iterable[Version], sold_at: datetime, delivered_at: datetime) -> list[Version]:
    """The version of each campaign that an order falls under, by name; pure.

    Of the versions published before its delivery the newest decides, whether the order is in its dates or
    not; where all came later, the newest that says it is for earlier orders.
    """
    found: dict[str, Version] = {}
    for version in versions:
        campaign = version.campaign
        if version.stopped_at is not None and delivered_at >= version.stopped_at:
            continue
        if version.published_at <= delivered_at:
            found[campaign.name] = version
        elif campaign.earlier_orders:
            known = found.get(campaign.name)
            if known is None or known.published_at > delivered_at:
                found[campaign.name] = version
    return [
        version
        for _, version in sorted(found.items())
        if version.campaign.starts_at <= sold_at < version.campaign.ends_at
    ]
