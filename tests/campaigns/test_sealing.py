"""Seeds of draws lie sealed until the end: whoever reads the database knows no draw ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.campaigns.auditing import audit
from core.campaigns.campaign import Outcome
from core.campaigns.drawing import commitment
from core.campaigns.publishing import publish
from core.campaigns.sealing import SeedSeal
from core.codes.keys import Keyring, new_key
from core.codes.vault import Vault
from core.codes.vault_store import keys_in_use, open_vault, rotate
from core.db.pool import Pool
from core.errors import KeyRefused, SealBroken
from tests.campaigns.bench import SEAL, Bench
from tests.campaigns.made import campaign, reward
from tests.factories import NOW

LUCKY = replace(reward("lucky"), outcomes=(Outcome(1, rate_ppm=20_000), Outcome(2, rate_ppm=10_000)))
OVER = NOW + timedelta(days=31)


async def test_a_seed_is_nowhere_in_clear_and_opens_under_its_key_alone(bench: Bench) -> None:
    published = await bench.publish(campaign(LUCKY))
    row = await bench.pool.fetchrow("SELECT seed, wrapped FROM campaign_seed")
    assert row is not None
    assert row["seed"] is None
    assert len(row["wrapped"]) > 32
    assert commitment(row["wrapped"][-32:]).hex() != published.seed_hash
    async with bench.pool.acquire() as conn:
        with pytest.raises(KeyRefused):
            await audit(conn, SeedSeal(Vault(Keyring.generate(), new_key())), "spring", OVER)
        assert (await audit(conn, SEAL, "spring", OVER)).versions[0].seed_holds
        await conn.execute(
            "UPDATE campaign_seed SET wrapped = set_bit(wrapped, 160, 1 - get_bit(wrapped, 160))"
        )
        with pytest.raises(SealBroken):
            await audit(conn, SEAL, "spring", OVER)


async def test_a_seed_from_before_is_sealed_when_it_is_used(bench: Bench) -> None:
    published = await bench.publish(campaign(LUCKY))
    async with bench.pool.acquire() as conn:
        seed = (await audit(conn, SEAL, "spring", OVER)).versions[0].seed
    plain = "UPDATE campaign_seed SET seed = $1, key_id = NULL, wrapped = NULL"
    await bench.pool.execute(plain, bytes.fromhex(seed))
    await bench.sell("ann", 1000)
    await bench.work()
    assert await bench.pool.fetchval("SELECT seed IS NULL AND wrapped IS NOT NULL FROM campaign_seed")
    async with bench.pool.acquire() as conn:
        found = await audit(conn, SEAL, "spring", OVER)
    assert (found.ok, found.versions[0].seed_hash) == (True, published.seed_hash)


async def test_a_rotation_takes_seeds_with_it(pool: Pool) -> None:
    old, new = Keyring.generate(), Keyring.generate()
    async with pool.acquire() as conn, conn.transaction():
        vault = await open_vault(conn, old)
        await publish(conn, SeedSeal(vault), campaign(LUCKY), actor="test", reason="a test", now=NOW)
        before = (await audit(conn, SeedSeal(vault), "spring", OVER)).versions[0].seed
    both = Keyring(new.current, {**old.keys, **new.keys})
    await rotate(pool, both)
    async with pool.acquire() as conn:
        uses = {use.key_id: use for use in await keys_in_use(conn)}
        assert (uses[old.current].retired, uses[new.current].seeds) == (True, 1)
        # A daemon that has not heard of the new key asks for it.
        late = SeedSeal(vault, lambda: both)
        assert (await audit(conn, late, "spring", OVER)).versions[0].seed == before


async def test_a_draw_whose_seed_does_not_open_is_refused_to_nobody(bench: Bench) -> None:
    await bench.publish(campaign(LUCKY))
    await bench.sell("ann", 1000)
    bench.seal = SeedSeal(Vault(Keyring.generate(), new_key()))
    with pytest.raises(KeyRefused):
        await bench.work()
    bench.seal = SEAL
    flip = "UPDATE campaign_seed SET wrapped = set_bit(wrapped, 160, 1 - get_bit(wrapped, 160))"
    await bench.pool.execute(flip)
    await bench.work()
    assert (await bench.grants(), await bench.refusals()) == ([], [])
    await bench.pool.execute(flip)
    bench.now += timedelta(minutes=1)
    await bench.work()
    assert len(await bench.grants()) == 1
