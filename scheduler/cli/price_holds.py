"""Lets a person decide about prices: those held by the brake, and signatures below the floor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from config.settings import Settings
from core.errors import InvalidInput
from core.money.money import Money
from core.offers.pricing.holds import NewException, decide_hold, revoke_exception, sign_exception
from core.views import prices
from core.views.prices import ExceptionView, HoldView
from scheduler.cli.channels import refuse_unconfigured
from scheduler.cli.options import json_option, reason_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now

_LONGEST_EXCEPTION = timedelta(days=366)
_moments = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.command("holds")
@click.option("--channel", help="Of one channel alone.")
@click.option("--all", "everything", is_flag=True, help="Also those that were decided.")
@json_option
@pass_session
def holds(session: Session, channel: str | None, everything: bool, as_json: bool) -> None:
    """Show prices that jumped too far and wait for a person; the old price stays meanwhile.

    JSON: {"holds": [{"hold_id", "listing_id", "channel", "listing_ref", "sku_ref", "from_minor",
    "price_minor", "currency", "why", "asked_at", "verdict", "decided_by", "decided_at", "reason"}]}.
    """
    settings = session.settings()
    if channel is not None:
        refuse_unconfigured(settings, channel)
    found = session.drive(_holds(settings, channel, everything))
    if as_json:
        print_json({"holds": found})
        return
    table = Cells(
        "hold", "channel", "listing", "SKU", "from", "to", "why", "asked", "verdict", right=("from", "to")
    )
    for row in found:
        table.add(
            row.hold_id,
            row.channel,
            row.listing_ref,
            row.sku_ref,
            amount(row.from_minor, row.currency),
            amount(row.price_minor, row.currency),
            row.why,
            row.asked_at,
            f"{row.verdict} by {row.decided_by}" if row.verdict else "waits",
        )
    table.show()


@click.command("approve")
@click.argument("hold_id", type=int)
@reason_option
@pass_session
def approve(session: Session, hold_id: int, reason: str) -> None:
    """Let the held price HOLD_ID be published; the daemon does so at once."""
    session.drive(_decide(session.settings(), hold_id, True, session.actor, reason))
    say(f"hold {hold_id} is approved: its price goes out with the next push")


@click.command("refuse")
@click.argument("hold_id", type=int)
@reason_option
@pass_session
def refuse(session: Session, hold_id: int, reason: str) -> None:
    """Refuse the held price HOLD_ID: the old one stays, and for a day nobody is asked for the same again."""
    session.drive(_decide(session.settings(), hold_id, False, session.actor, reason))
    say(f"hold {hold_id} is refused: the old price stays")


@click.command("sign")
@click.argument("channel")
@click.argument("listing_ref")
@click.argument("least")
@click.option("--from", "from_at", type=_moments, help="UTC; now if not written.")
@click.option("--until", type=_moments, required=True, help="UTC; the floor holds again from then on.")
@reason_option
@pass_session
def sign(
    session: Session,
    channel: str,
    listing_ref: str,
    least: str,
    from_at: datetime | None,
    until: datetime,
    reason: str,
) -> None:
    """Sign that buyers may pay as little as LEAST on a listing until a date, below the floor if need be."""
    settings = session.settings()
    refuse_unconfigured(settings, channel)
    now = utc_now()
    signed = NewException(
        channel=channel,
        listing_ref=listing_ref,
        least=Money.parse(least, settings.channels[channel].currency),
        from_at=from_at.replace(tzinfo=UTC) if from_at else now,
        until=until.replace(tzinfo=UTC),
    )
    if signed.until - now > _LONGEST_EXCEPTION:
        raise InvalidInput("an exception lasts a year at most: write an earlier --until")
    exception_id = session.drive(_sign(settings, signed, session.actor, reason))
    until_text = f"{signed.until:%Y-%m-%d %H:%M} UTC"
    say(f"exception {exception_id}: {listing_ref} may go down to {signed.least} until {until_text}")


@click.command("revoke")
@click.argument("exception_id", type=int)
@reason_option
@pass_session
def revoke(session: Session, exception_id: int, reason: str) -> None:
    """Take the signature EXCEPTION_ID back; the floor holds again with the next push."""
    session.drive(_revoke(session.settings(), exception_id, session.actor, reason))
    say(f"exception {exception_id} is revoked")


@click.command("exceptions")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@json_option
@pass_session
def exceptions(session: Session, everything: bool, as_json: bool) -> None:
    """Show who signed for which price below the floor, and until when.

    JSON: {"exceptions": [{"exception_id", "listing_id", "channel", "listing_ref", "sku_ref", "least_minor",
    "currency", "from_at", "until", "reason", "signed_by", "signed_at", "revoked_at", "revoked_by"}]}.
    """
    found = session.drive(_exceptions(session.settings(), everything))
    if as_json:
        print_json({"exceptions": found})
        return
    table = Cells(
        "exception", "channel", "listing", "least", "from", "until", "signed by", "reason", right=("least",)
    )
    for row in found:
        least = amount(row.least_minor, row.currency)
        until = f"revoked by {row.revoked_by}" if row.revoked_by else f"{row.until:%Y-%m-%d %H:%M}"
        table.add(
            row.exception_id,
            row.channel,
            row.listing_ref,
            least,
            row.from_at,
            until,
            row.signed_by,
            row.reason,
        )
    table.show()


async def _holds(settings: Settings, channel: str | None, everything: bool) -> list[HoldView]:
    async with open_core(settings, "consignd price") as core, core.pool.acquire() as conn:
        return await prices.holds(conn, everything=everything, channel=channel)


async def _decide(settings: Settings, hold_id: int, approve: bool, actor: str, reason: str) -> None:
    async with open_core(settings, "consignd price") as core, core.pool.acquire() as conn, conn.transaction():
        await decide_hold(conn, hold_id, approve=approve, actor=actor, reason=reason, now=utc_now())


async def _sign(settings: Settings, signed: NewException, actor: str, reason: str) -> int:
    async with open_core(settings, "consignd price") as core, core.pool.acquire() as conn, conn.transaction():
        return await sign_exception(conn, signed, actor=actor, reason=reason, now=utc_now())


async def _revoke(settings: Settings, exception_id: int, actor: str, reason: str) -> None:
    async with open_core(settings, "consignd price") as core, core.pool.acquire() as conn, conn.transaction():
        await revoke_exception(conn, exception_id, actor=actor, reason=reason, now=utc_now())


async def _exceptions(settings: Settings, everything: bool) -> list[ExceptionView]:
    async with open_core(settings, "consignd price") as core, core.pool.acquire() as conn:
        return await prices.exceptions(conn, utc_now(), everything=everything)


HOLD_COMMANDS: tuple[click.Command, ...] = (holds, approve, refuse, sign, revoke, exceptions)
