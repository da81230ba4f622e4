"""Finance sees statements and settles discrepancies over the API; others do not."""

from __future__ import annotations

from aiohttp import FormData

from core.money.money import Money
from core.money.payouts import ToldLine, keep_lines
from core.money.statements.book import StatementBook
from core.money.statements.terms import MatchTerms
from core.types import ChannelId
from tests.factories import NOW
from tests.web.bench import TOKENS, Answer, Room
from web.access import Role


async def tell(room: Room, *amounts: int) -> None:
    """Lines of a channel that are nothing of ours."""
    row = await room.pool.fetchrow("SELECT channel_id, name FROM channel ORDER BY channel_id LIMIT 1")
    assert row is not None
    channel_id = ChannelId(row["channel_id"])
    lines = [
        ToldLine(f"t-{number}", "other", Money(amount, "EUR"), NOW, None, None)
        for number, amount in enumerate(amounts, 1)
    ]
    async with room.pool.acquire() as conn, conn.transaction():
        await keep_lines(conn, channel_id, lines, NOW)
    await StatementBook(room.pool, lambda: NOW).match(MatchTerms(channel_id, row["name"]))


async def test_a_statement_is_shown_line_by_line(room: Room) -> None:
    await tell(room, 100, -40, 7)
    [statement] = (await room.call("GET", "/statements", Role.FINANCE)).json()["statements"]
    assert (statement["lines"], statement["total_minor"], statement["open"]) == (3, 67, 3)
    path = f"/statements/{statement['statement_id']}"
    first = (await room.call("GET", f"{path}?limit=2", Role.FINANCE)).json()
    assert [line["line_ref"] for line in first["lines"]] == ["t-1", "t-2"]
    at = first["next_at"].replace("+", "%2B")
    rest = (await room.call("GET", f"{path}?after_at={at}&after_ref=t-2", Role.FINANCE)).json()
    assert ([line["line_ref"] for line in rest["lines"]], rest["next_ref"]) == (["t-3"], None)
    assert (await room.call("GET", f"{path}?after_ref=t-2", Role.FINANCE)).status == 422
    assert (await room.call("GET", "/statements/99", Role.FINANCE)).status == 404
    assert (await room.call("GET", "/statements/x", Role.FINANCE)).status == 404


async def test_a_discrepancy_is_taken_on_and_settled(room: Room) -> None:
    await tell(room, 100, -40)
    page = (await room.call("GET", "/discrepancies", Role.FINANCE)).json()
    assert [found["difference_minor"] for found in page["discrepancies"]] == [-40, 100]
    assert page["sums"][0]["left_minor"] == 60
    minus, plus = (found["discrepancy_id"] for found in page["discrepancies"])
    body = {"owner": "Ada", "reason": "hers"}
    assert (await room.call("POST", f"/discrepancies/{plus}/assign", Role.FINANCE, body)).status == 200
    note = {"reason": "they were asked"}
    assert (await room.call("POST", f"/discrepancies/{plus}/note", Role.FINANCE, note)).status == 200
    pair = {"resolution": "pair", "pair_id": minus, "reason": "one corrects the other"}
    assert (await room.call("POST", f"/discrepancies/{plus}/resolve", Role.FINANCE, pair)).status == 200
    detail = (await room.call("GET", f"/discrepancies/{plus}", Role.FINANCE)).json()
    assert (detail["discrepancy"]["left_minor"], detail["discrepancy"]["owner"]) == (60, "Ada")
    assert [event["what"] for event in detail["events"]] == ["assigned", "noted", "pair"]
    bank = {"resolution": "bank", "reason": "a deposit of ours"}
    assert (await room.call("POST", f"/discrepancies/{plus}/resolve", Role.FINANCE, bank)).status == 200
    assert (await room.call("POST", f"/discrepancies/{plus}/resolve", Role.FINANCE, bank)).status == 409
    wrong = {"resolution": "pair", "reason": "x"}
    assert (await room.call("POST", f"/discrepancies/{plus}/resolve", Role.FINANCE, wrong)).status == 422
    told = (await room.call("GET", "/discrepancies?state=resolved", Role.FINANCE)).json()
    assert len(told["discrepancies"]) == 2


async def test_money_is_finance_s_business(room: Room) -> None:
    for path in ("/statements", "/discrepancies", "/discrepancies/1", "/figures/channels"):
        assert (await room.call("GET", path, Role.OPERATOR)).status == 403
        assert (await room.call("GET", path, Role.VIEWER)).status == 403
    assert (await room.call("GET", "/discrepancies/1", Role.FINANCE)).status == 404
    figures = (await room.call("GET", "/figures/channels?days=7", Role.FINANCE)).json()
    assert {row["days"] for row in figures["channels"]} == {7}


MAPPING = """
currency = "EUR"
columns = { ref = "Id", kind = "Type", booked_at = "Date", amount = "Amount" }
kinds = { Fee = "fee" }
"""
ROWS = "Id,Type,Date,Amount\nf-1,Fee,2026-10-05T10:00:00Z,-1.50\nf-2,Bribe,2026-10-06T10:00:00Z,-2.00\n"


async def send(room: Room, content: str, **fields: str) -> Answer:
    """A statement's file, as a program would upload it."""
    form = FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("file", content.encode(), filename="november.csv")
    headers = {"Authorization": f"Bearer {TOKENS[Role.FINANCE]}"}
    async with room.http.post(f"{room.url}/api/v1/statement-files", data=form, headers=headers) as answer:
        return await Answer.of(answer)


async def test_a_file_is_taken_in_by_a_saved_mapping_and_again_changes_nothing(room: Room) -> None:
    body = {"name": "market", "mapping": MAPPING}
    saved = await room.call("POST", "/statement-mappings", Role.FINANCE, body=body)
    assert (saved.status, saved.json()["version"]) == (200, 1)
    tried = (await send(room, ROWS, channel="answering", mapping="market", dry_run="true")).json()
    assert (tried["statement_id"], tried["new"]) == (None, 1)
    told = (await send(room, ROWS, channel="answering", mapping="market")).json()
    assert (told["rows"], told["new"], [each["row"] for each in told["refused"]]) == (2, 1, [3])
    again = (await send(room, ROWS, channel="answering", mapping="market")).json()
    assert (again["statement_id"], again["new"]) == (told["statement_id"], 0)
    listed = (await room.call("GET", "/statement-mappings", Role.FINANCE)).json()["mappings"]
    assert [(each["name"], each["saved_by"]) for each in listed] == [("market", "finance-person")]


async def test_unknown_mappings_and_broken_ones_are_refused(room: Room) -> None:
    assert (await send(room, ROWS, channel="answering", mapping="gone")).status == 404
    for mapping in ("name =", "x = 1"):
        body = {"name": "market", "mapping": mapping}
        refused = await room.call("POST", "/statement-mappings", Role.FINANCE, body=body)
        assert (refused.status, "mapping" in refused.json()["detail"]) == (422, True)
    assert (await room.call("GET", "/statement-mappings", Role.OPERATOR)).status == 403
