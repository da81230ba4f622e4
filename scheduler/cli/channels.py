"""Shows channels, tries their accounts, takes them off sale and back, and has them looked at now."""

from __future__ import annotations

from datetime import datetime

import click

from config.settings import Settings
from connectors.kit.abilities import QuotesFees
from core.audit import note as keep_note
from core.errors import UnknownChannel
from core.offers.catalogue import pause_channel
from core.views.channels import ChannelView
from core.views.channels import channels as read_channels
from scheduler.cli.fees import FeeCheck, check_fee, show_fee
from scheduler.cli.figures import show_figures
from scheduler.cli.options import ListGroup, json_option, reason_option
from scheduler.cli.output import Cells, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_connector, open_core, utc_now


@click.group("channels", cls=ListGroup)
def channels() -> None:
    """Show, test, pause and resume channels. Without a command it lists."""


channels.add_command(show_figures)


@channels.command("list")
@json_option
@pass_session
def list_channels(session: Session, as_json: bool) -> None:
    """List channels and how they are.

    JSON: {"channels": [...], "not_started": [{"name", "connector", "currency", "enabled"}]}; what is
    configured but was never driven by a daemon has not started.
    """
    settings = session.settings()
    found = session.drive(_list(settings))
    known = {view.name for view in found}
    waiting = [
        {
            "name": name,
            "connector": written.connector,
            "currency": written.currency,
            "enabled": written.enabled,
        }
        for name, written in settings.channels.items()
        if name not in known
    ]
    if as_json:
        print_json({"channels": found, "not_started": waiting})
        return
    _show(settings, found)
    for channel in waiting:
        say(f"{channel['name']} ({channel['connector']}) is configured and has not been run yet")


async def _list(settings: Settings) -> tuple[ChannelView, ...]:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await read_channels(conn, utc_now())


def _show(settings: Settings, found: tuple[ChannelView, ...]) -> None:
    numbers = ["open orders", "listings", "to publish", "refused"]
    table = Cells("channel", "connector", "state", "driven by", *numbers, "ill", right=numbers)
    for view in found:
        ill = "; ".join(f"{health.subject}: {health.detail}" for health in view.health if not health.ok)
        table.add(
            view.name,
            view.connector,
            _state(settings, view),
            view.driven_by or "nobody",
            view.open_orders,
            view.listings,
            view.dirty,
            view.refused,
            ill,
        )
    table.show()


def _state(settings: Settings, view: ChannelView) -> str:
    if view.paused_at is not None:
        return f"paused: {view.paused_reason}"
    written = settings.channels.get(view.name)
    if written is None:
        return "not configured"
    return "on sale" if written.enabled else "disabled"


@channels.command("test")
@click.argument("name")
@json_option
@pass_session
def test_channel(session: Session, name: str, as_json: bool) -> None:
    """Make one harmless call with a channel's credentials; ends with 7 when the channel says no.

    Where the channel has a calculator of its own, it is asked about one of its listings, and what it says is
    compared with the split plan: a plan that expects too little of a fee makes prices under cost.

    JSON: {"channel", "ok", "said", "fee": null or {"listing_ref", "currency", "price_minor", "channel_minor",
    "plan", "plan_minor", "differs"}}.
    """
    said, fee = session.drive(_test(session.settings(), name))
    if as_json:
        print_json({"channel": name, "ok": True, "said": said, "fee": fee})
        return
    say(f"{name} answers: {said}")
    if fee is not None:
        show_fee(fee)


async def _test(settings: Settings, name: str) -> tuple[str, FeeCheck | None]:
    refuse_unconfigured(settings, name)
    async with open_connector(settings, name) as connector:
        said = await connector.check_account()
        if not isinstance(connector, QuotesFees):
            return said, None
        async with open_core(settings) as core:
            return said, await check_fee(core.pool, settings, name, connector)


def refuse_unconfigured(settings: Settings, name: str) -> None:
    """Raise UnknownChannel unless the settings have a channel of this name."""
    if name not in settings.channels:
        known = ", ".join(settings.channels) or "none"
        raise UnknownChannel(f"channel {name!r} is not configured; configured: {known}")


@channels.command("pause")
@click.argument("name")
@reason_option
@json_option
@pass_session
def pause(session: Session, name: str, reason: str, as_json: bool) -> None:
    """Take everything on a channel off sale; orders go on. JSON: {"channel", "paused"}."""
    session.drive(_set_paused(session, name, utc_now(), reason))
    _tell(name, paused=True, as_json=as_json)


@channels.command("resume")
@click.argument("name")
@click.option("--reason", default="at the command line", show_default=True, help="Why; it is kept.")
@json_option
@pass_session
def resume(session: Session, name: str, reason: str, as_json: bool) -> None:
    """Put everything on a channel back on sale. JSON: {"channel", "paused"}."""
    session.drive(_set_paused(session, name, None, reason))
    _tell(name, paused=False, as_json=as_json)


async def _set_paused(session: Session, name: str, at: datetime | None, reason: str) -> None:
    action = "resume" if at is None else "pause"
    async with open_core(session.settings()) as core, core.pool.acquire() as conn, conn.transaction():
        await pause_channel(conn, name, core.allocator, at=at, reason=None if at is None else reason)
        subject = f"channel {name}"
        await keep_note(
            conn, at=utc_now(), actor=session.actor, action=action, subject=subject, reason=reason
        )


def _tell(name: str, *, paused: bool, as_json: bool) -> None:
    if as_json:
        print_json({"channel": name, "paused": paused})
    else:
        say(f"{name} is paused: its offers go off" if paused else f"{name} is on sale: its offers come back")
