"""The vault's keys in the database: wrong, missing, rotated, interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from core.codes.keys import KeyEncryptionKey, Keyring, new_key
from core.codes.vault import Vault
from core.codes.vault_store import (
    Rotated,
    Rotating,
    adopt_keys,
    keys_in_use,
    open_vault,
    retired_keys,
    rotate,
)
from core.db.pool import Pool
from core.errors import KeyRefused, SealBroken
from core.types import BatchId, CodePayload
from tests.factories import add_consignor, add_sku

PAYLOAD = CodePayload("SECRET-1")


def only(keyring: Keyring, key_id: str) -> Keyring:
    return Keyring(key_id, {key_id: keyring.keys[key_id]})


async def add_batches(pool: Pool, keyring: Keyring, count: int) -> list[BatchId]:
    """Batches with no codes, sealed as an import would."""
    async with pool.acquire() as conn:
        vault = await open_vault(conn, keyring)
    return await add_batches_with(pool, vault, count)


async def add_batches_with(pool: Pool, vault: Vault, count: int) -> list[BatchId]:
    """The same, by a program that opened the vault before."""
    sku_id, consignor_id = await add_sku(pool), await add_consignor(pool)
    batch_ids = []
    for _ in range(count):
        batch_id = BatchId(await pool.fetchval("SELECT nextval(pg_get_serial_sequence('batch', 'batch_id'))"))
        key = vault.new_batch_key(batch_id)
        await pool.execute(
            "INSERT INTO batch (batch_id, sku_id, consignor_id, source_name, key_id, wrapped_key, created_by)"
            " VALUES ($1, $2, $3, 'test', $4, $5, 'test')",
            batch_id,
            sku_id,
            consignor_id,
            key.key_id,
            key.wrapped,
        )
        batch_ids.append(batch_id)
    return batch_ids


async def open_every_batch(pool: Pool, keyring: Keyring) -> int:
    async with pool.acquire() as conn:
        vault = await open_vault(conn, keyring)
    rows = await pool.fetch("SELECT batch_id, wrapped_key, key_id FROM batch")
    for row in rows:
        vault.open_batch_key(BatchId(row["batch_id"]), row["wrapped_key"], row["key_id"])
    return len(rows)


async def refusal(pool: Pool, keyring: Keyring) -> str:
    async with pool.acquire() as conn:
        with pytest.raises(KeyRefused) as refused:
            await open_vault(conn, keyring)
    return str(refused.value)


async def test_a_vault_opened_again_knows_the_same_codes(pool: Pool) -> None:
    keyring = Keyring.generate()
    async with pool.acquire() as conn:
        first, again = await open_vault(conn, keyring), await open_vault(conn, keyring)
    assert first.fingerprint(PAYLOAD) == again.fingerprint(PAYLOAD)


async def test_many_that_open_a_new_vault_at_once_get_the_same_one(pool: Pool) -> None:
    keyring = Keyring.generate()

    async def fingerprint() -> bytes:
        async with pool.acquire() as conn:
            return (await open_vault(conn, keyring)).fingerprint(PAYLOAD)

    assert len(set(await asyncio.gather(*(fingerprint() for _ in range(12))))) == 1


async def test_another_key_under_a_known_id_is_refused_and_nothing_is_written(pool: Pool) -> None:
    keyring = Keyring.generate()
    await add_batches(pool, keyring, 1)
    wrong = KeyEncryptionKey(keyring.current, new_key())
    added = KeyEncryptionKey("added", new_key())
    text = await refusal(pool, Keyring("added", {keyring.current: wrong, "added": added}))
    assert keyring.current in text
    assert "give the original key" in text
    assert wrong.text() not in text
    assert await pool.fetchval("SELECT count(*) FROM sealing_key") == 1


async def test_keys_that_still_wrap_something_are_asked_for_all_at_once(pool: Pool) -> None:
    first = Keyring.generate()
    second = first.with_new_key()
    third = second.with_new_key()
    await add_batches(pool, first, 2)
    await add_batches(pool, second, 1)
    text = await refusal(pool, only(third, third.current))
    assert f"{first.current} (2 batches, the fingerprint key)" in text
    assert f"{second.current} (1 batches)" in text
    assert "consignd keys rotate" in text


async def test_a_lost_fingerprint_key_is_not_replaced_by_a_new_one(pool: Pool) -> None:
    keyring = Keyring.generate()
    await add_batches(pool, keyring, 1)
    await pool.execute("DELETE FROM vault_secret")
    async with pool.acquire() as conn:
        with pytest.raises(SealBroken, match="restore that row from a backup"):
            await open_vault(conn, keyring)


async def test_a_rotation_leaves_the_old_key_with_nothing_to_open(pool: Pool) -> None:
    old = Keyring.generate()
    await add_batches(pool, old, 7)
    async with pool.acquire() as conn:
        before = (await open_vault(conn, old)).fingerprint(PAYLOAD)
    new = old.with_new_key()
    told: list[Rotating] = []
    assert await rotate(pool, new, told.append, step_batches=3) == Rotated(7, 0)
    assert told == [Rotating(3, 7), Rotating(6, 7), Rotating(7, 7)]
    assert await rotate(pool, new) == Rotated(0, 7)
    alone = only(new, new.current)
    assert await open_every_batch(pool, alone) == 7
    async with pool.acquire() as conn:
        assert await retired_keys(conn) == [old.current]
        assert (await open_vault(conn, alone)).fingerprint(PAYLOAD) == before


async def test_a_rotation_that_was_interrupted_goes_on_where_it_stood(pool: Pool) -> None:
    old = Keyring.generate()
    await add_batches(pool, old, 9)
    new = old.with_new_key()

    def stop(rotating: Rotating) -> None:
        if rotating.done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotate(pool, new, stop, step_batches=2)
    assert await open_every_batch(pool, new) == 9
    assert old.current in await refusal(pool, only(new, new.current))
    assert await rotate(pool, new, step_batches=2) == Rotated(5, 4)
    assert await open_every_batch(pool, only(new, new.current)) == 9


async def test_two_rotations_at_once_and_batches_that_come_meanwhile_do_no_harm(pool: Pool) -> None:
    old = Keyring.generate()
    await add_batches(pool, old, 20)
    async with pool.acquire() as conn:
        still_old = await open_vault(conn, old)
    new = old.with_new_key()
    await asyncio.gather(
        rotate(pool, new, step_batches=3),
        rotate(pool, new, step_batches=2),
        add_batches_with(pool, still_old, 5),
    )
    await rotate(pool, new)
    assert await open_every_batch(pool, only(new, new.current)) == 25


async def test_a_batch_key_that_was_altered_stops_the_rotation_by_name(pool: Pool) -> None:
    old = Keyring.generate()
    batch_id = (await add_batches(pool, old, 1))[0]
    await pool.execute("UPDATE batch SET wrapped_key = set_byte(wrapped_key, 20, 0)")
    await pool.execute("UPDATE batch SET wrapped_key = set_byte(wrapped_key, 21, 1)")
    with pytest.raises(SealBroken, match=f"batch {batch_id}"):
        await rotate(pool, old.with_new_key())


async def test_a_key_that_waits_for_its_first_batch_counts_as_retired_only_while_it_wraps_nothing(
    pool: Pool,
) -> None:
    keyring = Keyring.generate().with_new_key()
    await add_batches(pool, keyring, 1)
    async with pool.acquire() as conn:
        uses = {use.key_id: use.retired for use in await keys_in_use(conn)}
    assert uses == {key_id: key_id != keyring.current for key_id in keyring.keys}


@pytest.mark.parametrize("spoil", [lambda keyring: keyring.with_new_key(), lambda _: Keyring.generate()])
async def test_an_open_vault_takes_new_keys_only_if_they_still_fit(
    pool: Pool, spoil: Callable[[Keyring], Keyring]
) -> None:
    keyring = Keyring.generate()
    await add_batches(pool, keyring, 1)
    async with pool.acquire() as conn:
        vault = await open_vault(conn, keyring)
        given = spoil(keyring)
        if keyring.current in given.keys:
            await adopt_keys(conn, vault, given)
            assert vault.keyring is given
        else:
            with pytest.raises(KeyRefused):
                await adopt_keys(conn, vault, given)
            assert vault.keyring is keyring
