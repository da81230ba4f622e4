"""Compares stock policies over seeded days of trade in virtual time: `python -m benchmarks.day`.

Three channels sell 500 SKUs, with bursts, late answers, silences and lost updates. Each row is a policy:
what it oversold, what it refused, and what lay idle. Then the same days with two price bots that compete with
our repricer, with and without damping, and with the alert rules that everybody has. The JSON holds all of it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from tests.simulation.day import DayShape, by_risk, fixed, naive
from tests.simulation.report import report, table
from tests.simulation.rivalry import all_contested, rivalry_report, rivalry_table
from tests.simulation.side_by_side import side_by_side


def main() -> None:
    """Run the days and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--sales", type=int, default=DayShape().sales, help="units asked for on a day")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    console, rows, rivalries = Console(stderr=True), [], []
    shape = DayShape(sales=given.sales)
    for row in side_by_side(given.seeds, shape):
        console.print(f"{row.policy}: {row.oversold} oversold, {row.refused} refused of {row.sold} sold")
        rows.append(row)
    # The smallest fixed buffer that holds is the one before the last row; each larger one was tried in turn.
    policies = (naive(), fixed(len(rows) - 2), by_risk())
    for rivalry in all_contested(policies, given.seeds, shape):
        console.print(f"{rivalry.policy}, with bots: {rivalry.price_changes} price changes")
        rivalries.append(rivalry)
    Console(width=180).print(table(rows), rivalry_table(rivalries))
    if given.json is not None:
        figures = {**report(rows, given.seeds), "with price bots": rivalry_report(rivalries)}
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
