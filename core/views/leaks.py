"""Decides whether codes stand in clear in the database: opens a sample and looks for it everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.codes.vault import BatchKey, Vault
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import KeyRefused, SealBroken
from core.types import BatchId, CodePayload

_SQL = load_queries("core.views", "leaks.sql")
_SAMPLE_SEALED = _SQL["sample_sealed"]
_GUESS_CODES = _SQL["guess_codes"]
_TEXT_COLUMNS = _SQL["text_columns"]

SAMPLE_CODES = 500
# Of every table the last pages, at most so many rows: what was written last is where a leak would be.
SCANNED_PAGES = 256
SCANNED_ROWS = 10_000
SHORTEST_TEXT = 6
# Shorter numbers are also order numbers and dates; they prove nothing.
_SHORTEST_NUMBER = 10
_QUERY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """How many things are wrong, and some of them by name."""

    total: int
    what: tuple[str, ...]

    def __add__(self, other: Finding) -> Finding:
        return Finding(self.total + other.total, self.what + other.what)


async def find_leaks(conn: Connection, vault: Vault | None) -> Finding:
    """What of a sample of codes is not sealed, does not open, or stands in clear somewhere.

    Names codes by their place, never by what they are. In the caller's transaction.
    """
    codes = float(await conn.fetchval(_GUESS_CODES))
    rows = await conn.fetch(_SAMPLE_SEALED, SAMPLE_CODES // 2, codes)
    wrong = [f"code {_place(row)} is stored as text" for row in rows if _is_text(row["sealed"])]
    if vault is not None:
        needles, unopened = _open_sample(vault, rows)
        wrong += unopened
        wrong += await _scan(conn, needles)
    return Finding(len(wrong), tuple(wrong))


def _open_sample(vault: Vault, rows: Sequence[Record]) -> tuple[dict[str, str], list[str]]:
    """The texts of the sample's codes, each with its code's place; and those that do not open."""
    keys: dict[BatchId, BatchKey] = {}
    needles: dict[str, str] = {}
    unopened = []
    for row in rows:
        batch_id = BatchId(row["batch_id"])
        try:
            if batch_id not in keys:
                keys[batch_id] = vault.open_batch_key(batch_id, row["wrapped_key"], row["key_id"])
            payload = vault.open(keys[batch_id], row["sealed"], row["fingerprint"])
        except (SealBroken, KeyRefused):
            unopened.append(f"code {_place(row)} does not open")
            continue
        needles.update(dict.fromkeys(_texts(payload), _place(row)))
    return needles, unopened


async def _scan(conn: Connection, needles: Mapping[str, str]) -> list[str]:
    """Where any of the texts stands, one finding for each code and table."""
    search = _Search(needles)
    found: dict[str, None] = {}
    for table in await conn.fetch(_TEXT_COLUMNS, SCANNED_PAGES):
        for row in await conn.fetch(table["statement"], SCANNED_ROWS, timeout=_QUERY_SECONDS):
            for place in search.places(text for text in row["texts"] if text is not None):
                found[f"code {place} stands in clear in table {table['table_name']}"] = None
    return list(found)


class _Search:
    """Finds any of many texts at once: by their first characters first, then in full."""

    def __init__(self, needles: Mapping[str, str]) -> None:
        self._by_start: dict[str, list[tuple[str, str]]] = {}
        for text, place in needles.items():
            for form in _forms(text):
                self._by_start.setdefault(form[:SHORTEST_TEXT], []).append((form, place))

    def places(self, texts: Iterable[str]) -> Iterator[str]:
        """The places of the codes that stand in the texts."""
        for text in texts:
            readings = (text, _bytes_as_text(text)) if text.startswith("\\x") else (text,)
            for reading in readings:
                windows = {reading[at : at + SHORTEST_TEXT] for at in range(len(reading) - SHORTEST_TEXT + 1)}
                for start in windows & self._by_start.keys():
                    for form, place in self._by_start[start]:
                        if _stands_in(form, reading):
                            yield place


def _texts(payload: CodePayload) -> list[str]:
    """The parts of a code that are long enough to be recognised."""
    parts = [part for part in (payload.secret, payload.number, payload.pin) if part]
    return [part for part in parts if len(part) >= (_SHORTEST_NUMBER if part.isdecimal() else SHORTEST_TEXT)]


def _forms(text: str) -> set[str]:
    """A text as it is, and as it stands inside JSON."""
    return {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _stands_in(text: str, reading: str) -> bool:
    if not text.isdecimal():
        return text in reading
    return re.search(rf"(?<!\d){text}(?!\d)", reading) is not None


def _bytes_as_text(hexadecimal: str) -> str:
    """What bytes would read as, from the way the server prints them."""
    try:
        return bytes.fromhex(hexadecimal[2:]).decode("utf-8", errors="replace")
    except ValueError:
        return ""


def _is_text(sealed: bytes) -> bool:
    try:
        return bool(bytes(sealed).decode())
    except UnicodeDecodeError:
        return False


def _place(row: Record) -> str:
    return f"{row['lane']}.{row['shelf_id']}.{row['slot']}"
