"""The console's pages on money with what nobody should send them, and statement files nobody said yes to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, CookieJar, FormData

from core.campaigns.late import Work, keep_late
from core.types import OrderId
from core.views.money_split import order_split
from tests.web.bench import TOKENS, Answer, Room
from tests.web.money_day import FILE, keep_mapping, publish_campaigns
from tests.web.test_console import Browser
from web.access import Role
from web.console.money.uploads import LARGEST_BYTES, Pending, Upload, Uploads

READ = "/console/money/statements/read"
KEEP = "/console/money/statements/keep"


@pytest.fixture
async def finance(room: Room) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(room, http)
        await browser.sign_in(Role.FINANCE)
        await keep_mapping(room)
        yield browser


async def send(browser: Browser, content: bytes | None, channel: str = "answering") -> Answer:
    form = FormData({"csrf": browser.csrf, "channel": channel, "mapping": "their export"})
    form.add_field("file", content or b"", filename="" if content is None else '../../e"vil.csv')
    async with browser.http.post(f"{browser.room.url}{READ}", data=form) as response:
        return await Answer.of(response)


async def lines(room: Room) -> int:
    count: int = await room.pool.fetchval("SELECT count(*) FROM payout_line")
    return count


def key_of(answer: Answer) -> str:
    return answer.body.decode().partition('name="key" value="')[2].partition('"')[0]


async def test_a_file_is_kept_once_somebody_says_yes_and_never_twice(finance: Browser) -> None:
    shown = await send(finance, FILE.encode())
    assert shown.status == 200
    assert b"vil.csv" in shown.body
    assert b"../" not in shown.body.partition(b"<h1>")[2].partition(b"</h1>")[0]
    assert await lines(finance.room) == 0
    key = key_of(shown)
    assert b"2 new of 2 lines" in (await finance.act(KEEP, key=key)).body
    assert await lines(finance.room) == 2
    assert (await finance.act(KEEP, key=key)).status == 409
    again = await send(finance, FILE.encode())
    assert b"0 new of 2 lines" in (await finance.act(KEEP, key=key_of(again))).body
    assert await lines(finance.room) == 2


async def test_somebody_else_s_file_is_not_theirs_to_see_or_keep(finance: Browser) -> None:
    key = key_of(await send(finance, FILE.encode()))
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        other = Browser(finance.room, http)
        await other.post("/console/sign-in", token=TOKENS[Role.ADMIN])
        await other.open("/console")
        assert b"A-9" not in (await other.open(f"/console/money/statements/file?key={key}")).body
        assert (await other.act(KEEP, key=key)).status == 409
    assert await lines(finance.room) == 0
    assert b"A-9" in (await finance.open(f"/console/money/statements/file?key={key}")).body


async def test_what_is_no_statement_is_told_so_and_nothing_is_kept(finance: Browser) -> None:
    assert (await send(finance, None)).status == 422
    assert (await send(finance, b"\0\1\2")).status == 422
    assert (await send(finance, FILE.encode(), channel="unheard")).status == 404
    large = await send(finance, b"x" * (LARGEST_BYTES + 1))
    assert large.status == 413
    assert b"8 MiB" in large.body
    assert await lines(finance.room) == 0


async def test_addresses_that_nobody_made_are_pages_that_say_so(finance: Browser) -> None:
    for path, status in {
        "/money?month=2026-13": 422,
        "/money/channels?month=x": 422,
        "/money/statements/x": 404,
        "/money/statements/99": 404,
        "/money/statements?before=x": 404,
        "/money/statements/99?after_at=x&after_ref=y": 422,
        "/money/discrepancies?state=x": 422,
        "/money/discrepancies?kind=x": 422,
        "/money/discrepancies/99": 404,
        "/money/settlements?state=x": 422,
        "/money/settlements?payee=x": 422,
        "/money/settlements/99": 404,
        "/money/settlements/99?after=x": 422,
        "/money/settlements/99/statement?format=docx": 422,
        "/money/settlements/99/statement?format=pdf": 404,
        "/money/campaigns/unheard": 422,
        "/orders/1/split": 404,
    }.items():
        answer = await finance.open(f"/console{path}")
        assert (path, answer.status) == (path, status)
        assert b"<h1>" in answer.body


async def test_nothing_is_settled_without_a_reason_or_a_place_for_the_money(finance: Browser) -> None:
    for path, fields in (
        ("/money/discrepancies/1/note", {"reason": " "}),
        ("/money/discrepancies/1/resolve", {"resolution": "bank", "reason": ""}),
        ("/money/discrepancies/1/resolve", {"resolution": "elsewhere", "reason": "why not"}),
        ("/money/settlements/1/approve", {"reason": ""}),
        ("/money/settlements/draw", {"payee": "consignor"}),
        ("/money/settlements/draw", {"payee": "consignor/Nobody"}),
    ):
        assert (await finance.act(f"/console{path}", **fields)).status == 422
    assert await finance.room.pool.fetchval("SELECT count(*) FROM audit WHERE actor = 'finance-person'") == 0


async def test_a_split_without_refunds_has_one_waterfall(finance: Browser) -> None:
    order_id = await finance.room.sell("o1")
    async with finance.room.pool.acquire() as conn:
        [line] = (await order_split(conn, OrderId(order_id))).lines
    assert (line.refunded_minor, line.back, line.refunds) == (0, (), ())
    assert (await finance.open(f"/console/orders/{order_id}/split")).body.count(b'class="waterfall"') == 1


async def test_orders_that_a_campaign_could_not_settle_stand_on_its_page_and_are_told_plainly(
    finance: Browser,
) -> None:
    room = finance.room
    await publish_campaigns(room)
    order_id = OrderId(await room.sell("o<1>"))
    pages = ("/console/money/campaigns", "/console/money/campaigns/telling")
    for page in pages:
        assert b'id="late"' not in (await finance.open(page)).body
    async with room.pool.acquire() as conn, conn.transaction():
        await keep_late(conn, order_id, Work.GIVE, ValueError("no <lot>"), room.services.now())
    for page in pages:
        shown = (await finance.open(page)).body
        assert b"not decided</span> ValueError: no &lt;lot&gt;" in shown
        assert f'href="/console/orders/{order_id}">o&lt;1&gt;</a>'.encode() in shown


def test_only_so_many_files_wait_and_a_person_s_new_one_replaces_the_old() -> None:
    uploads = Uploads()
    first = uploads.keep(Pending("ann", "a", "m", Upload("1", b"")))
    assert uploads.look(first, "bo") is None
    second = uploads.keep(Pending("ann", "a", "m", Upload("2", b"")))
    assert uploads.look(first, "ann") is None
    for number in range(8):
        uploads.keep(Pending(f"person {number}", "a", "m", Upload("3", b"")))
    assert uploads.take(second, "ann") is None
