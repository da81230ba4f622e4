"""Writes a statement as PDF: sums, and as many lines as somebody would read on paper.

The same statement gives the same bytes. Chinese is set in one of the fonts that PDF readers bring along, so
that no font has to be installed here.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, LongTable, Paragraph, SimpleDocTemplate, Spacer

from core.money.settlement.paper.sheets import Row, Rows
from core.money.settlement.paper.shown import CODE_HEADS, LINE_HEADS, shown
from core.money.settlement.paper.words import Words
from core.money.settlement.statement import Statement

_CHINESE = "STSong-Light"
_LATIN = "Helvetica"
_TEXT = ParagraphStyle("text", fontName=_LATIN, fontSize=8, leading=10)
_SMALL = ParagraphStyle("small", fontName=_LATIN, fontSize=6.5, leading=8)
_HEAD = ParagraphStyle("head", fontName=_LATIN, fontSize=11, leading=14, spaceBefore=10, spaceAfter=4)
_TITLE = ParagraphStyle("title", fontName=_LATIN, fontSize=16, leading=20, spaceAfter=6)
_GRID = [
    ("LINEBELOW", (0, 0), (-1, -1), 0.25, "#cccccc"),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 1.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
]


def pdf(statement: Statement, lines: Rows, codes: Rows) -> bytes:
    """The document. Rows are what of lines and codes it shows; it says where the others are."""
    if _CHINESE not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
    words = Words(statement.detail.settlement.language)
    texts = shown(statement, words)
    file = io.BytesIO()
    # `invariant`: no time and no random id of the making, so that the same is the same.
    document = SimpleDocTemplate(
        file,
        pagesize=landscape(A4),
        leftMargin=15 * mm,
        rightMargin=15 * mm,
        topMargin=12 * mm,
        bottomMargin=12 * mm,
        title=texts.title,
        author="consignd",
        invariant=1,
    )
    parts: list[Flowable] = [_paragraph(texts.title, _TITLE), _pairs(texts.facts)]
    for name, rows in (("summary", texts.balance), ("payment", texts.payment), ("held", texts.held)):
        if rows:
            parts += [_paragraph(words(name), _HEAD), _pairs(rows)]
    if texts.batches:
        parts += [_paragraph(words("batches"), _HEAD), _table([texts.batch_heads, *texts.batches])]
    parts += _listed("lines", LINE_HEADS, lines, statement.detail.settlement.entries, words)
    parts += _listed("codes", CODE_HEADS, codes, statement.codes, words)
    parts += [Spacer(1, 6), _paragraph(words("masked"), _SMALL)]
    document.build(parts)
    return file.getvalue()


def _listed(name: str, heads: Sequence[str], rows: Rows, count: int, words: Words) -> Iterator[Flowable]:
    if not count:
        return
    yield _paragraph(words(name), _HEAD)
    if len(rows) < count:
        yield _paragraph(words("more", shown=len(rows), all=count), _TEXT)
    yield _table([tuple(words(head) for head in heads), *rows])


def _pairs(rows: Iterable[Row]) -> Flowable:
    cells = [[_paragraph(cell, _TEXT) for cell in row] for row in rows]
    return LongTable(cells, colWidths=[70 * mm, 110 * mm], style=_GRID, hAlign="LEFT")


def _table(rows: Rows) -> Flowable:
    cells = [[_paragraph(cell, _SMALL) for cell in row] for row in rows]
    return LongTable(cells, style=_GRID, repeatRows=1, hAlign="LEFT")


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """Runs of signs that the Latin font has stay in it; all others are set in the Chinese one."""
    return Paragraph("".join(_runs(text)) or "&nbsp;", style)


def _runs(text: str) -> Iterator[str]:
    run, latin = "", True
    for sign in text:
        here = _is_latin(sign)
        if here is not latin and run:
            yield _set(run, latin=latin)
            run = ""
        run, latin = run + sign, here
    if run:
        yield _set(run, latin=latin)


def _set(run: str, *, latin: bool) -> str:
    return escape(run) if latin else f'<font name="{_CHINESE}">{escape(run)}</font>'


def _is_latin(sign: str) -> bool:
    try:
        sign.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
