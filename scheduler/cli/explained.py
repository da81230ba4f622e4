"""Tells how an order's money was split, rule by rule, to whichever command asks."""

from __future__ import annotations

from collections.abc import Iterator

from config.settings import Settings
from core.views.ledger import ExplainedLine, ExplainedOrder, explain_order
from scheduler.cli.orders import find_order_id
from scheduler.cli.output import Cells, amount, say
from scheduler.composition import open_core


async def explained_order(settings: Settings, written: str) -> ExplainedOrder:
    """The split of an order, reckoned again; `written` as `consignd orders` takes it."""
    async with open_core(settings) as core, core.pool.acquire() as conn:
        return await explain_order(conn, await find_order_id(conn, written))


def show_line(line: ExplainedLine) -> None:
    """Print how one line was split, what is to vest, and whether the entries agree."""
    gross, price = amount(line.gross_minor, line.currency), amount(line.unit_price_minor, line.currency)
    say(f"line {line.line_no}: {line.quantity} at {price} is {gross}, by {line.plan} v{line.plan_version}")
    say(f"chosen by {line.chosen_by}")
    for said in _told(line):
        say(said)
    table = Cells(
        "rule", "party", "of", "base", "takes", "leaves", "why", "may be paid", right=("takes", "leaves")
    )
    for step in line.steps:
        base, taken, left = (
            amount(minor, line.currency) for minor in (step.base_minor, step.amount_minor, step.to_minor)
        )
        table.add(
            step.rule,
            step.party,
            step.base,
            base,
            taken,
            left,
            step.formula,
            step.vests if step.applied else "",
        )
    table.show()
    for due in line.dues:
        when = f"on {due.at:%Y-%m-%d %H:%M} UTC" if due.at else "when it is redeemed"
        verb = "lapses to" if due.lapses else "vests for"
        owner = " ".join(part for part in (due.party, due.party_name) if part)
        say(f"{amount(due.amount_minor, line.currency)} {verb} {owner} {when}")
    if line.refunded_minor:
        say(f"{amount(line.refunded_minor, line.currency)} went back to the buyer")
    say("the entries say the same\n" if line.agrees else "THE ENTRIES DIFFER: run `consignd check`\n")


def _told(line: ExplainedLine) -> Iterator[str]:
    """What the plan asked for and was told."""
    facts = line.facts
    if facts.buyer is not None:
        number = "" if facts.buyer_order_no is None else f", order {facts.buyer_order_no}"
        yield f"bought by {facts.buyer}{number}"
    if facts.referrers:
        yield f"brought by {', who was brought by '.join(facts.referrers)}"
    for left_out in facts.left_out:
        yield f"left out: {left_out}"
    if facts.segments:
        yield f"belongs to {', '.join(facts.segments)}"
    if facts.tax_minor is not None:
        yield f"tax in the price: {amount(facts.tax_minor, line.currency)} ({facts.tax_from})"
    for cost in facts.costs:
        worth = amount(cost.unit_cost_minor, line.currency)
        of = f"{cost.source}, {cost.at:%Y-%m-%d %H:%M} UTC"
        yield f"a code of {cost.consignor} cost {cost.cost}: {worth} at {cost.rate} ({of})"
