"""Holds the journal against its chain of blocks, and prints the heads that are worth keeping elsewhere."""

from __future__ import annotations

import click

from config.settings import Settings
from core.money.journal.chain import Head
from core.money.journal.sealing import Sealing
from core.money.journal.verifying import Progress, Verdict, verify
from core.views.journal import ChainState, chain_state
from scheduler.cli.exits import Exit
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, bar, note, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now


@click.command("verify")
@click.option(
    "--head", "heads", multiple=True, help="A head that was kept elsewhere; may be given several times."
)
@json_option
@click.pass_context
@pass_session
def verify_ledger(session: Session, ctx: click.Context, heads: tuple[str, ...], as_json: bool) -> None:
    """Find any row of the journal that was changed, taken out or put in since it was sealed.

    Ends with 1 when something is wrong. What this proves and what it does not stands in docs/operating.md.

    JSON: {"ok", "sealed", "unsealed", "stopped", "heads": ["lane:block:hash"],
    "findings": [{"wrong", "lane", "block_no", "transaction_id", "what"}]}.
    """
    known = [Head.parse(text) for text in heads]
    with bar("verifying", as_json=as_json) as progress:

        def tell(done: int, total: int) -> None:
            if progress is not None:
                progress.update(progress.task_ids[0], completed=done, total=total)

        verdict = session.drive(_verify(session.settings(), known, tell))
    if as_json:
        print_json(_plain(verdict))
    else:
        _show(verdict)
    ctx.exit(Exit.OK if verdict.ok else Exit.VIOLATED)


async def _verify(settings: Settings, known: list[Head], tell: Progress) -> Verdict:
    async with open_core(settings) as core:
        return await verify(core.pool, known, tell)


def _plain(verdict: Verdict) -> dict[str, object]:
    return {
        "ok": verdict.ok,
        "sealed": verdict.sealed,
        "unsealed": verdict.unsealed,
        "stopped": verdict.stopped,
        "heads": [str(head) for head in verdict.heads],
        "findings": verdict.findings,
    }


def _show(verdict: Verdict) -> None:
    if verdict.findings:
        table = Cells("wrong", "lane", "block", "what")
        for found in verdict.findings:
            table.add(found.wrong, found.lane, found.block_no, found.what)
        table.show()
    found_all = "; there may be more" if verdict.stopped else ""
    word = "nothing was changed" if verdict.ok else f"{len(verdict.findings)} findings{found_all}"
    say(f"{word}: {verdict.sealed} sealed transactions, {verdict.unsealed} too young to be sealed")
    for head in verdict.heads:
        say(f"head {head}")


@click.command("head")
@json_option
@pass_session
def show_head(session: Session, as_json: bool) -> None:
    """Print the head of each lane's chain. Kept where nobody here can change it, it binds what came before.

    JSON: {"heads": [{"head", "lane", "block_no", "sealed_at"}], "unsealed", "unsealed_since"}.
    """
    state = session.drive(_head(session.settings()))
    if as_json:
        print_json(state)
        return
    for each in state.heads:
        say(each.head)
    if state.unsealed:
        note(f"{state.unsealed} transactions are not sealed yet")


async def _head(settings: Settings) -> ChainState:
    """What is committed is sealed first, so that the head stands for all of it."""
    async with open_core(settings) as core:
        await Sealing(core.pool, utc_now).catch_up()
        async with core.pool.acquire() as conn:
            return await chain_state(conn)
