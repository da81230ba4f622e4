"""Shows that keys are read strictly, wrap for one purpose and one row, and never show themselves."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from core.codes.keys import (
    KeyEncryptionKey,
    Keyring,
    Purpose,
    add_key_to_file,
    check_value,
    generate_key_file,
    load_key_file,
    new_key,
)
from core.errors import KeyRefused, SealBroken


def text_of(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


def test_a_key_is_read_from_plain_and_url_safe_base64() -> None:
    secret = b"\xfb\xff" * 16
    assert KeyEncryptionKey.parse("a", text_of(secret)).secret == secret
    assert KeyEncryptionKey.parse("a", base64.urlsafe_b64encode(secret).decode()).secret == secret
    assert KeyEncryptionKey.parse("a", f" {text_of(secret)}\n").secret == secret


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has 0 bytes, not 32"),
        (text_of(b"x" * 31), "has 31 bytes, not 32"),
        (text_of(b"x" * 33), "openssl rand -base64 32"),
        ("not base64 at all!", "is not base64"),
        ("密钥", "is not base64"),
    ],
)
def test_a_key_that_is_none_is_refused_with_how_to_make_one(text: str, says: str) -> None:
    with pytest.raises(KeyRefused, match=says) as refusal:
        KeyEncryptionKey.parse("a", text)
    assert not text or text not in str(refusal.value)
    assert refusal.value.__context__ is None


def test_an_id_that_may_be_a_key_by_mistake_is_refused_without_being_quoted() -> None:
    secret = text_of(new_key())
    with pytest.raises(KeyRefused, match="an id is 1 to 63") as refusal:
        KeyEncryptionKey(secret + "/", new_key())
    assert secret not in str(refusal.value)


def test_a_current_key_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyRefused, match=r"'b' is not among those given \(a\)"):
        Keyring.parse("b", {"a": text_of(new_key())})


def test_nothing_shows_a_key() -> None:
    ring = Keyring.generate()
    key = ring.keys[ring.current]
    shown = repr(ring) + repr(key) + repr(ring.wrap(Purpose.BATCH, 1, new_key())) + str(ring)
    assert key.text() not in shown
    assert repr(key.secret) not in shown
    assert key.secret.hex() not in shown


def test_a_wrapped_key_opens_again_and_two_wrappings_differ() -> None:
    ring, key = Keyring.generate(), new_key()
    first, second = ring.wrap(Purpose.BATCH, 5, key), ring.wrap(Purpose.BATCH, 5, key)
    assert first.wrapped != second.wrapped
    assert key not in first.wrapped
    assert ring.unwrap(Purpose.BATCH, 5, first.wrapped, first.key_id) == key


def test_a_wrapped_key_opens_for_no_other_row_purpose_or_content() -> None:
    ring = Keyring.generate()
    kept = ring.wrap(Purpose.BATCH, 5, new_key())
    altered = bytes([kept.wrapped[0] ^ 1]) + kept.wrapped[1:]
    with pytest.raises(SealBroken, match="batch 6"):
        ring.unwrap(Purpose.BATCH, 6, kept.wrapped, kept.key_id)
    with pytest.raises(SealBroken):
        ring.unwrap(Purpose.FINGERPRINT, 5, kept.wrapped, kept.key_id)
    for broken in (altered, kept.wrapped[:-1], kept.wrapped[:3], b""):
        with pytest.raises(SealBroken):
            ring.unwrap(Purpose.BATCH, 5, broken, kept.key_id)


def test_a_missing_wrapping_key_is_named() -> None:
    kept = Keyring.generate().wrap(Purpose.BATCH, 5, new_key())
    with pytest.raises(KeyRefused, match=f"{kept.key_id}: it wraps the key of batch 5"):
        Keyring.generate().unwrap(Purpose.BATCH, 5, kept.wrapped, kept.key_id)


def test_after_a_rotation_old_wrappings_still_open_and_new_ones_use_the_new_key() -> None:
    old, key = Keyring.generate(), new_key()
    new = old.with_new_key()
    kept = old.wrap(Purpose.BATCH, 5, key)
    assert new.current != old.current
    assert new.unwrap(Purpose.BATCH, 5, kept.wrapped, kept.key_id) == key
    assert new.wrap(Purpose.BATCH, 5, key).key_id == new.current


def test_another_key_under_a_known_id_is_refused() -> None:
    right = Keyring.parse("a", {"a": text_of(new_key())})
    wrong = Keyring.parse("a", {"a": text_of(new_key())})
    recorded = right.check_values()
    right.refuse_wrong_keys(recorded)
    right.with_new_key().refuse_wrong_keys(recorded | {"gone": b"x" * 32})
    with pytest.raises(KeyRefused, match="sealing key a: is not the key"):
        wrong.refuse_wrong_keys(recorded)


def test_a_check_value_is_steady_and_depends_on_key_and_id() -> None:
    secret = new_key()
    value = check_value(KeyEncryptionKey("a", secret))
    assert value == check_value(KeyEncryptionKey("a", secret))
    assert value != check_value(KeyEncryptionKey("b", secret))
    assert value != check_value(KeyEncryptionKey("a", new_key()))


def test_a_generated_file_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    ring = generate_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key_file(path) == ring
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    ring = generate_key_file(path)
    with pytest.raises(KeyRefused, match="exists already"):
        generate_key_file(path)
    assert load_key_file(path) == ring
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="cannot be written"):
        generate_key_file(tmp_path / "no" / "keys")


def test_a_key_added_to_the_file_becomes_current_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    first = generate_key_file(path)
    second = add_key_to_file(path)
    third = add_key_to_file(path)
    assert load_key_file(path) == third
    assert set(first.keys) < set(second.keys) < set(third.keys)
    assert third.current not in second.keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no key"),
        (b"# only words\n\n", "holds no key"),
        (b"justonekey\n", r"keys:1: write the key's id, a space"),
        (b"a c2hvcnQ=\n", r"keys:1: sealing key a: has 5 bytes"),
        (b"\xff\xfe\x00", "is not a text file"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(KeyRefused, match=says):
        load_key_file(path)


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"a {text_of(new_key())}\na {text_of(new_key())}\n")
    with pytest.raises(KeyRefused, match=":2: key a stands there twice"):
        load_key_file(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="No such file"):
        load_key_file(tmp_path / "keys")
