"""Decides how measurements are told: a table of figures against what is to be reached, and JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value against its baseline of the same run; `reach` bounds the ratio."""

    what: str
    measured: float
    baseline: float | None
    unit: str
    ratio: float
    reach: float | None
    at_most: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.reach is None:
            return None
        return self.ratio <= self.reach if self.at_most else self.ratio >= self.reach


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the table."""
    table = Table("what", "measured", "baseline", "", "ratio", "to reach", "reached", "note")
    for figure in figures:
        reach = "" if figure.reach is None else f"{'≤' if figure.at_most else '≥'} {figure.reach:g}"
        reached = {None: "", True: "yes", False: "no"}[figure.reached]
        baseline = "" if figure.baseline is None else f"{figure.baseline:,.4g}"
        table.add_row(
            figure.what,
            f"{figure.measured:,.4g}" if figure.measured < 1000 else f"{figure.measured:,.0f}",
            baseline if figure.baseline is None or figure.baseline < 1000 else f"{figure.baseline:,.0f}",
            figure.unit,
            f"{figure.ratio:.3g}",
            reach,
            reached,
            figure.note,
        )
    console.print(table)


def write(figures: Sequence[Figure], mode: str, path: Path) -> None:
    """Write the figures, and what they were measured on, as one JSON object."""
    told = {
        "mode": mode,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "figures": [asdict(figure) | {"reached": figure.reached} for figure in figures],
    }
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
