"""Compares stock policies over seeded days of trade in virtual time: `python -m benchmarks.day`.

Three channels sell 500 SKUs, with bursts, late answers, silences and lost updates. Each row is a policy:
what it oversold, what it refused, and what lay idle. The JSON holds the same figures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from tests.simulation.day import DayShape
from tests.simulation.report import report, table
from tests.simulation.side_by_side import side_by_side


def main() -> None:
    """Run the days and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--sales", type=int, default=DayShape().sales, help="units asked for on a day")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    console, rows = Console(stderr=True), []
    for row in side_by_side(given.seeds, DayShape(sales=given.sales)):
        console.print(f"{row.policy}: {row.oversold} oversold, {row.refused} refused of {row.sold} sold")
        rows.append(row)
    Console(width=180).print(table(rows))
    if given.json is not None:
        given.json.write_text(json.dumps(report(rows, given.seeds), indent=2) + "\n")


if __name__ == "__main__":
    main()
