"""What a buyer owes and will never pay becomes a loss of ours, once, with a reason that is kept."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from core.db.pool import Pool
from core.errors import InvalidInput, MoveRefused
from core.wallets.desk import ByHand, WalletDesk
from tests.scheduler.command_line import House
from tests.wallets.purse import DAY, Purse, open_purse
from tests.wallets.test_persons import joined
from tests.web.bench import Room
from web.access import Role

FINANCE = ByHand("finance", "moved abroad")


def desk(purse: Purse) -> WalletDesk:
    return WalletDesk(purse.pool, {}, lambda: purse.now)


async def owe(purse: Purse, amount_minor: int) -> None:
    """Spend money, and have it taken back."""
    lot = await purse.credit(amount_minor)
    await purse.spend(amount_minor)
    await purse.take_back(lot, amount_minor)


async def test_a_claim_becomes_our_loss_and_is_owed_no_more(pool: Pool) -> None:
    purse = await open_purse(pool)
    await owe(purse, 250)
    assert (await purse.ledger())["buyer", "claim"] == 250
    [done] = await desk(purse).write_off("shop/u-1", FINANCE)
    assert (done.buyer, done.amount) == ("shop/u-1", purse.money(250))
    assert await purse.standing() == (0, 0, 0)
    ledger = await purse.ledger()
    assert (ledger["operator", "loss"], ledger.get(("buyer", "claim"))) == (250, None)
    kinds = await pool.fetch(
        "SELECT kind FROM journal_transaction WHERE transaction_id = $1", done.transaction_id
    )
    assert [row["kind"] for row in kinds] == ["wallet"]
    [note] = await pool.fetch("SELECT actor, action, subject, reason FROM audit")
    assert tuple(note) == ("finance", "wallet.write_off", "shop/u-1: 2.50 EUR", "moved abroad")
    # What comes later is the buyer's own.
    await purse.credit(100)
    assert await purse.standing() == (100, 0, 0)
    assert (await purse.balanced()).detail == ()


async def test_nothing_is_written_off_that_is_not_owed_and_nothing_without_a_reason(pool: Pool) -> None:
    purse = await open_purse(pool)
    with pytest.raises(MoveRefused, match="shop/u-1 owes nothing: there is nothing to write off"):
        await desk(purse).write_off("shop/u-1", FINANCE)
    await owe(purse, 250)
    with pytest.raises(MoveRefused, match="owes nothing in USD"):
        await desk(purse).write_off("shop/u-1", FINANCE, currency="USD")
    with pytest.raises(InvalidInput, match="say why"):
        await desk(purse).write_off("shop/u-1", ByHand("finance", " "))
    with pytest.raises(InvalidInput, match="no buyer is called 'shop/u-9'"):
        await desk(purse).write_off("shop/u-9", FINANCE)
    assert await purse.standing() == (0, 0, 250)


async def test_what_vested_by_now_is_set_off_first_and_the_rest_written_off(pool: Pool) -> None:
    purse = await open_purse(pool)
    await owe(purse, 250)
    await purse.credit(100, vests=DAY)
    purse.now += 2 * DAY
    [done] = await desk(purse).write_off("shop/u-1", FINANCE, currency="EUR")
    assert done.amount == purse.money(150)
    assert await purse.standing() == (0, 0, 0)
    # A claim after that is owed anew.
    await owe(purse, 30)
    assert await purse.standing() == (0, 0, 30)
    assert (await purse.balanced()).detail == ()


async def test_claims_of_all_names_of_a_person_are_written_off_each_from_its_account(pool: Pool) -> None:
    one, other = await open_purse(pool, "a"), await open_purse(pool, "b")
    await owe(one, 10)
    await owe(other, 20)
    await joined(one, other)
    done = await desk(one).write_off("shop/b", FINANCE)
    assert [(each.buyer, each.amount.amount_minor) for each in done] == [("shop/a", 10), ("shop/b", 20)]
    assert (await one.balanced()).detail == ()


async def test_a_claim_is_written_off_once_though_many_do_it(pool: Pool) -> None:
    purse = await open_purse(pool)
    await owe(purse, 250)
    tries = await asyncio.gather(
        *(desk(purse).write_off("shop/u-1", FINANCE) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(each, tuple) for each in tries) == 1
    assert sum(isinstance(each, MoveRefused) for each in tries) == 5
    assert (await purse.ledger())["operator", "loss"] == 250


async def test_a_claim_that_no_entry_ends_is_refused_by_the_schema(pool: Pool) -> None:
    purse = await open_purse(pool)
    await owe(purse, 250)
    with pytest.raises(asyncpg.CheckViolationError, match="wallet_claim_written_off"):
        await pool.execute(
            "INSERT INTO wallet_claim (buyer_id, currency, amount_minor, at) VALUES ($1, 'EUR', -250, now())",
            purse.buyer.buyer_id,
        )


async def test_finance_writes_off_over_the_api_and_nobody_else(room: Room) -> None:
    purse = await open_purse(room.pool)
    await owe(purse, 250)
    path, body = "/buyers/shop/u-1/wallet/write-off", {"reason": "moved abroad"}
    assert (await room.call("POST", path, Role.OPERATOR, body)).status == 403
    assert (await room.call("POST", path, Role.FINANCE, {})).status == 422
    done = await room.call("POST", path, Role.FINANCE, body)
    [told] = done.json()["written_off"]
    assert (done.status, told["buyer"], told["amount_minor"], told["currency"]) == (
        200,
        "shop/u-1",
        250,
        "EUR",
    )
    assert (await room.call("POST", path, Role.FINANCE, body)).status == 409


async def _owe_by(dsn: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        await owe(await open_purse(pool), 250)


def test_a_claim_is_written_off_at_the_command_line(house: House) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_owe_by(house.dsn))
    refused = house.run("wallets", "write-off", "shop/u-1")
    assert (refused.exit_code != 0, "--reason" in refused.stderr) == (True, True)
    arguments = ("wallets", "write-off", "shop/u-1", "--reason", "moved abroad")
    [told] = house.json(*arguments)["written_off"]
    assert (told["amount_minor"], told["currency"]) == (250, "EUR")
    again = house.run(*arguments)
    assert (again.exit_code != 0, "owes nothing" in again.stderr) == (True, True)
