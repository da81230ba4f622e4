"""The composition root: builds core and connectors from the settings, and takes them down again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from config.problems import SettingsRefused
from config.settings import Settings
from connectors.kit.connector import Account, Connector, Options
from connectors.kit.errors import OptionsRefused
from connectors.kit.registry import load_connector
from core.buyers.hearing import OrderHearing
from core.buyers.marks import MarkKey
from core.buyers.segments import publish_segments
from core.codes.allocator import Allocator
from core.codes.custody import CodeOpener
from core.codes.importer import Importer
from core.codes.keys import Keyring, generate_key_file, load_key_file
from core.codes.vault import Vault
from core.codes.vault_store import open_vault
from core.db.embedded import EmbeddedServer
from core.db.migrate import check_schema, migrate
from core.db.pool import Connection, Pool, open_pool
from core.errors import SchemaOlder
from core.money.journal.sealing import advance_clock
from core.money.ledger import Ledger, publish_plan
from core.money.plans.choice import PlanChoice
from core.money.plans.rules import Plan
from core.money.published import latest_plans, unknown_segments
from core.offers.catalogue import ListingBook, add_channel
from core.offers.outbox import Outbox
from core.offers.terms import ChannelTerms
from core.orders.closing import SaleCloser
from core.orders.fulfilment import Fulfilment
from core.orders.intake import Intake
from core.types import ChannelId
from scheduler.buyer_terms import segments_written
from scheduler.group_terms import sell_to_groups
from scheduler.split_plans import plan_choices, published_names, written_plan
from scheduler.stock_terms import stock_policy
from scheduler.terms import channel_terms
from web.services import ServedChannel

KEY_FILE = "sealing-keys"

_log = structlog.get_logger()


def utc_now() -> datetime:
    """The clock of the whole program."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Core:
    """What every command works with: the database, the vault, and core's doors."""

    settings: Settings
    server: EmbeddedServer | None
    pool: Pool
    vault: Vault
    opener: CodeOpener
    allocator: Allocator
    importer: Importer
    ledger: Ledger
    listings: ListingBook
    intake: Intake
    fulfilment: Fulfilment


@dataclass(frozen=True, slots=True)
class Channels:
    """All configured channels by name, and the offers on them."""

    by_name: dict[str, ServedChannel]
    outbox: Outbox
    terms_by_id: dict[ChannelId, ChannelTerms]

    def terms(self) -> Mapping[ChannelId, ChannelTerms]:
        """The terms by channel id, as they are at any moment."""
        return self.terms_by_id


@asynccontextmanager
async def open_core(settings: Settings, application_name: str = "consignd") -> AsyncIterator[Core]:
    """Start or reach the database, bring its schema up, open the vault, build core.

    Raises DatabaseRefused or KeyRefused with what to do about it.
    """
    async with open_database(settings, application_name) as (server, pool):
        async with pool.acquire() as conn:
            await _bring_up_schema(conn, embedded=server is not None)
            await advance_clock(conn)
        async with pool.acquire() as conn:
            vault = await open_vault(conn, read_keyring(settings))
        yield build_core(settings, server, pool, vault)


@asynccontextmanager
async def open_database(
    settings: Settings, application_name: str = "consignd"
) -> AsyncIterator[tuple[EmbeddedServer | None, Pool]]:
    """Start or reach the database, whatever its schema is; the server is None where it is not ours."""
    async with AsyncExitStack() as stack:
        server, dsn = await _database(settings, stack)
        pool = await open_pool(dsn, application_name=application_name)
        stack.push_async_callback(_close, pool)
        yield server, pool


def build_core(settings: Settings, server: EmbeddedServer | None, pool: Pool, vault: Vault) -> Core:
    """Wire core's parts together."""
    allocator = Allocator(pool, utc_now)
    ledger = Ledger(pool)
    listings = ListingBook(pool)
    hearing = OrderHearing(pool, MarkKey.of(vault))
    intake = Intake(pool, allocator, ledger, listings, utc_now, hearing)
    # A key that was added by a rotation meanwhile is read when the first code needs it.
    opener = CodeOpener(vault, lambda: read_keyring(settings))
    closer = SaleCloser(pool, ledger, utc_now)
    fulfilment = Fulfilment(pool, allocator, closer, opener, intake, utc_now)
    importer = Importer(pool, vault, utc_now)
    return Core(
        settings, server, pool, vault, opener, allocator, importer, ledger, listings, intake, fulfilment
    )


