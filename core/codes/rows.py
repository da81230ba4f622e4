"""Decides what one row of a consignor's file is: a code, or refused and why, without ever quoting it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.codes.columns import Layout
from core.codes.expiry import FORMS, Ambiguous, parse_expiry
from core.codes.payload import INVISIBLE
from core.types import CodePayload

ROW_LIMIT_BYTES = 64 * 1024
FIELD_LIMIT_BYTES = 16 * 1024
DASHES = "----"

# The widest UTF-8 character has 4 bytes: text this short is within the limit without measuring it.
_SURELY_SHORT = FIELD_LIMIT_BYTES // 4
_MOST_PARTS = 3
# Stands for bytes that the file's encoding could not tell; no code holds it.
_UNDECODABLE = "\ufffd"
_ALLOWED_CONTROLS = "\t\n\r"
_UNSEEN = INVISIBLE + " \t\r\n\u3000\u00a0"


class Reason(StrEnum):
    """Why a row was refused."""

    MALFORMED = "malformed"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    EXPIRED = "expired"
    DUPLICATE_IN_FILE = "duplicate_in_file"
    ALREADY_KNOWN = "already_known"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A row that holds a code; `row` is the file's own number, from 1."""

    row: int
    payload: CodePayload
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not taken; the detail says what is wrong with it and never what it says."""

    row: int
    reason: Reason
    detail: str


Row = Parsed | Refused


def clean(text: str) -> str:
    """A field without the space and the invisible characters around it; what is inside stays as it is."""
    text = text.strip()
    return text if text.isascii() else text.strip(_UNSEEN)


def columns_row(row: int, fields: Sequence[str], layout: Layout, expires_default: datetime | None) -> Row:
    """A row of a table whose header said which column is what."""
    width = len(fields)
    if width > layout.width and any(map(clean, fields[layout.width :])):
        return Refused(row, Reason.MALFORMED, f"has {width} columns, the header has {layout.width}")
    expires_at = expires_default
    if layout.expiry is not None and layout.expiry < width and clean(fields[layout.expiry]):
        try:
            expires_at = parse_expiry(clean(fields[layout.expiry]))
        except Ambiguous:
            return Refused(row, Reason.MALFORMED, f"the expiry is not a date that can be read; write {FORMS}")
    secret = clean(fields[layout.secret]) if layout.secret < width else ""
    number = _optional(fields, layout.number)
    pin = _optional(fields, layout.pin)
    if DASHES in secret and number is None and pin is None:
        return parts_row(row, secret.split(DASHES), expires_at)
    return _code(row, secret, number, pin, expires_at)


def parts_row(row: int, parts: Sequence[str], expires_at: datetime | None, parts_least: int = 1) -> Row:
    """A row without a header: secret; number and secret; or number, secret and PIN."""
    count = len(parts)
    if count == 1 and DASHES in parts[0]:
        parts = parts[0].split(DASHES)
        count = len(parts)
    if count > _MOST_PARTS:
        return Refused(
            row,
            Reason.MALFORMED,
            f"has {count} parts; write number, secret and PIN, or a header that names them",
        )
    if count < parts_least:
        # Half a row would sell a card's number as its secret.
        return Refused(
            row, Reason.MALFORMED, "has 1 part where the file's first code has more: is it cut off?"
        )
    if count == 1:
        return _code(row, clean(parts[0]), None, None, expires_at)
    number = clean(parts[0]) or None
    if number is None:
        return Refused(row, Reason.MALFORMED, "the part before the secret, its number, is empty")
    pin = clean(parts[2]) or None if count == _MOST_PARTS else None
    return _code(row, clean(parts[1]), number, pin, expires_at)


def _optional(fields: Sequence[str], column: int | None) -> str | None:
    return clean(fields[column]) or None if column is not None and column < len(fields) else None


def _code(row: int, secret: str, number: str | None, pin: str | None, expires_at: datetime | None) -> Row:
    if not secret:
        return Refused(row, Reason.EMPTY, "the code itself is empty")
    for name, text in (("code", secret), ("number", number), ("PIN", pin)):
        if text is None or (text.isascii() and text.isprintable() and len(text) <= _SURELY_SHORT):
            continue
        fault = _fault(row, name, text)
        if fault:
            return fault
    return Parsed(row, CodePayload(secret, number, pin), expires_at)


def _fault(row: int, name: str, text: str) -> Refused | None:
    """What is wrong with a field that is long or not plain ASCII, if anything."""
    if _UNDECODABLE in text:
        return Refused(
            row,
            Reason.MALFORMED,
            f"the {name} holds bytes of another encoding; save the file as UTF-8 and try again",
        )
    kinds = {unicodedata.category(character) for character in set(text) - set(_ALLOWED_CONTROLS)}
    if "Cc" in kinds or "Cs" in kinds:
        return Refused(row, Reason.MALFORMED, f"the {name} holds control characters")
    size_bytes = len(text.encode())
    if size_bytes > FIELD_LIMIT_BYTES:
        return Refused(
            row, Reason.TOO_LONG, f"the {name} has {size_bytes} bytes, {FIELD_LIMIT_BYTES} are the most"
        )
    return None
