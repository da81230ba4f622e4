"""Whatever somebody who owns the tables does to sealed rows or to the chain is found and named."""

from __future__ import annotations

import pytest

from core.db.pool import Pool
from core.errors import InvalidInput
from core.money.journal.chain import Head
from core.money.journal.verifying import verify
from core.money.journal.walking import MOST_FINDINGS, Finding, Wrong
from tests.journal.books import PAYABLE, RECEIVABLE, post, post_many, sealing, tamper


async def found(pool: Pool) -> list[Finding]:
    return list((await verify(pool)).findings)


async def sealed_journal(pool: Pool) -> list[int]:
    """Thirty transactions in one lane, in several blocks; their ids in the order of sealing."""
    for part in range(3):
        await post_many(pool, 10, lanes=1, seed=part)
        await sealing(pool).sweep()
    rows = await pool.fetch(
        "SELECT transaction_id FROM journal_transaction ORDER BY written_in, transaction_id"
    )
    return [row["transaction_id"] for row in rows]


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE entry SET amount_minor = amount_minor * 2 WHERE transaction_id = {id}",
        "UPDATE entry SET account_id = (SELECT max(account_id) FROM account) WHERE transaction_id = {id}",
        "DELETE FROM entry WHERE transaction_id = {id} AND entry_no = 1",
        "DELETE FROM entry WHERE transaction_id = {id}",
        "INSERT INTO entry VALUES ({id}, 8, 1, 5), ({id}, 9, 1, -5)",
        "UPDATE entry SET entry_no = 3 - entry_no WHERE transaction_id = {id}",
        "UPDATE journal_transaction SET posted_at = posted_at - interval '1 us' WHERE transaction_id = {id}",
        "UPDATE journal_transaction SET kind = 'payout' WHERE transaction_id = {id}",
        "UPDATE journal_transaction SET order_id = 7 WHERE transaction_id = {id}",
        "INSERT INTO journal_rate VALUES ({id}, 'settled', 'EUR', 'USD', 1, 1, 'nobody', now())",
    ],
)
async def test_a_changed_transaction_is_found_and_named(pool: Pool, spoil: str) -> None:
    ids = await sealed_journal(pool)
    victim = ids[14]
    if "entry_no = 3" in spoil:  # two rows that change places
        spoil = spoil.replace("entry_no = 3 - entry_no", "entry_no = 10 + entry_no")
    await tamper(pool, spoil.format(id=victim))
    first = (await found(pool))[0]
    assert (first.wrong, first.transaction_id, first.lane) == (Wrong.CHANGED, victim, 0)
    assert str(victim) in first.what


async def test_an_account_that_was_given_another_name_is_found_where_it_was_posted_to(pool: Pool) -> None:
    ids = await sealed_journal(pool)
    await tamper(pool, "UPDATE account SET party_name = 'Mallory' WHERE party = 'consignor'")
    first = (await found(pool))[0]
    assert (first.wrong, first.transaction_id) == (Wrong.CHANGED, ids[0])


@pytest.mark.parametrize("place", [0, 9, 14, 29])
async def test_a_missing_transaction_is_found_and_named(pool: Pool, place: int) -> None:
    ids = await sealed_journal(pool)
    await tamper(
        pool,
        f"DELETE FROM journal_transaction WHERE transaction_id = {ids[place]}",
        f"DELETE FROM entry WHERE transaction_id = {ids[place]}",
    )
    first = (await found(pool))[0]
    assert (first.wrong, first.transaction_id) == (Wrong.MISSING, ids[place])


async def test_entries_whose_transaction_was_taken_away_are_named_too(pool: Pool) -> None:
    ids = await sealed_journal(pool)
    await tamper(pool, f"DELETE FROM journal_transaction WHERE transaction_id = {ids[3]}")
    wrongs = [(finding.wrong, finding.transaction_id) for finding in await found(pool)]
    assert wrongs[:2] == [(Wrong.MISSING, ids[3]), (Wrong.INSERTED, ids[3])]


@pytest.mark.parametrize("place", [0, 9, 14, 29])
async def test_an_inserted_transaction_is_found_and_named(pool: Pool, place: int) -> None:
    ids = await sealed_journal(pool)
    await tamper(
        pool,
        "INSERT INTO journal_transaction (transaction_id, lane, kind, posted_at, written_in)"
        " SELECT 987654, lane, kind, posted_at, written_in FROM journal_transaction"
        f" WHERE transaction_id = {ids[place]}",
        "INSERT INTO entry SELECT 987654, entry_no, account_id, amount_minor FROM entry"
        f" WHERE transaction_id = {ids[place]}",
    )
    first = (await found(pool))[0]
    assert (first.wrong, first.transaction_id) == (Wrong.INSERTED, 987654)


async def test_a_transaction_inserted_into_a_lane_that_never_was_is_found(pool: Pool) -> None:
    ids = await sealed_journal(pool)
    await tamper(
        pool,
        "INSERT INTO journal_transaction (transaction_id, lane, kind, posted_at, written_in)"
        f" SELECT 987654, 9, kind, posted_at, written_in FROM journal_transaction"
        f" WHERE transaction_id = {ids[4]}",
    )
    (first,) = await found(pool)
    assert (first.wrong, first.transaction_id, first.lane) == (Wrong.INSERTED, 987654, 9)


