"""Finds accounts by their four words, and makes those that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.posting import Posting

_SQL = load_queries("core.money", "accounts.sql")
_FIND_ACCOUNT = _SQL["find_account"]
_ADD_ACCOUNT = _SQL["add_account"]
_FIND_ACCOUNTS = _SQL["find_accounts"]
_ADD_ACCOUNTS = _SQL["add_accounts"]

# Party, name, purpose, currency.
Account: TypeAlias = tuple[str, str, str, str]


def account_of(posting: Posting) -> Account:
    """The account that a posting moves."""
    return posting.party, posting.party_name, posting.purpose, posting.currency


async def account_ids(conn: Connection, accounts: Iterable[Account]) -> dict[Account, int]:
    """The ids, within the caller's transaction: what it made may be rolled back, so none is remembered."""
    asked = sorted(set(accounts))
    if not asked:
        return {}
    columns = [list(column) for column in zip(*asked, strict=True)]
    await conn.execute(_ADD_ACCOUNTS, *columns)
    found = await conn.fetch(_FIND_ACCOUNTS, *columns)
    return {
        (row["party"], row["party_name"], row["purpose"], row["currency"]): int(row["account_id"])
        for row in found
    }


async def lasting_account_id(pool: Pool, account: Account) -> int:
    """The id of an account that is there for good: a missing one is made in a transaction of its own."""
    account_id: int | None = await pool.fetchval(_FIND_ACCOUNT, *account)
    if account_id is None:
        await pool.execute(_ADD_ACCOUNT, *account)
        account_id = await pool.fetchval(_FIND_ACCOUNT, *account)
    assert account_id is not None, "an account is never deleted"
    return account_id
