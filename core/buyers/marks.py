"""Keeps what tells that two buyers are one, as keyed hashes only: an account, an address, a device."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address

from core.buyers.buyers import Buyer
from core.codes.vault import Vault
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.types import BuyerId, CodePayload, MarkKind, ToldMark

_SQL = load_queries("core.buyers", "marks.sql")
_NOTE_MARKS = _SQL["note_marks"]
_MARKS_OF_PEOPLE = _SQL["marks_of_people"]
_SWEEP_MARKS = _SQL["sweep_marks"]
_FORGET_MARKS = _SQL["forget_marks"]

_PERSON = b"consignd marks 1"  # BLAKE2b's personalisation: 16 bytes at most
_KEY_MADE_FOR = "consignd buyer marks 1"
_HASH_BYTES = 32
_SWEPT_AT_ONCE = 10_000
_LONGEST = 1000
_NOT_WORDS = re.compile(r"[\W_]+")
# A household has 2^64 addresses of IPv6 and uses a new one every day.
_HOUSEHOLD_BITS = 64


@dataclass(frozen=True, slots=True)
class Mark:
    """What one buyer left, so that it can be compared and not be read."""

    kind: MarkKind
    hash: bytes = field(repr=False)


class MarkKey:
    """Turns what buyers leave into marks; equal ones into equal marks, in this database alone."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2b(key=key, digest_size=_HASH_BYTES, person=_PERSON)

    @classmethod
    def of(cls, vault: Vault) -> MarkKey:
        """The key of the vault's database: it turns with no rotation, and is stored nowhere.

        It is the fingerprint of a code without a secret, which no import takes, so none is ever stored.
        """
        return cls(vault.fingerprint(CodePayload(secret="", number=_KEY_MADE_FOR)))

    def mark(self, told: ToldMark) -> Mark:
        """A mark of what was told; InvalidInput where nothing is left of it."""
        text = normalised(told)
        keyed = self._keyed.copy()
        keyed.update(f"{told.kind}\0{text}".encode("utf-8", "surrogatepass"))
        return Mark(told.kind, keyed.digest())


def normalised(told: ToldMark) -> str:
    """What different writings of one account, address or device share. Pure."""
    if len(told.value) > _LONGEST:
        raise InvalidInput(f"{told.kind} of a buyer: is longer than {_LONGEST} characters")
    text = unicodedata.normalize("NFKC", told.value).casefold().strip()
    if told.kind is MarkKind.ADDRESS:
        text = _network(text) or " ".join(_NOT_WORDS.sub(" ", text).split())
    if not text:
        raise InvalidInput(f"{told.kind} of a buyer: is empty; leave it out")
    return text


async def note_marks(
    conn: Connection, key: MarkKey, buyer: Buyer, told: Collection[ToldMark], now: datetime
) -> int:
    """Remember what a buyer left, in the caller's transaction; how many marks that are."""
    marks = sorted({key.mark(each) for each in told}, key=lambda mark: (mark.kind, mark.hash))
    if marks:
        ids = [buyer.buyer_id] * len(marks)
        await conn.execute(
            _NOTE_MARKS, ids, [mark.kind.value for mark in marks], [mark.hash for mark in marks], now
        )
    return len(marks)


async def marks_of_people(conn: Connection, people: Collection[BuyerId]) -> list[tuple[BuyerId, Mark]]:
    """All marks that these people left; each by the name under which a person is known today."""
    rows = await conn.fetch(_MARKS_OF_PEOPLE, sorted(people)) if people else []
    return [(BuyerId(row["person_id"]), Mark(MarkKind(row["kind"]), row["hash"])) for row in rows]


async def sweep_marks(conn: Connection, seen_before: datetime) -> int:
    """Forget marks that were last seen before a moment, some at a time; how many."""
    done = await conn.execute(_SWEEP_MARKS, seen_before, _SWEPT_AT_ONCE)
    return int(done.rpartition(" ")[2])


async def forget_marks(conn: Connection, buyer: Buyer) -> int:
    """Forget all marks of a person; how many there were."""
    done = await conn.execute(_FORGET_MARKS, buyer.buyer_id)
    return int(done.rpartition(" ")[2])


def _network(text: str) -> str | None:
    """An address of the internet; of IPv6 the part that a household keeps."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{int(address) >> _HOUSEHOLD_BITS:x}/{_HOUSEHOLD_BITS}"
    return str(address)
