"""Decides what the buyer reads: the customer note that carries the codes, and how we know it again."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from connectors.kit.errors import ChannelRefused
from connectors.woocommerce.models import WooNote
from core.types import CodePayload, LineCodes, LineRef, PayloadKind

TITLE = "Your codes:"
REFERENCE = "Delivery reference: "


def note_text(lines: Sequence[LineCodes], names: Mapping[LineRef, str], attempt_key: str) -> str:
    """The note: the title, one code a line inside <pre>, the attempt's key as a reference.

    WordPress makes typography of loose text (-- becomes a dash, 10x20 a times sign, quotes curl), but not
    inside <pre>. With several products each block has its product's name before it.
    """
    named = len({names.get(line.line_ref) for line in lines}) > 1
    blocks = [
        f"{html.escape(names.get(line.line_ref, '')) + chr(10) if named else ''}{_block(line.codes)}"
        for line in lines
    ]
    return "\n".join([TITLE, *blocks, f"{REFERENCE}{html.escape(attempt_key)}"])


def is_ours(note: WooNote) -> bool:
    """Whether a note is a delivery of ours, by this attempt or an earlier one."""
    return note.customer_note and note.note.startswith(TITLE) and REFERENCE in note.note


def _block(codes: Sequence[CodePayload]) -> str:
    texts = [_text(code) for code in codes]
    return "\n".join(["<pre>", *texts, "</pre>"])


def _text(code: CodePayload) -> str:
    """A code as HTML; WordPress strips backslashes from notes, so they go as an entity."""
    if code.kind is PayloadKind.IMAGE:
        raise ChannelRefused("a customer note carries text only: image codes cannot be delivered here")
    return html.escape(code.text(), quote=False).replace("\\", "&#92;")
