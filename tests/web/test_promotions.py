"""Buyers, coupons, groups and flash sales through console and API: who sees what, and what is done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from core.db.pool import Pool
from core.views.coupon_standing import coupon_standing
from core.views.coupons import coupon_page
from tests.web.bench import Room, open_room
from tests.web.promoted import SERIES, Promoted, give_something, promote
from tests.web.test_console import Browser
from web.access import Role
from web.console.words import ENGLISH

SECRET_PATHS = ("/coupons", "/coupons?series=welcome", "/buyers/telling/ann")


@pytest.fixture
async def room(pool: Pool, tmp_path: Path) -> AsyncIterator[Room]:
    """A web room with two series of coupons."""
    async with open_room(pool, tmp_path, series=SERIES) as opened:
        yield opened


@pytest.fixture
async def browser(room: Room) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield Browser(room, http)


async def promoted(browser: Browser, role: Role = Role.OPERATOR) -> Promoted:
    was = await promote(browser.room)
    await browser.sign_in(role)
    return was


async def test_an_empty_house_says_on_each_page_what_to_do(browser: Browser) -> None:
    await browser.sign_in()
    told = {
        "/coupons": "no_series",
        "/groups": "no_groups",
        "/flash": "no_flash",
        "/buyers": "no_buyers",
    }
    for path, word in told.items():
        body = (await browser.open(f"/console{path}")).body.decode()
        assert ENGLISH[word] in body, path


async def test_each_coupon_counts_once_in_the_state_it_is_listed_with(browser: Browser) -> None:
    await promote(browser.room)
    services = browser.room.services
    async with services.pool.acquire() as conn:
        found = await coupon_standing(conn, services.now())
        page = await coupon_page(conn, services.now(), limit=1000)
    listed = [(each.series, each.state) for each in page.coupons]
    for series in found.series:
        counts = {
            "open": series.open,
            "held": series.held,
            "used up": series.used_up,
            "expired": series.expired,
            "revoked": series.revoked,
        }
        assert counts == {state: listed.count((series.name, state)) for state in counts}
        assert series.issued == sum(counts.values())
        assert series.soon <= series.open
    out = found.running_out
    assert sum(day.coupons for day in out.days) == sum(each.soon for each in found.series) == 4
    expiring = [each.expires_at for each in out.coupons if each.expires_at is not None]
    assert expiring == sorted(expiring)
    assert len(expiring) == len(out.coupons)
    by_id = {each.coupon_id: each for each in page.coupons}
    assert all(by_id[each.coupon_id] == each for each in out.coupons)


async def test_a_coupon_s_code_is_shown_for_a_reason_once_and_found_again_by_it(browser: Browser) -> None:
    was = await promoted(browser)
    path = f"/console/coupons/{was.coupon_id}"
    for shown in (*SECRET_PATHS, f"/coupons/{was.coupon_id}"):
        assert was.code.encode() not in (await browser.open(f"/console{shown}")).body
    assert (await browser.act(f"{path}/reveal", reason=" ")).status == 422
    assert was.code.encode() in (await browser.act(f"{path}/reveal", reason="the buyer lost it")).body
    again = await browser.open(path)
    assert was.code.encode() not in again.body
    assert b"operator-person: the buyer lost it" in again.body
    row = await browser.room.pool.fetchrow(
        "SELECT actor, reason FROM audit WHERE action = 'coupon.reveal' AND subject = $1",
        f"coupon {was.coupon_id}",
    )
    assert row is not None
    assert tuple(row) == ("operator-person", "the buyer lost it")
    for typed in (was.code.lower().replace("-", " "), str(was.coupon_id)):
        found = await browser.act("/console/coupons/find", coupon=typed)
        assert found.status == 200
        assert b"basket-0" in found.body
    assert (await browser.act("/console/coupons/find", coupon="AAAAA-AAAAA-AAAAA-AAAAA")).status == 404
    assert (await browser.act("/console/coupons/find", coupon="")).status == 404


async def test_a_coupon_is_taken_back_from_its_page(browser: Browser) -> None:
    await give_something(browser.room)
    await browser.sign_in(Role.OPERATOR)
    assert b"is taken back" in (await browser.act("/console/coupons/1/revoke", reason="a mistake")).body
    assert b"was taken back before" in (await browser.act("/console/coupons/1/revoke", reason="again")).body
    assert (await browser.act("/console/coupons/9/revoke", reason="who")).status == 404
    assert (await browser.open("/console/coupons/9")).status == 404
    assert (await browser.open("/console/coupons/x")).status == 404


async def test_coupons_of_nobody_are_none(browser: Browser) -> None:
    await give_something(browser.room)
    await browser.sign_in()
    for question, found in (("buyer=telling/ann", True), ("buyer=nobody", False), ("series=none", False)):
        body = (await browser.open(f"/console/coupons?{question}")).body.decode()
        assert (ENGLISH["no_coupons_match"] not in body) == found, question
    assert (await browser.open("/console/coupons?before=x")).status == 404


async def test_what_coupons_cost_is_for_those_who_may_see_money(browser: Browser) -> None:
    await promoted(browser, Role.OPERATOR)
    assert ENGLISH["marginal_cost"].encode() not in (await browser.open("/console/coupons")).body
    await browser.act("/console/sign-out")
    await browser.sign_in(Role.FINANCE)
    assert ENGLISH["marginal_cost"].encode() in (await browser.open("/console/coupons")).body


@pytest.mark.parametrize(("role", "whole"), [(Role.VIEWER, False), (Role.OPERATOR, True)])
async def test_who_sits_in_a_group_is_masked_for_those_who_may_not_look_at_buyers(
    browser: Browser, role: Role, whole: bool
) -> None:
    was = await promoted(browser, role)
    for path in (f"/groups/{was.group_ref}", "/coupons"):
        body = (await browser.open(f"/console{path}")).body.decode()
        assert ("/console/buyers/telling/" in body) == whole
        assert ("telling/dora" in body or "telling/ann" in body) == whole
    nav = (await browser.open("/console")).body.decode()
    assert ('href="/console/buyers"' in nav) == whole


async def test_a_group_is_ended_from_its_page_and_says_how(browser: Browser) -> None:
    was = await promoted(browser)
    path = f"/console/groups/{was.group_ref}"
    assert (await browser.act(f"{path}/close", how="else", reason="no")).status == 422
    done = await browser.act(f"{path}/close", how="complete", reason="they asked for it: 提前成团")
    assert b"is completed; its buyers: 1." in done.body
    assert ENGLISH["group_by hand"].encode() in done.body
    assert (await browser.act(f"{path}/close", how="refund", reason="too late")).status == 409
    assert (await browser.open("/console/groups/strangers")).status == 404
    assert browser.room.woken


async def test_a_refund_that_is_owed_is_settled_once(browser: Browser) -> None:
    was = await promoted(browser)
    assert b"G-emil" in (await browser.open("/console/groups")).body
    settled = await browser.act(f"/console/refunds/{was.owed}/settle", reason="by bank: 已转账")
    assert b"nothing is owed any more" in settled.body
    assert ENGLISH["refunded_help"].encode() not in settled.body
    body = {"reason": "again"}
    assert (await browser.room.call("POST", f"/refunds/{was.owed}/settle", Role.OPERATOR, body)).status == 409
    assert (await browser.room.call("POST", f"/refunds/{was.owed}/settle", Role.VIEWER, body)).status == 403
    assert (await browser.room.call("POST", "/refunds/x/settle", Role.OPERATOR, body)).status == 404


async def test_a_sale_shows_quota_span_and_limit(browser: Browser) -> None:
    await promoted(browser, Role.VIEWER)
    body = (await browser.open("/console/flash")).body.decode()
    for told in ("at most 2 for each buyer", "of 5 sold", "no quota", "25.00 EUR", "黑五 / Black Friday"):
        assert told in body
    name = "/console/flash/%E9%BB%91%E4%BA%94%20%2F%20Black%20Friday"
    assert name in body
    assert (await browser.open(name)).status == 200
    assert (await browser.open("/console/flash/none")).status == 404


async def test_a_buyer_is_found_by_any_part_of_a_name_and_shown_as_one_person(browser: Browser) -> None:
    await promoted(browser)
    found = (await browser.open("/console/buyers?text=ANN")).body.decode()
    assert "/console/buyers/telling/ann" in found
    assert "known as telling/ann" in found
    assert "telling/dora" not in found
    for name in ("telling/ann", "hasty/ann"):
        body = (await browser.open(f"/console/buyers/{name}")).body.decode()
        for told in ("one mail address", "17.50 EUR", "340", "telling/bob", "telling/cid", "same device"):
            assert told in body, (name, told)
    counted = (await browser.open("/console/buyers?count=yes")).body.decode()
    assert "of 8 people" in counted
    assert (await browser.open("/console/buyers/telling/nobody")).status == 404


async def test_a_buyer_s_reference_may_hold_strokes_and_spaces(browser: Browser) -> None:
    await browser.sign_in()
    room = browser.room
    ref = "a/b c?&<script>"
    await room.call("PUT", "/buyers/telling/a%2Fb%20c%3F&%3Cscript%3E/referrer", body={"referrer": "anna"})
    body = (await browser.open("/console/buyers")).body.decode()
    assert "<script>" not in body.replace("<script src=", "")
    path = "/console/buyers/telling/a%2Fb%20c%3F%26%3Cscript%3E"
    assert path in body
    shown = await browser.open(path)
    assert shown.status == 200
    assert ref.replace("<", "&lt;").replace(">", "&gt;").replace("&&", "&amp;&") in shown.body.decode()


async def test_the_api_tells_the_same(browser: Browser) -> None:
    was, call = await promote(browser.room), browser.room.call
    standing = (await call("GET", "/coupons/standing?days=30", Role.VIEWER)).json()
    assert {each["name"]: each["issued"] for each in standing["series"]} == {"spring": 40, "welcome": 12}
    code = {"code": was.code}
    found = (await call("POST", "/coupons/find", Role.OPERATOR, code)).json()
    assert found["coupon"]["coupon_id"] == was.coupon_id
    assert [each["state"] for each in found["steps"]] == ["confirmed", "reserved"]
    assert found["deeds"] == []
    assert (await call("POST", "/coupons/find", Role.VIEWER, code)).status == 403
    reveal: Mapping[str, str] = {"reason": "asked by phone"}
    path = f"/coupons/{was.coupon_id}/reveal"
    assert (await call("POST", path, Role.OPERATOR, reveal)).json()["code"] == was.code
    assert (await call("POST", path, Role.FINANCE, reveal)).status == 403
    assert (await call("POST", path, Role.OPERATOR, {"reason": ""})).status == 422
    buyers = (await call("GET", "/buyers?text=ann", Role.FINANCE)).json()["buyers"]
    assert {each["name"] for each in buyers} == {"telling/ann", "hasty/ann"}
    assert (await call("GET", "/buyers", Role.VIEWER)).status == 403
    suspected = (await call("GET", "/buyers/suspicions", Role.OPERATOR)).json()
    assert {each["order_ref"] for each in suspected["rings"]} == {"G-ann", "B-3"}
    assert "ring" in suspected["referrals"][0]["reason"]
