"""Buyers, coupons, groups and flash sales in a real browser: pages fit, and do what their buttons say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from core.db.pool import open_pool
from core.types import ListingId
from tests.browser.visitor import WIDTHS, Visitor, browse, open_visitor
from tests.database import TestServer
from tests.web.bench import open_room
from tests.web.promoted import SERIES, Promoted, promote
from web.access import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = {
    "coupons": "/coupons",
    "coupons-of-one": "/coupons?series=welcome&buyer=telling/ann",
    "coupon": "/coupons/{coupon_id}",
    "groups": "/groups",
    "group": "/groups/{group_ref}",
    "flash": "/flash",
    "flash-sale": "/flash/night",
    "buyers": "/buyers?count=yes",
    "buyers-none": "/buyers?text=nobody+like+this",
    "buyer": "/buyers/telling/ann",
    "buyer-of-a-group": "/buyers/telling/cid",
    "prices-tabs": "/prices",
    "rates-tabs": "/rates",
}


@dataclass(frozen=True, slots=True)
class Week:
    """An administrator and a viewer on one house with a week of promotions behind it."""

    admin: Visitor
    viewer: Visitor
    was: Promoted


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def week(database_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Week]:
    """One browser on one house, for the whole module."""
    name, folder = await database_server.create(), tmp_path_factory.mktemp("promotions")
    pool = await open_pool(database_server.dsn_of(name), min_size=1, max_size=8, application_name="test")
    try:
        async with browse() as browser, open_room(pool, folder, series=SERIES) as room:
            was = await promote(room)
            async with (
                open_visitor(browser, room, ListingId(1)) as admin,
                open_visitor(browser, room, ListingId(1), Role.VIEWER) as viewer,
            ):
                yield Week(admin, viewer, was)
    finally:
        pool.terminate()
        await database_server.drop(name)


async def test_every_page_fits_its_window_and_nothing_complains(week: Week) -> None:
    visitor, was = week.admin, week.was
    too_wide = {}
    for width in WIDTHS:
        await visitor.page.set_viewport_size({"width": width, "height": 800})
        for name, path in PAGES.items():
            await visitor.open(path.format(coupon_id=was.coupon_id, group_ref=was.group_ref))
            await visitor.picture(name)
            if pixels := await visitor.overflow():
                too_wide[f"{name} at {width}"] = pixels
    assert too_wide == {}
    assert visitor.complaints == []


async def test_pages_of_an_empty_house_fit_and_say_what_to_do(
    database_server: TestServer, tmp_path: Path
) -> None:
    name = await database_server.create()
    pool = await open_pool(database_server.dsn_of(name), min_size=1, max_size=4, application_name="test")
    try:
        async with (
            browse() as browser,
            open_room(pool, tmp_path) as room,
            open_visitor(browser, room, ListingId(1)) as visitor,
        ):
            for path in ("/coupons", "/groups", "/flash", "/buyers"):
                for width in WIDTHS:
                    await visitor.page.set_viewport_size({"width": width, "height": 800})
                    await visitor.open(path)
                    await visitor.picture(f"empty-{path[1:]}")
                    assert await visitor.overflow() == 0
                await expect(visitor.page.locator(".empty").first).to_be_visible()
            assert visitor.complaints == []
    finally:
        pool.terminate()
        await database_server.drop(name)


async def test_a_coupon_is_found_by_its_code_and_shown_for_a_reason(week: Week) -> None:
    visitor, page = week.admin, week.admin.page
    await page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    await visitor.open("/coupons")
    await page.fill("#find input[name=coupon]", week.was.code)
    await page.click("#find button")
    await expect(page.locator("#coupon-life")).to_contain_text("basket-0")
    assert week.was.code not in page.url
    await visitor.decide("Show code", "他把卡密丢了")
    await expect(page.locator(".revealed")).to_contain_text(week.was.code)
    await visitor.picture("coupon-revealed")
    assert visitor.complaints == []


async def test_an_open_page_hears_of_a_group_that_ends(week: Week) -> None:
    admin, viewer = week.admin, week.viewer
    await viewer.open("/groups")
    await expect(viewer.page.locator("#open-groups article")).to_have_count(1)
    await expect(viewer.page.locator("#live")).to_have_text("live")
    await admin.open(f"/groups/{week.was.group_ref}")
    await admin.decide("Give money back", "卖完了")
    assert "goes back" in await admin.notice()
    await expect(viewer.page.locator("#ended")).to_contain_text("卖完了")
    await viewer.page.set_viewport_size({"width": WIDTHS[1], "height": 800})
    await viewer.open(f"/groups/{week.was.group_ref}")
    await viewer.picture("group-ended-viewer")
    await expect(viewer.page.locator("#members")).not_to_contain_text("telling/dora")
    assert await viewer.overflow() == 0
    assert viewer.complaints == []


async def test_money_that_was_given_back_is_settled_with_a_reason(week: Week) -> None:
    visitor = week.admin
    await visitor.open("/groups")
    await visitor.decide("Given back", "by bank", "#owed")
    assert "nothing is owed any more" in await visitor.notice()
    await expect(visitor.page.locator("#owed")).to_have_count(0)


async def test_a_buyer_is_found_and_leads_on_to_whoever_brought_him(week: Week) -> None:
    visitor, page = week.admin, week.admin.page
    await visitor.open("/buyers")
    await page.fill("input[name=text]", "ann")
    await page.click("form[role=search] button")
    await page.get_by_role("link", name="telling/ann").first.click()
    await expect(page.locator("#brought")).to_contain_text("telling/cid")
    await page.locator("#brought .chain a").first.click()
    await expect(page.locator("h1")).to_contain_text("telling/bob")
    assert visitor.complaints == []
