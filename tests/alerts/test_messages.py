"""Proves that people read numbers, what to do and where to look, in their language; of a storm, a digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.digest import Notice, group
from core.alerts.messages import LANGUAGES, compose, trial_text
from core.alerts.phrases import DETAILS, NOUNS, WORDS
from core.alerts.rules import Fact, Metric, Route, Severity, Subject
from tests.factories import NOW

CONSOLE = "https://consignd.example.com/console"
LOW = Notice(
    notice_id=1,
    incident_id=17,
    kind="raised",
    rule="stock-low",
    metric="stock_percent",
    subject=Subject("sku", "STEAM-EUR-20"),
    severity=Severity.WARNING,
    cross=10,
    clear=20,
    value=7.5,
    facts={
        "title": "Steam 20 EUR",
        "codes": 6,
        "usual": 80,
        "per_day": 3.1,
        "lead_time_days": 7.0,
        "cover_days": 30.0,
        "restock": 93,
    },
    at=NOW,
    opened_at=NOW,
)
OVER = replace(LOW, notice_id=2, kind="recovered", value=95.0, at=NOW + timedelta(hours=2))


def numbered(count: int, severity: Severity = Severity.WARNING) -> list[Notice]:
    return [replace(LOW, notice_id=n, incident_id=n, severity=severity) for n in range(1, count + 1)]


def test_a_notice_in_english_tells_numbers_hint_and_link() -> None:
    text = compose([LOW], "en", CONSOLE)
    assert text.title == "[warning] STEAM-EUR-20: stock against its usual level 7.5 %, below 10 %"
    assert text.body.splitlines() == [
        "STEAM-EUR-20: stock against its usual level 7.5 %, below 10 %",
        "Steam 20 EUR",
        "6 codes, usually 80",
        "order 93: 3.1 sell a day, 7 days to come, to last 30 days",
        "rule stock-low, alert #17, 2026-11-21 12:00 UTC",
        f"look: {CONSOLE}/alerts/17",
    ]
    assert text.severity is Severity.WARNING


def test_a_notice_in_chinese_tells_the_same() -> None:
    text = compose([LOW], "zh", CONSOLE)
    assert text.title == "【警告】STEAM-EUR-20：库存占平时水平 7.5 %，低于 10 %"
    assert "现有 6 张，平时 80 张" in text.body
    assert "建议补货 93：日均售出 3.1，到货 7 天，备货 30 天" in text.body
    assert f"查看：{CONSOLE}/alerts/17" in text.body


def test_an_end_is_good_news_without_a_hint() -> None:
    text = compose([OVER], "en", None)
    assert text.title == "[over] STEAM-EUR-20: stock against its usual level 95 %, well again"
    assert text.body.splitlines()[-1] == "2 h after it was raised"
    assert "order" not in text.body
    assert text.severity is Severity.INFO
    assert "已恢复" in compose([OVER], "zh", None).title


def test_a_digest_tells_the_loudest_first_and_how_many_there_are() -> None:
    loud = replace(LOW, notice_id=40, incident_id=40, severity=Severity.CRITICAL)
    text = compose([*numbered(29), loud, OVER], "en", CONSOLE)
    lines = text.body.splitlines()
    assert text.title == "[critical] 30 new alerts, 1 over"
    assert lines[1].startswith("- #40 STEAM-EUR-20: ")
    assert lines[-2:] == ["and 11 more", f"look: {CONSOLE}/alerts"]
    assert compose([*numbered(3), OVER], "zh", None).title == "【警告】新告警 3 条，恢复 1 条"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("kind", ["raised", "recovered", "gone", "reminder"])
@pytest.mark.parametrize("fact", ["fact", 5, 0, 2.5, True, None])
def test_everything_can_be_said_of_every_metric(language: str, metric: Metric, kind: str, fact: Fact) -> None:
    facts: dict[str, Fact] = dict.fromkeys(_names(), fact)
    value = None if kind == "gone" else 5.0
    notice = replace(LOW, metric=metric.value, kind=kind, value=value, facts=facts)
    text = compose([notice], language, None)
    assert "{" not in text.title + text.body
    assert "None" not in text.body
    assert NOUNS[language][metric] in text.title
    assert NOUNS[language][metric] in compose([replace(notice, facts={})], language, None).body


def _names() -> list[str]:
    return [
        *("title", "codes", "usual", "per_day", "lead_time_days", "cover_days", "restock", "within_days"),
        *(
            "first_at",
            "median_seconds",
            "last_ref",
            "asking",
            "failures",
            "attempts",
            "window_minutes",
            "why",
        ),
        *("after_minutes", "first_ref", "asked", "first_id", "source", "valid_at", "part", "detail"),
        *("first_owed_at", "last_paid_at", "undriven", "quantile", "why"),
    ]


def test_both_languages_have_the_same_words_with_the_same_blanks() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    assert set(NOUNS["en"]) == set(NOUNS["zh"]) == set(Metric)
    assert {metric: len(lines) for metric, lines in DETAILS["en"].items()} == {
        metric: len(lines) for metric, lines in DETAILS["zh"].items()
    }


def test_a_title_is_never_longer_than_services_show() -> None:
    long = replace(LOW, subject=Subject("sku", "X" * 200))
    assert len(compose([long], "en", None).title) == 120


def test_a_test_says_that_nothing_is_wrong() -> None:
    assert "Nothing is wrong" in trial_text("phone", "en", CONSOLE).body
    assert "一切正常" in trial_text("phone", "zh", None).body


ROUTE = Route("r", most_messages=3, window=timedelta(minutes=5))


def test_few_notices_go_one_by_one_and_many_as_one() -> None:
    assert [len(part) for part in group(numbered(3), [], ROUTE, NOW)] == [1, 1, 1]
    assert [len(part) for part in group(numbered(4), [], ROUTE, NOW)] == [4]
    assert group([], [], ROUTE, NOW) == []


def test_what_follows_in_a_storm_waits_for_the_window() -> None:
    written = [NOW - timedelta(minutes=4)] * 3
    assert group(numbered(1), written, ROUTE, NOW) == []
    assert [len(part) for part in group(numbered(50), written, ROUTE, NOW + timedelta(minutes=1))] == [50]


def test_what_is_critical_waits_a_minute_at_most_and_its_end_does_not_hurry() -> None:
    critical = numbered(2, severity=Severity.CRITICAL)
    written = [NOW - timedelta(minutes=4), NOW - timedelta(minutes=3), NOW - timedelta(seconds=59)]
    assert group(critical, written, ROUTE, NOW) == []
    assert [len(part) for part in group(critical, written, ROUTE, NOW + timedelta(seconds=1))] == [2]
    ends = [replace(notice, kind="recovered") for notice in critical]
    assert group(ends, written, ROUTE, NOW + timedelta(seconds=1)) == []


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=30))
def test_a_storm_of_any_shape_is_a_few_messages_and_loses_nothing(gusts: list[tuple[int, int]]) -> None:
    now, waiting, written, told = NOW, 0, list[timedelta](), 0
    for pause_seconds, count in [*gusts, *[(60, 0)] * 10]:
        now += timedelta(seconds=pause_seconds)
        waiting += count
        messages = group(numbered(waiting), [NOW + moment for moment in written], ROUTE, now)
        written += [now - NOW] * len(messages)
        told += sum(map(len, messages))
        waiting -= sum(map(len, messages))
        assert len([moment for moment in written if now - NOW - moment < ROUTE.window]) <= ROUTE.most_messages
    assert waiting == 0
    assert told == sum(count for _, count in gusts)
