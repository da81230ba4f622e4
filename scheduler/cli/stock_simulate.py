"""Shows what another stock policy would have made of the last days, beside the one in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

import click

from config.draft import read_draft
from config.settings import Settings
from core.errors import InvalidInput
from core.offers.replay.recorded import Recorded, read_recorded
from core.offers.replay.scene import Policy
from core.offers.replay.tallies import Outcome, Tally
from core.offers.replay.world import World
from core.types import ChannelId, ListingId
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, bar, note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_channels, open_core, utc_now
from scheduler.stock_terms import channel_stock, listing_stock, stock_policy

_MOST_DAYS = 365
_IN_FORCE = "in force"
_DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """What became of one channel's buyers and codes."""

    channel: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What became of everything under one policy."""

    policy: str
    total: Tally
    unshown_code_days: float
    stock_code_days: float
    channels: tuple[ChannelResult, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """Both policies over the same days; `assumed_lags` names channels whose lag was never measured."""

    days: int
    seed: int
    skus: int
    events: int
    assumed_lags: tuple[str, ...]
    policies: tuple[PolicyResult, ...]


@click.command("simulate")
@click.option(
    "--policy",
    "file",
    required=True,
    type=click.Path(path_type=Path),
    help="A TOML file with [stock] and channels.*.stock tables; what it leaves out stays as it is in force.",
)
@click.option("--days", type=click.IntRange(1, _MOST_DAYS), default=7, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the lags that are drawn.")
@json_option
@pass_session
def simulate_stock(session: Session, file: Path, days: int, seed: int, as_json: bool) -> None:
    """Replay the sales, stock changes and lags of the last days under a draft of the stock policy.

    Oversold: sold without a code. Refused: shown, and refused when the channel asked. Lost: wanted and not
    shown, and of these how many we had. Idle: days that a code lay here and the channel did not show it.
    Buyers who found nothing are not on record, so what a draft would have sold to them is not counted.
    JSON: {"days", "seed", "skus", "events", "assumed_lags", "policies": [{"policy", "total": {...},
    "unshown_code_days", "stock_code_days", "channels": [{"channel", "tally": {...}}]}]}.
    """
    settings = session.settings()
    draft = read_draft(file, settings)
    recorded = session.drive(_recorded(settings, timedelta(days=days)))
    if not recorded.scene.listings:
        raise InvalidInput("no listing is linked to a SKU on an enabled channel: there is nothing to replay")
    policies = (_policy(_IN_FORCE, settings, recorded), _policy(_DRAFT, draft, recorded))
    simulation = Simulation(
        days=days,
        seed=seed,
        skus=len(recorded.scene.skus),
        events=len(recorded.scene.events),
        assumed_lags=recorded.assumed_lags,
        policies=tuple(_run(recorded, policy, seed, as_json=as_json) for policy in policies),
    )
    if as_json:
        print_json(simulation)
    else:
        show_simulation(simulation)


async def _recorded(settings: Settings, span: timedelta) -> Recorded:
    async with (
        open_core(settings) as core,
        open_channels(core) as channels,
        core.pool.acquire() as conn,
        # One snapshot: a sale that comes in meanwhile is in all of it, or in nothing.
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        return await read_recorded(conn, list(channels.terms().values()), utc_now(), span)


def _policy(name: str, settings: Settings, recorded: Recorded) -> Policy:
    channels: dict[ChannelId, str] = {each.channel_id: each.name for each in recorded.scene.channels}
    own = {channel: listing_stock(settings, channel) for channel in channels.values()}
    listings = {
        ListingId(listing_id): own[channel][ref]
        for listing_id, (channel, ref) in recorded.refs.items()
        if ref in own[channel]
    }
    rules = {channel_id: channel_stock(settings, channel) for channel_id, channel in channels.items()}
    return Policy(name, stock_policy(settings.stock), rules, listings)


def _run(recorded: Recorded, policy: Policy, seed: int, *, as_json: bool) -> PolicyResult:
    world = World(recorded.scene, policy, seed)
    with bar(f"policy {policy.name}", as_json=as_json) as progress:
        for share in world.steps():
            if progress is not None:
                progress.update(progress.task_ids[0], total=1.0, completed=share)
    return _result(world.outcome(), recorded)


def _result(outcome: Outcome, recorded: Recorded) -> PolicyResult:
    return PolicyResult(
        policy=outcome.policy,
        total=outcome.total,
        unshown_code_days=outcome.unshown_code_days,
        stock_code_days=outcome.stock_code_days,
        channels=tuple(
            ChannelResult(each.name, outcome.channels[each.channel_id]) for each in recorded.scene.channels
        ),
    )


def show_simulation(simulation: Simulation) -> None:
    """A table for each channel and for all, the policies side by side."""
    say(f"{simulation.events} events of {simulation.skus} SKUs in {simulation.days} days")
    for position, channel in enumerate(simulation.policies[0].channels):
        say("")
        _show(
            channel.channel,
            simulation.policies,
            [each.channels[position].tally for each in simulation.policies],
        )
    say("")
    _show("all channels", simulation.policies, [each.total for each in simulation.policies])
    for each in simulation.policies:
        unshown, stock = each.unshown_code_days, each.stock_code_days
        say(f"{each.policy}: {unshown:.2f} of {stock:.2f} code-days shown nowhere")
    if simulation.assumed_lags:
        names = ", ".join(simulation.assumed_lags)
        note(f"the lag of {names} was never measured: 5 s were assumed, and one minute in one of ten")


def _show(title: str, policies: Sequence[PolicyResult], tallies: Sequence[Tally]) -> None:
    names = [each.policy for each in policies]
    table = Cells(title, *names, right=names)
    for each in fields(Tally):
        values = [getattr(tally, each.name) for tally in tallies]
        table.add(each.name.replace("_", " "), *(f"{v:.2f}" if isinstance(v, float) else v for v in values))
    table.show()
