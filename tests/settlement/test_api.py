"""Settlements over the API: finance draws up and pays, somebody else approves, payees get files."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.db.pool import Pool
from tests.settlement.house import ADA, BOB, owe
from tests.web.bench import Room, open_room
from web.access import Role

LONG_AGO = datetime(2024, 3, 1, tzinfo=UTC)
FINE = {"reason": "as agreed"}


@pytest.fixture
async def room(pool: Pool, tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(pool, tmp_path, codes=0) as opened:
        yield opened


async def drawn(room: Room, pool: Pool) -> int:
    await owe(pool, ADA, 1662, at=LONG_AGO)
    await owe(pool, ADA, -62, at=LONG_AGO)
    answer = await room.call("POST", "/settlements/run", Role.FINANCE, body={"payees": [str(ADA)]})
    [outcome] = answer.json()["outcomes"]
    assert (outcome["outcome"], outcome["amount_minor"], outcome["entries"]) == ("drawn", 1600, 2)
    return int(outcome["settlement_id"])


async def test_one_draws_up_another_approves_and_then_it_is_paid(room: Room, pool: Pool) -> None:
    number = await drawn(room, pool)
    one = f"/settlements/{number}"
    own = await room.call("POST", f"{one}/approve", Role.FINANCE, body=FINE)
    assert (own.status, "drawn up by finance-person" in own.json()["detail"]) == (409, True)
    payment = {"payment_ref": "SEPA 9"}
    early = await room.call("POST", f"{one}/pay", Role.FINANCE, body=payment)
    assert (early.status, "approval is needed" in early.json()["detail"]) == (409, True)
    assert (await room.call("POST", f"{one}/approve", Role.ADMIN, body=FINE)).status == 200
    paid = await room.call("POST", f"{one}/pay", Role.FINANCE, body=payment)
    assert (paid.status, paid.json()["done"]) == (200, f"settlement {number} is paid: 16.00 EUR")
    again = await room.call("POST", f"{one}/withdraw", Role.FINANCE, body=FINE)
    assert (again.status, "stays" in again.json()["detail"]) == (409, True)
    detail = (await room.call("GET", one, Role.FINANCE)).json()
    assert detail["settlement"]["state"] == "paid"
    assert [move["actor"] for move in detail["moves"]] == ["finance-person", "admin-person", "finance-person"]
    body = {"amount": "-1.00", "currency": "EUR", "reason": "late fee"}
    assert (await room.call("POST", f"{one}/correct", Role.FINANCE, body=body)).status == 200
    [payee] = (await room.call("GET", "/settlements/payees", Role.FINANCE)).json()["payees"]
    assert payee["payable_minor"] == -100


async def test_lists_lines_and_runs_come_in_pages(room: Room, pool: Pool) -> None:
    number = await drawn(room, pool)
    [listed] = (await room.call("GET", "/settlements?payee=consignor/Ada&state=draft", Role.FINANCE)).json()[
        "settlements"
    ]
    assert (listed["settlement_id"], listed["due_minor"]) == (number, 1600)
    first = (await room.call("GET", f"/settlements/{number}/lines?limit=1", Role.FINANCE)).json()
    place = f"after_at={first['next_at'].replace('+', '%2B')}"
    place += f"&after_transaction_id={first['next_transaction_id']}&after_entry_no={first['next_entry_no']}"
    rest = (await room.call("GET", f"/settlements/{number}/lines?{place}", Role.FINANCE)).json()
    assert [line["amount_minor"] for page in (first, rest) for line in page["lines"]] == [1662, -62]
    assert rest["next_at"] is None
    [told] = (await room.call("GET", "/settlements/runs", Role.FINANCE)).json()["runs"]
    assert (told["settlement_id"], told["actor"]) == (number, "finance-person")


@pytest.mark.parametrize(
    ("form", "begin", "media_type"),
    [
        ("html", b"<!doctype html>", "text/html"),
        ("pdf", b"%PDF", "application/pdf"),
        ("csv", b"\xef\xbb\xbfBalance", "text/csv"),
        ("xlsx", b"PK", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
async def test_statements_are_files(room: Room, pool: Pool, form: str, begin: bytes, media_type: str) -> None:
    number = await drawn(room, pool)
    file = await room.call("GET", f"/settlements/{number}/statement?format={form}", Role.FINANCE)
    assert (file.status, file.headers["Content-Type"].partition(";")[0]) == (200, media_type)
    assert f'filename="settlement-{number}.{form}"' in file.headers["Content-Disposition"]
    assert file.body.startswith(begin)
    if form == "csv":
        rows = list(csv.reader(io.StringIO(file.body.decode("utf-8-sig"))))
        assert ["Closing balance", "16.00 EUR"] in rows


async def test_others_see_and_do_nothing_and_mistakes_are_named(room: Room, pool: Pool) -> None:
    number = await drawn(room, pool)
    for role in (Role.VIEWER, Role.OPERATOR):
        assert (await room.call("GET", "/settlements", role)).status == 403
        assert (await room.call("GET", f"/settlements/{number}/statement", role)).status == 403
        assert (await room.call("POST", f"/settlements/{number}/approve", role, body=FINE)).status == 403
    assert (await room.call("GET", "/settlements/x", Role.FINANCE)).status == 404
    assert (await room.call("GET", "/settlements/999", Role.FINANCE)).status == 404
    assert (await room.call("GET", "/settlements/999/lines", Role.FINANCE)).status == 404
    assert (await room.call("GET", "/settlements/999/statement?format=csv", Role.FINANCE)).status == 404
    assert (await room.call("GET", f"/settlements/{number}/statement?format=doc", Role.FINANCE)).status == 422
    assert (await room.call("GET", "/settlements?payee=Ada", Role.FINANCE)).status == 422
    body = {"payees": [str(BOB)]}
    assert (await room.call("POST", "/settlements/run", Role.FINANCE, body=body)).status == 422
