"""Decides what moment an expiry written in a file of codes means, or that it is ambiguous."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from functools import lru_cache

FORMS = "2026-12-31, 2026/12/31, 31.12.2026, 2026年12月31日, or 2026-12-31T18:00:00+08:00"

# "Expires never" in words, as suppliers' sheets have it.
_NEVER = frozenset(("never", "none", "no expiry", "n/a", "永久", "永久有效", "长期", "长期有效", "无限期"))
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})")
_COMPACT = re.compile(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)")
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})")
_CHINESE = re.compile(r"(?P<year>\d{4})\s*年\s*(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*[日号]")
_DATES = (_YEAR_FIRST, _COMPACT, _DAY_FIRST, _CHINESE)
_CLOCK = re.compile(
    r"(?:T|\s+)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?P<second>:\d\d(?:\.\d{1,6})?)?\s*(?P<zone>Z|UTC|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
# The last moment of a day that PostgreSQL and Python can both tell.
_END_OF_DAY = time(23, 59, 59, 999999, UTC)


class Ambiguous(Exception):
    """An expiry that could mean several days, or none. It carries no text of the file."""


@lru_cache(maxsize=1024)  # a million rows share a handful of dates
def parse_expiry(text: str) -> datetime | None:
    """The moment in UTC; None for "never"; Ambiguous for 12/31/2026, 31-12-26 and whatever is no date.

    A date without a time means the end of that day in UTC; a time without a zone is UTC.
    """
    text = text.strip()
    if text.casefold() in _NEVER:
        return None
    for form in _DATES:
        found = form.match(text)
        if found:
            return _moment(found, text[found.end() :])
    raise Ambiguous


def end_of_day(day: date) -> datetime:
    """The last moment of a day in UTC."""
    return datetime.combine(day, _END_OF_DAY)


def _moment(found: re.Match[str], rest: str) -> datetime:
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        raise Ambiguous from None
    if not rest:
        return end_of_day(day)
    clock = _CLOCK.fullmatch(rest)
    if not clock:
        raise Ambiguous
    zone = (clock["zone"] or "Z").upper().replace("UTC", "Z")
    try:
        moment = datetime.fromisoformat(
            f"{day}T{clock['hour']:0>2}:{clock['minute']}{clock['second'] or ''}{zone}"
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Ambiguous from None
