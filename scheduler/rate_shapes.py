"""Reads exchange rates out of what a source answers: the ECB's daily file, or JSON with a path. Pure."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from xml.etree import ElementTree

from config.rates import Rates
from core.errors import InvalidInput, UnreadableFile
from core.money.rates import NewRate, parse_rate

# The ECB tells a day's rates at about 16:00 in Frankfurt, summer and winter.
_ECB_HOUR = time(14, 0, tzinfo=UTC)
_ECB_BASE = "EUR"
_ECB_CSV_DAY = "%d %B %Y"


def read_answer(body: bytes, written: Rates, now: datetime) -> list[NewRate]:
    """The rates of an answer; UnreadableFile says what is not as it should be."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFile("the answer is not UTF-8 text") from None
    try:
        rates = _ecb(text) if written.format == "ecb" else _json(text, written, now)
    except InvalidInput as error:
        raise UnreadableFile(f"the answer has no rates that can be read: {error}") from None
    if not rates:
        raise UnreadableFile("the answer has no rates in it")
    return rates


def _ecb(text: str) -> list[NewRate]:
    return _ecb_xml(text) if text.lstrip().startswith("<") else _ecb_csv(text)


def _ecb_xml(text: str) -> list[NewRate]:
    # Without a document type there are no entities that could grow.
    if "<!DOCTYPE" in text:
        raise UnreadableFile("the answer's XML has a document type, which the ECB's has not")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise UnreadableFile(f"the answer is not XML ({error})") from None
    rates = []
    for day in root.iter():
        at = day.get("time")
        if at is not None:
            moment = _ecb_moment(partial(date.fromisoformat, at), at)
            rates += [
                NewRate(_ECB_BASE, currency, parse_rate(rate), moment)
                for each in day
                if (currency := each.get("currency")) and (rate := each.get("rate"))
            ]
    return rates


def _ecb_csv(text: str) -> list[NewRate]:
    """A line of `Date` and currencies, then a line for each day."""
    lines = list(csv.reader(text.splitlines(), skipinitialspace=True))
    if not lines or not lines[0] or lines[0][0].strip().lower() != "date":
        raise UnreadableFile("the answer is neither the ECB's XML nor its CSV")
    currencies = [name.strip() for name in lines[0][1:]]
    rates = []
    for line in lines[1:]:
        if line:
            day, *values = (cell.strip() for cell in line)
            moment = _ecb_moment(partial(_csv_day, day), day)
            rates += [
                NewRate(_ECB_BASE, currency, parse_rate(value), moment)
                for currency, value in zip(currencies, values, strict=False)
                if currency and value and value != "N/A"
            ]
    return rates


def _csv_day(day: str) -> date:
    if day[:4].isdigit():
        return date.fromisoformat(day)
    return datetime.strptime(day, _ECB_CSV_DAY).replace(tzinfo=UTC).date()


def _ecb_moment(read: Callable[[], date], written: str) -> datetime:
    try:
        return datetime.combine(read(), _ECB_HOUR)
    except ValueError:
        raise UnreadableFile(f"the answer's day {written!r} cannot be read") from None


def _json(text: str, written: Rates, now: datetime) -> list[NewRate]:
    try:
        # Decimal: a rate is never a float on its way in.
        document: object = json.loads(text, parse_float=Decimal)
    except ValueError:
        raise UnreadableFile("the answer is not JSON") from None
    assert written.path is not None, "settings without a path are refused"
    told = _at(document, written.path)
    if not isinstance(told, Mapping):
        raise UnreadableFile(f"at {written.path} the answer has no object of currencies and numbers")
    base = written.base or str(_at(document, written.base_path or ""))
    moment = _json_moment(_at(document, written.time_path), written.time_path) if written.time_path else now
    return [
        NewRate(base, str(quote), parse_rate(str(rate)), moment)
        for quote, rate in told.items()
        if quote != base
    ]


def _at(document: object, path: str) -> object:
    for name in path.split("."):
        if not isinstance(document, Mapping) or name not in document:
            raise UnreadableFile(f"the answer has nothing at {path}")
        document = document[name]
    return document


def _json_moment(value: object, path: str) -> datetime:
    """Seconds since 1970, or a time or day in ISO 8601; UTC where no zone is written."""
    try:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return datetime.fromtimestamp(int(value), UTC)
        moment = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise UnreadableFile(f"at {path} the answer has no moment that can be read") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
