"""Compares stock policies over seeded days of trade in virtual time: `python -m benchmarks.day`.

Three channels sell 500 SKUs, with bursts, late answers, silences and lost updates. Each row is a policy:
what it oversold, what it refused, and what lay idle. The JSON holds the same figures.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.simulation.day import CHANCE, DayShape
from tests.simulation.side_by_side import CONFIDENCE, Compared, side_by_side


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


def report(rows: list[Compared], seeds: list[int]) -> dict[str, object]:
    """The figures with what they are to be held against."""
    return {
        "chance": CHANCE,
        "confidence": CONFIDENCE,
        "seeds": seeds,
        "policies": [{**asdict(row), "holds": row.holds} for row in rows],
    }


def table(rows: list[Compared]) -> Table:
    """The rows for people."""
    shown = Table(title=f"wanted: at most {CHANCE:.2%} bad sales, at {CONFIDENCE:.0%} confidence")
    names = [each.name for each in fields(Compared) if each.name != "counts"]
    for name in names:
        shown.add_column(name.replace("_", " "), justify="left" if name == "policy" else "right")
    shown.add_column("holds")
    extra = sorted({name for row in rows for name in row.counts})
    for name in extra:
        shown.add_column(name, justify="right")
    for row in rows:
        values = [getattr(row, name) for name in names]
        cells = [
            f"{v:.3%}" if n in ("share", "at_most") else str(v) for n, v in zip(names, values, strict=True)
        ]
        shown.add_row(*cells, "yes" if row.holds else "no", *(str(row.counts.get(name, 0)) for name in extra))
    return shown


if __name__ == "__main__":
    main()
