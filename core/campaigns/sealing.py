"""Seals the seeds of draws with the vault that seals stock, and opens them to draw and to audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.codes.keys import Keyring, Purpose, WrappedKey
from core.codes.vault import Vault
from core.codes.vault_store import adopt_keys
from core.db.pool import Connection, Record
from core.db.queries import load_queries

_SQL = load_queries("core.campaigns", "sealing.sql")
_ADD_SEED = _SQL["add_seed"]
_PLAIN_SEEDS = _SQL["plain_seeds"]
_SEAL_SEED = _SQL["seal_seed"]


@dataclass(frozen=True, slots=True)
class SealedSeed:
    """A seed as the database keeps it; it opens for its own version alone."""

    version_id: int
    key: WrappedKey


class SeedSeal:
    """Seals and opens seeds. `reload_keys` is asked again when a key is needed that is not at hand."""

    def __init__(self, vault: Vault, reload_keys: Callable[[], Keyring] | None = None) -> None:
        self._vault = vault
        self._reload_keys = reload_keys

    async def add(self, conn: Connection, version_id: int, seed: bytes) -> None:
        """Keep the seed of a version, sealed."""
        sealed = self._vault.keyring.wrap(Purpose.CAMPAIGNS, version_id, seed)
        await conn.execute(_ADD_SEED, version_id, sealed.key_id, sealed.wrapped)

    async def open(self, conn: Connection, sealed: SealedSeed) -> bytes:
        """The seed in clear: hand it to a draw, or to an audit when the campaign is over, and to no log.

        SealBroken: the row was altered. KeyRefused: the key that it needs is not among those given.
        """
        if sealed.key.key_id not in self._vault.keyring.keys and self._reload_keys is not None:
            await adopt_keys(conn, self._vault, self._reload_keys())
        key = sealed.key
        return self._vault.keyring.unwrap(Purpose.CAMPAIGNS, sealed.version_id, key.wrapped, key.key_id)

    async def seal_plain(self, conn: Connection) -> int:
        """Seal what was written before seeds were sealed; how many, mostly none."""
        rows = await conn.fetch(_PLAIN_SEEDS)
        for row in rows:
            sealed = self._vault.keyring.wrap(Purpose.CAMPAIGNS, row["version_id"], row["seed"])
            await conn.execute(_SEAL_SEED, row["version_id"], sealed.key_id, sealed.wrapped)
        return len(rows)


def sealed_seed(row: Record) -> SealedSeed | None:
    """The seed of a row with `version_id`, `key_id` and `wrapped`; None where nothing is sealed."""
    if row["wrapped"] is None:
        return None
    return SealedSeed(row["version_id"], WrappedKey(row["key_id"], row["wrapped"]))