async def test_two_transactions_that_changed_places_are_found(pool: Pool) -> None:
    ids = await sealed_journal(pool)
    one, other = ids[2], ids[25]
    await tamper(
        pool,
        "UPDATE journal_transaction mine SET written_in = theirs.written_in FROM journal_transaction theirs"
        f" WHERE (mine.transaction_id, theirs.transaction_id) IN (({one}, {other}), ({other}, {one}))",
    )
    findings = await found(pool)
    assert (findings[0].wrong, findings[0].transaction_id) == (Wrong.MOVED, one)
    assert {finding.transaction_id for finding in findings} == {one, other}


async def test_a_transaction_in_another_lane_is_missed_in_its_own(pool: Pool) -> None:
    ids = await sealed_journal(pool)
    await tamper(pool, f"UPDATE journal_transaction SET lane = 5 WHERE transaction_id = {ids[7]}")
    findings = await found(pool)
    assert [(f.wrong, f.lane, f.transaction_id) for f in findings] == [
        (Wrong.MOVED, 0, ids[7]),
        (Wrong.INSERTED, 5, ids[7]),
    ]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("DELETE FROM journal_block WHERE block_no = 2", "blocks 2 to 2 are missing"),
        ("UPDATE journal_block SET members = substr(members, 1, 1) || substr(members, 2) WHERE false", ""),
        ("UPDATE journal_block SET entries = entries + 1 WHERE block_no = 2", "block 2 was changed"),
        ("UPDATE journal_block SET sealed_at = now() WHERE block_no = 3", "block 3 was changed"),
        ("UPDATE journal_block SET hash = previous_hash WHERE block_no = 1", "block 1 was changed"),
        ("UPDATE journal_block SET previous_hash = hash WHERE block_no = 2", "does not follow"),
    ],
)
async def test_a_spoilt_chain_is_found(pool: Pool, spoil: str, says: str) -> None:
    await sealed_journal(pool)
    await tamper(pool, spoil)
    findings = await found(pool)
    assert bool(findings) == bool(says)
    assert not says or says in findings[0].what
    assert not says or findings[0].wrong is Wrong.BLOCK


async def test_a_chain_made_anew_from_spoilt_rows_is_told_from_a_head_that_was_kept(pool: Pool) -> None:
    """Who can write everything can make a chain that verifies; only what is kept elsewhere tells."""
    ids = await sealed_journal(pool)
    kept = (await verify(pool)).heads
    await tamper(
        pool,
        f"UPDATE entry SET amount_minor = amount_minor * 2 WHERE transaction_id = {ids[3]}",
        "TRUNCATE journal_block, account_total",
        "UPDATE journal_seal SET written_in = 0, transaction_id = -1",
    )
    await sealing(pool).catch_up()
    assert (await verify(pool)).ok
    verdict = await verify(pool, kept)
    assert [finding.wrong for finding in verdict.findings] == [Wrong.HEAD]
    await sealing(pool).catch_up()


async def test_a_head_that_was_kept_stands_however_the_chain_grew(pool: Pool) -> None:
    await sealed_journal(pool)
    kept = (await verify(pool)).heads
    await post_many(pool, 10, lanes=2, seed=9)
    await sealing(pool).sweep()
    assert (await verify(pool, kept)).ok


async def test_totals_that_were_changed_are_found(pool: Pool) -> None:
    await sealed_journal(pool)
    await tamper(pool, "UPDATE account_total SET debit_minor = debit_minor + 1 WHERE account_id = 1")
    (finding,) = await found(pool)
    assert finding.wrong is Wrong.TOTAL
    assert "account 1" in finding.what


async def test_nothing_is_said_of_what_is_too_young_to_be_sealed(pool: Pool) -> None:
    await sealed_journal(pool)
    young = await post(pool, ((RECEIVABLE, 5), (PAYABLE, -5)))
    await tamper(
        pool,
        f"UPDATE entry SET amount_minor = 0 - amount_minor WHERE transaction_id = {young.transaction_id}",
    )
    verdict = await verify(pool)
    assert (verdict.ok, verdict.sealed, verdict.unsealed) == (True, verdict.sealed, 1)


async def test_of_a_journal_that_is_wrong_everywhere_the_first_places_are_named(pool: Pool) -> None:
    ids = await sealed_journal(pool)
    await tamper(pool, "DELETE FROM journal_transaction")
    verdict = await verify(pool)
    assert verdict.stopped
    assert len(verdict.findings) == MOST_FINDINGS
    assert verdict.findings[0].transaction_id == ids[0]


async def test_progress_is_told(pool: Pool) -> None:
    ids = await sealed_journal(pool)
    told: list[tuple[int, int]] = []
    await verify(pool, (), lambda done, total: told.append((done, total)))
    assert told[-1] == (len(ids), len(ids))


@pytest.mark.parametrize("text", ["", "1", "1:2", "a:b:c", "1:2:xyz"])
def test_what_is_no_head_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(InvalidInput, match="ledger head"):
        Head.parse(text)
