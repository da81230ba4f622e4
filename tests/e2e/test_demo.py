"""The demo as programs run it: one JSON object of a steady shape, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

COMMAND = ("-c", "from scheduler.cli import main; main()", "demo")
NAMES = {
    *("one-buyer", "same-answer", "conservation", "no-lost-order", "balanced"),
    *("paid-is-split", "convergence", "bounded-promise", "sealed"),
}
PATIENCE_SECONDS = 110


async def play(
    *arguments: str, temporary: Path, interrupt_after_seconds: float | None = None
) -> tuple[int, str, str]:
    """Run the command; its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *COMMAND,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "HOME": str(temporary), "TMPDIR": str(temporary)},
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            if interrupt_after_seconds is not None:
                await asyncio.sleep(interrupt_after_seconds)
                process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def left_behind(temporary: Path) -> list[Path]:
    """What the demo made and did not take away."""
    return list(temporary.glob("consignd-demo-*"))


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    tmp_path.chmod(0o711)
    return tmp_path


async def test_the_demo_ends_well_and_tells_it_in_one_object(temporary: Path) -> None:
    arguments = ("--seconds", "5", "--json", "--faults", "some", "--seed", "4", "--skus", "6")
    code, out, err = await play(*arguments, temporary=temporary)
    assert code == 0, err[-2000:]
    told = json.loads(out)
    assert set(told) == {
        *("orders_placed", "orders_delivered", "orders_refused", "codes_imported", "codes_delivered"),
        *("listings", "convergence_seconds", "faults", "invariants", "markets"),
    }
    assert set(told["invariants"]) == NAMES
    assert all(invariant["ok"] for invariant in told["invariants"].values())
    assert set(told["markets"]) == {"eneba", "kinguin", "woocommerce"}
    for market in told["markets"].values():
        assert set(market) == {"orders", "delivered", "duplicates_received", "oversold"}
        assert market["duplicates_received"] == 0
    assert told["listings"] == 18
    assert told["orders_placed"] >= told["orders_delivered"] > 0
    assert left_behind(temporary) == []


async def test_ctrl_c_ends_the_demo_as_well_as_its_time(temporary: Path) -> None:
    arguments = ("--json", "--faults", "none", "--skus", "3")
    code, out, err = await play(*arguments, temporary=temporary, interrupt_after_seconds=14)
    assert code == 0, err[-2000:]
    assert json.loads(out)["codes_imported"] > 0
