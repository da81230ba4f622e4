"""Proves that people are left alone when they want, even as the clock is changed, and never for ever."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.quiet import QuietHours, release_of

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")
ZONES = [
    UTC_ZONE := ZoneInfo("UTC"),
    BERLIN,
    SHANGHAI,
    ZoneInfo("America/New_York"),
    ZoneInfo("Asia/Kolkata"),
]
NIGHT = QuietHours(time(22), time(7), SHANGHAI)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_night_in_shanghai_ends_at_seven_there() -> None:
    assert NIGHT.covers(at("2026-11-21T15:00"))
    assert NIGHT.release(at("2026-11-21T15:00")) == at("2026-11-21T23:00")
    assert NIGHT.release(at("2026-11-21T22:59")) == at("2026-11-21T23:00")
    assert NIGHT.release(at("2026-11-21T12:00")) == at("2026-11-21T12:00")


def test_the_first_minute_is_quiet_and_the_last_is_not() -> None:
    assert NIGHT.covers(at("2026-11-21T14:00"))
    assert not NIGHT.covers(at("2026-11-21T13:59"))
    assert not NIGHT.covers(at("2026-11-21T23:00"))


def test_a_lunch_hour_does_not_pass_midnight() -> None:
    lunch = QuietHours(time(12), time(13), UTC_ZONE)
    assert [lunch.covers(at(f"2026-11-21T{hour:02}:30")) for hour in (11, 12, 13, 0)] == [
        False,
        True,
        False,
        False,
    ]


def test_the_night_the_clock_goes_forward_is_an_hour_shorter() -> None:
    night = QuietHours(time(22), time(7), BERLIN)
    assert night.release(at("2026-03-28T21:30")) == at("2026-03-29T05:00")
    assert night.release(at("2026-03-27T21:30")) == at("2026-03-28T06:00")


def test_the_night_the_clock_goes_back_is_an_hour_longer() -> None:
    night = QuietHours(time(22), time(7), BERLIN)
    assert night.release(at("2026-10-24T20:30")) == at("2026-10-25T06:00")


def test_an_end_that_the_clock_jumps_over_is_taken_within_the_hour() -> None:
    # In Berlin the clock goes from 02:00 to 03:00 at 01:00 UTC; half past two is never shown.
    night = QuietHours(time(22), time(2, 30), BERLIN)
    assert not night.covers(at("2026-03-29T01:00"))
    assert at("2026-03-29T01:00") <= night.release(at("2026-03-29T00:59")) <= at("2026-03-29T02:00")


def test_an_end_that_the_clock_shows_twice_is_kept_twice() -> None:
    # In Berlin the clock goes from 03:00 back to 02:00 at 01:00 UTC; half past two is shown an hour apart.
    night = QuietHours(time(22), time(2, 30), BERLIN)
    assert night.release(at("2026-10-25T00:10")) == at("2026-10-25T00:30")
    assert night.covers(at("2026-10-25T01:10"))
    assert night.release(at("2026-10-25T01:10")) == at("2026-10-25T01:30")


CLOCKS = st.times(timezones=st.none()).map(lambda clock: clock.replace(second=0, microsecond=0, fold=0))


@given(
    CLOCKS,
    CLOCKS,
    st.sampled_from(ZONES),
    st.integers(0, 2 * 366 * 24 * 60).map(lambda minutes: at("2026-01-01") + timedelta(minutes=minutes)),
)
def test_quiet_ends_after_the_moment_and_within_a_day(
    begin: time, end: time, zone: ZoneInfo, moment: datetime
) -> None:
    quiet = QuietHours(begin, end, zone)
    released = quiet.release(moment)
    assert not quiet.covers(released)
    assert moment <= released <= moment + timedelta(hours=26)
    assert (released == moment) is not quiet.covers(moment)
    # Nowhere on the way was it loud for longer than the hour by which a clock may jump.
    loud = [
        step
        for step in range(0, int((released - moment).total_seconds()), 600)
        if not quiet.covers(moment + timedelta(seconds=step))
    ]
    assert len(loud) <= 7


@pytest.mark.parametrize("number", [0, 1, 2])
def test_two_people_s_quiet_hours_are_both_kept(number: int) -> None:
    early = QuietHours(time(20), time(4), UTC_ZONE)
    late = QuietHours(time(3), time(9), UTC_ZONE)
    chosen: tuple[QuietHours | None, ...] = [(early, late), (late, early), (None, early, None, late)][number]
    assert release_of(at("2026-11-21T21:00"), *chosen) == at("2026-11-22T09:00")


def test_quiet_hours_that_together_never_end_do_not_keep_a_notice_for_ever() -> None:
    day, night = QuietHours(time(0), time(12), UTC_ZONE), QuietHours(time(12), time(0), UTC_ZONE)
    assert release_of(at("2026-11-21T21:00"), day, night) < at("2026-12-21T00:00")
