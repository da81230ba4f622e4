"""Shows compared policies as a table for people, and as plain values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields

from rich.table import Table

from tests.simulation.day import CHANCE
from tests.simulation.side_by_side import CONFIDENCE, Compared


def report(rows: Sequence[Compared], seeds: Sequence[int]) -> dict[str, object]:
    """The figures with what they are to be held against."""
    return {
        "chance": CHANCE,
        "confidence": CONFIDENCE,
        "seeds": list(seeds),
        "policies": [{**asdict(row), "holds": row.holds} for row in rows],
    }


def table(rows: Sequence[Compared]) -> Table:
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
