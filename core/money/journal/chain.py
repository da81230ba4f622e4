"""Decides what a block of the journal's chain is: digests of transactions, hashes that cover the one before.

Pure, and without a key: whoever can read the database can check it. What that proves and what it does not
stands in docs/operating.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

from core.errors import InvalidInput

GENESIS = bytes(32)
_TRANSACTION = b"consignd posting"
_BLOCK = b"consignd journal"
_MEMBER = struct.Struct(">q16s")
_HEADER = struct.Struct(">hiqqiiq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Member:
    """A sealed transaction: its id, and the digest of its row, its entries, their accounts and its rates."""

    transaction_id: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of one lane's transactions, in the order of (written_in, transaction_id)."""

    lane: int
    block_no: int
    until_written_in: int
    until_transaction_id: int
    transactions: int
    entries: int
    members: bytes
    previous_hash: bytes
    hash: bytes
    sealed_at: datetime

    @property
    def until(self) -> tuple[int, int]:
        """The place of its last transaction; the next block begins after it."""
        return self.until_written_in, self.until_transaction_id

    def reckoned_hash(self) -> bytes:
        """What `hash` has to be."""
        micros = (self.sealed_at - _EPOCH) // _EPOCH.resolution
        header = _HEADER.pack(
            self.lane,
            self.block_no,
            self.until_written_in,
            self.until_transaction_id,
            self.transactions,
            self.entries,
            micros,
        )
        content = b"".join((self.previous_hash, header, self.members))
        return blake2b(content, digest_size=32, person=_BLOCK).digest()

    def each_member(self) -> Iterator[Member]:
        """Its transactions in their order."""
        return (Member(*fields) for fields in _MEMBER.iter_unpack(self.members))


@dataclass(frozen=True, slots=True)
class Head:
    """The hash of a block; written as lane:block:hash. It stands for all that the lane held up to there."""

    lane: int
    block_no: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.lane}:{self.block_no}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read a head as `consignd ledger head` prints it."""
        lane, _, rest = text.strip().partition(":")
        block_no, _, digest = rest.partition(":")
        try:
            head = cls(int(lane), int(block_no), bytes.fromhex(digest))
        except ValueError:
            head = None
        if head is None or len(head.hash) != len(GENESIS):
            raise InvalidInput(f"head {text!r}: write lane:block:hash, as `consignd ledger head` prints it")
        return head


def digest(text: str) -> bytes:
    """What a transaction is known by, from its canonical text."""
    return blake2b(text.encode(), digest_size=16, person=_TRANSACTION).digest()


def cut_block(
    before: Head, sealed: Sequence[Member], until_written_in: int, entries: int, sealed_at: datetime
) -> Block:
    """The block that follows `before` in its lane; a lane begins after block 0 with the hash GENESIS."""
    assert sealed, "a block holds something"
    block = Block(
        lane=before.lane,
        block_no=before.block_no + 1,
        until_written_in=until_written_in,
        until_transaction_id=sealed[-1].transaction_id,
        transactions=len(sealed),
        entries=entries,
        members=b"".join(_MEMBER.pack(member.transaction_id, member.digest) for member in sealed),
        previous_hash=before.hash,
        hash=b"",
        sealed_at=sealed_at,
    )
    return replace(block, hash=block.reckoned_hash())
