"""Decides how a code in clear becomes bytes, and when two codes are the same code."""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import repeat

from core.errors import InvalidInput, SealBroken
from core.types import CodePayload, PayloadKind

# What copying from web pages and chats leaves in a code unseen: soft hyphen, Mongolian separator, zero-width
# spaces, joiners and direction marks, embeddings, word joiner and its kin, byte order mark.
INVISIBLE = (
    "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\ufeff"
)
_INVISIBLE = re.compile(f"[{INVISIBLE}]")

_VERSION = 1
# The place in this list is stored: append, never reorder.
_KINDS = (PayloadKind.TEXT, PayloadKind.IMAGE, PayloadKind.ACCOUNT, PayloadKind.LINK)
_KIND_BYTES = {kind: place for place, kind in enumerate(_KINDS)}
_NUMBER, _PIN, _FILE_NAME, _ALL = 1, 2, 4, 7
_HEAD = struct.Struct(">BBBI")  # version, kind, which optional fields follow, bytes of the secret
_LENGTH = struct.Struct(">I")
# Ciphertexts are as long as their plaintexts; whole blocks of this size say little about a code's length.
_BLOCK_BYTES = 16

_PADDING = tuple(bytes(-length % _BLOCK_BYTES) for length in range(_BLOCK_BYTES))
_pack_head = _HEAD.pack
_pack_length = _LENGTH.pack


def encode(payload: CodePayload) -> bytes:
    """The payload as bytes, always the same for the same payload, in whole blocks of 16."""
    secret = as_bytes(payload.secret)
    fields = 0
    rest = b""
    if payload.number is not None:
        fields, rest = _NUMBER, _with_length(payload.number)
    if payload.pin is not None:
        fields, rest = fields | _PIN, rest + _with_length(payload.pin)
    if payload.file_name is not None:
        fields, rest = fields | _FILE_NAME, rest + _with_length(payload.file_name)
    plain = _pack_head(_VERSION, _KIND_BYTES[payload.kind], fields, len(secret)) + secret + rest
    return plain + _PADDING[len(plain) % _BLOCK_BYTES]


def decode(plain: bytes) -> CodePayload:
    """The payload that `encode` was given; SealBroken for bytes that it cannot have written."""
    if plain and plain[0] != _VERSION:
        raise SealBroken(
            f"a code is written in form {plain[0]}, this program reads form {_VERSION}; run the newer one"
        )
    payload = _decoded(plain)
    if payload is None:
        raise SealBroken("a code opened to bytes that are not a code; restore its row from a backup")
    return payload


def canonical(text: str) -> str:
    """What two writings of one code share: no invisible characters, NFC, no space around; case is kept."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).strip()


def canonical_bytes(payload: CodePayload) -> bytes:
    """What makes a code that code, for its fingerprint: number and secret, each with its length, not the PIN.

    An absent number and an empty one are the same. The PIN stays out, so that a card whose PIN was
    corrected or left out is still found to be the same card.
    """
    number = as_bytes(canonical(payload.number)) if payload.number else b""
    secret = as_bytes(canonical(payload.secret))
    return _pack_length(len(number)) + number + _pack_length(len(secret)) + secret


def plain_forms(
    secrets: Sequence[str], numbers: Sequence[str] | None, pins: Sequence[str] | None
) -> Iterator[tuple[bytes, bytes]]:
    """What `canonical_bytes` and `encode` make of text codes, for columns of which every field is filled.

    The fields are ASCII without space around, so that their bytes are their canonical bytes.
    """
    text = _KIND_BYTES[PayloadKind.TEXT]
    fields = (_NUMBER if numbers else 0) | (_PIN if pins else 0)
    no_number = _pack_length(0)
    for secret, number, pin in zip(secrets, numbers or repeat(""), pins or repeat(""), strict=False):
        raw = secret.encode("ascii")
        known_by = _with_ascii_length(number) if number else no_number
        rest = known_by if number else b""
        if pin:
            rest += _with_ascii_length(pin)
        head = _pack_head(_VERSION, text, fields, len(raw))
        plain = head + raw + rest
        # The head ends with the secret's length as the canonical form has it.
        yield known_by + head[-_LENGTH.size :] + raw, plain + _PADDING[len(plain) % _BLOCK_BYTES]


def as_bytes(text: str) -> bytes:
    """UTF-8; InvalidInput for half a character, which no buyer could be sent."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    # Raised outside the handler: Python's own error carries the whole text.
    raise InvalidInput(
        "a code holds half a character (a lone UTF-16 surrogate); export the file as UTF-8 again"
    )


def _with_ascii_length(text: str) -> bytes:
    return _pack_length(len(text)) + text.encode("ascii")


def _with_length(text: str) -> bytes:
    raw = as_bytes(text)
    return _pack_length(len(raw)) + raw


def _decoded(plain: bytes) -> CodePayload | None:
    """The payload, or None where the bytes do not add up. Python's own errors would carry the plaintext."""
    try:
        _, kind, fields, length = _HEAD.unpack_from(plain)
        secret, at = _piece(plain, _HEAD.size, length)
        optional: list[str | None] = []
        for mark in (_NUMBER, _PIN, _FILE_NAME):
            if fields & mark:
                text, at = _piece(plain, at + _LENGTH.size, _LENGTH.unpack_from(plain, at)[0])
                optional.append(text)
            else:
                optional.append(None)
        padding = plain[at:]
        if fields > _ALL or len(plain) % _BLOCK_BYTES or len(padding) >= _BLOCK_BYTES or any(padding):
            return None
        number, pin, file_name = optional
        return CodePayload(secret=secret, number=number, pin=pin, kind=_KINDS[kind], file_name=file_name)
    except (struct.error, UnicodeDecodeError, IndexError, ValueError):
        return None


def _piece(plain: bytes, start: int, length: int) -> tuple[str, int]:
    end = start + length
    if end > len(plain):
        raise IndexError
    return plain[start:end].decode(), end
