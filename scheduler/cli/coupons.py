"""Shows series of coupons and what they cost, coupons under their masks, and buyers to be reminded."""

from __future__ import annotations

import click

from core.views.coupons import (
    CouponPage,
    CouponView,
    IssueView,
    ReminderPage,
    SeriesView,
    StepView,
    coupon_issues,
    coupon_page,
    coupon_series,
    coupon_steps,
)
from core.views.coupons import reminders as read_reminders
from scheduler.cli.options import ListGroup, json_option
from scheduler.cli.output import Cells, amount, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now
from scheduler.coupon_terms import open_coupons

LARGEST_ID = 2**63 - 1


@click.group("coupons", cls=ListGroup)
def coupons() -> None:
    """Show, issue and take back coupons. Without a command it lists."""


@coupons.command("list")
@click.option("--series", help="Of this series alone.")
@click.option("--buyer", help="Of this buyer alone, named CHANNEL/REFERENCE.")
@click.option("--before", type=click.IntRange(1, LARGEST_ID), help="Those before this number.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
@pass_session
def list_coupons(
    session: Session, series: str | None, buyer: str | None, before: int | None, limit: int, as_json: bool
) -> None:
    """List coupons, newest first. Codes are never shown: a mask has their last three signs.

    JSON: {"coupons": [...], "next_before"}.
    """
    page = session.drive(_list(session, series, buyer, before, limit))
    if as_json:
        print_json(page)
        return
    table = Cells("id", "series", "code", "state", "uses", "buyer", "issued", "expires", right=["uses"])
    for each in page.coupons:
        table.add(*_cells(each))
    table.show()
    if page.next_before is not None:
        say(f"and more: --before {page.next_before} shows them")


async def _list(
    session: Session, series: str | None, buyer: str | None, before: int | None, limit: int
) -> CouponPage:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await coupon_page(conn, utc_now(), series=series, buyer=buyer, before=before, limit=limit)


def _cells(each: CouponView) -> tuple[object, ...]:
    uses = f"{each.uses} of {each.uses_at_most}"
    return (
        each.coupon_id,
        each.series,
        each.mask,
        each.state,
        uses,
        each.buyer,
        each.issued_at,
        each.expires_at,
    )


@coupons.command("show")
@click.argument("coupon_id", type=click.IntRange(1, LARGEST_ID))
@json_option
@pass_session
def show(session: Session, coupon_id: int, as_json: bool) -> None:
    """Show one coupon and what happened to it.

    JSON: {"coupon", "steps": [...]}.
    """
    coupon, steps = session.drive(_show(session, coupon_id))
    if as_json:
        print_json({"coupon": coupon, "steps": steps})
        return
    say(f"{coupon.series} {coupon.mask}: {coupon.state}, {coupon.uses} of {coupon.uses_at_most} uses")
    say(f"issued {coupon.issued_at:%Y-%m-%d} for {coupon.source_kind} {coupon.source_ref}")
    table = Cells("when", "channel", "basket", "became", "takes off", "who", "why", right=["takes off"])
    for step in steps:
        off = amount(step.amount_minor, step.currency)
        table.add(step.at, step.channel, step.basket_ref, step.state, off, step.actor, step.reason)
    table.show()


async def _show(session: Session, coupon_id: int) -> tuple[CouponView, list[StepView]]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await coupon_steps(conn, coupon_id, utc_now())


@coupons.command("series")
@json_option
@pass_session
def series_figures(session: Session, as_json: bool) -> None:
    """Show every series with what it took off, what of that is our cost, and the margin of its orders.

    Marginal cost is what was taken off and not given back, less what a third party bears. Margin is the price
    of delivered orders less what their codes cost, where that is known; nothing is guessed.

    JSON: {"series": [...]}; amounts are minor units, `takes_off` of a percentage is in parts per million.
    """
    found = session.drive(_series(session))
    if as_json:
        print_json({"series": found})
        return
    numbers = ["issued", "used", "held", "taken off", "of budget", "marginal cost", "orders", "margin"]
    table = Cells("series", *numbers, "borne by", right=numbers)
    for each in found:
        off, cost, margin, budget = (
            amount(minor, each.currency)
            for minor in (each.discount_minor, each.marginal_cost_minor, each.margin_minor, each.budget_minor)
        )
        table.add(
            each.name, each.issued, each.used, each.held, off, budget, cost, each.orders,
            margin if each.costed_orders else "", each.borne_by,
        )  # fmt: skip
    table.show()


async def _series(session: Session) -> tuple[SeriesView, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        await open_coupons(core).publish(conn, utc_now())
        return await coupon_series(conn, utc_now())


@coupons.command("issues")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@json_option
@pass_session
def list_issues(session: Session, limit: int, as_json: bool) -> None:
    """List what was issued many at once, newest first.

    JSON: {"issues": [...]}.
    """
    found = session.drive(_issues(session, limit))
    if as_json:
        print_json({"issues": found})
        return
    table = Cells("id", "series", "issued", "wanted", "segment", "begun", "exported", "by", "why")
    for each in found:
        table.add(
            each.issue_id, each.series, each.issued, each.wanted, each.segment, each.begun_at,
            each.exported_at, each.actor, each.reason,
        )  # fmt: skip
    table.show()


async def _issues(session: Session, limit: int) -> tuple[IssueView, ...]:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await coupon_issues(conn, limit)


@coupons.command("reminders")
@click.option(
    "--after",
    type=click.IntRange(0, LARGEST_ID),
    default=0,
    show_default=True,
    help="Those after this number: `next_after` of the last call, so that nobody is told twice.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=500, show_default=True)
@json_option
@pass_session
def reminders(session: Session, after: int, limit: int, as_json: bool) -> None:
    """List buyers who are to be told that a coupon runs out, each once for every day that the series says.

    JSON: {"reminders": [...], "next_after"}.
    """
    page = session.drive(_reminders(session, after, limit))
    if as_json:
        print_json(page)
        return
    table = Cells("id", "buyer", "coupon", "series", "code", "expires", "days before", right=["days before"])
    for each in page.reminders:
        table.add(
            each.reminder_id, each.buyer, each.coupon_id, each.series, each.mask, each.expires_at,
            each.days_before,
        )  # fmt: skip
    table.show()


async def _reminders(session: Session, after: int, limit: int) -> ReminderPage:
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        return await read_reminders(conn, after, limit)
