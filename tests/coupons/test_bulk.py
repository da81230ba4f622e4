"""Tests that many coupons are issued once each, exported once, and sealed under whatever key is current."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.codes.keys import Keyring
from core.codes.vault_store import open_vault, retired_keys, rotate
from core.coupons.bulk import ExportedCoupon, Issue
from core.coupons.coupons import Coupons
from core.coupons.judging import Discount
from core.coupons.writing import read_code
from core.db.pool import Pool
from core.errors import InvalidInput, KeyRefused, MoveRefused, SealBroken, UnknownCoupon
from tests.coupons.bench import NOW, TENTH, Till, Why, basket


async def begin(till: Till, wanted: int, segment: str | None = None) -> Issue:
    return await till.coupons.bulk.begin("spring", wanted, NOW, actor="anna", reason="fair", segment=segment)


async def test_so_many_are_issued_and_going_on_adds_none(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    issue = await begin(till, 2500)
    told: list[int] = []
    assert issue.issued == 0
    done = await till.coupons.bulk.go_on(issue.issue_id, NOW, progress=told.append)
    assert (done.issued, told) == (2500, [1000, 1000, 500])
    assert (await till.coupons.bulk.go_on(issue.issue_id, NOW)).issued == 2500
    assert await pool.fetchval("SELECT count(DISTINCT fingerprint) FROM coupon") == 2500


async def test_an_issue_that_broke_off_goes_on_where_it_stood(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    issue = await begin(till, 2100)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await till.coupons.bulk.go_on(issue.issue_id, NOW, progress=stop)
    assert (await till.coupons.bulk.go_on(issue.issue_id, NOW)).issued == 2100


async def test_a_segments_buyers_get_one_each(pool: Pool) -> None:
    till = await Till.open(pool, replace(TENTH, personal=True, segments=frozenset({"gold"})))
    buyers = [await till.buyer(f"u-{n}") for n in range(5)]
    with pytest.raises(InvalidInput, match="are for gold"):
        await begin(till, 5, "silver")
    with pytest.raises(InvalidInput, match="to a segment"):
        await begin(till, 5)
    issue = await begin(till, 5, "gold")
    with pytest.raises(InvalidInput, match="name its segment"):
        await till.coupons.bulk.go_on(issue.issue_id, NOW)
    for _ in range(2):
        done = await till.coupons.bulk.go_on(issue.issue_id, NOW, buyers=buyers)
    assert done.issued == 5
    assert await pool.fetchval("SELECT count(DISTINCT buyer_id) FROM coupon") == 5


async def test_codes_are_exported_once_for_ever_and_all_of_them_hold(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    issue = await begin(till, 1203)
    await till.coupons.bulk.go_on(issue.issue_id, NOW)
    rows: list[ExportedCoupon] = []

    def break_off(_: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await till.coupons.bulk.export(issue.issue_id, NOW, break_off, actor="anna")
    assert await till.coupons.bulk.export(issue.issue_id, NOW, rows.extend, actor="anna") == 1203
    assert len({row.code for row in rows}) == 1203
    assert all(read_code(row.code) == row.code for row in rows)
    assert rows[0].code not in repr(rows[0])
    assert isinstance(await till.check(rows[-1].code, basket("shop", 2000)), Discount)
    with pytest.raises(MoveRefused, match="anna exported it"):
        await till.coupons.bulk.export(issue.issue_id, NOW, rows.extend, actor="ben")
    with pytest.raises(UnknownCoupon, match="404"):
        await till.coupons.bulk.export(404, NOW, rows.extend, actor="ben")
    actions = [row["action"] for row in await pool.fetch("SELECT action FROM audit ORDER BY audit_id")]
    assert actions == ["coupons.issue", "coupons.export"]


async def test_who_sees_a_code_is_written_down(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    coupon = await till.issue("spring")
    async with pool.acquire() as conn, conn.transaction():
        seen = await till.coupons.bulk.reveal(conn, coupon.coupon_id, NOW, actor="anna", reason="lost mail")
        with pytest.raises(InvalidInput, match="say why"):
            await till.coupons.bulk.reveal(conn, coupon.coupon_id, NOW, actor="anna", reason=" ")
    assert seen == coupon.code
    row = await pool.fetchrow("SELECT actor, subject, reason FROM audit")
    assert tuple(row or ()) == ("anna", f"coupon {coupon.coupon_id}", "lost mail")
    with pytest.raises(UnknownCoupon, match="404"):
        async with pool.acquire() as conn, conn.transaction():
            await till.coupons.bulk.reveal(conn, 404, NOW, actor="anna", reason="?")


@pytest.mark.parametrize("wanted", [0, 1_000_001])
async def test_no_issue_is_nothing_or_endless(pool: Pool, wanted: int) -> None:
    till = await Till.open(pool, TENTH)
    with pytest.raises(InvalidInput, match="1 to 1,000,000"):
        await begin(till, wanted)


async def test_a_rotation_wraps_the_keys_of_coupons_anew(pool: Pool) -> None:
    old = Keyring.generate()
    new = old.with_new_key()
    only_new = Keyring(new.current, {new.current: new.keys[new.current]})
    async with pool.acquire() as conn:
        coupons = Coupons(pool, await open_vault(conn, old), {"spring": TENTH}, lambda: new)
        await coupons.publish(conn, NOW)
        issued = await coupons.issue(conn, "spring", None, NOW, source=Why("hand", "1"))
        with pytest.raises(KeyRefused, match="1 series of coupons"):
            await open_vault(conn, only_new)
    await rotate(pool, new)
    async with pool.acquire() as conn:
        assert old.current in await retired_keys(conn)
        # The program that ran meanwhile reads the new key when it needs it; another needs only that one.
        assert await coupons.issue(conn, "spring", None, NOW, source=Why("hand", "1")) == issued
        other = Coupons(pool, await open_vault(conn, only_new), {"spring": TENTH})
        assert await other.issue(conn, "spring", None, NOW, source=Why("hand", "1")) == issued


async def test_a_coupon_that_was_altered_or_moved_does_not_open(pool: Pool, tmp_path: Path) -> None:
    till = await Till.open(pool, TENTH, replace(TENTH, name="other"))
    coupon = await till.issue("spring")
    await pool.execute("ALTER TABLE coupon DISABLE TRIGGER coupon_append_only")
    other = "UPDATE coupon SET series_id = (SELECT series_id FROM coupon_series WHERE name = 'other')"
    await pool.execute(other)
    with pytest.raises(SealBroken, match="does not open"):
        async with pool.acquire() as conn, conn.transaction():
            await till.coupons.bulk.reveal(conn, coupon.coupon_id, NOW, actor="anna", reason="look")
