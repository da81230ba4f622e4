"""Plain rows by their pattern: a run holds whole rows and nothing else, wherever its text is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.codes.columns import Layout
from core.codes.readers import read_codes
from core.codes.rows import Parsed
from core.codes.runs import RunForm, form_of_layout, form_of_line
from core.types import CodePayload

ROWS = [f"{n:06d},SECRET-{n}-X" for n in range(12)]


def _form(line: str, separator: str | None = None) -> RunForm:
    form = form_of_line(separator, line)
    assert form is not None
    return form


def _secrets(form: RunForm, text: str) -> list[str]:
    plain = form.rows.match(text)
    return list(form.read(1, text, 0, plain.end(), None).secrets) if plain else []


@pytest.mark.parametrize("separator", [",", "\t", "----"])
def test_a_run_ends_with_a_whole_row_wherever_its_text_is_cut(separator: str) -> None:
    rows = [row.replace(",", separator) for row in ROWS]
    text = "".join(f"{row}\n" for row in rows)
    form = _form(rows[0])
    for cut in range(len(text) + 1):
        whole = text[:cut].count("\n")
        assert _secrets(form, text[:cut]) == [f"SECRET-{n}-X" for n in range(whole)]


@pytest.mark.parametrize(
    ("good", "other"),
    [
        ("7----SECRET", "----SECRET"),
        ("7----SECRET", "7----"),
        ("7,SECRET", ",SECRET"),
        ("7,SECRET", "7,"),
        ("7,SECRET", '7,"SECRET"'),
        ("7,SECRET", "7,SEC----RET"),
        ("7,SECRET", "# 7,SECRET"),
        ("7,SECRET", "7,SEC RET"),
        ("7,SECRET", "7,S\u00e9CRET"),
        ("7,SECRET", f"7,{'S' * 2000}"),
        ("7,SECRET", "7,SECRET,1"),
        ("SECRET", "----"),
    ],
)
def test_a_row_that_needs_a_closer_look_ends_a_run(good: str, other: str) -> None:
    separator = "----" if "----" in good else ","
    form = _form(good, separator)
    assert _secrets(form, f"{good}\n{good}\n{other}\n{good}\n") == ["SECRET", "SECRET"]
    assert _secrets(form, f"{other}\n{good}\n") == []


def test_dashes_within_a_code_are_its_own() -> None:
    for secret in ("-", "---", "A-B--C---D", "---A", "A---"):
        assert _secrets(_form("7,SECRET"), f"7,{secret}\n") == [secret]


def test_columns_that_nobody_asked_for_may_be_empty_or_hold_spaces() -> None:
    form = form_of_layout(",", Layout(width=3, secret=1))
    assert form is not None
    assert _secrets(form, "a note,SECRET-1,\n,SECRET-2,- - -\nx,,y\n") == ["SECRET-1", "SECRET-2"]


def test_a_row_of_dashes_and_words_is_left_after_one_look() -> None:
    """Ends at once, where a pattern that fits in many ways would try them all."""
    form = _form("7,SECRET")
    assert _secrets(form, "7," + "a-" * 450 + '"\n') == []
    assert _secrets(form, ("-a" * 200 + ",") * 2 + "x\n") == []


def test_a_file_longer_than_what_is_read_at_once_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    payloads = [CodePayload(f"{n * 7919:016x}", f"{n:012d}", None) for n in range(30_000)]
    lines = [f"{payload.number},{payload.secret}\n" for payload in payloads]
    path.write_text("number,secret\n" + "".join(lines))
    rows = list(read_codes(path))
    assert [row.payload for row in rows if isinstance(row, Parsed)] == payloads
    assert len(rows) == len(payloads)
