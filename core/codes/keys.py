"""Decides which key-encryption keys are ours, and wraps the keys that seal codes under the current one."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import KeyRefused, SealBroken

KEY_BYTES = 32
NONCE_BYTES = 12
HOW_TO_MAKE_ONE = "a key is 32 random bytes in base64, as `openssl rand -base64 32` prints"
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CHECKED = b"consignd key check 1\0"
_WRAPPED = b"consignd key wrap 1\0"


class Purpose(StrEnum):
    """What a wrapped key is for; a key wrapped for one purpose does not open as another."""

    BATCH = "batch"
    FINGERPRINT = "fingerprint"
    COUPONS = "coupons"
    CAMPAIGNS = "campaigns"


def new_key() -> bytes:
    """32 fresh random bytes."""
    return os.urandom(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """A key that encrypts only other keys; its id is stored beside whatever it wrapped."""

    key_id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _KEY_ID.fullmatch(self.key_id):
            # Not quoted: who swaps id and key in a setting would read the key in the log.
            raise KeyRefused(
                "sealing keys: an id is 1 to 63 letters, digits, dots, dashes and underscores (2026-a); "
                f"found one of {len(self.key_id)} characters that is not"
            )
        if len(self.secret) != KEY_BYTES:
            raise KeyRefused(
                f"sealing key {self.key_id}: has {len(self.secret)} bytes, not {KEY_BYTES}; {HOW_TO_MAKE_ONE}"
            )

    @classmethod
    def parse(cls, key_id: str, text: str) -> KeyEncryptionKey:
        """Read a key from base64, plain or URL-safe."""
        try:
            secret = base64.b64decode("".join(text.split()), altchars=_altchars(text), validate=True)
        except (binascii.Error, ValueError):
            secret = None
        if secret is None:
            raise KeyRefused(f"sealing key {key_id}: is not base64; {HOW_TO_MAKE_ONE}")
        return cls(key_id, secret)

    def text(self) -> str:
        """The key in base64, as `parse` reads it."""
        return base64.b64encode(self.secret).decode()


def _altchars(text: str) -> bytes | None:
    return b"-_" if "-" in text or "_" in text else None


def check_value(key: KeyEncryptionKey) -> bytes:
    """32 bytes that tell a key from another of the same id without telling the key; kept in the database."""
    return hmac.digest(key.secret, _CHECKED + key.key_id.encode(), "sha256")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as the database keeps it: encrypted, with the id of the key that opens it."""

    key_id: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key-encryption keys at hand: the current one wraps, all of them unwrap."""

    current: str
    keys: Mapping[str, KeyEncryptionKey] = field(repr=False)

    def __post_init__(self) -> None:
        assert all(key_id == key.key_id for key_id, key in self.keys.items()), "a key stands under another id"
        if self.current not in self.keys:
            raise KeyRefused(
                f"sealing keys: the current key {self.current!r} is not among those given ({self._names()})"
            )

    @classmethod
    def parse(cls, current: str, keys: Mapping[str, str]) -> Keyring:
        """Read a keyring from base64 by key id."""
        return cls(current, {key_id: KeyEncryptionKey.parse(key_id, text) for key_id, text in keys.items()})

    @classmethod
    def generate(cls) -> Keyring:
        """A keyring of one fresh key."""
        key = _fresh_key()
        return cls(key.key_id, {key.key_id: key})

    def with_new_key(self) -> Keyring:
        """The same keys and a fresh one, which is now the current one."""
        key = _fresh_key()
        return Keyring(key.key_id, {**self.keys, key.key_id: key})

    def check_values(self) -> dict[str, bytes]:
        """What the database should remember of every key."""
        return {key_id: check_value(key) for key_id, key in self.keys.items()}

    def refuse_wrong_keys(self, recorded: Mapping[str, bytes]) -> None:
        """Raise KeyRefused when a key differs from the one that the database knows under its id.

        Recorded ids that are not at hand are no error here: they may have been rotated away.
        """
        for key_id, key in self.keys.items():
            known = recorded.get(key_id)
            if known is not None and not hmac.compare_digest(known, check_value(key)):
                raise KeyRefused(
                    f"sealing key {key_id}: is not the key that sealed this database's codes under that id; "
                    "give the original key, or give the new one its own id and run `consignd keys rotate`"
                )

    def wrap(self, purpose: Purpose, owner_id: int, key: bytes) -> WrappedKey:
        """Encrypt a key under the current key, bound to its purpose and to the row that owns it."""
        nonce = os.urandom(NONCE_BYTES)
        bound_to = _bound_to(purpose, owner_id, self.current)
        sealed = AESGCM(self.keys[self.current].secret).encrypt(nonce, key, bound_to)
        return WrappedKey(self.current, nonce + sealed)

    def unwrap(self, purpose: Purpose, owner_id: int, wrapped: bytes, key_id: str) -> bytes:
        """The key that `wrap` was given; KeyRefused without the key it needs, SealBroken if altered."""
        if key_id not in self.keys:
            raise KeyRefused(
                f"sealing key {key_id}: it wraps the key of {purpose} {owner_id} but is not among "
                f"those given ({self._names()}); keep it until `consignd keys rotate` has run"
            )
        try:
            return AESGCM(self.keys[key_id].secret).decrypt(
                wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound_to(purpose, owner_id, key_id)
            )
        except (InvalidTag, ValueError):
            raise SealBroken(
                f"{purpose} {owner_id}: its wrapped key does not open under sealing key {key_id}; "
                "the row was altered or moved, restore it from a backup"
            ) from None

    def _names(self) -> str:
        return ", ".join(sorted(self.keys)) or "none"


def _fresh_key() -> KeyEncryptionKey:
    return KeyEncryptionKey(f"k-{secrets.token_hex(4)}", new_key())


def _bound_to(purpose: Purpose, owner_id: int, key_id: str) -> bytes:
    return _WRAPPED + f"{purpose}\0{owner_id}\0{key_id}".encode()


def generate_key_file(path: Path) -> Keyring:
    """Write a file with one fresh key, readable by its owner only; an existing file is never replaced.

    The file appears whole or not at all: a program that starts at the same moment cannot read half a key.
    """
    keyring = Keyring.generate()
    draft = _write_draft(path, keyring)
    try:
        os.link(draft, path)
    except FileExistsError:
        raise KeyRefused(
            f"{path}: exists already, and the codes sealed under it need it; load it instead"
        ) from None
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return keyring


def add_key_to_file(path: Path) -> Keyring:
    """Add a fresh key to a key file and make it current; the old keys stay, to open what they wrapped."""
    keyring = load_key_file(path).with_new_key()
    os.replace(_write_draft(path, keyring), path)
    _sync_folder(path.parent)
    return keyring


def load_key_file(path: Path) -> Keyring:
    """Read a key file: `id base64` a line, # for comments, the last key is the current one."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise KeyRefused(f"{path}: the sealing keys cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise KeyRefused(f"{path}: is not a text file; write `id base64` a line")
    keys: dict[str, KeyEncryptionKey] = {}
    for row, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            key = _parse_line(path, row, line)
            if key.key_id in keys:
                raise KeyRefused(f"{path}:{row}: key {key.key_id} stands there twice; remove one")
            keys[key.key_id] = key
    if not keys:
        raise KeyRefused(f"{path}: holds no key; write `id base64` a line ({HOW_TO_MAKE_ONE})")
    return Keyring(next(reversed(keys)), keys)


def _parse_line(path: Path, row: int, line: str) -> KeyEncryptionKey:
    words = line.split()
    if len(words) != 2:
        raise KeyRefused(f"{path}:{row}: write the key's id, a space, and the key in base64")
    try:
        return KeyEncryptionKey.parse(*words)
    except KeyRefused as error:
        raise KeyRefused(f"{path}:{row}: {error}") from None


def _write_draft(path: Path, keyring: Keyring) -> Path:
    """A synced file beside the path, 0600 from its first moment, with the current key last."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    ordered = sorted(keyring.keys.values(), key=lambda key: key.key_id == keyring.current)
    lines = ["# consignd's sealing keys; the last one is current. Without them the codes cannot be opened."]
    lines += [f"{key.key_id} {key.text()}" for key in ordered]
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyRefused(f"{path}: the sealing keys cannot be written ({error.strerror})") from None
    return draft


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
