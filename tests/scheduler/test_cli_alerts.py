"""Proves what `consignd alerts` shows and does, and that a daemon of its own tells what it should."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from config.alert_defaults import DEFAULT_RULES
from tests.scheduler.command_line import SHOP, SHOP_SECRETS, House, sell_one, start

SECRET = "tok-0123456789abcdef"
DAEMON = """
[web]
port = 0

[alerts]
sweep_seconds = 1
default_rules = false

[[alerts.rules]]
name = "few"
metric = "stock"
cross = 10
clear = 20
"""


@dataclass(slots=True)
class Hook:
    """A service in a thread of its own: commands run a loop of theirs."""

    port: int
    status: int = 200
    taken: list[dict[str, str]] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    @property
    def route(self) -> str:
        """Settings of a route to here."""
        url = f"json://127.0.0.1:{self.port}/{SECRET}?rto=2&cto=2"
        return f'[alerts.routes.hook]\nurl = "{url}"\nlanguage = "zh"\n'


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(opened.status)
            self.end_headers()
            opened.taken.append(json.loads(content))
            opened.came.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    opened = Hook(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def with_alert(house: House, more: str = "") -> str:
    """A shop with a few codes; the path of settings for a daemon that watches it."""
    sell_one(house, codes=5)
    return house.file("alerts.toml", SHOP + DAEMON + more)


def test_the_rules_in_force_and_who_hears_of_them(house: House, hook: Hook) -> None:
    found = house.json("alerts", "rules")
    assert found["enabled"] is True
    assert [rule["name"] for rule in found["rules"]] == [rule["name"] for rule in DEFAULT_RULES]
    config = house.file("c.toml", DAEMON + hook.route)
    (rule,) = house.json("--config", config, "alerts", "rules")["rules"]
    assert rule == {
        "name": "few",
        "metric": "stock",
        "side": "below",
        "cross": 10.0,
        "clear": 20.0,
        "hold_seconds": 0.0,
        "severity": "warning",
        "scope": "everything",
        "routes": ["hook"],
    }
    shown = house.run("--config", config, "alerts", "rules").stdout
    assert "below 10" in shown
    assert "hook" in shown
    assert "none: the inbox only" in house.run("alerts", "rules").stdout


def test_a_route_is_tried_in_its_language(house: House, hook: Hook) -> None:
    config = house.file("c.toml", hook.route)
    assert house.json("--config", config, "alerts", "test", "hook")["outcome"] == "sent"
    assert hook.taken[0]["title"] == "【consignd】测试"
    hook.status = 403
    refused = house.run("--config", config, "alerts", "test", "hook")
    assert refused.exit_code == 7
    assert "403" in refused.output
    assert SECRET not in refused.output
    unknown = house.run("--config", config, "alerts", "test", "fone")
    assert unknown.exit_code == 2
    assert "route 'fone' is not configured; configured: hook" in unknown.output


def test_nothing_is_shown_where_nothing_stands(house: House) -> None:
    assert house.json("alerts")["alerts"] == []
    assert house.json("alerts", "dead") == {"messages": []}
    assert house.json("alerts", "retry") == {"message_ids": []}
    assert "nothing to show" in house.run("alerts", "history").stdout
    for arguments in (("ack", "7"), ("history", "--id", "7")):
        missing = house.run("alerts", *arguments)
        assert missing.exit_code == 2
        assert "no such alert" in missing.output
    both = house.run("alerts", "list", "--sku", "A", "--channel", "b")
    assert both.exit_code == 2


def test_a_daemon_tells_of_what_it_sees_and_a_person_acknowledges(house: House, hook: Hook) -> None:
    config = with_alert(house, hook.route)
    daemon = start(house, "--config", config, "--log-level", "debug", "run")
    try:
        assert hook.came.wait(60), "the daemon told nothing"
    finally:
        daemon.send_signal(signal.SIGTERM)
        out, err = daemon.communicate(timeout=60)
    assert daemon.returncode == 0, err
    assert hook.taken[0]["title"] == "【警告】CARD-20：剩余库存 4，低于 10"
    assert not [secret for secret in (SECRET, *SHOP_SECRETS) if secret in out + err]
    (alert,) = house.json("--config", config, "alerts")["alerts"]
    assert (alert["rule"], alert["subject_name"], alert["last_value"]) == ("few", "CARD-20", 4.0)
    assert len(hook.taken) == 1
    number = str(alert["incident_id"])
    acknowledged = house.json("--config", config, "alerts", "ack", number, "--reason", "ordered 50")
    assert acknowledged["incident_id"] == alert["incident_id"]
    twice = house.run("--config", config, "alerts", "ack", number)
    assert twice.exit_code == 6
    assert "acknowledged by cli:" in twice.output
    shown = house.run("--config", config, "alerts", "history", "--id", number).stdout
    assert "ordered 50" in shown
    assert "sent" in shown
    assert house.json("alerts", "--sku", "CARD-20")["alerts"][0]["acknowledged_reason"] == "ordered 50"
    assert house.json("alerts", "--channel", "shop")["alerts"] == []
    assert "1 warning (0 unseen)" in house.run("alerts").stderr


def test_a_house_that_wants_no_alerts_has_none(house: House) -> None:
    config = house.file("c.toml", "[alerts]\nenabled = false\n")
    result = house.run("--config", config, "alerts", "rules")
    assert "switched off" in result.stderr
