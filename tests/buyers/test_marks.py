"""Tests that marks are equal exactly where they should be, forgotten in time, and never readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.buyers.marks import MarkKey, forget_marks, marks_of_people, normalised, note_marks, sweep_marks
from core.codes.keys import Keyring
from core.codes.vault import Vault
from core.codes.vault_store import open_vault, rotate
from core.db.pool import Pool
from core.errors import InvalidInput
from core.types import MarkKind, ToldMark
from tests.buyers.desk import DAY
from tests.buyers.people import add_people
from tests.factories import NOW

KEY = MarkKey(b"k" * 32)


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        (MarkKind.ACCOUNT, "Ann@Example.COM ", "ann@example.com", True),
        (MarkKind.ACCOUNT, "ann@example.com", "ann@example.org", False),
        (MarkKind.ADDRESS, "Main Street 1, 10115, DE", "main  street 1 10115 de", True),
        (MarkKind.ADDRESS, "Main Street 1", "Main Street 11", False),
        (MarkKind.ADDRESS, "203.0.113.7", "::ffff:203.0.113.7", True),
        (MarkKind.ADDRESS, "203.0.113.7", "203.0.113.8", False),
        (MarkKind.ADDRESS, "2001:db8:1:2::1", "2001:DB8:1:2:ffff::2", True),
        (MarkKind.ADDRESS, "2001:db8:1:2::1", "2001:db8:1:3::1", False),
        (MarkKind.DEVICE, "d-1", "d 1", False),
    ],
)
def test_writings_of_one_thing_are_one_mark(kind: MarkKind, one: str, other: str, same: bool) -> None:
    assert (KEY.mark(ToldMark(kind, one)) == KEY.mark(ToldMark(kind, other))) == same


@given(st.sampled_from(MarkKind), st.text(max_size=40))
def test_normalising_twice_changes_nothing_and_kinds_stay_apart(kind: MarkKind, text: str) -> None:
    try:
        once = normalised(ToldMark(kind, text))
    except InvalidInput:
        return
    assert len({KEY.mark(ToldMark(each, "same")).hash for each in MarkKind}) == len(MarkKind)
    assert KEY.mark(ToldMark(kind, text)) == KEY.mark(ToldMark(kind, f" {text} "))
    assert once == once.strip()


@pytest.mark.parametrize("value", ["", "   ", "x" * 1001])
def test_what_says_nothing_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        KEY.mark(ToldMark(MarkKind.ADDRESS, value))
    assert "xxx" not in str(refused.value)


def test_another_database_has_other_marks() -> None:
    told, ring = ToldMark(MarkKind.DEVICE, "d-1"), Keyring.generate()
    keys = [MarkKey.of(Vault(ring, bytes([n]) * 32)) for n in (1, 1, 2)]
    marks = [key.mark(told) for key in keys]
    assert marks[0] == marks[1] != marks[2]


async def test_marks_outlive_a_rotation_of_keys(pool: Pool) -> None:
    told, ring = ToldMark(MarkKind.DEVICE, "d-1"), Keyring.generate()
    async with pool.acquire() as conn:
        before = MarkKey.of(await open_vault(conn, ring)).mark(told)
    newer = ring.with_new_key()
    await rotate(pool, newer)
    async with pool.acquire() as conn:
        assert MarkKey.of(await open_vault(conn, newer)).mark(told) == before


async def test_marks_go_when_their_time_is_over_and_stay_while_they_are_seen(pool: Pool) -> None:
    ann, bob = await add_people(pool, "ann", "bob")
    device, account = ToldMark(MarkKind.DEVICE, "d"), ToldMark(MarkKind.ACCOUNT, "a")
    async with pool.acquire() as conn:
        assert await note_marks(conn, KEY, ann, [device, device, account], NOW) == 2
        await note_marks(conn, KEY, bob, [device], NOW)
        await note_marks(conn, KEY, ann, [device], NOW + 20 * DAY)
        assert await sweep_marks(conn, NOW) == 0
        assert await sweep_marks(conn, NOW + 10 * DAY) == 2
        both = [ann.buyer_id, bob.buyer_id]
        left = [(person_id, mark.kind) for person_id, mark in await marks_of_people(conn, both)]
        assert left == [(ann.buyer_id, MarkKind.DEVICE)]
        assert await forget_marks(conn, ann) == 1
        assert await marks_of_people(conn, both) == []
