"""Decides what `consignd` understands, and turns every error into one line and a number."""

from __future__ import annotations

import traceback
from pathlib import Path

import click

from scheduler.cli.alerts import alerts
from scheduler.cli.channels import channels
from scheduler.cli.checking import check, migrate
from scheduler.cli.codes import codes
from scheduler.cli.configuring import config
from scheduler.cli.connectors import connectors
from scheduler.cli.demo import demo
from scheduler.cli.exits import Exit, exit_of, told_in_help
from scheduler.cli.importing import import_codes
from scheduler.cli.keys import keys
from scheduler.cli.ledger import ledger
from scheduler.cli.orders import orders
from scheduler.cli.price_group import price
from scheduler.cli.rates import rates
from scheduler.cli.running import run
from scheduler.cli.session import Session, Terminated
from scheduler.cli.splits import splits
from scheduler.cli.standing import drift, guard, let_go, show_stopped, stop_selling
from scheduler.cli.stock import stock
from scheduler.cli.stock_rules import explain_skus, tag_skus
from scheduler.cli.stock_simulate import simulate_stock
from scheduler.cli.syncing import sync


class _Root(click.Group):
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


_COMMANDS = (
    run,
    demo,
    migrate,
    check,
    import_codes,
    stock,
    orders,
    codes,
    channels,
    stop_selling,
    let_go,
    show_stopped,
    drift,
    guard,
    alerts,
    sync,
    ledger,
    splits,
    price,
    rates,
    keys,
    connectors,
    config,
)

for command in _COMMANDS:
    main.add_command(command)
for command in (explain_skus, tag_skus, simulate_stock):
    stock.add_command(command)
