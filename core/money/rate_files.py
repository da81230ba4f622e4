"""Reads rates from an operator's file: CSV or TOML, each row base, quote, rate and moment. Pure."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

from core.errors import InvalidInput, UnreadableFile
from core.money.rates import NewRate, parse_rate

_COLUMNS = ("base", "quote", "rate", "at")
_LARGEST_BYTES = 4 * 1024 * 1024
_MOST_ROWS = 20_000


def read_rate_file(path: Path) -> list[NewRate]:
    """The rates of a file; UnreadableFile names the row that is wrong, and nothing of the file counts."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) > _LARGEST_BYTES:
        raise UnreadableFile(f"{path}: larger than {_LARGEST_BYTES // 1024**2} MiB: split it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFile(f"{path}: not UTF-8 text; save it as such") from None
    rows = _toml_rows(text, path) if path.suffix == ".toml" else _csv_rows(text, path)
    rates = [_rate(row, f"{path}: {where}") for where, row in rows]
    if not rates or len(rates) > _MOST_ROWS:
        raise UnreadableFile(f"{path}: {len(rates)} rates; write between 1 and {_MOST_ROWS}")
    return rates


def _csv_rows(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise UnreadableFile(
            f"{path}: no column {', '.join(missing)}; the first line names base,quote,rate,at"
        )
    for row in reader:
        yield f"line {reader.line_num}", {name: row[name] for name in _COLUMNS}


def _toml_rows(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    try:
        # Decimal: a rate is never a float on its way in.
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableFile(f"{path}: not TOML: {error}") from None
    rows = document.get("rates")
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise UnreadableFile(f"{path}: write [[rates]] tables with base, quote, rate and at")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping) or set(row) != set(_COLUMNS):
            raise UnreadableFile(f"{path}: rate {number}: write exactly base, quote, rate and at")
        yield f"rate {number}", row


def _rate(row: Mapping[str, object], where: str) -> NewRate:
    try:
        return NewRate(
            str(row["base"] or "").strip().upper(),
            str(row["quote"] or "").strip().upper(),
            parse_rate(str(row["rate"] or "")),
            _moment(row["at"]),
        )
    except InvalidInput as error:
        raise UnreadableFile(f"{where}: {error}") from None


def _moment(value: object) -> datetime:
    """A time or a day, which then means its beginning; UTC where no zone is written."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise InvalidInput("write `at` as 2026-11-20 or 2026-11-20T14:00:00Z")
