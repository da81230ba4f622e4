"""Proves that what is written about alerts is read whole, and that mistakes are told with their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from config.alert_defaults import DEFAULT_RULES
from config.alerts import BAD_BELOW, Alerts, Language, Metric, Severity, secret_parts
from config.problems import SettingsRefused
from config.scrub import SecretScrubber
from config.settings import Settings
from config.show import describe
from core.alerts import rules as core_rules
from core.alerts.messages import LANGUAGES
from scheduler.alert_terms import console_url, watch

Write = Callable[[str], Path]
RULE = '[[alerts.rules]]\nname = "r"\nmetric = "{}"\n'
ROUTE = '[alerts.routes.phone]\nurl = "tgram://123456789:abcdefg_hijklmnop/12345/"\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        file = tmp_path / "consignd.toml"
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        return file

    return write


def load(file: Path, **environ: str) -> Settings:
    return Settings.load(file, environ)


def refusal(file: Path, **environ: str) -> str:
    with pytest.raises(SettingsRefused) as refused:
        Settings.load(file, environ)
    (problem,) = refused.value.problems
    return str(problem).replace(f"{file.parent}/", "")


def test_config_and_core_know_the_same_words() -> None:
    assert set(get_args(Metric)) == set(core_rules.Metric)
    assert set(BAD_BELOW) == set(core_rules.BAD_BELOW)
    assert set(get_args(Severity)) == set(core_rules.Severity)
    assert set(get_args(Language)) == set(LANGUAGES)


def test_who_writes_nothing_is_watched_over_all_the_same(write: Write) -> None:
    watched = watch(load(write("")))
    assert [rule.name for rule in watched.rules] == [rule["name"] for rule in DEFAULT_RULES]
    assert {rule.measure.metric for rule in watched.rules} == set(core_rules.Metric)
    assert watched.routes == {}
    assert watched.sweep_seconds == 15


def test_one_of_ours_is_changed_by_its_name_and_the_rest_of_it_stays(write: Write) -> None:
    rule = '[[alerts.rules]]\nname = "{}"\n{}\n'
    text = rule.format("stock-low", "cross = 30") + rule.format("expiring", "enabled = false")
    watched = {rule.name: rule for rule in watch(load(write(text))).rules}
    low = watched["stock-low"]
    assert (low.measure.metric, low.cross, low.clear) == (core_rules.Metric.STOCK_PERCENT, 30, 30)
    assert low.hold == timedelta(seconds=60)
    assert "expiring" not in watched
    assert len(watched) == len(DEFAULT_RULES) - 1


def test_only_what_is_written_holds_where_ours_are_not_wanted(write: Write) -> None:
    text = (
        "[alerts]\ndefault_rules = false\nlead_time_days = 3\n"
        + RULE.format("cover_days")
        + (
            'cross = 2\nclear = 4.5\nhold_seconds = 90\nseverity = "critical"\nroutes = ["phone"]\n'
            'remind_every_seconds = 3600\ntags = ["steam"]\nchannels = ["eneba"]\nwithin_days = 3\n'
            'quiet_hours = { begin = "22:00", end = "07:30", time_zone = "Asia/Shanghai" }\n'
        )
        + ROUTE
        + 'language = "zh"\nseverities = ["info"]\nmost_messages = 7\nwindow_seconds = 60\n'
    )
    watched = watch(load(write(text)))
    (rule,) = watched.rules
    assert (rule.cross, rule.clear, rule.hold) == (2, 4.5, timedelta(seconds=90))
    assert rule.severity is core_rules.Severity.CRITICAL
    assert rule.remind_every == timedelta(hours=1)
    assert (rule.scope.tags, rule.scope.channels) == (frozenset({"steam"}), frozenset({"eneba"}))
    assert rule.measure == core_rules.Measure(core_rules.Metric.COVER_DAYS, within_days=3, lead_time_days=3)
    assert rule.quiet is not None
    assert (str(rule.quiet.begin), str(rule.quiet.end), str(rule.quiet.zone)) == (
        "22:00:00",
        "07:30:00",
        "Asia/Shanghai",
    )
    route = watched.routes["phone"]
    assert (route.language, route.most_messages, route.window) == ("zh", 7, timedelta(minutes=1))
    assert route.wants(rule)
    assert not route.wants(replace(rule, routes=None))


def test_rates_are_old_when_no_price_is_worked_out_with_them_any_more(write: Write) -> None:
    watched = {rule.name: rule for rule in watch(load(write("[rates]\nmax_age_hours = 10\n"))).rules}
    assert watched["rate-old"].cross == 36_000


def test_the_console_is_where_the_world_reaches_us(write: Write) -> None:
    assert console_url(load(write(""))) is None
    assert console_url(load(write('[web]\npublic_url = "https://a.example/"'))) == "https://a.example/console"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (RULE.format("stock") + "cross = 10\nclear = 5", 1, "write clear at or above 10"),
        (RULE.format("drift") + "cross = 1\nclear = 5", 1, "write clear at or below 1"),
        (RULE.format("stock"), 1, "missing: write cross = ..."),
        (RULE.format("stonk") + "cross = 1", 3, 'alerts.rules[0].metric: write "stock", "stock_percent"'),
        (
            RULE.format("stock") + "cross = -1",
            4,
            "alerts.rules[0].cross: write a number greater than or equal",
        ),
        (RULE.format("stock") + "cross = nan", 4, "alerts.rules[0].cross"),
        (RULE.format("stock") + "cross = true", 4, "write a number, not true or false"),
        (RULE.format("stock") + "cros = 1", 4, "unknown key; did you mean cross?"),
        (RULE.format("rate_age_seconds") + "clear = 5", 1, "write cross = ... as well"),
        (
            RULE.format("stock") + 'cross = 1\nroutes = ["fone"]',
            5,
            "no route is named fone: write [alerts.routes.fone]",
        ),
        (RULE.format("stock") + "cross = 1\nremind_every_seconds = 5", 5, "greater than or equal to 60"),
        (
            RULE.format("stock") + 'cross = 1\nquiet_hours = { begin = "7:00", end = "25:00" }',
            5,
            "alerts.rules[0].quiet_hours.end: not a time of day",
        ),
        (
            RULE.format("stock") + 'cross = 1\nquiet_hours = { begin = "7:00", end = 9 }',
            5,
            "not a time of day: write it as",
        ),
        (ROUTE + 'quiet_hours = { begin = "22:00", end = "22:00" }', 3, "begin and end are the same"),
        (
            ROUTE + 'quiet_hours = { begin = "22:00", end = "07:00", time_zone = "Shanghai" }',
            3,
            "not a time zone: write its place, such as Asia/Shanghai",
        ),
        ('[alerts.routes.phone]\nurl = "hello"', 2, "alerts.routes.phone.url: not an address that alerts"),
        ('[alerts.routes.phone]\nlanguage = "en"', 1, "alerts.routes.phone.url: missing: write url = ..."),
        ('[alerts.routes.phone]\nurl = { evn = "X" }', 2, '{ env = "NAME" } or { file = "PATH" }'),
        ('[alerts.routes."My Phone"]\nurl = "json://h/x"', 1, "not a name"),
        (ROUTE + 'language = "de"', 3, 'write "en" or "zh"'),
        (ROUTE + "severities = []", 3, "alerts.routes.phone.severities"),
        ("[alerts]\nsweep_seconds = 0.1", 2, "greater than or equal to 1"),
        ((RULE.format("stock") + "cross = 1\n") * 2, 1, "2 rules are named r"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_mending(
    write: Write, text: str, line: int, said: str
) -> None:
    found = refusal(write(text))
    assert found.startswith(f"consignd.toml:{line}: "), found
    assert said in found


def test_mistakes_never_quote_an_address(write: Write) -> None:
    found = refusal(write('[alerts.routes.phone]\nurl = "nothing://hush-hush-hush"'))
    assert "hush" not in found


def test_an_address_may_stand_in_the_environment_or_a_file(write: Write, tmp_path: Path) -> None:
    secret = tmp_path / "hook"
    secret.write_text("json://hooks.example.com/0123456789ab\n")
    secret.chmod(0o600)
    text = '[alerts.routes.a]\nurl = { env = "HOOK" }\n[alerts.routes.b]\nurl = { file = "hook" }\n'
    settings = load(write(text), HOOK="dingtalk://abcdefabcdef0123")
    assert settings.alerts.routes["a"].url.get_secret_value() == "dingtalk://abcdefabcdef0123"
    shown = "\n".join(f"{value.path} {value.value_text}" for value in describe(settings))
    assert "0123" not in shown
    scrubber = SecretScrubber(settings.secret_values())
    said = "POST /abcdefabcdef0123 and /0123456789ab at hooks.example.com"
    assert scrubber.text(said) == "POST /******** and /******** at hooks.example.com"


def test_what_is_secret_in_an_address_is_its_parts_and_not_its_host() -> None:
    parts = set(secret_parts("json://person:pass%20word123@hooks.example.com/v1/abcdefghijkl?k=0123456789ab"))
    assert {"pass word123", "pass%20word123", "abcdefghijkl", "0123456789ab"} == parts
    assert set(secret_parts("https://[broken")) == set()


def test_every_one_of_ours_is_valid_and_named_once() -> None:
    names = [rule.name for rule in Alerts().every_rule()]
    assert len(set(names)) == len(names) == len(DEFAULT_RULES)
