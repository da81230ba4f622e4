"""Opening codes for orders and for people, and the story each code leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.codes.allocator import Allocator, Place
from core.codes.custody import CodeOpener, Custody, trace
from core.codes.importer import Importer, ImportOrder
from core.codes.keys import Keyring
from core.codes.reservation import ReservedLine
from core.codes.vault import Vault
from core.codes.vault_store import open_vault, rotate
from core.db.pool import Pool
from core.errors import InvalidInput, KeyRefused, SealBroken
from core.money.money import Money
from core.orders.orders import load_order, move_orders
from core.types import ConsignorId, Lane, OrderId, OrderState, ShelfId, Sku
from tests.factories import NOW, Shop, add_consignor, add_shop, request

FIRST = Place(Lane(0), ShelfId(1), 1)


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.generate()


@pytest.fixture
async def vault(pool: Pool, keyring: Keyring) -> Vault:
    async with pool.acquire() as conn:
        return await open_vault(conn, keyring)


@pytest.fixture
async def shop(pool: Pool) -> Shop:
    return await add_shop(pool)


@pytest.fixture
def allocator(pool: Pool) -> Allocator:
    return Allocator(pool, lambda: NOW)


@pytest.fixture
async def consignor_id(pool: Pool) -> ConsignorId:
    return await add_consignor(pool, "Mei")


@pytest.fixture
async def order(shop: Shop, consignor_id: ConsignorId, tmp_path: Path) -> ImportOrder:
    return ImportOrder(
        path=tmp_path / "codes.csv",
        sku=Sku(shop.sku_id, shop.lane, "sku", "sku"),
        consignor_id=consignor_id,
        consignor_priority=100,
        unit_cost=Money(950, "EUR"),
        expires_default=None,
        actor="anna",
    )


async def bring(pool: Pool, vault: Vault, order: ImportOrder, codes: Sequence[str]) -> None:
    order.path.write_text("secret\n" + "\n".join(codes) + "\n", encoding="utf-8")
    report = await Importer(pool, vault, lambda: NOW).run(order)
    assert report.imported == len(codes)


async def opened(pool: Pool, opener: CodeOpener, order_id: OrderId) -> list[str]:
    async with pool.acquire() as conn:
        codes = await opener.open_orders(conn, [order_id])
    return [code.payload.secret for code in codes.get(order_id, [])]


async def move(pool: Pool, order_id: OrderId, *states: OrderState) -> None:
    async with pool.acquire() as conn, conn.transaction():
        for state in states:
            await move_orders(conn, [await load_order(conn, order_id)], state, now=NOW, actor="test")


async def custody_at(pool: Pool, place: Place) -> Custody:
    async with pool.acquire() as conn:
        return (await trace(conn, place)).custody


async def test_an_order_gets_its_own_codes_in_clear_and_always_the_same(
    pool: Pool, vault: Vault, shop: Shop, order: ImportOrder, allocator: Allocator
) -> None:
    await bring(pool, vault, order, ["A", "B", "C"])
    two = await allocator.reserve(request(shop, quantity=2))
    one = await allocator.reserve(request(shop))
    none = await allocator.reserve(request(shop))
    opener = CodeOpener(vault)
    async with pool.acquire() as conn:
        answer = await opener.open_orders(conn, [one.order_id, none.order_id, two.order_id])
    assert {order_id: [code.payload.secret for code in codes] for order_id, codes in answer.items()} == {
        two.order_id: ["A", "B"],
        one.order_id: ["C"],
    }
    assert answer[two.order_id][0].place == FIRST
    assert await opened(pool, CodeOpener(vault), two.order_id) == ["A", "B"]


async def test_a_code_that_was_given_back_opens_for_its_next_order_only(
    pool: Pool, vault: Vault, shop: Shop, order: ImportOrder, allocator: Allocator
) -> None:
    await bring(pool, vault, order, ["A"])
    kept = await allocator.reserve(request(shop, state=OrderState.RESERVED))
    async with pool.acquire() as conn, conn.transaction():
        await allocator.give_back(conn, [kept.order_id], [shop.lane], actor="test", reason="unpaid")
    again = await allocator.reserve(request(shop))
    opener = CodeOpener(vault)
    assert await opened(pool, opener, kept.order_id) == []
    assert await opened(pool, opener, again.order_id) == ["A"]


async def test_codes_open_after_a_rotation_even_without_a_restart(
    pool: Pool, vault: Vault, keyring: Keyring, shop: Shop, order: ImportOrder, allocator: Allocator
) -> None:
    await bring(pool, vault, order, ["A"])
    sold = await allocator.reserve(request(shop))
    warm = CodeOpener(vault)
    assert await opened(pool, warm, sold.order_id) == ["A"]
    new = keyring.with_new_key()
    await rotate(pool, new)
    assert await opened(pool, warm, sold.order_id) == ["A"]
    with pytest.raises(KeyRefused, match=new.current):
        await opened(pool, CodeOpener(vault), sold.order_id)
    assert await opened(pool, CodeOpener(vault, lambda: new), sold.order_id) == ["A"]


@pytest.mark.parametrize(
    "swap",
    [
        # The trigger stands in the way of changes, so the forger switches it off.
        "UPDATE code SET sealed = set_byte(sealed, 20, (get_byte(sealed, 20) + 1) % 256)",
        "UPDATE code SET sealed = (SELECT c.sealed FROM code c WHERE c.slot = 2) WHERE slot = 1",
        "UPDATE code SET batch_id = (SELECT max(batch_id) FROM batch) WHERE slot = 1",
    ],
)
async def test_a_row_that_was_tampered_with_does_not_open(
    pool: Pool, vault: Vault, shop: Shop, order: ImportOrder, allocator: Allocator, swap: str
) -> None:
    await bring(pool, vault, order, ["A", "B"])
    await bring(pool, vault, order, ["C"])
    sold = await allocator.reserve(request(shop))
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(swap)
    with pytest.raises(SealBroken):
        await opened(pool, CodeOpener(vault), sold.order_id)


async def test_a_person_sees_a_code_and_the_audit_says_so(
    pool: Pool, vault: Vault, order: ImportOrder
) -> None:
    await bring(pool, vault, order, ["A"])
    opener = CodeOpener(vault)
    async with pool.acquire() as conn, conn.transaction():
        payload = await opener.reveal(conn, FIRST, actor="anna", role="operator", reason="buyer's claim 7")
    assert payload.secret == "A"
    async with pool.acquire() as conn:
        seen = (await trace(conn, FIRST)).reveals
    assert [(reveal.actor, reveal.reason) for reveal in seen] == [("anna (operator)", "buyer's claim 7")]


@pytest.mark.parametrize(
    ("place", "actor", "reason"),
    [
        (FIRST, "anna", " "),
        (FIRST, "", "claim"),
        (replace(FIRST, slot=9), "anna", "claim"),
        (replace(FIRST, lane=Lane(3)), "anna", "claim"),
    ],
)
async def test_no_reason_or_no_code_shows_nothing_and_leaves_no_audit(
    pool: Pool, vault: Vault, order: ImportOrder, place: Place, actor: str, reason: str
) -> None:
    await bring(pool, vault, order, ["A"])
    async with pool.acquire() as conn:
        with pytest.raises(InvalidInput, match=str(place)):
            async with conn.transaction():
                await CodeOpener(vault).reveal(conn, place, actor=actor, role="admin", reason=reason)
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE action = 'reveal'") == 0


async def test_a_code_that_was_shown_is_found_again_wherever_it_stands_later(
    pool: Pool, vault: Vault, shop: Shop, order: ImportOrder, allocator: Allocator
) -> None:
    await bring(pool, vault, order, ["A"])
    kept = await allocator.reserve(request(shop, state=OrderState.RESERVED))
    async with pool.acquire() as conn, conn.transaction():
        await CodeOpener(vault).reveal(conn, FIRST, actor="anna", role="admin", reason="test")
        await allocator.give_back(conn, [kept.order_id], [shop.lane], actor="sweep", reason="unpaid")
    sold = await allocator.reserve(request(shop))
    async with pool.acquire() as conn:
        story = await trace(conn, replace(FIRST, slot=2))
        assert story == await trace(conn, FIRST)
    assert story.origin == FIRST
    assert [reveal.actor for reveal in story.reveals] == ["anna (admin)"]
    first, second = story.standings
    assert first.taken is not None
    assert first.departed is not None
    assert (first.taken.order_id, first.departed.kind, first.departed.actor) == (
        kept.order_id,
        "released",
        "sweep",
    )
    assert second.taken is not None
    assert (second.place.slot, second.taken.order_id, second.departed) == (2, sold.order_id, None)


async def test_a_trace_names_batch_consignor_and_shelf_but_never_the_code(
    pool: Pool, vault: Vault, order: ImportOrder
) -> None:
    expires_at = NOW + timedelta(days=30)
    await bring(pool, vault, replace(order, expires_default=expires_at), ["HIDDEN-A"])
    async with pool.acquire() as conn:
        story = await trace(conn, FIRST)
    assert (story.consignor, story.source_name, story.imported_by) == ("Mei", "codes.csv", "anna")
    assert (story.expires_at, story.unit_cost, story.imported_at) == (expires_at, Money(950, "EUR"), NOW)
    assert story.custody is Custody.VAULT
    assert "HIDDEN" not in repr(story)


async def test_a_code_without_cost_or_expiry_has_none_in_its_trace(
    pool: Pool, vault: Vault, order: ImportOrder
) -> None:
    await bring(pool, vault, replace(order, unit_cost=None), ["A"])
    async with pool.acquire() as conn:
        story = await trace(conn, FIRST)
        with pytest.raises(InvalidInput, match=r"0\.1\.2"):
            await trace(conn, replace(FIRST, slot=2))
    assert (story.expires_at, story.unit_cost) == (None, None)


_S = OrderState


@pytest.mark.parametrize(
    ("moves", "custody"),
    [
        ([], Custody.VAULT),
        ([_S.CANCELLED], Custody.VAULT),
        ([_S.DELIVERING], Custody.CHANNEL),
        ([_S.DELIVERING, _S.UNSURE], Custody.CHANNEL),
        ([_S.DELIVERING, _S.CANCELLED], Custody.CHANNEL),
        ([_S.DELIVERED], Custody.BUYER),
        ([_S.DELIVERING, _S.DELIVERED, _S.REFUNDED], Custody.BUYER),
    ],
)
async def test_custody_is_with_whoever_may_have_seen_the_code(
    pool: Pool,
    vault: Vault,
    shop: Shop,
    order: ImportOrder,
    allocator: Allocator,
    moves: list[OrderState],
    custody: Custody,
) -> None:
    await bring(pool, vault, order, ["A"])
    sold = await allocator.reserve(request(shop))
    await move(pool, sold.order_id, *moves)
    assert await custody_at(pool, FIRST) is custody


async def test_a_withdrawn_code_is_with_its_consignor(
    pool: Pool,
    vault: Vault,
    shop: Shop,
    order: ImportOrder,
    allocator: Allocator,
    consignor_id: ConsignorId,
) -> None:
    await bring(pool, vault, order, ["A"])
    async with pool.acquire() as conn, conn.transaction():
        await allocator.withdraw(
            conn, shop.lane, shop.sku_id, consignor_id, batch_id=None, at_most=1, actor="mei", reason="back"
        )
    assert await custody_at(pool, FIRST) is Custody.CONSIGNOR


async def test_a_bad_code_and_its_replacement_point_at_each_other(
    pool: Pool, vault: Vault, shop: Shop, order: ImportOrder, allocator: Allocator
) -> None:
    await bring(pool, vault, order, ["BAD", "GOOD"])
    sold = await allocator.reserve(request(shop))
    await move(pool, sold.order_id, OrderState.DELIVERED)
    line = ReservedLine(
        line_no=1,
        listing_id=shop.listing_id,
        lane=shop.lane,
        sku_id=shop.sku_id,
        quantity=1,
        valid_until=NOW,
    )
    async with pool.acquire() as conn, conn.transaction():
        await allocator.quarantine(conn, FIRST, shop.sku_id, actor="anna", reason="does not work")
        assert await allocator.allocate_known(conn, sold.order_id, [line], NOW)
        new = await allocator.note_replacement(conn, sold.order_id, 1, FIRST, actor="anna", reason="claim")
    assert await opened(pool, CodeOpener(vault), sold.order_id) == ["GOOD"]
    async with pool.acquire() as conn:
        bad, good = await trace(conn, FIRST), await trace(conn, new)
    assert (bad.standings[0].replaced_by, good.standings[0].instead_of) == (new, FIRST)
    assert bad.standings[0].departed is not None
    assert bad.standings[0].departed.kind == "quarantined"
    assert (bad.custody, good.custody) == (Custody.BUYER, Custody.BUYER)


async def test_more_batches_than_keys_are_kept_open_all_the_same(
    pool: Pool,
    vault: Vault,
    shop: Shop,
    order: ImportOrder,
    allocator: Allocator,
) -> None:
    for code in "ABCDE":
        await bring(pool, vault, order, [code])
    sold = await allocator.reserve(request(shop, quantity=5))
    opener = CodeOpener(vault, keys_kept=2)
    for _ in range(2):
        assert await opened(pool, opener, sold.order_id) == list("ABCDE")
