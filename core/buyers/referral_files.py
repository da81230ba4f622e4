"""Reads files of who brought whom, and takes them row by row, each with a report of its own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.buyers.buyers import named_buyer
from core.buyers.referrals import ReferralTerms, Telling, attribute, note_refusal
from core.db.pool import Connection
from core.errors import InvalidInput, ReferralRefused, UnreadableFile

_COLUMNS = ("buyer", "referrer", "since")
_MOST_ROWS = 100_000
_LONGEST_FIELD = 1_000


@dataclass(frozen=True, slots=True)
class ReferralLine:
    """A row of a file: line number, buyer, who brought him, and since when if it says so."""

    line: int
    buyer: str
    referrer: str
    since: str


@dataclass(frozen=True, slots=True)
class RowReport:
    """What became of a row: taken, or why not."""

    line: int
    buyer: str
    referrer: str
    taken: bool
    why: str = ""


def read_referral_file(path: Path) -> list[ReferralLine]:
    """The rows of a CSV file with the columns buyer,referrer and, if it has one, since. UnreadableFile."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(path.name, csv.DictReader(file, strict=True)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path.name}: cannot be read as CSV in UTF-8 ({error})") from None


async def take_referral(
    conn: Connection, row: ReferralLine, source: str, actor: str, terms: ReferralTerms, now: datetime
) -> RowReport:
    """Take one row in a transaction of its own; a refused row says why and is kept as a refusal."""
    try:
        since = _moment(row.since, now)
        buyer = await named_buyer(conn, row.buyer, now)
        telling = Telling(source, actor, since)
        try:
            async with conn.transaction():
                await attribute(conn, buyer, row.referrer, telling, terms, now)
        except ReferralRefused as refused:
            await note_refusal(conn, buyer, row.referrer, telling, str(refused), now)
            raise
    except (InvalidInput, ReferralRefused) as error:
        return RowReport(row.line, row.buyer, row.referrer, taken=False, why=str(error))
    return RowReport(row.line, row.buyer, row.referrer, taken=True)


def _rows(name: str, reader: csv.DictReader[str]) -> Iterator[ReferralLine]:
    columns = tuple(reader.fieldnames or ())
    if not {"buyer", "referrer"} <= set(columns) <= set(_COLUMNS):
        raise UnreadableFile(
            f"{name}: its first line names the columns {', '.join(columns) or '(none)'}: write buyer,referrer"
            " or buyer,referrer,since"
        )
    for row in reader:
        if reader.line_num > _MOST_ROWS + 1:
            raise UnreadableFile(f"{name}: has more than {_MOST_ROWS} rows: cut it into several files")
        fields = [(row.get(column) or "").strip() for column in _COLUMNS]
        if max(map(len, fields)) > _LONGEST_FIELD:
            raise UnreadableFile(
                f"{name}:{reader.line_num}: a field is longer than {_LONGEST_FIELD} characters"
            )
        yield ReferralLine(reader.line_num, *fields)


def _moment(text: str, now: datetime) -> datetime:
    """When it counts from: a day or a moment, in UTC where it has no zone; now where nothing is written."""
    if not text:
        return now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"since {text!r}: write a day such as 2026-11-21, or leave it empty") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
