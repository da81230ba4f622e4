"""Looks at split plans before anything is sold by them: what is wrong, and what they do to a price."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from config.plans import PlanFile, read_plan
from config.problems import Problem
from core.money.money import Money
from core.money.plans.explaining import Waterfall, waterfall
from core.money.plans.facts import Milestones
from core.money.plans.journal import sale_postings
from core.money.plans.lint import lint
from core.money.plans.trial import TrialSale
from core.money.plans.waterfall import evaluate
from core.money.posting import Posting
from scheduler.cli.linting import Written, show_lint
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, amount, note, print_json
from scheduler.cli.split_publishing import list_published, publish_split
from scheduler.cli.split_sales import (
    explain_split,
    list_owed,
    redeem_coupon,
    refund_part,
    simulate_split,
)
from scheduler.split_plans import plan_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_BAR_CELLS = 30


@click.group("splits", no_args_is_help=True)
def splits() -> None:
    """Look at split plans: who gets what of a sale."""


for command in (
    explain_split, simulate_split, publish_split, list_published, list_owed, refund_part, redeem_coupon,
):  # fmt: skip
    splits.add_command(command)


@splits.command("lint")
@click.argument("files", type=_FILE, nargs=-1, required=True, metavar="FILE...")
@json_option
@click.pass_context
def lint_plans(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Say what is wrong with the split plans in FILE..., by line and rule; 3 if anything is.

    A plan that passes splits every price in its range, whatever the sale, and never asks for more than
    there is.

    JSON: {"ok", "plans": [name], "problems": [{"source", "line", "path", "text"}]}.
    """
    show_lint(ctx, files, _written, kind="plans", as_json=as_json)


def _written(path: Path) -> Written:
    file = read_plan(path)
    return Written(file.plan.name, partial(_unsound, file))


def _unsound(file: PlanFile) -> list[Problem]:
    return [file.problem(problem.number, problem.text) for problem in lint(plan_of(file))]


@splits.command("try")
@click.argument("path", type=_FILE, metavar="FILE")
@click.option("--amount", "price", required=True, help="The price of one unit, such as 19.99.")
@click.option("--currency", required=True, help="Its currency.")
@click.option("--quantity", type=click.IntRange(1, 10_000), default=1, show_default=True)
@click.option("--cost", help="What one code cost.")
@click.option("--tax", default="0", help="The tax in the price of one unit.")
@click.option("--redeemed", help="What was redeemed of one unit so far.")
@click.option("--channel", default="channel", help="The channel it is sold on.")
@click.option("--sku", default="", help="The SKU.")
@click.option("--tag", "tags", multiple=True, help="A tag of the SKU; may be given again.")
@click.option("--segment", "segments", multiple=True, help="A segment of the buyer's; may be given again.")
@click.option("--buyer", help="The buyer, for rebates.")
@click.option("--order-no", type=click.IntRange(1), help="Which order of the buyer's this is, from 1.")
@click.option(
    "--referrer", "referrers", multiple=True, help="Who brought the buyer; again: who brought them."
)
@click.option("--turnover", default="0", help="What tiers by turnover have seen before.")
@click.option("--units", type=click.IntRange(0), default=0, help="Units that tiers have seen before.")
@click.option("--at", "sold_at", type=click.DateTime(), help="When it is sold, in UTC; otherwise now.")
@json_option
@click.pass_context
def try_plan(ctx: click.Context, /, path: Path, as_json: bool, **_: object) -> None:
    """Show what the split plan in FILE does to a price: the waterfall, rule by rule, and the entries.

    The entries are those of a sale that was delivered but not yet held long enough or redeemed.

    JSON: {"waterfall": {"plan", "version", "currency", "quantity", "start_minor", "steps": [{"number",
    "rule", "party", "base", "base_minor", "amount_minor", "from_minor", "to_minor", "why", "applied",
    "vests"}]},
    "entries": [{"party", "party_name", "purpose", "amount_minor", "currency"}], "problems": [text]}.
    """
    given = {name: value for name, value in ctx.params.items() if name not in ("path", "as_json", "sold_at")}
    sold_at = (ctx.params["sold_at"] or datetime.now(UTC)).replace(tzinfo=UTC)
    file = read_plan(path)
    plan = plan_of(file)
    facts = TrialSale(**given, sold_at=sold_at).facts(plan)
    split = evaluate(plan, facts)
    shown = waterfall(split)
    entries = sale_postings(split, Milestones(facts.sold_at, facts.sold_at), facts.sold_at)
    problems = [str(problem) for problem in _unsound(file)]
    if as_json:
        print_json({"waterfall": shown, "entries": entries, "problems": problems})
        return
    _show(shown, entries)
    for problem in problems:
        note(f"warning: {problem}")


def _show(shown: Waterfall, entries: list[Posting]) -> None:
    price = Money(shown.start_minor, shown.currency)
    table = Cells("rule", "party", "takes", "leaves", "", "how", "may be paid", right=("takes", "leaves"))
    table.add("", "", "", price, _bar(shown, 0, shown.start_minor), f"{shown.quantity} sold", "")
    for step in shown.steps:
        taken, left = (amount(minor, shown.currency) for minor in (step.amount_minor, step.to_minor))
        bar = _bar(shown, step.to_minor, step.from_minor) if step.applied else ""
        table.add(step.rule, step.party, taken, left, bar, step.why, step.vests if step.applied else "")
    table.show()
    journal = Cells("account", "amount", right=("amount",), title="entries (debit positive)")
    for entry in entries:
        account = " ".join(word for word in (entry.party, entry.party_name, entry.purpose) if word)
        journal.add(account, amount(entry.amount_minor, entry.currency))
    journal.show()


def _bar(shown: Waterfall, low_minor: int, high_minor: int) -> str:
    """The part of the price that a step takes, as a bar where it lies."""
    if not shown.start_minor:
        return ""
    low, high = (
        min(_BAR_CELLS, max(0, _cells(minor * _BAR_CELLS, shown.start_minor)))
        for minor in (low_minor, high_minor)
    )
    return " " * low + "█" * max(high - low, 0)


def _cells(amount_cells: int, whole: int) -> int:
    """A whole number of cells."""
    return (2 * amount_cells + whole) // (2 * whole)