async def _database(settings: Settings, stack: AsyncExitStack) -> tuple[EmbeddedServer | None, str]:
    if settings.database_url is not None:
        return None, settings.database_url.get_secret_value()
    server = EmbeddedServer(settings.data_dir)
    dsn = await server.start()
    stack.push_async_callback(server.stop)
    return server, dsn


async def _close(pool: Pool) -> None:
    """Close politely, but not for ever: a connection that hangs is cut."""
    pool.terminate()


async def _bring_up_schema(conn: Connection, *, embedded: bool) -> None:
    """Our own server is ours to migrate, and so is an empty database; another one waits for its operator."""
    try:
        await check_schema(conn)
    except SchemaOlder:
        empty: bool = await conn.fetchval("SELECT to_regclass('schema_migration') IS NULL")
        if not (embedded or empty):
            raise
        for applied in await migrate(conn):
            _log.info("schema.migrated", migration=applied.file_name)


def read_keyring(settings: Settings) -> Keyring:
    """The sealing keys: configured ones, else those in the data directory, made at the first start."""
    if settings.keys.files:
        secrets = {name: key.get_secret_value() for name, key in settings.keys.files.items()}
        return Keyring.parse(settings.keys.current, secrets)
    path = key_file(settings)
    if path.exists():
        return load_key_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    keyring = generate_key_file(path)
    _log.warning("keys.generated", file=str(path), advice="keep a copy elsewhere: without it no code opens")
    return keyring


def key_file(settings: Settings) -> Path:
    """Where keys live that the operator did not configure."""
    return settings.data_dir / KEY_FILE


@asynccontextmanager
async def open_channels(core: Core) -> AsyncIterator[Channels]:
    """Load the connectors of the enabled channels, publish their split plans, make them known."""
    settings = core.settings
    async with core.pool.acquire() as conn:
        await publish_segments(conn, segments_written(settings), utc_now())
    async with AsyncExitStack() as stack:
        by_name: dict[str, ServedChannel] = {}
        for name, written in settings.channels.items():
            if written.enabled:
                connector = open_connector(settings, name)
                terms = await terms_now(core, name, connector)
                by_name[name] = ServedChannel(terms, await stack.enter_async_context(connector))
        terms_by_id = {channel.terms.channel_id: channel.terms for channel in by_name.values()}
        outbox = Outbox(core.pool, terms_by_id, stock_policy(settings.stock), utc_now)
        yield Channels(by_name, outbox, terms_by_id)


def open_connector(settings: Settings, name: str) -> Connector[Options]:
    """The connector of a configured channel; SettingsRefused places what is wrong with its options."""
    written = settings.channels[name]
    kind = load_connector(written.connector)
    try:
        return kind.open(Account(name, written.currency, written.plain_options(), utc_now))
    except OptionsRefused as refused:
        if refused.invalid is None or refused.model is None:
            raise
        raise SettingsRefused(settings.option_problems(name, refused.invalid, refused.model)) from None


async def published_plans(conn: Connection, settings: Settings) -> dict[str, Plan]:
    """The split plans that settings leave to whoever publishes, by name."""
    found = await latest_plans(conn, published_names(settings))
    return {name: plan for name, (_, plan) in found.items()}


async def terms_now(core: Core, name: str, connector: Connector[Options]) -> ChannelTerms:
    """A channel's terms by its settings and the plans that are published; makes both known."""
    settings = core.settings
    written = settings.channels[name]
    async with core.pool.acquire() as conn:
        published = await published_plans(conn, settings)
        plan_id, plan = await publish_plan(conn, written_plan(settings, written.split, published))
        choices = [await _published(conn, choice) for choice in plan_choices(settings, name, published)]
        channel_id = await add_channel(conn, name, written.connector, written.currency)
        terms = channel_terms(settings, name, channel_id, plan_id, plan, connector.traits, choices)
        plans = [plan, *(choice.plan for choice in choices)]
        for asking in plans:
            _warn_of_segments(name, asking, settings)
        return await sell_to_groups(conn, settings, terms, connector.traits)


def _warn_of_segments(channel: str, plan: Plan, settings: Settings) -> None:
    """A plan was published when its segments were written; they may be gone from the settings since."""
    for rule, segment in unknown_segments(plan, settings.segments):
        advice = f"write [segments.{segment}]: until then nobody belongs to it"
        told = {"plan": plan.name, "rule": rule, "segment": segment}
        _log.warning("plan.unknown_segment", channel=channel, advice=advice, **told)


async def _published(conn: Connection, choice: PlanChoice) -> PlanChoice:
    plan_id, plan = await publish_plan(conn, choice.plan)
    return replace(choice, plan_id=plan_id, plan=plan)
