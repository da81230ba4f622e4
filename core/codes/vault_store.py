"""Decides whether the keys at hand are the ones this database was sealed with, and moves it to a new key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.codes.keys import Keyring, Purpose, WrappedKey, new_key
from core.codes.vault import Vault
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import KeyRefused, SealBroken
from core.types import BatchId

_SQL = load_queries("core.codes", "vault_store.sql")
_LOCK_KEYS = _SQL["lock_keys"]
_RECORDED_KEYS = _SQL["recorded_keys"]
_RECORD_KEYS = _SQL["record_keys"]
_KEYS_IN_USE = _SQL["keys_in_use"]
_LOAD_FINGERPRINT_KEY = _SQL["load_fingerprint_key"]
_STORE_FINGERPRINT_KEY = _SQL["store_fingerprint_key"]
_BATCHES_UNDER_OTHER_KEYS = _SQL["batches_under_other_keys"]
_COUNT_BATCHES = _SQL["count_batches"]
_SERIES_UNDER_OTHER_KEYS = _SQL["series_under_other_keys"]
_REWRAP_SERIES = _SQL["rewrap_series"]
_SEEDS_UNDER_OTHER_KEYS = _SQL["seeds_under_other_keys"]
_REWRAP_SEED = _SQL["rewrap_seed"]
_REWRAP_BATCHES = _SQL["rewrap_batches"]

# Few enough that nobody waits for a step, many enough that commits do not count.
STEP_BATCHES = 200


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key that this database knows still wraps."""

    key_id: str
    batches: int
    fingerprint: bool
    # Versions of series of coupons.
    series: int = 0
    # Seeds of campaigns that draw.
    seeds: int = 0

    @property
    def retired(self) -> bool:
        """Whether nothing needs the key any more."""
        return not (self.batches or self.series or self.seeds or self.fingerprint)

    def __str__(self) -> str:
        coupons = f", {self.series} series of coupons" if self.series else ""
        mark = ", the fingerprint key" if self.fingerprint else ""
        seeds = f", {self.seeds} seeds of campaigns" if self.seeds else ""
        return f"{self.key_id} ({self.batches} batches{coupons}{seeds}{mark})"


@dataclass(frozen=True, slots=True)
class Rotating:
    """How far a rotation is."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did: batches wrapped anew, and batches that stood under the current key before."""

    batches: int
    already: int


async def open_vault(conn: Connection, keyring: Keyring) -> Vault:
    """The vault of this database; the first to open it makes its fingerprint key.

    Raises KeyRefused when a key is not the one that is known under its id, or when keys are left out that
    still wrap something; nothing is written then.
    """
    async with conn.transaction():
        await conn.execute(_LOCK_KEYS)
        in_use = await _check(conn, keyring)
        values = keyring.check_values()
        await conn.execute(_RECORD_KEYS, list(values), list(values.values()))
        row = await conn.fetchrow(_LOAD_FINGERPRINT_KEY)
        if row is not None:
            return Vault.unlock(keyring, WrappedKey(row["key_id"], row["wrapped"]))
        if any(use.batches or use.series or use.seeds for use in in_use):
            raise SealBroken(
                "the fingerprint key is gone from vault_secret though there are codes; a new one would let "
                "every known code in again: restore that row from a backup"
            )
        vault = Vault(keyring, new_key())
        await _store_fingerprint_key(conn, vault)
        return vault


async def adopt_keys(conn: Connection, vault: Vault, keyring: Keyring) -> None:
    """Give an open vault the keys that were added since, so that a rotation needs no restart."""
    await _check(conn, keyring)
    vault.keyring = keyring


