"""Proves the installed command as a process: no set-up, signals, the daemon's start and end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.db.pool import Pool
from tests.scheduler.command_line import CONSIGND, SHOP, House, count, start

_PATIENCE_SECONDS = 60.0


def alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a data directory and nothing else of ours."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CONSIGND_")}
    environ["CONSIGND_DATA_DIR"] = str(folder / "data")
    return subprocess.run(
        [CONSIGND, *arguments], env=environ, cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_data_directory_is_all_the_set_up_that_a_first_import_needs(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    (tmp_path / "codes.txt").write_text("AAAA-1111\nBBBB-2222\n")
    done = alone(tmp_path, "import", "codes.txt", "--sku", "CARD-20", "--consignor", "Kaart", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["imported"] == 2
    assert "AAAA" not in done.stderr
    checked = alone(tmp_path, "check", "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["ok"] is True
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()


@contextmanager
def running(house: House, *before: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The daemon on a free port, and the lines it logged up to its start."""
    environ = {"CONSIGND_WEB__PORT": "0", "CONSIGND_LOG__FORMAT": "json"}
    process = start(house, *before, "run", environ=environ)
    lines: list[str] = []
    try:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if '"daemon.started"' in line:
                break
        yield process, lines
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def address_of(lines: list[str]) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", lines[-1])
    assert found, "".join(lines)
    return found[0]


def test_run_serves_and_stops_within_ten_seconds_of_sigterm(house: House) -> None:
    with running(house) as (process, lines):
        address = address_of(lines)
        with urllib.request.urlopen(f"{address}/health") as reply:
            assert json.load(reply) == {"ok": True}
        token_file = house.folder / "data" / "api-token"
        token = token_file.read_text().strip()
        assert token_file.stat().st_mode & 0o777 == 0o600
        assert str(token_file) in "".join(lines)
        asked = urllib.request.Request(
            f"{address}/api/v1/channels", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(asked) as reply:
            assert json.load(reply) == {"channels": []}
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "daemon.stopped" in rest
    assert token not in "".join(lines) + rest


def test_a_second_daemon_in_the_data_directory_lets_the_same_token_in(house: House) -> None:
    with running(house) as (first, _):
        token = (house.folder / "data" / "api-token").read_text()
        with running(house) as (second, lines):
            asked = urllib.request.Request(
                f"{address_of(lines)}/api/v1/stock", headers={"Authorization": f"Bearer {token.strip()}"}
            )
            with urllib.request.urlopen(asked) as reply:
                assert reply.status == 200
            second.send_signal(signal.SIGINT)
            assert second.wait(timeout=10) == 0
        first.send_signal(signal.SIGINT)
        assert first.wait(timeout=10) == 0


def test_a_port_that_is_taken_is_said_in_one_line(house: House) -> None:
    with running(house) as (_, lines):
        port = address_of(lines).rpartition(":")[2]
        process = start(house, "run", environ={"CONSIGND_WEB__PORT": port, "CONSIGND_LOG__LEVEL": "error"})
        _, told = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 2
    assert told.startswith(f"consignd: web: cannot listen on 127.0.0.1 port {port}")
    assert len(told.splitlines()) == 1


async def test_an_import_interrupted_by_ctrl_c_leaves_all_consistent_and_goes_on(
    house: House, pool: Pool
) -> None:
    total = 60_000
    path = house.file("many.txt", "".join(f"MANY-{n:012}\n" for n in range(total)))
    arguments = ("import", path, "--sku", "CARD-20", "--consignor", "Kaart", "--json")
    process = await asyncio.to_thread(start, house, *arguments)
    await _interrupt_when_some_are_in(process, pool)
    told, noted = await asyncio.to_thread(process.communicate)
    assert process.returncode == 130, noted
    assert told == ""
    assert "import the same file again for the rest" in noted
    assert "Traceback" not in noted
    stands = await count(pool, "code")
    assert 0 < stands < total
    again = await asyncio.to_thread(start, house, *arguments)
    told, noted = await asyncio.to_thread(again.communicate)
    answer = json.loads(told)
    assert answer["imported"] == total - stands
    assert answer["refused"] == {"already_known": stands}
    checked = await asyncio.to_thread(start, house, "check", "--json")
    told, noted = await asyncio.to_thread(checked.communicate)
    assert checked.returncode == 0, told + noted


async def _interrupt_when_some_are_in(process: subprocess.Popen[str], pool: Pool) -> None:
    """While it is held up between two groups of codes, so that it cannot be through before."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    stands = 0
    while not stands:
        assert time.monotonic() < deadline
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("LOCK TABLE code IN SHARE MODE")
            stands = await conn.fetchval("SELECT count(*) FROM code")
            if stands:
                process.send_signal(signal.SIGINT)


def test_sync_now_asks_the_daemon_that_serves_these_settings(house: House) -> None:
    config = house.file("shop.toml", SHOP)
    with running(house, "--config", config) as (_, lines):
        port = address_of(lines).rpartition(":")[2]
        result = house.run("--config", config, "sync", "now", "--json", environ={"CONSIGND_WEB__PORT": port})
        (row,) = json.loads(result.stdout)["channels"]
        assert (row["channel"], row["daemon_asked"]) == ("shop", True), row


def test_a_second_signal_ends_the_daemon_at_once(house: House) -> None:
    with running(house) as (process, _):
        os.kill(process.pid, signal.SIGSTOP)
        # Both are waiting when it goes on, SIGINT before SIGTERM: the later one finds it stopping.
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        os.kill(process.pid, signal.SIGCONT)
        _, rest = process.communicate(timeout=10)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM), rest
    assert "daemon.stopped_at_once" in rest
