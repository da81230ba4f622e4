"""The journal's books over the API: finance sees and closes, an admin alone opens again."""

from __future__ import annotations

import csv
import io

from tests.web.bench import Room
from web.access import Role

OCTOBER = {"period": "2026-10", "reason": "books are done"}


async def test_finance_closes_a_month_and_an_admin_alone_opens_it_again(room: Room) -> None:
    closed = await room.call("POST", "/ledger/close", Role.FINANCE, body=OCTOBER)
    assert (closed.status, "2026-10 is closed" in closed.json()["done"]) == (200, True)
    assert (await room.call("POST", "/ledger/close", Role.FINANCE, body=OCTOBER)).status == 409
    assert (await room.call("POST", "/ledger/reopen", Role.FINANCE, body=OCTOBER)).status == 403
    told = (await room.call("GET", "/ledger/periods", Role.FINANCE)).json()
    assert told["closed_until"].startswith("2026-11-01T00:00:00")
    assert told["changes"][0]["reason"] == "books are done"
    assert (await room.call("POST", "/ledger/reopen", Role.ADMIN, body=OCTOBER)).status == 200
    assert (await room.call("POST", "/ledger/reopen", Role.ADMIN, body=OCTOBER)).status == 409


async def test_a_month_that_is_not_over_or_is_none_is_refused(room: Room) -> None:
    late = await room.call("POST", "/ledger/close", Role.FINANCE, body=OCTOBER | {"period": "2999-01"})
    assert (late.status, "cannot be closed before" in late.json()["detail"]) == (422, True)
    for period in ("2026-13", "x"):
        body = OCTOBER | {"period": period}
        assert (await room.call("POST", "/ledger/close", Role.FINANCE, body=body)).status == 422
        balance = await room.call("GET", f"/ledger/trial-balance?period={period}", Role.FINANCE)
        assert balance.status == 422


async def test_what_was_sold_stands_in_the_trial_balance_and_waits_to_be_sealed(room: Room) -> None:
    await room.sell("o1", count=2)
    head = (await room.call("GET", "/ledger/head", Role.FINANCE)).json()
    assert (head["heads"], head["unsealed"]) == ([], 1)
    month = head["unsealed_since"][:7]
    told = (await room.call("GET", f"/ledger/trial-balance?period={month}", Role.FINANCE)).json()
    assert (told["period"], told["balanced"], told["closed"]) == (month, True, False)
    assert sum(row["closing_minor"] for row in told["rows"]) == 0


async def test_a_month_is_handed_over_as_a_file(room: Room) -> None:
    await room.sell("o1", count=2)
    head = (await room.call("GET", "/ledger/head", Role.FINANCE)).json()
    month = head["unsealed_since"][:7]
    file = await room.call("GET", f"/ledger/export?period={month}", Role.FINANCE)
    assert (file.status, file.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert file.headers["Content-Disposition"] == f'attachment; filename="{month}.csv"'
    rows = list(csv.DictReader(io.StringIO(file.body.decode())))
    assert rows
    assert sum(int(row["amount_minor"]) for row in rows) == 0
    told = await room.call("GET", f"/ledger/export?period={month}&format=beancount", Role.FINANCE)
    assert "balance" in told.body.decode()
    assert (await room.call("GET", f"/ledger/export?period={month}&format=pdf", Role.FINANCE)).status == 422
    assert (await room.call("GET", f"/ledger/export?period={month}", Role.OPERATOR)).status == 403
