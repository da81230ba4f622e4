"""Tells what the web room is handed when it is built: core's services, the channels, and who may come in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from connectors.kit.connector import Connector, Options
from core.buyers.marks import MarkKey
from core.campaigns.draft import CampaignDraft
from core.campaigns.sealing import SeedSeal
from core.codes.allocator import Allocator
from core.codes.custody import CodeOpener
from core.codes.importer import Importer
from core.coupons.coupons import Coupons
from core.db.pool import Pool
from core.money.plans.lint import DraftPlan
from core.money.published import Publishable
from core.money.settlement.terms import SettlementTerms
from core.offers.closures.guarding import Guard
from core.offers.outbox import Outbox
from core.offers.terms import ChannelTerms
from core.orders.fulfilment import Fulfilment
from core.orders.intake import Intake
from core.types import ChannelId
from core.wallets.programmes import Programme
from web.access import Token


@dataclass(frozen=True, slots=True)
class ServedChannel:
    """A configured channel: the terms we sell on there, and the connector that speaks for it."""

    terms: ChannelTerms
    connector: Connector[Options]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this process can serve, and how each part of it is."""

    ok: bool
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that routes, callbacks and pages work with. Built once, where the daemon is put together.

    `tokens` is keyed by the SHA-256 hex of the token, so that no token in clear is kept here.
    """

    pool: Pool
    now: Callable[[], datetime]
    allocator: Allocator
    intake: Intake
    fulfilment: Fulfilment
    outbox: Outbox
    opener: CodeOpener
    importer: Importer
    guard: Guard
    # By the channel's name, as it stands in callback addresses.
    channels: Mapping[str, ServedChannel]
    bound_permille: int
    lanes: int
    tokens: Mapping[str, Token]
    # "Something changed for this channel": its loops look at once.
    wake: Callable[[ChannelId], None]
    # Reconcile a channel now, by its name; returns when it has been asked for.
    sync_now: Callable[[str], Awaitable[None]]
    ready: Callable[[], Awaitable[Readiness]]
    metrics: CollectorRegistry
    # Where uploads wait to be imported: only this user may read it.
    upload_dir: Path
    # Reads a split plan's TOML, and lints it.
    read_plan: Callable[[str], DraftPlan]
    # The same of a campaign's TOML.
    read_campaign: Callable[[str], CampaignDraft]
    # Plans that settings leave to whoever publishes, and what they may ask for.
    publishable: Publishable
    coupons: Coupons
    # Seals the seeds of campaigns that draw.
    seeds: SeedSeal
    # Whether browsers reach the console over https: then its cookie never travels without.
    secure_cookies: bool = False
    # Turns what buyers leave into keyed hashes; None where nothing of it is taken.
    mark_key: MarkKey | None = None
    # Programmes of points by their names.
    programmes: Mapping[str, Programme] = field(default_factory=dict)
    # How payees are settled.
    settlement: SettlementTerms = field(default_factory=SettlementTerms)

    def terms(self) -> dict[ChannelId, ChannelTerms]:
        """The terms of all configured channels."""
        return {channel.terms.channel_id: channel.terms for channel in self.channels.values()}

    def wake_all(self) -> None:
        """Stock changed: every channel may have to show something else."""
        for channel in self.channels.values():
            self.wake(channel.terms.channel_id)
