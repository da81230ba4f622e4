"""Measures an import end to end against COPY of the same sealed codes into a table with the same keys.

Both go in turns on the same server, into tables that grow alike; ratios of the medians are what counts.
"""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from core.codes.importer import Importer, ImportOrder
from core.codes.keys import Keyring, new_key
from core.codes.vault import Vault
from core.db.pool import Pool, open_pool
from core.money.money import Money
from core.offers.catalogue import NewSku, add_consignor, add_sku
from core.types import BatchId, CodePayload, ConsignorId, Sku

ROUNDS = 5
_COLUMNS = ("lane", "shelf_id", "slot", "batch_id", "fingerprint", "sealed")
_KNOW_KEY = "INSERT INTO sealing_key (key_id, check_value) VALUES ($1, $2)"
_BARE_TABLE = """
CREATE TABLE bench_bare_code (
    lane smallint NOT NULL,
    shelf_id int NOT NULL,
    slot bigint NOT NULL,
    batch_id bigint NOT NULL,
    fingerprint bytea,
    sealed bytea,
    PRIMARY KEY (lane, shelf_id, slot),
    UNIQUE (fingerprint)
)
"""


async def measure(dsn: str, rows: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Rows per second of an import, of a repeated one, and of bare COPY, on a migrated database."""
    pool = await open_pool(dsn, min_size=2, max_size=4, application_name="bench import")
    try:
        async with pool.acquire() as conn:
            # A key of its own, so that it can be measured on any database whatever sealed the codes there.
            vault = Vault(Keyring.generate(), new_key())
            await conn.execute(_KNOW_KEY, *next(iter(vault.keyring.check_values().items())))
            sku = await add_sku(conn, NewSku(f"BENCH-IMPORT-{secrets.token_hex(4)}"), lanes=1)
            consignor_id = await add_consignor(conn, "bench import")
            await conn.execute("DROP TABLE IF EXISTS bench_bare_code")
            await conn.execute(_BARE_TABLE)
        with tempfile.TemporaryDirectory() as folder:
            return await _rounds(pool, vault, sku, consignor_id, Path(folder), rows, rounds)
    finally:
        await pool.execute("DROP TABLE IF EXISTS bench_bare_code")
        await pool.close()


async def _rounds(
    pool: Pool, vault: Vault, sku: Sku, consignor_id: ConsignorId, folder: Path, rows: int, rounds: int
) -> dict[str, float]:
    imports: list[float] = []
    repeats: list[float] = []
    copies: list[float] = []
    for number in range(rounds):
        path = folder / f"codes-{number}.csv"
        _write_file(path, rows)
        # Turns change sides, so that neither always comes second.
        if number % 2:
            copies.append(rows / await _copy(pool, vault, number, rows))
        order = ImportOrder(
            path=path,
            sku=sku,
            consignor_id=consignor_id,
            consignor_priority=100,
            unit_cost=Money(1000, "EUR"),
            expires_default=None,
            actor="bench",
        )
        importer = Importer(pool, vault, lambda: datetime.now(UTC))
        report = await importer.run(order)
        assert report.imported == rows, f"{report.imported} of {rows} imported, refused: {report.refused}"
        imports.append(rows / report.seconds)
        repeats.append(rows / (await importer.run(order)).seconds)
        if not number % 2:
            copies.append(rows / await _copy(pool, vault, number, rows))
    result = {
        "rows": float(rows),
        "import_rows_per_second": statistics.median(imports),
        "repeated_import_rows_per_second": statistics.median(repeats),
        "copy_rows_per_second": statistics.median(copies),
    }
    result["ratio"] = result["import_rows_per_second"] / result["copy_rows_per_second"]
    return result


async def _copy(pool: Pool, vault: Vault, number: int, rows: int) -> float:
    """Seconds to COPY codes that were sealed beforehand, in one go."""
    key = vault.new_batch_key(BatchId(number + 1))
    sealed = vault.seal_many(key, [CodePayload(secrets.token_hex(8), f"{n:012d}") for n in range(rows)])
    records = [
        (0, 1, number * rows + n, number + 1, fingerprint, code)
        for n, (fingerprint, code) in enumerate(sealed, start=1)
    ]
    started = time.perf_counter()
    await pool.copy_records_to_table("bench_bare_code", records=records, columns=_COLUMNS)
    return time.perf_counter() - started


def _write_file(path: Path, rows: int) -> None:
    with path.open("w", encoding="ascii") as file:
        file.write("number,secret\n")
        file.writelines(f"{n:012d},{secrets.token_hex(8)}\n" for n in range(rows))
