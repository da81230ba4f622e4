"""Decides what `consignd` understands, and turns every error into one line and a number."""

from __future__ import annotations

import traceback
from pathlib import Path

import click

from scheduler.cli.exits import Exit, exit_of, told_in_help
from scheduler.cli.lazy import LazyGroup, Place
from scheduler.cli.session import Session, Terminated


class _Root(LazyGroup):
    """The group above all commands. Errors that are click's own it leaves to click, which ends with 2."""

    def invoke(self, ctx: click.Context) -> object:
        session = ctx.obj = Session(**ctx.params)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo("consignd: interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)
        except Terminated:
            click.echo("consignd: told to end", err=True)
            ctx.exit(Exit.TERMINATED)
        except BrokenPipeError:
            # Whoever read our output has seen enough; click ends quietly.
            raise
        except Exception as error:
            ctx.exit(_report(session, error))


def _report(session: Session, error: Exception) -> Exit:
    """Say what went wrong, without a secret; with the trace for those who asked for it."""
    code = exit_of(error)
    told = str(error) if code is not Exit.BUG and str(error) else f"{type(error).__name__}: {error}"
    if session.shows_traces or code is Exit.BUG:
        click.echo(session.scrubber.text("".join(traceback.format_exception(error))), err=True)
    for line in session.scrubber.text(told).splitlines():
        click.echo(f"consignd: {line}", err=True)
    return code


@click.group(cls=_Root, epilog=told_in_help(), context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="Settings; otherwise $CONSIGND_CONFIG, ./consignd.toml, or none at all.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"]),
    help="How much is logged to standard error; `run` logs as configured, the others only warnings.",
)
@click.version_option(package_name="consignd")
def main(file: Path | None, log_level: str | None) -> None:
    """Keep stock, price, delivery and money of consigned codes consistent on every marketplace.

    Without any settings, consignd keeps a PostgreSQL of its own in CONSIGND_DATA_DIR.
    """


# Groups whose commands stand in several files are put together in one of their own, such as stock_group.py.
_PLACES = {
    "run": Place(
        "scheduler.cli.running:run",
        "Run the daemon: publish, take orders, deliver, serve the API and the console, until Ctrl-C.",
    ),
    "demo": Place(
        "scheduler.cli.demo:demo",
        "Play a whole life: three sandbox marketplaces with shoppers, and consignd serving them.",
    ),
    "migrate": Place(
        "scheduler.cli.checking:migrate",
        "Bring the database's schema up to this program's; harmless when it is.",
    ),
    "check": Place(
        "scheduler.cli.checking:check",
        "Check every promise that the database can show; ends with 0 only when all hold.",
    ),
    "import": Place(
        "scheduler.cli.importing:import_codes",
        "Import a FILE of codes: CSV, TSV, text with a code a line, or Excel.",
    ),
    "stock": Place(
        "scheduler.cli.stock_group:stock",
        "Show SKUs and why their offers are as they are; add, price, link and withdraw.",
    ),
    "orders": Place(
        "scheduler.cli.orders:orders", "Show orders, decide about those that wait, and replace invalid codes."
    ),
    "codes": Place(
        "scheduler.cli.codes:codes",
        "Trace, quarantine or reveal one code; PLACE is where it stands, lane.shelf.slot, as orders show it.",
    ),
    "channels": Place("scheduler.cli.channels:channels", "Show, test, pause and resume channels."),
    "stop": Place(
        "scheduler.cli.standing:stop_selling",
        "Take everything, a channel or a SKU off sale at once, and refuse new reservations of it.",
    ),
    "go": Place("scheduler.cli.standing:let_go", "Let what was stopped sell again."),
    "stopped": Place(
        "scheduler.cli.standing:show_stopped", "Show what is stopped, and what the guard has closed."
    ),
    "drift": Place(
        "scheduler.cli.standing:drift", "Show and decide what channels show otherwise than they were told."
    ),
    "guard": Place(
        "scheduler.cli.standing:guard",
        "Show and open what the guard closed before a channel would punish us.",
    ),
    "alerts": Place(
        "scheduler.cli.alerts:alerts", "Show and acknowledge alerts, and try the routes they are told by."
    ),
    "sync": Place(
        "scheduler.cli.syncing:sync",
        "Have channels read, compared and published now, or look at what that would do.",
    ),
    "ledger": Place(
        "scheduler.cli.ledger_group:ledger",
        "Show balances, verify and close the books, and explain how an order's money was split.",
    ),
    "statements": Place(
        "scheduler.cli.statements:statements", "Hold what channels tell of our money against what we posted."
    ),
    "settlements": Place(
        "scheduler.cli.settlements_group:settlements",
        "Settle what consignors, referrers and others are owed.",
    ),
    "discrepancies": Place(
        "scheduler.cli.discrepancies:discrepancies",
        "Show and settle what channels tell otherwise than we do.",
    ),
    "campaigns": Place(
        "scheduler.cli.campaigns:campaigns",
        "Campaigns: what buyers and referrers get back, within a budget and until an end.",
    ),
    "splits": Place("scheduler.cli.splits:splits", "Look at split plans: who gets what of a sale."),
    "budgets": Place(
        "scheduler.cli.budgets:budgets", "Show and spend what split plans set aside, such as budget:traffic."
    ),
    "price": Place(
        "scheduler.cli.price_group:price",
        "Prices: how one comes about, which wait for a person, and who signed below the floor.",
    ),
    "rates": Place(
        "scheduler.cli.rates:rates", "Exchange rates: what prices in another currency are worked out with."
    ),
    "buyers": Place(
        "scheduler.cli.buyers:buyers",
        "Show buyers, who brought them, and which names are one person.",
    ),
    "segments": Place(
        "scheduler.cli.segments:segments",
        "Segments of buyers, as [segments.NAME] of the settings says; and lists that people keep.",
    ),
    "wallets": Place("scheduler.cli.wallets:wallets", "Show and move what buyers have in their wallets."),
    "coupons": Place("scheduler.cli.coupons_group:coupons", "Show, issue and take back coupons."),
    "points": Place("scheduler.cli.points:points", "Show and move buyers' points."),
    "groups": Place("scheduler.cli.groups:groups", "Show groups that buy together, and end them."),
    "flash": Place("scheduler.cli.flash:flash", "Show flash sales, the windows of [price]."),
    "keys": Place("scheduler.cli.keys:keys", "Show and rotate the keys that seal the codes."),
    "connectors": Place(
        "scheduler.cli.connectors:connectors", "Show the installed connectors, or start a new one."
    ),
    "config": Place("scheduler.cli.configuring:config", "Look at the settings."),
}

main.places = _PLACES
