"""The console: signing in, who sees what, what is escaped, what can be done, and what leaves a row."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from core.db.pool import Pool
from tests.web.bench import SKU, TOKENS, Answer, Room, open_room
from tests.web.furnished import raise_alerts
from tests.web.money_day import differ
from tests.web.promoted import give_something
from web.access import RIGHTS, Right, Role, roles_with
from web.console.plan import ACTIONS, PAGES, Action, Page
from web.console.words import ENGLISH

REASON = "a test wants it"


class Browser:
    """What a person does: signs in, opens pages, posts forms with what the page gave."""

    def __init__(self, room: Room, http: ClientSession) -> None:
        self.room = room
        self.http = http
        self.csrf = ""

    async def open(self, path: str) -> Answer:
        async with self.http.get(f"{self.room.url}{path}") as response:
            answer = await Answer.of(response)
        found = re.search(rb'name="csrf" value="([^"]+)"', answer.body)
        self.csrf = found[1].decode() if found else self.csrf
        return answer

    async def post(self, path: str, origin: str | None = None, **fields: str) -> Answer:
        headers = {} if origin is None else {"Origin": origin}
        async with self.http.post(f"{self.room.url}{path}", data=fields, headers=headers) as response:
            return await Answer.of(response)

    async def act(self, path: str, **fields: str) -> Answer:
        return await self.post(path, csrf=self.csrf, **fields)

    async def sign_in(self, role: Role = Role.ADMIN) -> Answer:
        await self.post("/console/sign-in", token=TOKENS[role])
        return await self.open("/console")


@pytest.fixture
async def browser(room: Room) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield Browser(room, http)


def filled(path: str) -> str:
    places = defaultdict(
        lambda: "1",
        sku_ref=SKU,
        order_id="1000",
        place="0.1.1",
        name="telling",
        channel="telling",
        ref="ann",
        group_ref="friends",
        sale="night",
    )
    question = "?scope=everything" if path == "/switches/turn" else ""
    return "/console" + path.format_map(places) + question


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path or "/")
@pytest.mark.parametrize("role", Role)
async def test_a_page_lets_in_those_roles_that_have_its_right(
    browser: Browser, page: Page, role: Role
) -> None:
    await browser.room.sell("o1")
    await raise_alerts(browser.room)
    await give_something(browser.room)
    if page.path.startswith("/money"):
        await differ(browser.room)
    await browser.sign_in(role)
    answer = await browser.open(filled(page.path))
    assert answer.status == (200 if page.right in RIGHTS[role] else 403)
    assert b"CODE-" not in answer.body
    if page.right not in RIGHTS[role]:
        assert roles_with(page.right)[0].encode() in answer.body


@pytest.mark.parametrize(
    ("action", "role"),
    [(action, role) for role in Role for action in ACTIONS if action.right not in RIGHTS[role]],
    ids=lambda each: each.path if isinstance(each, Action) else each,
)
async def test_an_action_is_refused_to_roles_without_its_right(
    browser: Browser, action: Action, role: Role
) -> None:
    await browser.room.sell("o1")
    await browser.sign_in(role)
    answer = await browser.act(filled(action.path), reason=REASON, place="0.1.1")
    assert answer.status == 403
    assert await browser.room.pool.fetchval("SELECT count(*) FROM audit WHERE action NOT LIKE 'import%'") == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path or "/")
async def test_without_a_session_every_page_leads_to_the_door(browser: Browser, page: Page) -> None:
    answer = await browser.open(filled(page.path))
    assert ENGLISH["sign_in_with"].encode() in answer.body


async def test_actions_and_news_need_a_session(browser: Browser) -> None:
    for action in ACTIONS:
        answer = await browser.post(filled(action.path), reason=REASON)
        assert ENGLISH["sign_in_with"].encode() in answer.body
    assert (await browser.open("/console/events")).status == 401


async def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(browser: Browser) -> None:
    url = f"{browser.room.url}/console/sign-in"
    data = {"token": TOKENS[Role.VIEWER]}
    async with browser.http.post(url, data=data, allow_redirects=False) as response:
        assert response.status == 303
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/console" in cookie
    assert TOKENS[Role.VIEWER] not in cookie


async def test_a_wrong_token_is_refused_and_too_many_are_not_looked_at(browser: Browser) -> None:
    for _ in range(20):
        answer = await browser.post("/console/sign-in", token="a guess")
        assert (answer.status, b"a guess" in answer.body) == (401, False)
    assert (await browser.post("/console/sign-in", token=TOKENS[Role.ADMIN])).status == 429


async def test_after_signing_out_the_session_is_gone(browser: Browser) -> None:
    await browser.sign_in()
    await browser.act("/console/sign-out")
    assert ENGLISH["sign_in_with"].encode() in (await browser.open("/console")).body


async def test_a_form_of_another_session_or_site_does_nothing(browser: Browser) -> None:
    await browser.sign_in()
    path = "/console/channels/telling/pause"
    assert (await browser.post(path, reason=REASON)).status == 403
    assert (await browser.post(path, reason=REASON, csrf="a guess")).status == 403
    answer = await browser.post(path, "https://elsewhere.example", reason=REASON, csrf=browser.csrf)
    assert answer.status == 403
    answer = await browser.post("/console/sign-in", "https://elsewhere.example", token=TOKENS[Role.ADMIN])
    assert answer.status == 403
    assert await browser.room.pool.fetchval("SELECT count(*) FROM channel WHERE paused_at IS NOT NULL") == 0


@pytest.mark.parametrize(
    "path", ["/console", "/console/sign-in", "/console/static/console.js", "/console/stock/no"]
)
async def test_answers_forbid_what_the_console_does_not_need(browser: Browser, path: str) -> None:
    await browser.sign_in()
    headers = (await browser.open(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_pages_hold_no_script_or_style_of_their_own(browser: Browser) -> None:
    order_id = await browser.room.sell("o1")
    await raise_alerts(browser.room)
    await give_something(browser.room)
    await differ(browser.room)
    more = ("/prices", "/prices/1", "/rates", "/alerts", "/alerts/1", "/alerts/messages", "/switches")
    given = ("/coupons", "/coupons/1", "/groups", "/groups/friends", "/flash", "/flash/night", "/buyers")
    cash = ("/channels", "/statements", "/statements/1", "/discrepancies", "/discrepancies/1")
    await browser.sign_in()
    for path in (
        "",
        "/stock",
        f"/stock/{SKU}",
        "/orders",
        f"/orders/{order_id}",
        "/channels",
        f"/orders/{order_id}/split",
        "/money",
        *(f"/money{each}" for each in cash),
        *more,
        *given,
        "/buyers/telling/ann",
    ):
        body = (await browser.open(f"/console{path}")).body.decode()
        assert not re.search(r"<style|style=|\son\w+=|javascript:|<script(?! src=)", body), path
        assert "http://" not in body.replace("http://www.w3.org", "")


async def test_a_title_cannot_bring_in_a_script(pool: Pool, tmp_path: Path) -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    async with (
        open_room(pool, tmp_path, title=evil) as room,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        browser = Browser(room, http)
        order_id = await room.sell(evil)
        await browser.sign_in()
        for path in ("", "/stock", f"/stock/{SKU}", "/orders", f"/orders/{order_id}", f"/stock?text={evil}"):
            body = (await browser.open(f"/console{path}")).body
            assert b"<script>alert" not in body
            assert b"<img src=x" not in body
        assert b"&lt;script&gt;" in body


async def test_what_is_not_there_is_a_page_that_says_so(browser: Browser) -> None:
    await browser.sign_in()
    for path in ("/stock/unheard", "/orders/999", "/orders/x"):
        answer = await browser.open(f"/console{path}")
        assert answer.status == 404
        assert b"<h1>" in answer.body
    assert (await browser.open("/console/orders?state=unheard")).status == 422
    assert (await browser.open("/console/codes/x")).status == 422


async def test_a_code_is_shown_for_a_reason_only_once_the_row_stands(browser: Browser) -> None:
    await browser.room.sell("o1")
    await browser.sign_in(Role.OPERATOR)
    assert (await browser.act("/console/codes/0.1.1/reveal", reason=" ")).status == 422
    assert await browser.room.pool.fetchval("SELECT count(*) FROM audit WHERE action = 'reveal'") == 0
    answer = await browser.act("/console/codes/0.1.1/reveal", reason="the buyer lost it")
    assert b"CODE-0001" in answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    row = await browser.room.pool.fetchrow("SELECT actor, reason FROM audit WHERE action = 'reveal'")
    assert row is not None
    assert tuple(row) == ("operator-person (operator)", "the buyer lost it")
    again = await browser.open("/console/codes/0.1.1")
    assert b"CODE-0001" not in again.body
    assert b"the buyer lost it" in again.body


async def test_a_channel_is_paused_resumed_and_compared(browser: Browser) -> None:
    await browser.sign_in()
    paused = await browser.act("/console/channels/telling/pause", reason=REASON)
    assert b"telling is paused" in paused.body
    assert b"telling is paused" not in (await browser.open("/console/channels")).body
    assert REASON.encode() in (await browser.open("/console/channels")).body
    assert b"on sale again" in (await browser.act("/console/channels/telling/resume", reason=REASON)).body
    await browser.act("/console/channels/telling/sync")
    assert browser.room.synced == ["telling"]
    assert (await browser.act("/console/channels/unheard/pause", reason=REASON)).status == 404


async def test_an_invalid_code_is_replaced_from_its_order(browser: Browser) -> None:
    order_id = await browser.room.sell("o1")
    await browser.sign_in()
    path = f"/console/orders/{order_id}/replace"
    answer = await browser.act(path, place="0.1.1", reason="used already")
    assert b"out of circulation" in answer.body
    assert b"replaced by 0.1.2" in answer.body
    assert (await browser.act(path, place="0.1.1", reason="used already")).status == 409


async def test_money_is_shown_balanced_and_explained(browser: Browser) -> None:
    order_id = await browser.room.sell("o1")
    await browser.sign_in(Role.FINANCE)
    assert b"0.00 EUR" in (await browser.open("/console/money")).body
    order = (await browser.open(f"/console/orders/{order_id}")).body
    assert ENGLISH["split_agrees"].encode() in order
    await browser.act("/console/sign-out")
    await browser.sign_in(Role.OPERATOR)
    assert ENGLISH["split"].encode() not in (await browser.open(f"/console/orders/{order_id}")).body


async def test_the_page_hears_of_an_order(browser: Browser) -> None:
    await browser.sign_in()
    async with browser.http.get(f"{browser.room.url}/console/events") as stream, asyncio.timeout(20):
        await stream.content.readuntil(b"\n\n")
        await asyncio.sleep(1.5)
        await browser.room.sell("o1")
        heard = b""
        while b"orders" not in heard:
            heard = await stream.content.readuntil(b"\n\n")


async def test_with_the_database_away_a_page_says_so(browser: Browser) -> None:
    await browser.sign_in()
    browser.room.pool.terminate()
    assert (await browser.open("/console")).status == 503


def test_only_rights_that_exist_are_asked_for() -> None:
    assert {page.right for page in PAGES} | {action.right for action in ACTIONS} <= set(Right)
