"""Reads what people wrote into forms and addresses of the console."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from core.errors import InvalidInput
from web.api.problems import Problem

Form = Mapping[str, str]
_LONGEST_REASON = 500
_MOST_PAGES = 100_000


def reason_of(form: Form) -> str:
    """Why; without it nothing is done."""
    reason = form.get("reason", "").strip()
    if not reason:
        raise Problem(422, "Not understood", "say why; the reason is kept")
    return reason[:_LONGEST_REASON]


def moment_of(text: str) -> datetime:
    """A moment as browsers write it, in UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(f"{text[:40]!r} is not a moment: write it as 2026-12-24T18:00, in UTC") from None


def page_of(text: str | None) -> int:
    """The number of a page; the first where there is none."""
    if text is None:
        return 1
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_PAGES:
        raise InvalidInput(f"page {text[:40]!r}: pages are numbered from 1")
    return int(text)
