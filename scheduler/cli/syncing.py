"""Has channels looked at now: marks their offers, and asks a running daemon to read and compare at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import click

from config.settings import Settings
from core.offers.outbox import Outbox
from scheduler.cli.channels import refuse_unconfigured
from scheduler.cli.options import json_option
from scheduler.cli.output import print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.cli.stock import known_channel
from scheduler.cli.sync_plan import sync_plan
from scheduler.composition import open_core, utc_now
from scheduler.stock_terms import stock_policy
from scheduler.tokens import local_token, token_file

_ASK_SECONDS = 5.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- where one calls whoever listens everywhere
_MAY_SYNC = ("admin", "operator")


@dataclass(frozen=True, slots=True)
class Synced:
    """A channel whose offers are marked, and what the daemon on this machine said, if one answered."""

    channel: str
    offers_marked: bool
    daemon_asked: bool
    said: str


@click.group("sync", no_args_is_help=True)
def sync() -> None:
    """Have channels read, compared and published now, or look at what that would do."""


sync.add_command(sync_plan)


@sync.command("now")
@click.argument("channel", required=False)
@json_option
@pass_session
def sync_now(session: Session, channel: str | None, as_json: bool) -> None:
    """Work out every offer of CHANNEL again, or of all, and ask the daemon to read the channel at once.

    Whichever daemon holds the channel publishes what changed within a second or two. Without a daemon to
    ask, reading and comparing waits for its next round.

    JSON: {"channels": [{"channel", "offers_marked", "daemon_asked", "said"}]}.
    """
    settings = session.settings()
    if channel is not None:
        refuse_unconfigured(settings, channel)
    names = [channel] if channel else [name for name, written in settings.channels.items() if written.enabled]
    done = session.drive(_sync(settings, names))
    if as_json:
        print_json({"channels": done})
        return
    for row in done:
        say(f"{row.channel}: its offers are worked out again; {row.said}")
    if not done:
        say("no channel is configured")


async def _sync(settings: Settings, names: Sequence[str]) -> list[Synced]:
    async with open_core(settings, "consignd sync") as core:
        outbox = Outbox(core.pool, {}, stock_policy(settings.stock), utc_now)
        for name in names:
            async with core.pool.acquire() as conn:
                channel_id = await known_channel(conn, settings, name)
            await outbox.touch_channel(channel_id)
    address, token = _daemon(settings)
    if address is None or token is None:
        return [
            Synced(name, True, False, "no daemon could be asked: its port or token is not known")
            for name in names
        ]
    timeout = aiohttp.ClientTimeout(total=_ASK_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, headers={"Authorization": f"Bearer {token}"}) as http:
        return [Synced(name, True, *await _ask(http, address, name)) for name in names]


async def _ask(http: aiohttp.ClientSession, address: str, name: str) -> tuple[bool, str]:
    try:
        async with http.post(f"{address}/api/v1/channels/{quote(name)}/sync", allow_redirects=False) as reply:
            if reply.status == 200:
                return True, f"the daemon at {address} was asked to read and compare it"
            return False, f"the daemon at {address} refused to be asked ({reply.status})"
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        return False, f"no daemon answers at {address} ({type(error).__name__})"


def _daemon(settings: Settings) -> tuple[str | None, str | None]:
    """Where the daemon of these settings listens, and a token that it lets in; None where not known."""
    token = next(
        (known.token.get_secret_value() for known in settings.api.tokens if known.role in _MAY_SYNC), None
    )
    if not settings.api.tokens and token_file(settings).exists():
        token = local_token(settings)
    host = _ANYWHERE.get(settings.web.host, settings.web.host)
    host = f"[{host}]" if ":" in host else host
    return (f"http://{host}:{settings.web.port}" if settings.web.port else None), token
