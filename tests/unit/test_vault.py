"""Shows that codes come out of the vault as they went in, and only where they belong."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.codes.keys import Keyring, WrappedKey, new_key
from core.codes.payload import INVISIBLE, canonical, canonical_bytes, decode, encode
from core.codes.vault import FINGERPRINT_BYTES, Vault
from core.errors import ConsigndError, InvalidInput, KeyRefused, SealBroken
from core.types import BatchId, CodePayload, PayloadKind

VAULT = Vault(Keyring.generate(), new_key())
BATCH = VAULT.new_batch_key(BatchId(7))

texts = st.text(max_size=60)
maybe_texts = st.none() | texts
payloads = st.builds(
    CodePayload,
    secret=texts,
    number=maybe_texts,
    pin=maybe_texts,
    kind=st.sampled_from(PayloadKind),
    file_name=maybe_texts,
)
noises = st.text(alphabet=INVISIBLE, max_size=4)
spaces = st.text(alphabet=" \t\r\n\u3000\u00a0", max_size=4)


@given(payloads)
def test_a_sealed_code_opens_as_it_was(payload: CodePayload) -> None:
    fingerprint = VAULT.fingerprint(payload)
    assert VAULT.open(BATCH, VAULT.seal(BATCH, payload), fingerprint) == payload


@given(st.lists(payloads, max_size=8))
def test_many_are_sealed_as_one_by_one(many: list[CodePayload]) -> None:
    sealed = VAULT.seal_many(BATCH, many)
    assert [fingerprint for fingerprint, _ in sealed] == [VAULT.fingerprint(payload) for payload in many]
    assert [VAULT.open(BATCH, body, fingerprint) for fingerprint, body in sealed] == many
    assert len({body[:12] for _, body in sealed}) == len(many)


@given(payloads)
def test_the_encoding_is_steady_whole_blocks_and_reversible(payload: CodePayload) -> None:
    plain = encode(payload)
    assert plain == encode(payload)
    assert len(plain) % 16 == 0
    assert decode(plain) == payload


@given(payloads, st.data())
def test_a_sealed_code_with_any_bit_changed_is_broken(payload: CodePayload, data: st.DataObject) -> None:
    sealed = bytearray(VAULT.seal(BATCH, payload))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        VAULT.open(BATCH, bytes(sealed), VAULT.fingerprint(payload))


@given(payloads, st.data())
def test_a_sealed_code_cut_short_or_grown_is_broken(payload: CodePayload, data: st.DataObject) -> None:
    sealed = VAULT.seal(BATCH, payload)
    cut = data.draw(st.integers(0, len(sealed) - 1))
    for broken in (sealed[:cut], sealed + b"\0"):
        with pytest.raises(SealBroken):
            VAULT.open(BATCH, broken, VAULT.fingerprint(payload))


def test_a_sealed_code_moved_to_another_row_or_batch_is_broken() -> None:
    payload, other = CodePayload(secret="AAAA"), CodePayload(secret="BBBB")
    sealed = VAULT.seal(BATCH, payload)
    with pytest.raises(SealBroken, match="batch 7"):
        VAULT.open(BATCH, sealed, VAULT.fingerprint(other))
    with pytest.raises(SealBroken):
        VAULT.open(VAULT.new_batch_key(BatchId(8)), sealed, VAULT.fingerprint(payload))
    with pytest.raises(SealBroken):
        VAULT.open_batch_key(BatchId(8), BATCH.wrapped, BATCH.key_id)


def test_a_stored_batch_key_opens_its_codes_before_and_after_a_rotation() -> None:
    payload = CodePayload(secret="卡密-1", number="0001", pin="12")
    sealed, fingerprint = VAULT.seal(BATCH, payload), VAULT.fingerprint(payload)
    stored = VAULT.open_batch_key(BatchId(7), BATCH.wrapped, BATCH.key_id)
    assert VAULT.open(stored, sealed, fingerprint) == payload

    both = VAULT.keyring.with_new_key()
    rotating = Vault.unlock(both, VAULT.wrapped_fingerprint_key())
    kept = rotating.rewrap(BatchId(7), BATCH.wrapped, BATCH.key_id)
    assert kept.key_id == both.current != BATCH.key_id

    only_new = Keyring(both.current, {both.current: both.keys[both.current]})
    after = Vault.unlock(only_new, rotating.wrapped_fingerprint_key())
    assert after.fingerprint(payload) == fingerprint
    assert (
        after.open(after.open_batch_key(BatchId(7), kept.wrapped, kept.key_id), sealed, fingerprint)
        == payload
    )
    with pytest.raises(KeyRefused, match=BATCH.key_id):
        after.open_batch_key(BatchId(7), BATCH.wrapped, BATCH.key_id)


def test_a_batch_key_is_no_fingerprint_key() -> None:
    with pytest.raises(SealBroken):
        Vault.unlock(VAULT.keyring, WrappedKey(BATCH.key_id, BATCH.wrapped))


def test_a_fingerprint_key_of_another_length_is_refused() -> None:
    with pytest.raises(KeyRefused, match="has 5 bytes"):
        Vault(VAULT.keyring, b"short")


@given(payloads, payloads)
def test_fingerprints_are_equal_exactly_when_codes_are_canonically_equal(
    a: CodePayload, b: CodePayload
) -> None:
    same = (canonical(a.number or ""), canonical(a.secret)) == (
        canonical(b.number or ""),
        canonical(b.secret),
    )
    assert (VAULT.fingerprint(a) == VAULT.fingerprint(b)) is same
    assert (canonical_bytes(a) == canonical_bytes(b)) is same


@given(texts, texts, noises, spaces, maybe_texts)
def test_a_fingerprint_sees_through_space_invisibles_normal_forms_and_pins(
    left: str, right: str, noise: str, space: str, pin: str | None
) -> None:
    clean = CodePayload(secret=left + right, number=right)
    noisy = CodePayload(
        secret=space + noise + unicodedata.normalize("NFD", left + right) + noise + space,
        number=noise + right + space,
        pin=pin,
        file_name="x.png",
    )
    assert VAULT.fingerprint(noisy) == VAULT.fingerprint(clean)


@given(texts)
def test_the_canonical_form_of_a_canonical_form_is_itself(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


def test_fingerprints_keep_case_and_tell_where_the_number_ends() -> None:
    codes = [
        CodePayload(secret="AB"),
        CodePayload(secret="ab"),
        CodePayload(secret="B", number="A"),
        CodePayload(secret="A", number="B"),
        CodePayload(secret="", number="AB"),
        CodePayload(secret="A\u200bB C"),
    ]
    fingerprints = {VAULT.fingerprint(code) for code in codes}
    assert len(fingerprints) == len(codes)
    assert {len(fingerprint) for fingerprint in fingerprints} == {FINGERPRINT_BYTES}


def test_another_key_gives_another_fingerprint() -> None:
    code = CodePayload(secret="AB")
    assert Vault(VAULT.keyring, new_key()).fingerprint(code) != VAULT.fingerprint(code)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_code_are_broken_or_decode_to_what_encodes_to_them(plain: bytes) -> None:
    try:
        payload = decode(plain)
    except SealBroken:
        return
    assert encode(payload) == plain


@given(payloads, st.data())
def test_an_altered_encoding_never_decodes_to_what_does_not_encode_to_it(
    payload: CodePayload, data: st.DataObject
) -> None:
    plain = bytearray(encode(payload))
    plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(plain))
    except SealBroken:
        return
    assert encode(found) == bytes(plain)


def test_a_code_written_by_a_newer_program_says_so() -> None:
    with pytest.raises(SealBroken, match="form 2"):
        decode(b"\x02" + encode(CodePayload(secret="A"))[1:])


def test_half_a_character_is_refused_without_showing_the_code() -> None:
    with pytest.raises(InvalidInput, match="half a character") as refusal:
        VAULT.seal(BATCH, CodePayload(secret="GEHEIM\ud800"))
    assert "GEHEIM" not in str(refusal.value)
    assert refusal.value.__context__ is None


@given(st.text(alphabet="QWXZ789", min_size=12, max_size=20))
def test_no_repr_and_no_error_shows_a_code(secret: str) -> None:
    payload = CodePayload(secret=secret, number="N" + secret, pin="P" + secret)
    sealed = VAULT.seal(BATCH, payload)
    assert secret.encode() not in sealed
    shown = [repr(payload), repr(VAULT), repr(BATCH), repr(sealed)]
    try:
        VAULT.open(BATCH, sealed[:-1], VAULT.fingerprint(payload))
    except ConsigndError as error:
        shown += [repr(error), str(error)]
    assert len(shown) == 6
    assert not [text for text in shown if secret in text]
