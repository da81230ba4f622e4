"""Seals codes and opens them: no code is in clear anywhere between a consignor's file and its delivery."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.codes.keys import KEY_BYTES, NONCE_BYTES, Keyring, Purpose, WrappedKey, new_key
from core.codes.payload import canonical_bytes, decode, encode, plain_forms
from core.errors import KeyRefused, SealBroken
from core.types import BatchId, CodePayload

FINGERPRINT_BYTES = 32
_FINGERPRINT_PERSON = b"consignd code 01"  # BLAKE2b's personalisation: exactly 16 bytes
_CODE_BOUND_TO = b"consignd code 1\0"
# There is one fingerprint key to a database; it is bound to this instead of a batch.
_THE_DATABASE = 0


@dataclass(frozen=True, slots=True, eq=False)
class BatchKey:
    """A batch's data key, ready to seal and open; the database keeps `wrapped` and `key_id` of it."""

    batch_id: BatchId
    key_id: str
    wrapped: bytes = field(repr=False)
    cipher: AESGCM = field(repr=False)
    bound_to: bytes = field(repr=False)


class Vault:
    """Seals and opens codes under batch keys, and tells equal codes by a keyed fingerprint.

    The fingerprint is keyed BLAKE2b-256, a MAC by design (RFC 7693), and 2.7 times as fast as HMAC-SHA256.
    Nobody without the key can test a guessed code against the database.
    """

    __slots__ = ("_fingerprint_key", "_keyed_hash", "keyring")

    def __init__(self, keyring: Keyring, fingerprint_key: bytes) -> None:
        if len(fingerprint_key) != KEY_BYTES:
            raise KeyRefused(f"the fingerprint key has {len(fingerprint_key)} bytes, not {KEY_BYTES}")
        self.keyring = keyring
        self._fingerprint_key = fingerprint_key
        # Copying a hash that has taken in its key costs half of keying it again for every code.
        self._keyed_hash = blake2b(
            key=fingerprint_key, digest_size=FINGERPRINT_BYTES, person=_FINGERPRINT_PERSON
        )

    @classmethod
    def unlock(cls, keyring: Keyring, wrapped: WrappedKey) -> Vault:
        """The vault of a database, from the wrapped fingerprint key that it keeps."""
        key = keyring.unwrap(Purpose.FINGERPRINT, _THE_DATABASE, wrapped.wrapped, wrapped.key_id)
        return cls(keyring, key)

    def wrapped_fingerprint_key(self) -> WrappedKey:
        """The fingerprint key under the current key: to store first, and again after a rotation."""
        return self.keyring.wrap(Purpose.FINGERPRINT, _THE_DATABASE, self._fingerprint_key)

    def new_batch_key(self, batch_id: BatchId) -> BatchKey:
        """A fresh data key for a batch."""
        key = new_key()
        return _batch_key(batch_id, key, self.keyring.wrap(Purpose.BATCH, batch_id, key))

    def open_batch_key(self, batch_id: BatchId, wrapped: bytes, key_id: str) -> BatchKey:
        """The data key of a stored batch."""
        key = self.keyring.unwrap(Purpose.BATCH, batch_id, wrapped, key_id)
        return _batch_key(batch_id, key, WrappedKey(key_id, wrapped))

    def rewrap(self, batch_id: BatchId, wrapped: bytes, key_id: str) -> WrappedKey:
        """The same data key under the current key. The codes themselves are not touched by a rotation."""
        return self.keyring.wrap(
            Purpose.BATCH, batch_id, self.keyring.unwrap(Purpose.BATCH, batch_id, wrapped, key_id)
        )

    def fingerprint(self, payload: CodePayload) -> bytes:
        """32 bytes, equal exactly for codes whose number and secret are canonically equal."""
        keyed = self._keyed_hash.copy()
        keyed.update(canonical_bytes(payload))
        return keyed.digest()

    def seal(self, batch_key: BatchKey, payload: CodePayload) -> bytes:
        """One code sealed, bound to its batch and its fingerprint."""
        return self.seal_many(batch_key, [payload])[0][1]

    def seal_many(self, batch_key: BatchKey, payloads: Sequence[CodePayload]) -> list[tuple[bytes, bytes]]:
        """Fingerprint and sealed code of each payload, in their order."""
        forms = ((canonical_bytes(payload), encode(payload)) for payload in payloads)
        return list(zip(*self._seal(batch_key, len(payloads), forms), strict=True))

    def seal_columns(
        self,
        batch_key: BatchKey,
        secrets: Sequence[str],
        numbers: Sequence[str] | None,
        pins: Sequence[str] | None,
    ) -> tuple[list[bytes], list[bytes]]:
        """Fingerprints, and sealed codes, of text codes by column; all is ASCII without space around."""
        return self._seal(batch_key, len(secrets), plain_forms(secrets, numbers, pins))

    def _seal(
        self, batch_key: BatchKey, count: int, forms: Iterable[tuple[bytes, bytes]]
    ) -> tuple[list[bytes], list[bytes]]:
        """Seal codes given as their canonical and their encoded bytes.

        Nonces are 96 random bits each, drawn in one block. Unlike a counter they stay unique when a batch key
        is opened again, in another process or after a crash; among a batch's million codes two are alike with
        a chance of 1 in 10^17.
        """
        nonces = os.urandom(NONCE_BYTES * count)
        bound_to, encrypt, keyed_hash = batch_key.bound_to, batch_key.cipher.encrypt, self._keyed_hash.copy
        marks, sealed = [], []
        at = 0
        for known_by, plain in forms:
            keyed = keyed_hash()
            keyed.update(known_by)
            mark = keyed.digest()
            nonce = nonces[at : at + NONCE_BYTES]
            at += NONCE_BYTES
            marks.append(mark)
            sealed.append(nonce + encrypt(nonce, plain, bound_to + mark))
        return marks, sealed

    def open(self, batch_key: BatchKey, sealed: bytes, fingerprint: bytes) -> CodePayload:
        """The code in clear; SealBroken if it was altered, or belongs to another batch or fingerprint."""
        try:
            plain = batch_key.cipher.decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], batch_key.bound_to + fingerprint
            )
        except (InvalidTag, ValueError):
            raise SealBroken(
                f"a code of batch {batch_key.batch_id} does not open: its row was altered or moved; "
                "restore it from a backup"
            ) from None
        return decode(plain)


def _batch_key(batch_id: BatchId, key: bytes, wrapped: WrappedKey) -> BatchKey:
    bound_to = _CODE_BOUND_TO + batch_id.to_bytes(8, "big")
    return BatchKey(batch_id, wrapped.key_id, wrapped.wrapped, AESGCM(key), bound_to)
