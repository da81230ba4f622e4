"""Seals the codes of coupons with the vault that seals stock: a data key for each version of a series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.codes.keys import Keyring, Purpose, WrappedKey, new_key
from core.codes.vault import BatchKey, Vault
from core.codes.vault_store import adopt_keys
from core.db.pool import Connection
from core.errors import SealBroken
from core.types import BatchId, CodePayload

_BOUND_TO = b"consignd coupon 1\0"
# Fingerprints of coupons and of stock are of one kind; the number keeps equal texts of both apart.
_NUMBER = "coupon"


@dataclass(frozen=True, slots=True)
class SealedCode:
    """A code as the database keeps it."""

    fingerprint: bytes
    sealed: bytes


class CouponSeal:
    """Seals, finds and opens. `reload_keys` is asked again when a key is needed that is not at hand."""

    def __init__(self, vault: Vault, reload_keys: Callable[[], Keyring] | None = None) -> None:
        self._vault = vault
        self._reload_keys = reload_keys

    def fingerprint(self, code: str) -> bytes:
        """What the code is found by."""
        return self._vault.fingerprint(_payload(code))

    def new_series_key(self, series_id: int) -> WrappedKey:
        """A fresh data key for the version of a series, as the database keeps it."""
        return self._vault.keyring.wrap(Purpose.COUPONS, series_id, new_key())

    async def seal(
        self, conn: Connection, series_id: int, key: WrappedKey, codes: Sequence[str]
    ) -> list[SealedCode]:
        """Each code sealed, in their order."""
        opened = await self._series_key(conn, series_id, key)
        payloads = [_payload(code) for code in codes]
        return [SealedCode(mark, sealed) for mark, sealed in self._vault.seal_many(opened, payloads)]

    async def open(
        self, conn: Connection, series_id: int, key: WrappedKey, codes: Sequence[SealedCode]
    ) -> list[str]:
        """The codes in clear; SealBroken if one was altered, or belongs to another series."""
        opened = await self._series_key(conn, series_id, key)
        try:
            return [self._vault.open(opened, code.sealed, code.fingerprint).secret for code in codes]
        except SealBroken:
            raise SealBroken(
                f"a coupon of series {series_id} does not open: its row was altered or moved; restore it "
                "from a backup"
            ) from None

    async def _series_key(self, conn: Connection, series_id: int, key: WrappedKey) -> BatchKey:
        if key.key_id not in self._vault.keyring.keys and self._reload_keys is not None:
            await adopt_keys(conn, self._vault, self._reload_keys())
        plain = self._vault.keyring.unwrap(Purpose.COUPONS, series_id, key.wrapped, key.key_id)
        bound_to = _BOUND_TO + series_id.to_bytes(8, "big")
        return BatchKey(BatchId(series_id), key.key_id, key.wrapped, AESGCM(plain), bound_to)


def _payload(code: str) -> CodePayload:
    return CodePayload(secret=code, number=_NUMBER)
