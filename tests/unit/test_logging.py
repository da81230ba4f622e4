"""Proves that every event is written in one form, and that no secret passes in any of its fields."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.logging import configure_logging
from config.scrub import SecretScrubber
from config.secret_names import MASK, names_secret, names_secrets

SECRET = "s3cr3t/+value"
SECRET_NAMES = [
    "secret",
    "token",
    "password",
    "authorization",
    "Authorization",
    "key",
    "code",
    "payload",
    "pin",
]
SECRET_NAMES += [
    "dsn",
    "client_secret",
    "callback-token",
    "apiKey",
    "APIKey",
    "consumer_key",
    "x-api-key",
    "PIN",
]
SECRET_NAMES += ["code_text", "卡密"]
OTHER_NAMES = [
    "keyboard",
    "monkey",
    "pinned",
    "spin",
    "decoder",
    "tokenizer",
    "code_id",
    "key_ref",
    "token_count",
]
OTHER_NAMES += ["status_code", "error_code", "currency_code", "event", "channel", "order_ref"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def as_json(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_of_json_with_time_level_and_context() -> None:
    stream = io.StringIO()
    configure_logging("info", "auto", stream)
    structlog.contextvars.bind_contextvars(channel="eneba")
    structlog.get_logger().info(
        "offer.pushed", listing_id=7, price=Decimal("1.20"), at=datetime(2026, 1, 2, tzinfo=UTC)
    )
    structlog.get_logger().debug("unseen")
    (event,) = as_json(stream)
    assert event["event"] == "offer.pushed"
    assert (event["level"], event["channel"], event["listing_id"], event["price"]) == (
        "info",
        "eneba",
        7,
        "1.20",
    )
    assert event["at"] == "2026-01-02T00:00:00+00:00"
    assert datetime.fromisoformat(event["timestamp"]).utcoffset() is not None
    assert event["timestamp"].endswith("Z")


def test_a_terminal_gets_lines_for_people() -> None:
    stream = Terminal()
    configure_logging("info", "auto", stream)
    structlog.get_logger().warning("channel.slow", channel="kinguin")
    assert "channel.slow" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_json_can_be_asked_for_on_a_terminal_and_people_lines_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    configure_logging("info", "json", terminal)
    structlog.get_logger().info("a.b")
    configure_logging("info", "human", pipe)
    structlog.get_logger().info("a.b")
    assert as_json(terminal)[0]["event"] == "a.b"
    assert "\x1b" not in pipe.getvalue()
    assert "a.b" in pipe.getvalue()


@pytest.mark.parametrize("form", ["json", "human"])
def test_libraries_speak_through_the_same_chain(form: str) -> None:
    stream = io.StringIO()
    scrubber = SecretScrubber([SECRET])
    configure_logging("info", form, stream, scrubber)
    configure_logging("info", form, stream, scrubber)
    logging.getLogger("aiohttp.server").error(
        "cannot reach %s", f"https://x/?a={SECRET}", extra={"token": "abc", "n": 1}
    )
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("apscheduler.executors.default").info("Running job")
    assert SECRET not in stream.getvalue()
    assert "GET /" not in stream.getvalue()
    assert "Running job" not in stream.getvalue()
    if form == "json":
        (event,) = as_json(stream)
        assert (event["logger"], event["level"], event["token"], event["n"]) == (
            "aiohttp.server",
            "error",
            MASK,
            1,
        )
        assert event["event"] == f"cannot reach https://x/?a={MASK}"
        assert not [name for name in event if name.startswith("_")]


@pytest.mark.parametrize("form", ["json", "human"])
@pytest.mark.parametrize("library", [True, False])
def test_an_exception_is_written_without_its_secret(form: str, library: bool) -> None:
    stream = Terminal()
    configure_logging("info", form, stream, SecretScrubber([SECRET]))
    password = "local-variable-pw"
    try:
        try:
            raise ValueError(f"cannot open {SECRET}")
        except ValueError as cause:
            raise RuntimeError(f"postgresql://user:{password}@host/db refused") from cause
    except RuntimeError:
        if library:
            logging.getLogger("somebody").exception("failed")
        else:
            structlog.get_logger().exception("failed")
    text = stream.getvalue()
    assert "RuntimeError" in text
    assert "ValueError" in text
    assert "postgresql://user:********@host/db refused" in text
    assert SECRET not in text
    assert password not in text


@pytest.mark.parametrize(
    "name",
    SECRET_NAMES,
)
def test_a_field_of_a_secret_name_is_masked(name: str) -> None:
    assert names_secret(name)
    assert SecretScrubber()(None, "info", {name: "x"}) == {name: MASK}
    assert SecretScrubber()(None, "info", {"deep": [{name: {"a": 1}}]}) == {"deep": [{name: MASK}]}


@pytest.mark.parametrize(
    "name",
    OTHER_NAMES,
)
def test_a_name_that_only_contains_the_letters_is_not(name: str) -> None:
    assert not names_secret(name)
    assert SecretScrubber()(None, "info", {name: "shown"}) == {name: "shown"}


def test_a_count_of_codes_is_shown_and_codes_are_not() -> None:
    assert names_secrets("codes")
    scrub = SecretScrubber()
    assert scrub(None, "info", {"codes": 3, "tokens": None}) == {"codes": 3, "tokens": None}
    assert scrub(None, "info", {"codes": ["A"]}) == {"codes": MASK}


def test_forms_that_give_secrets_away_are_masked_without_being_known() -> None:
    text = SecretScrubber().text
    assert text("postgres://u:pw@h/d") == "postgres://u:********@h/d"
    assert text("redis://:pw@h") == "redis://:********@h"
    assert text("Authorization: Bearer abcdef.ghi") == "Authorization: Bearer ********"
    assert text("Basic Y2s6Y3M= sent") == "Basic ******** sent"
    assert text("GET /?consumer_secret=cs_1&page=2") == "GET /?consumer_secret=********&page=2"
    assert text("https://h:80/a?b=1@2") == "https://h:80/a?b=1@2"
    assert text("nothing here") == "nothing here"


class Odd:
    def __repr__(self) -> str:
        return f"Odd({SECRET})"


class Unwritable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"before {SECRET} after",
        [SECRET],
        (SECRET,),
        {SECRET},
        {"a": {"b": [SECRET]}},
        {SECRET: 1},
        SECRET.encode(),
        ValueError(SECRET),
        Odd(),
        {"a": Odd()},
        {Odd(): 1},
        "s3cr3t%2F%2Bvalue",
        "s3cr3t/%2Bvalue",
        SecretStr(SECRET),
    ],
)
def test_a_known_secret_is_masked_wherever_it_stands(value: object) -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream, SecretScrubber([SECRET]))
    structlog.get_logger().info("event", field=value)
    assert "s3cr3t" not in stream.getvalue()
    assert MASK in stream.getvalue() or isinstance(value, SecretStr)


def test_a_secret_of_digits_is_masked_as_a_number_too() -> None:
    scrub = SecretScrubber(["12345678"])
    assert scrub(None, "info", {"a": 12345678, "b": [912345678], "c": 1}) == {"a": MASK, "b": [MASK], "c": 1}


def test_short_values_are_not_masked_and_later_ones_can_be_added() -> None:
    scrub = SecretScrubber(["abc", ""])
    assert scrub.text("abcdefgh") == "abcdefgh"
    scrub.register(["defgh1", "defgh1-longer"])
    assert scrub.text("defgh1-longer defgh1") == f"{MASK} {MASK}"


def test_what_cannot_be_written_or_has_no_end_does_not_break_the_log() -> None:
    endless: list[object] = []
    endless.append(endless)
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.get_logger().info("odd", endless=endless, broken=Unwritable())
    (event,) = as_json(stream)
    assert event["broken"] == "<Unwritable without repr>"


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=20).filter(
    lambda word: not (set(word) <= set("*")) and "*" not in word
)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)


@given(words, st.data())
def test_no_shape_of_event_lets_a_secret_through(secret: str, data: st.DataObject) -> None:
    holding = st.builds(
        lambda before, after: before + secret + after, st.text(max_size=3), st.text(max_size=3)
    )
    shapes = st.recursive(
        plain | holding,
        lambda part: (
            st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3) | holding, part, max_size=3)
        ),
        max_leaves=6,
    )
    event = data.draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), shapes, min_size=1))
    scrubbed = SecretScrubber([secret])(None, "info", event)
    assert not holds(scrubbed, secret)


def holds(value: object, secret: str) -> bool:
    if isinstance(value, dict):
        return any(holds(name, secret) or holds(part, secret) for name, part in value.items())
    if isinstance(value, list):
        return any(holds(part, secret) for part in value)
    return secret in str(value)
