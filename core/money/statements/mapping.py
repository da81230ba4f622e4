"""Decides how the columns and words of a channel's own file become lines of its statement. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ConfigDict, TypeAdapter, ValidationError

from core.errors import InvalidInput
from core.money.money import Money
from core.money.payouts import ToldLine
from core.money.statements.terms import LineKind

# What goes out, where a file tells sizes only.
_OUTGOING = frozenset(
    {
        LineKind.FEE,
        LineKind.EDIT_FEE,
        LineKind.RELEASE_FEE,
        LineKind.UNFULFILLED_FEE,
        LineKind.REFUND,
        LineKind.WITHDRAWAL,
    }
)
# Spaces and apostrophes that people group digits with.
_GROUPING = str.maketrans("", "", " \u00a0\u202f'\u2019")


@dataclass(frozen=True, slots=True)
class Columns:
    """The header's names of the columns that matter; amounts stand in one column, or apart by direction."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    booked_at: str
    amount: str | None = None
    incoming: str | None = None
    outgoing: str | None = None
    # The channel's fee in the row of its sale: a line of its own.
    fee: str | None = None
    kind: str | None = None
    currency: str | None = None
    ref: str | None = None
    order_ref: str | None = None
    listing_ref: str | None = None

    def named(self) -> list[str]:
        """All names that a header must have."""
        every = (
            self.booked_at, self.amount, self.incoming, self.outgoing, self.fee, self.kind, self.currency,
            self.ref, self.order_ref, self.listing_ref,
        )  # fmt: skip
        return [name for name in every if name is not None]


@dataclass(frozen=True, slots=True)
class StatementMapping:
    """How a file is read; made by `read_mapping`, which refuses contradictions."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    columns: Columns
    # As strptime has it; iso reads 2026-11-21, with or without a time and an offset.
    date_format: str = "iso"
    time_zone: str = "UTC"
    decimal_mark: Literal[".", ","] = "."
    # signed: as written; reversed: the channel's side; by_kind: sizes, and what the line is says whose.
    sign: Literal["signed", "reversed", "by_kind"] = "signed"
    currency: str | None = None
    # The file's words and ours; `kind` is for files without a column for it.
    kinds: Mapping[str, LineKind] = field(default_factory=dict)
    kind: LineKind | None = None
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    encoding: str = "utf-8"
    # Rows above it are left out.
    header_row: int = 1


_ADAPTER = TypeAdapter(StatementMapping)


class CellRefused(Exception):
    """What is wrong with a row: the column, and why."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(f"{column}: {why}")
        self.column = column
        self.why = why


def read_mapping(written: object) -> StatementMapping:
    """A mapping from parsed TOML or JSON; InvalidInput names each field that is wrong."""
    try:
        mapping = _ADAPTER.validate_python(written)
    except ValidationError as refused:
        wrong = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'mapping'}: {error['msg']}" for error in refused.errors()
        )
        raise InvalidInput(f"the mapping is refused: {wrong}") from None
    contradiction = _wrong_with(mapping)
    if contradiction:
        raise InvalidInput(f"the mapping is refused: {contradiction}")
    return mapping


def mapping_to_json(mapping: StatementMapping) -> str:
    """A mapping as it is stored."""
    return _ADAPTER.dump_json(mapping).decode()


def mapping_from_json(text: str) -> StatementMapping:
    """A mapping that was stored."""
    return read_mapping(json.loads(text))


def _wrong_with(mapping: StatementMapping) -> str | None:
    columns = mapping.columns
    apart = (columns.incoming, columns.outgoing)
    if (columns.amount is None) == (apart == (None, None)) or (columns.amount and any(apart)):
        return "columns: write either amount, or incoming and outgoing"
    if (columns.kind is None) == (mapping.kind is None):
        return "write either columns.kind with [kinds], or kind for all rows"
    if columns.kind is not None and not mapping.kinds:
        return 'kinds: say what the words of the column mean, such as "Sale" = "sale"'
    if columns.currency is None and mapping.currency is None:
        return 'write columns.currency, or currency = "EUR" for all rows'
    if mapping.sign == "by_kind" and LineKind.ADJUSTMENT in (*mapping.kinds.values(), mapping.kind):
        return "sign: by_kind cannot say whose an adjustment is: the file must sign its amounts"
    if mapping.header_row < 1:
        return "header_row: rows are counted from 1"
    return _wrong_with_words(mapping)


