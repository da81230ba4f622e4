"""Shows that plain rows read many at a time are the rows that reading one by one gives, sealed alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.codes.chunks import NEVER, Chunk, sealed_chunks
from core.codes.keys import Keyring, new_key
from core.codes.payload import canonical_bytes, encode, plain_forms
from core.codes.readers import CodeFile, Parsed, Reason, Row, Run
from core.codes.vault import Vault
from core.types import BatchId, CodePayload
from tests.unit.code_files import CODE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VAULT = Vault(Keyring.generate(), new_key())
KEY = VAULT.new_batch_key(BatchId(1))


def pieces_of(path: Path) -> list[Row | Run]:
    with CodeFile(path) as file:
        return list(file.pieces())


def chunks_of(path: Path, chunk_rows: int, expires_default: datetime | None = None) -> list[Chunk]:
    with CodeFile(path, expires_default=expires_default) as file:
        return list(sealed_chunks(file, VAULT, KEY, NOW, chunk_rows))


def opened(chunks: list[Chunk]) -> list[tuple[int, CodePayload]]:
    return [
        (row, VAULT.open(KEY, sealed, mark))
        for chunk in chunks
        for (mark, sealed), row in zip(chunk.codes.sealed.items(), chunk.codes.rows, strict=True)
    ]


FORMS = {
    "a.csv": [("number,code", "N{0},S-{0}"), ("code,note", "S{0},a b"), ("id;pin;code", ";7{0};S{0}")],
    "b.csv": [("", "N{0},S{0}"), ("", "S{0}")],
    "c.tsv": [("code\tnumber", "S{0}\tN,{0}"), ("", "N{0}\tS{0}\t{0}")],
    "d.txt": [("", "S-{0}-X"), ("", "N{0}----S{0}"), ("", "N{0},S{0},{0}"), ("", "N{0}\tS{0}")],
}


@pytest.mark.parametrize(
    ("name", "header", "form"), [(name, *form) for name, forms in FORMS.items() for form in forms]
)
def test_plain_rows_of_every_form_are_read_in_runs(tmp_path: Path, name: str, header: str, form: str) -> None:
    path = tmp_path / name
    lines = [header] if header else []
    path.write_text("\n".join([*lines, *(form.format(n) for n in range(3000))]) + "\n")
    pieces = pieces_of(path)
    assert max(len(piece) for piece in pieces if isinstance(piece, Run)) > 2900
    with CodeFile(path) as file:
        rows = list(file)
    assert [row.row for row in rows] == list(range(1 + len(lines), 3001 + len(lines)))
    secret = next(part for part in ("S-{0}-X", "S-{0}", "S{0}") if part in form)
    assert [row.payload.secret for row in rows if isinstance(row, Parsed)] == [
        secret.format(n) for n in range(3000)
    ]


# Words that a run must not swallow, or must cut as a row on its own is cut.
WORDS = st.sampled_from(
    [
        *("A1", "B-2", "C--3", "-D", "E-", "F---4", "-----", "G----5", "H-----6", "I------7"),
        *("", " ", " J", "K ", "L M", "#N", '"O', '"P,Q"', "é", "\x07", "卡", "a,b", "c\td", "e;f"),
        *("x" * 999, "y" * 5000),
    ]
)
SEPARATORS = st.sampled_from([",", ";", "\t", "----"])
LINES = st.lists(st.lists(WORDS, min_size=1, max_size=4), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    odd=LINES,
    separator=SEPARATORS,
    table=st.sampled_from(
        [(".txt", None), (".csv", "code"), (".csv", "number code"), (".csv", "note code pin")]
    ),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    ended=st.booleans(),
)
def test_rows_in_a_run_are_what_they_are_one_by_one(
    odd: list[list[str]], separator: str, table: tuple[str, str | None], end: str, ended: bool
) -> None:
    """A file's first twenty lines are read one by one, those that follow plain ones in a run."""
    suffix, header = table
    names = header.split() if header else []
    plain = separator.join(["N1", "S1", "P1"][: len(names) or 2])
    rows = [separator.join(row) for row in odd]
    with TemporaryDirectory() as folder:
        early, late = Path(folder, "early" + suffix), Path(folder, "late" + suffix)
        for path, before in ((early, 1), (late, 30)):
            lines = [separator.join(names), *[plain] * before, *rows] if names else [plain] * before + rows
            path.write_text(end.join(lines) + (end if ended else ""), encoding="utf-8", newline="")
        with CodeFile(early) as one_by_one, CodeFile(late) as in_runs:
            expected, found = list(one_by_one), list(in_runs)
    assert [replace(row, row=row.row + 29) for row in expected[1:]] == found[30:]


@given(st.lists(st.tuples(*[st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)] * 3)))
def test_columns_are_sealed_to_the_bytes_that_payloads_are(rows: list[tuple[str, str, str]]) -> None:
    secrets, numbers, pins = [[row[at] for row in rows] for at in range(3)]
    for some_numbers in (None, numbers):
        for some_pins in (None, pins):
            payloads = [
                CodePayload(
                    secret, some_numbers[at] if some_numbers else None, some_pins[at] if some_pins else None
                )
                for at, secret in enumerate(secrets)
            ]
            forms = plain_forms(secrets, some_numbers, some_pins)
            assert list(forms) == [(canonical_bytes(payload), encode(payload)) for payload in payloads]


@pytest.mark.parametrize("chunk_rows", [1, 7, 1000, 5000])
def test_chunks_have_their_size_and_the_order_of_the_file(tmp_path: Path, chunk_rows: int) -> None:
    lines = [f"N{n},S{n}" if n % 100 else f"N{n}, 密{n} " for n in range(2_500)]
    path = tmp_path / "a.csv"
    path.write_text("number,code\n" + "\n".join(lines) + "\n", encoding="utf-8")
    chunks = chunks_of(path, chunk_rows)
    assert [chunk.rows for chunk in chunks[:-1]] == [chunk_rows] * (len(chunks) - 1)
    assert sum(chunk.rows for chunk in chunks) == 2_500
    assert opened(chunks) == [
        (n + 2, CodePayload(f"S{n}" if n % 100 else f"密{n}", f"N{n}")) for n in range(2_500)
    ]


def test_twins_in_a_run_are_told_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n".join([*(f"S{n}" for n in range(100)), "S3", "S99", "S3", "T"]) + "\n")
    (chunk,) = chunks_of(path, 5000)
    assert [row for row, _ in chunk.twins] == [101, 102, 103]
    assert (chunk.rows, len(chunk.codes)) == (104, 101)


def test_a_default_expiry_that_is_over_refuses_a_run_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{CODE}{n}\n" for n in range(300)))
    chunks = chunks_of(path, 120, NOW)
    assert [chunk.rows for chunk in chunks] == [120, 120, 60]
    assert [r.row for chunk in chunks for r in chunk.refused] == list(range(1, 301))
    assert {r.reason for chunk in chunks for r in chunk.refused} == {Reason.EXPIRED}
    assert CODE not in repr(chunks)
    later = datetime(2030, 1, 1, tzinfo=UTC)
    assert {moment for chunk in chunks_of(path, 120, later) for moment in chunk.codes.expiries} == {later}
    assert {moment for chunk in chunks_of(path, 120) for moment in chunk.codes.expiries} == {NEVER}


def test_a_run_does_not_show_its_codes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"{CODE}\n" * 100)
    assert CODE not in repr(pieces_of(path))
