"""Proves that every key, table and element of a TOML text is found on the line where it stands."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.locate import locate, syntax_place
from config.problems import KeyPath

keys = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.text(min_size=1, max_size=6))
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
scalars = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), texts, st.just("]}#,=\"'"))
inline = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(
    keys, inline | st.lists(st.dictionaries(keys, inline, max_size=3), min_size=1, max_size=3)
)
documents = st.dictionaries(keys, tables, max_size=4)


def paths_of(value: object, path: KeyPath = ()) -> set[KeyPath]:
    steps: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = list(enumerate(value))
    here = {path} if path else set()
    return here.union(*(paths_of(part, (*path, step)) for step, part in steps))


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def in_one_line(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{quoted(name)} = {in_one_line(part)}" for name, part in value.items()) + " }"
        )
    if isinstance(value, list):
        return "[" + "\n  ,".join(in_one_line(part) + " # ] note\n" for part in value) + "]"
    return quoted(value) if isinstance(value, str) else str(value).lower()


def written(document: dict[str, Any]) -> str:
    """Tables as headers, lists of tables as arrays of tables, everything below inline."""
    lines: list[str] = []
    for table, content in document.items():
        lines += ["", f"[ {quoted(table)} ] # [not.a.header]"]
        simple = {k: v for k, v in content.items() if not is_array_of_tables(v)}
        lines += [f"{quoted(name)} = {in_one_line(part)}" for name, part in simple.items()]
        for name, parts in content.items():
            if name not in simple:
                for part in parts:
                    lines.append(f"[[{quoted(table)}.{quoted(name)}]]")
                    lines += [f"{quoted(k)} = {in_one_line(v)}" for k, v in part.items()]
    return "\n".join(lines)


def is_array_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value)


@given(documents)
def test_every_path_that_tomllib_reads_has_a_line(document: dict[str, Any]) -> None:
    text = written(document)
    assert set(locate(text)) == paths_of(tomllib.loads(text))


@given(documents)
def test_the_line_of_a_key_shows_the_key(document: dict[str, Any]) -> None:
    text = written(document)
    lines = text.split("\n")
    for path, line in locate(text).items():
        if isinstance(path[-1], str):
            assert quoted(path[-1]) in lines[line - 1]


TRICKY = '''\
# a comment with [brackets] and a = 1
title = "x" # note
a.b."c.d" = 1
"quoted key" = 'it''s'
multi = """
[not.a.table]
no = "key" \\""" still
""""
literal = \'\'\'
also = not
\'\'\'\'
list = [
  1, # one
  { x = 1, y.z = [ "]", '}' ] },

  [ 2,
    3 ],
]
when = 1979-05-27 07:32:00
[ top . "mid dle" ]
in = { e = {} , f = [] }
[[rows]]
n = 1
[rows.sub]
k = 1
[[rows.deep]]
[[rows.deep]]
d = 2
[[rows]]
n = 2
[rows.sub]
k = 2
[top]
late = true
'''.replace("'it''s'", "'its'")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("a",), 3),
        (("a", "b", "c.d"), 3),
        (("quoted key",), 4),
        (("multi",), 5),
        (("literal",), 9),
        (("list",), 12),
        (("list", 0), 13),
        (("list", 1, "y", "z", 1), 14),
        (("list", 2), 16),
        (("list", 2, 1), 17),
        (("when",), 19),
        (("top", "mid dle"), 20),
        (("top", "mid dle", "in", "e"), 21),
        (("rows",), 22),
        (("rows", 0, "sub", "k"), 25),
        (("rows", 0, "deep", 0), 26),
        (("rows", 0, "deep", 1, "d"), 28),
        (("rows", 1), 29),
        (("rows", 1, "n"), 30),
        (("rows", 1, "sub", "k"), 32),
        (("top",), 33),
        (("top", "late"), 34),
    ],
)
def test_a_tricky_text_is_read_as_tomllib_reads_it(path: KeyPath, line: int) -> None:
    assert set(locate(TRICKY)) == paths_of(tomllib.loads(TRICKY))
    assert locate(TRICKY)[path] == line


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a = 1\nb = = 2\n", 2, "column 5"),
        ("a = 1\na = 2\n", 2, "column"),
        ("a = [1,\n2", 2, "not TOML"),
        ('a = "open', 1, "not TOML"),
    ],
)
def test_a_syntax_error_is_placed(text: str, line: int, said: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as refused:
        tomllib.loads(text)
    found, message = syntax_place(refused.value, text)
    assert found == line
    assert said in message
