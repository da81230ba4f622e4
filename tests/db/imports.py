"""Makes the files that imports are tested with, and counts what they left."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.codes.importer import Importer, ImportOrder
from core.codes.keys import Keyring
from core.codes.vault import Vault
from core.codes.vault_store import open_vault
from core.db.pool import Pool
from core.money.money import Money
from core.types import ConsignorId, Sku
from tests.factories import NOW, add_consignor, add_sku


async def a_sku(pool: Pool, lane: int = 0) -> Sku:
    row = await pool.fetchrow(
        "SELECT sku_id, lane, sku_ref, title FROM sku WHERE sku_id = $1", await add_sku(pool, lane)
    )
    assert row is not None
    return Sku(**dict(row))


def write(order: ImportOrder, *lines: str, header: str = "secret,expiry") -> None:
    order.path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def names(start: int, stop: int) -> list[str]:
    return [f"CODE-{n:06d}," for n in range(start, stop)]


async def count(pool: Pool, table_and_condition: str) -> int:
    number: int = await pool.fetchval(f"SELECT count(*) FROM {table_and_condition}")
    return number


async def holes(pool: Pool) -> int:
    return await count(
        pool, "(SELECT FROM code GROUP BY lane, shelf_id HAVING max(slot) <> count(*) OR min(slot) <> 1) x"
    )


@pytest.fixture
async def vault(pool: Pool) -> Vault:
    async with pool.acquire() as conn:
        return await open_vault(conn, Keyring.generate())


@pytest.fixture
async def consignor_id(pool: Pool) -> ConsignorId:
    return await add_consignor(pool)


@pytest.fixture
def importer(pool: Pool, vault: Vault) -> Importer:
    return Importer(pool, vault, lambda: NOW)


@pytest.fixture
async def order(pool: Pool, consignor_id: ConsignorId, tmp_path: Path) -> ImportOrder:
    return ImportOrder(
        path=tmp_path / "codes.csv",
        sku=await a_sku(pool),
        consignor_id=consignor_id,
        consignor_priority=100,
        unit_cost=Money(950, "EUR"),
        expires_default=None,
        actor="anna",
    )
