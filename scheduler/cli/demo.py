"""Runs the demo and draws it: live for people, one JSON object at the end for programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time

import click
import uvloop
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from config.logging import configure_logging
from connectors.sandbox.faults import PRESETS
from connectors.sandbox.market import SandboxOrderState
from core.views.orders import open_by_state
from scheduler.cli.exits import Exit
from scheduler.demo.markets import faults_happened
from scheduler.demo.run import DemoOptions, DemoResult, Scene, run_demo

_DRAW_SECONDS = 1.0


@click.command("demo")
@click.option("--seconds", type=click.FloatRange(min=1), help="How long to sell; until Ctrl-C when left out.")
@click.option("--faults", type=click.Choice(sorted(PRESETS)), default="some", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="What the shoppers' chances start from.")
@click.option("--skus", type=click.IntRange(1, 500), default=24, show_default=True)
@click.option("--orders-per-second", type=click.FloatRange(0.1, 200), default=4.0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output at the end.")
@click.pass_context
def demo(
    ctx: click.Context,
    seconds: float | None,
    faults: str,
    seed: int,
    skus: int,
    orders_per_second: float,
    as_json: bool,
) -> None:
    """Play a whole life: three sandbox marketplaces with shoppers, and consignd serving them.

    Ends with 0 when every invariant holds and every accepted order was delivered or refunded, else with 1.
    Everything it makes is in a temporary folder that is removed afterwards.
    """
    configure_logging("error" if not as_json else "warning", "auto")
    options = DemoOptions(seconds, faults, seed, skus, orders_per_second)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_play(options, as_json))
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
    ctx.exit(Exit.OK if result.ok else Exit.VIOLATED)


async def _play(options: DemoOptions, as_json: bool) -> DemoResult:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if as_json:
        return await run_demo(options, stop)
    return await _Stage(Console()).play(options, stop)


class _Stage:
    """Draws the demo while it plays, and says how it ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._scene: asyncio.Future[Scene] = asyncio.get_running_loop().create_future()

    async def play(self, options: DemoOptions, stop: asyncio.Event) -> DemoResult:
        """Play with a picture that is drawn anew every second."""
        self._console.print("Starting PostgreSQL, three sandbox marketplaces and the daemon …")
        drawing = asyncio.create_task(self._draw(stop))
        try:
            result = await run_demo(options, stop, self._open)
        finally:
            drawing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drawing
        self._tell(result)
        return result

    def _open(self, scene: Scene) -> None:
        self._scene.set_result(scene)
        self._console.print(f"[bold]Console:[/bold]  {scene.daemon.address}")
        self._console.print(f"[bold]Sign in with the token:[/bold] {scene.house.token}")
        self._console.print(
            f"{scene.codes_imported} codes on {scene.listings} listings. Ctrl-C ends the demo."
        )

    async def _draw(self, stop: asyncio.Event) -> None:
        scene = await self._scene
        with Live(console=self._console, auto_refresh=False, transient=False) as live:
            while True:
                live.update(await self._picture(scene, closing=stop.is_set()), refresh=True)
                await asyncio.sleep(_DRAW_SECONDS)

    async def _picture(self, scene: Scene, *, closing: bool) -> RenderableType:
        table = Table(expand=False)
        for name in (
            "marketplace",
            "orders",
            "delivered",
            "refunded",
            "waiting",
            "doubled",
            "oversold",
            "faults",
        ):
            table.add_column(name, justify="left" if name == "marketplace" else "right")
        for market in scene.markets:
            counts = market.counts()
            waiting = sum(order.state is SandboxOrderState.PAID for order in market.orders.values())
            numbers = (counts.orders, counts.delivered, counts.refunded, waiting)
            bad = (counts.duplicates_received, counts.oversold)
            table.add_row(
                market.name,
                *map(str, numbers),
                *(f"[red]{number}[/red]" if number else "0" for number in bad),
                str(sum(market.faults.happened.values())),
            )
        minutes = (time.monotonic() - scene.started_at) / 60
        title = (
            "calming down: faults are off, everything finds its place"
            if closing
            else f"{minutes:.1f} minutes"
        )
        return Panel(Group(table, await self._open_orders(scene)), title=title, expand=False)

    async def _open_orders(self, scene: Scene) -> str:
        async with scene.core.pool.acquire() as conn:
            counts = await open_by_state(conn)
        states = ", ".join(f"{count.orders} {count.state}" for count in counts) or "none"
        return f"open orders: {states}"

    def _tell(self, result: DemoResult) -> None:
        table = Table("invariant", "", "violations")
        for invariant in result.report.invariants:
            mark = "[green]holds[/green]" if invariant.ok else "[red]broken[/red]"
            table.add_row(invariant.name, mark, str(invariant.violations))
        self._console.print(table)
        happened = faults_happened(result.scene.markets)
        told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in happened.items()) or "none"
        self._console.print(f"faults survived: {told}")
        end = f"converged {result.convergence_seconds:.1f} s after the faults stopped"
        self._console.print(end if result.converged else "[red]did not converge[/red]")
