"""Shows which written expiries are understood, and that ambiguous ones are never guessed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.codes.expiry import Ambiguous, parse_expiry


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-31",
        "2026/12/31",
        "31.12.2026",
        "2026年12月31日",
        "2026.12.31",
        "20261231",
        " 2026 年 12 月 31 日 ",
    ],
)
def test_a_date_means_the_end_of_its_day(text: str) -> None:
    assert parse_expiry(text) == datetime(2026, 12, 31, 23, 59, 59, 999999, UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31T18:00:00Z", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:00+08:00", datetime(2026, 12, 31, 10, tzinfo=UTC)),
        ("2026-12-31 18:00", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026/1/2 8:05:09", datetime(2026, 1, 2, 8, 5, 9, tzinfo=UTC)),
        ("2026年1月2日 08:05", datetime(2026, 1, 2, 8, 5, tzinfo=UTC)),
        ("2026-01-02 00:00:00.123456 UTC", datetime(2026, 1, 2, 0, 0, 0, 123456, UTC)),
    ],
)
def test_a_time_is_that_moment(text: str, moment: datetime) -> None:
    assert parse_expiry(text) == moment


@pytest.mark.parametrize(
    "text",
    ["12/31/2026", "31/12/2026", "31-12-26", "12/27", "2026-13-01", "2026-02-30", "2026-12", "soon", "",
     "46387", "2026-12/31", "2026-12-31 25:00", "2026-12-31x", "0001-01-01T00:00:00+23:00"],
)  # fmt: skip
def test_what_is_ambiguous_is_not_guessed(text: str) -> None:
    with pytest.raises(Ambiguous):
        parse_expiry(text)


@given(st.text(max_size=30))
def test_any_text_is_a_moment_never_or_ambiguous(text: str) -> None:
    try:
        moment = parse_expiry(text)
    except Ambiguous as error:
        moment, said = None, str(error)
        assert not said
    assert moment is None or moment.tzinfo is UTC
