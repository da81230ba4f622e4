"""Shows the exchange rates that prices are made with, and takes new ones: by hand, by file, by a source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import click

from config.settings import Settings
from core.db.pool import Pool
from core.errors import InvalidInput
from core.money.conversion import Conversion
from core.money.rate_files import read_rate_file
from core.money.rates import (
    NewRate,
    add_rates,
    latest_rates,
    parse_rate,
    rate_health,
    read_rates,
    set_rate,
)
from core.views.rates import RatesShown, rate_rows
from scheduler.cli.options import ListGroup, json_option, reason_option
from scheduler.cli.output import Cells, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.rate_fetching import RateFetcher


@click.group("rates", cls=ListGroup, no_args_is_help=False)
def rates() -> None:
    """Exchange rates: what prices in another currency are worked out with."""


@rates.command("list")
@click.option("--pair", nargs=2, metavar="BASE QUOTE", help="One pair, also turned round or crossed.")
@json_option
@pass_session
def list_rates(session: Session, pair: tuple[str, str] | None, as_json: bool) -> None:
    """Show the latest rate of every pair that was told, its source and age, and how fetching goes.

    JSON: {"rates": [{"base", "quote", "rate", "source", "at", "age_hours", "too_old", "entered_by"}],
    "sources": [{"source", "ok", "detail", "changed_at", "seen_at"}]}.
    """
    settings = session.settings()
    found = session.drive(_read(settings, pair))
    if as_json:
        print_json(found)
        return
    table = Cells("base", "quote", "rate", "source", "at", "age", right=("rate", "age"))
    for row in found.rates:
        age = f"{row.age_hours:.1f} h{', too old' if row.too_old else ''}"
        table.add(row.base, row.quote, row.rate, row.source, row.at, age)
    table.show()
    for source in found.sources:
        word = "fetched" if source.ok else "not fetched"
        say(f"{source.source}: {word}, {source.detail} ({source.seen_at:%Y-%m-%d %H:%M} UTC)")


@rates.command("set")
@click.argument("base")
@click.argument("quote")
@click.argument("rate")
@click.option(
    "--at", "at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="UTC; now if not written."
)
@reason_option
@pass_session
def set_one(session: Session, base: str, quote: str, rate: str, at: datetime | None, reason: str) -> None:
    """Write down that one BASE is RATE QUOTE, such as `rates set EUR USD 1.0837 --reason "bank"`."""
    now = utc_now()
    moment = at.replace(tzinfo=now.tzinfo) if at else now
    told = NewRate(base.upper(), quote.upper(), parse_rate(rate), moment)
    session.drive(_set(session.settings(), told, session.actor, reason))
    say(f"1 {told.base} = {rate} {told.quote}, as of {moment:%Y-%m-%d %H:%M:%S} UTC")


@rates.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_session
def load(session: Session, file: Path) -> None:
    """Write down the rates of FILE: CSV with the columns base,quote,rate,at, or TOML with [[rates]] tables.

    A row that is wrong refuses the file. Rates that are known already are not written twice.
    """
    told = read_rate_file(file)
    added = session.drive(_load(session.settings(), told, file.name, session.actor))
    say(f"{len(told)} rates in {file.name}, {added} of them new")


@rates.command("fetch")
@pass_session
def fetch(session: Session) -> None:
    """Fetch from the configured source now; the daemon does it by itself."""
    settings = session.settings()
    if settings.rates.url is None:
        raise InvalidInput('no source is configured: write url = "https://..." under [rates]')
    added = session.drive(_fetch(settings, session.actor))
    say(f"{settings.rates.name}: {added} new rates")


async def _read(settings: Settings, pair: tuple[str, str] | None) -> RatesShown:
    async with open_core(settings, "consignd rates") as core, core.pool.acquire() as conn:
        now = utc_now()
        if pair is None:
            told: list[tuple[Conversion, str | None]] = [*await latest_rates(conn, now)]
        else:
            wanted = (pair[0].upper(), pair[1].upper())
            crossed = await read_rates(conn, [wanted], now, settings.rates.pivot)
            told = [(each, None) for each in crossed.values()]
            if not told:
                raise InvalidInput(f"no rate from {wanted[0]} to {wanted[1]} is known: see `rates set`")
        max_age = timedelta(hours=settings.rates.max_age_hours)
        return RatesShown(rate_rows(told, max_age, now), await rate_health(conn))


async def _set(settings: Settings, told: NewRate, actor: str, reason: str) -> None:
    async with open_core(settings, "consignd rates") as core, core.pool.acquire() as conn, conn.transaction():
        await set_rate(conn, told, actor=actor, reason=reason, now=utc_now())


async def _load(settings: Settings, told: Sequence[NewRate], source: str, actor: str) -> int:
    async with open_core(settings, "consignd rates") as core, core.pool.acquire() as conn, conn.transaction():
        return await add_rates(conn, told, source=source, actor=actor, now=utc_now())


async def _fetch(settings: Settings, actor: str) -> int:
    async with open_core(settings, "consignd rates") as core:
        return await fetcher(core.pool, settings).fetch(actor)


def fetcher(pool: Pool, settings: Settings) -> RateFetcher:
    """The fetcher of the configured source."""
    return RateFetcher(pool, settings.rates, utc_now)
