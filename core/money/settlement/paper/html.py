"""Writes a statement as one page of HTML that needs nothing else, to be read or printed."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from core.money.settlement.paper.sheets import Rows
from core.money.settlement.paper.shown import CODE_HEADS, CODE_RIGHT, LINE_HEADS, LINE_RIGHT, shown
from core.money.settlement.paper.words import Words
from core.money.settlement.statement import Statement

_PAGES = Environment(
    loader=PackageLoader("core.money.settlement.paper", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(statement: Statement, lines: Rows, codes: Rows) -> bytes:
    """The page. Rows are what of lines and codes it shows; it says where the others are."""
    words = Words(statement.detail.settlement.language)
    text = _PAGES.get_template("statement.html").render(
        words=words,
        language=words.language,
        shown=shown(statement, words),
        tables=[
            ("lines", LINE_HEADS, LINE_RIGHT, lines, statement.detail.settlement.entries),
            ("codes", CODE_HEADS, CODE_RIGHT, codes, statement.codes),
        ],
    )
    return text.encode()