async def rotate(
    pool: Pool,
    keyring_with_new_current: Keyring,
    progress: Callable[[Rotating], None] | None = None,
    *,
    step_batches: int = STEP_BATCHES,
) -> Rotated:
    """Wrap keys of batches and coupons, of fingerprints, and seeds under the current key; no code is touched.

    Each step commits on its own: run it again after an interruption and it goes on where it stood. Running
    daemons must be able to read the new key before it starts; the old keys can go once `retired_keys` names
    them.
    """
    async with pool.acquire() as conn:
        vault = await open_vault(conn, keyring_with_new_current)
        async with conn.transaction():
            await conn.execute(_LOCK_KEYS)
            await _store_fingerprint_key(conn, vault)
            await _rewrap_series(conn, vault)
            await _rewrap_seeds(conn, vault)
        counts = await conn.fetchrow(_COUNT_BATCHES, vault.keyring.current)
    assert counts is not None, "counting answers with one row"
    total, done, last = int(counts["to_do"]), 0, BatchId(0)
    while step := await _step(pool, vault, last, step_batches):
        done, last = done + len(step), step[-1]
        if progress is not None:
            progress(Rotating(done, max(done, total)))
    return Rotated(done, int(counts["already"]))


async def keys_in_use(conn: Connection) -> list[KeyUse]:
    """Every key this database was ever sealed with, oldest first, and what it still wraps."""
    return [
        KeyUse(
            row["key_id"],
            int(row["batches"]),
            bool(row["fingerprint"]),
            int(row["series"]),
            int(row["seeds"]),
        )
        for row in await conn.fetch(_KEYS_IN_USE)
    ]


async def retired_keys(conn: Connection) -> list[str]:
    """Ids of known keys that wrap nothing any more; whichever is not the current one may be deleted."""
    return [use.key_id for use in await keys_in_use(conn) if use.retired]


async def _check(conn: Connection, keyring: Keyring) -> list[KeyUse]:
    """Refuse wrong and missing keys, the missing ones all at once."""
    rows = await conn.fetch(_RECORDED_KEYS)
    keyring.refuse_wrong_keys({row["key_id"]: row["check_value"] for row in rows})
    in_use = await keys_in_use(conn)
    missing = [use for use in in_use if not use.retired and use.key_id not in keyring.keys]
    if missing:
        raise KeyRefused(
            f"sealing keys: {', '.join(map(str, missing))} still wrap what stands in brackets but are not "
            f"among those given ({', '.join(sorted(keyring.keys))}); give them too, beside the current key, "
            "and leave them out only after `consignd keys rotate` has run"
        )
    return in_use


async def _store_fingerprint_key(conn: Connection, vault: Vault) -> None:
    wrapped = vault.wrapped_fingerprint_key()
    await conn.execute(_STORE_FINGERPRINT_KEY, wrapped.key_id, wrapped.wrapped)


async def _rewrap_series(conn: Connection, vault: Vault) -> None:
    keyring = vault.keyring
    for row in await conn.fetch(_SERIES_UNDER_OTHER_KEYS, keyring.current):
        series_id = int(row["series_id"])
        key = keyring.unwrap(Purpose.COUPONS, series_id, row["wrapped_key"], row["key_id"])
        wrapped = keyring.wrap(Purpose.COUPONS, series_id, key)
        await conn.execute(_REWRAP_SERIES, wrapped.key_id, series_id, wrapped.wrapped)


async def _rewrap_seeds(conn: Connection, vault: Vault) -> None:
    keyring = vault.keyring
    for row in await conn.fetch(_SEEDS_UNDER_OTHER_KEYS, keyring.current):
        version_id = int(row["version_id"])
        seed = keyring.unwrap(Purpose.CAMPAIGNS, version_id, row["wrapped"], row["key_id"])
        wrapped = keyring.wrap(Purpose.CAMPAIGNS, version_id, seed)
        await conn.execute(_REWRAP_SEED, wrapped.key_id, version_id, wrapped.wrapped)


async def _step(pool: Pool, vault: Vault, last: BatchId, limit: int) -> Sequence[BatchId]:
    """Wrap the next batches anew and commit; the batches wrapped, none when there are no more."""
    current = vault.keyring.current
    async with pool.acquire() as conn, conn.transaction():
        rows = await conn.fetch(_BATCHES_UNDER_OTHER_KEYS, current, last, limit)
        batch_ids = [BatchId(row["batch_id"]) for row in rows]
        wrapped = [
            vault.rewrap(batch_id, row["wrapped_key"], row["key_id"]).wrapped
            for batch_id, row in zip(batch_ids, rows, strict=True)
        ]
        await conn.execute(_REWRAP_BATCHES, current, batch_ids, wrapped)
    return batch_ids