def _wrong_with_words(mapping: StatementMapping) -> str | None:
    try:
        ZoneInfo(mapping.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"time_zone: {mapping.time_zone!r} is none: write its place, such as Europe/Vilnius"
    try:
        "".encode(mapping.encoding)
    except LookupError:
        return f"encoding: {mapping.encoding!r} is none: write utf-8, utf-16, cp1252, gb18030 ..."
    return None


class RowReader:
    """Reads rows under a header; one for each file, since rows alike are told apart by their number."""

    def __init__(self, mapping: StatementMapping, header: Sequence[str]) -> None:
        self._mapping = mapping
        names = [name.strip().lstrip("\ufeff") for name in header]
        missing = [name for name in mapping.columns.named() if name not in names]
        if missing:
            raise InvalidInput(
                f"row {mapping.header_row}: no column {', '.join(map(repr, missing))}; "
                f"there are {', '.join(map(repr, names))}: mend the mapping, or its header_row"
            )
        self._places = {name: names.index(name) for name in mapping.columns.named()}
        self._kinds = {word.casefold(): kind for word, kind in mapping.kinds.items()}
        self._seen: dict[str, int] = {}

    def lines(self, cells: Sequence[str]) -> list[ToldLine]:
        """The line of a row, and its fee's where it names one; CellRefused says what is wrong."""
        columns = self._mapping.columns
        kind = self._kind(cells)
        currency = self._cell(cells, columns.currency) or self._mapping.currency or ""
        amount = self._amount(cells, kind, currency)
        ref = self._cell(cells, columns.ref) or self._digest(cells)
        line = ToldLine(
            line_ref=ref,
            kind=kind.value,
            amount=amount,
            booked_at=self._moment(cells),
            order_ref=self._cell(cells, columns.order_ref) or None,
            listing_ref=self._cell(cells, columns.listing_ref) or None,
        )
        fee = self._money(cells, columns.fee, currency) if columns.fee else None
        if fee is None or not fee.amount_minor:
            return [line]
        # A refund gives the fee back.
        charged = abs(fee.amount_minor) * (1 if kind is LineKind.REFUND else -1)
        taken = Money(charged, fee.currency)
        return [
            line,
            ToldLine(f"{ref}/fee", "fee", taken, line.booked_at, line.order_ref, line.listing_ref),
        ]

    def _cell(self, cells: Sequence[str], column: str | None) -> str:
        if column is None:
            return ""
        place = self._places[column]
        return cells[place].strip() if place < len(cells) else ""

    def _kind(self, cells: Sequence[str]) -> LineKind:
        column = self._mapping.columns.kind
        if column is None:
            assert self._mapping.kind is not None, "a mapping without the column says what all rows are"
            return self._mapping.kind
        word = self._cell(cells, column)
        kind = self._kinds.get(word.casefold())
        if kind is None:
            known = ", ".join(self._mapping.kinds)
            raise CellRefused(column, f"{word!r} is not among the mapping's kinds ({known}): add it there")
        return kind

    def _amount(self, cells: Sequence[str], kind: LineKind, currency: str) -> Money:
        columns, sign = self._mapping.columns, self._mapping.sign
        if columns.amount is None:
            incoming = self._money(cells, columns.incoming, currency)
            outgoing = self._money(cells, columns.outgoing, currency)
            if incoming is None and outgoing is None:
                raise CellRefused(columns.incoming or columns.outgoing or "", "neither way is an amount")
            none = Money(0, currency)
            return (incoming or none) - Money(abs((outgoing or none).amount_minor), currency)
        amount = self._money(cells, columns.amount, currency)
        if amount is None:
            raise CellRefused(columns.amount, "no amount")
        if sign == "by_kind":
            size = abs(amount.amount_minor)
            return Money(-size if kind in _OUTGOING else size, currency)
        return -amount if sign == "reversed" else amount

    def _money(self, cells: Sequence[str], column: str | None, currency: str) -> Money | None:
        written = self._cell(cells, column)
        if not written or column is None:
            return None
        mark = self._mapping.decimal_mark
        other = "." if mark == "," else ","
        whole, _, part = written.translate(_GROUPING).rpartition(mark)
        digits = f"{whole.replace(other, '')}.{part}" if whole or mark in written else part.replace(other, "")
        if other in part and mark in written:
            raise CellRefused(column, f"{written!r}: {other!r} stands after the decimal mark {mark!r}")
        try:
            return Money.parse(_signed(digits), currency)
        except InvalidInput as refused:
            raise CellRefused(column, f"{written!r}: {refused}") from None

    def _moment(self, cells: Sequence[str]) -> datetime:
        column, form = self._mapping.columns.booked_at, self._mapping.date_format
        written = self._cell(cells, column)
        try:
            read = datetime.fromisoformat(written) if form == "iso" else datetime.strptime(written, form)  # noqa: DTZ007
            at = read if read.tzinfo else read.replace(tzinfo=ZoneInfo(self._mapping.time_zone))
            return at.astimezone(UTC)
        except (ValueError, OverflowError):
            raise CellRefused(column, f"{written!r} is not a date as {form}") from None

    def _digest(self, cells: Sequence[str]) -> str:
        """A name for a row without one: the same row of the same file has the same, and no other has it."""
        content = json.dumps([cell.strip() for cell in cells])
        number = self._seen[content] = self._seen.get(content, 0) + 1
        return "row-" + sha256(f"{number} {content}".encode()).hexdigest()[:24]


def _signed(digits: str) -> str:
    """A minus may stand behind, or as brackets."""
    if digits.startswith("(") and digits.endswith(")"):
        return f"-{digits[1:-1]}"
    if digits.endswith("-"):
        return f"-{digits[:-1]}"
    return digits.replace("\u2212", "-")
