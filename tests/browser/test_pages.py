"""The console in a real browser: pages fit wide and narrow windows, and do what their buttons say."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.visitor import WIDTHS, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = {
    "overview": "",
    "stock": "/stock?order=trouble",
    "stock-by-cover": "/stock?order=cover&trouble=any",
    "stock-nothing": "/stock?text=nothing+like+this",
    "sku": "/stock/CARD-0003",
    "prices": "/prices",
    "price": "/prices/{listing_id}",
    "rates": "/rates",
    "channels": "/channels",
    "switches": "/switches",
    "stop": "/switches/turn?scope=everything",
    "alerts": "/alerts",
    "alerts-over": "/alerts?state=closed",
    "alert": "/alerts/3",
    "messages": "/alerts/messages",
}


async def test_every_page_fits_its_window_and_nothing_complains(visitor: Visitor) -> None:
    too_wide = {}
    for width in WIDTHS:
        await visitor.page.set_viewport_size({"width": width, "height": 800})
        for name, path in PAGES.items():
            await visitor.open(path.format(listing_id=visitor.listing_id))
            await visitor.picture(name)
            if pixels := await visitor.overflow():
                too_wide[f"{name} at {width}"] = pixels
    assert too_wide == {}
    assert visitor.complaints == []


async def test_a_cell_opens_the_explanation_and_leads_on_to_the_price(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("/stock?text=CARD-0002")
    await page.locator("a.cell").first.click()
    panel = page.locator("#panel[open]")
    await expect(panel.locator(".ladder").first).to_contain_text("sellable")
    await visitor.picture("panel")
    await panel.get_by_text("Price ladder").first.click()
    await expect(panel.locator("#ladder")).to_contain_text("commission")
    await expect(panel.locator("#rivals")).to_contain_text("键盘侠游戏店")
    assert visitor.complaints == []


async def test_the_matrix_is_filtered_sorted_and_paged(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("/stock")
    await page.select_option("select[name=trouble]", "refused")
    await page.click("form[role=search] button")
    await expect(page.locator(".matrix tbody tr")).to_have_count(1)
    await page.select_option("select[name=trouble]", "")
    await page.select_option("select[name=order]", "cover")
    await page.click("form[role=search] button")
    await expect(page.locator(".pager")).to_contain_text("Page 1 of 2")
    await page.click("text=Next")
    await expect(page.locator(".pager")).to_contain_text("Page 2 of 2")
    last = page.locator(".matrix tbody tr").last
    await expect(last.locator("td[data-label=Lasts]")).to_have_text("–")


async def test_held_prices_are_approved_and_refused(visitor: Visitor) -> None:
    await visitor.open(f"/prices/{visitor.listing_id}")
    await visitor.decide("Approve", "the list price went up")
    assert "is approved" in await visitor.notice()
    await visitor.open("/prices")
    await visitor.decide("Refuse", "a typo")
    assert "is refused" in await visitor.notice()
    await expect(visitor.page.locator("#decided")).to_contain_text("a typo")
    rows = await visitor.room.pool.fetch(
        "SELECT verdict, decided_by FROM price_hold WHERE verdict IS NOT NULL"
    )
    assert sorted(map(tuple, rows)) == [("approved", "admin-person"), ("refused", "admin-person")]
    assert (
        await visitor.room.pool.fetchval("SELECT count(*) FROM audit WHERE action ~ '^price.(app|ref)'") == 2
    )
    assert visitor.complaints == []


async def test_somebody_signs_below_the_floor_and_takes_it_back(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open(f"/prices/{visitor.listing_id}")
    await page.get_by_text("Sign below the floor", exact=True).first.click()
    await page.fill("input[name=least]", "12.50")
    await page.fill("input[name=until]", "2027-01-01T12:00")
    await page.locator("#signatures details[open] input[name=reason]").fill("清仓")
    await page.locator("#signatures details[open] button").click()
    assert "Signed" in await visitor.notice()
    await expect(page.locator("#signatures")).to_contain_text("12.50 EUR")
    await visitor.decide("Revoke", "sold out", "#signatures")
    await expect(page.locator("#signatures")).to_contain_text("revoked by admin-person")


async def test_a_rate_is_told_by_hand(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("/rates")
    await expect(page.locator("#rates")).to_contain_text("too old")
    await page.get_by_text("Tell a rate", exact=True).first.click()
    for name, value in {"base": "eur", "rate": "7.9", "quote": "cny", "reason": "the bank's"}.items():
        await page.fill(f"#tell input[name={name}]", value)
    await page.click("#tell details button")
    assert "1 EUR = 7.9 CNY" in await visitor.notice()


async def test_alerts_are_acknowledged_and_lost_messages_sent_again(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("/alerts")
    await visitor.decide("Acknowledge", "looking into it: 正在处理")
    await expect(page.locator("#inbox")).to_contain_text("seen by admin-person")
    await page.get_by_role("link", name="Messages").click()
    await visitor.decide("Send again", "the webhook is back")
    assert "1 messages are tried again" in await visitor.notice()
    await expect(page.locator("#dead")).to_contain_text("No message was given up")
    assert visitor.complaints == []


async def test_drift_is_decided_and_the_guard_opened(visitor: Visitor) -> None:
    await visitor.open("/channels")
    await visitor.decide("Repair", "nobody may edit there", "#drift")
    assert "repair" in await visitor.notice()
    await visitor.decide("Open", "the supplier is back", "#answering")
    assert "1 opened on answering" in await visitor.notice()
    await visitor.decide("Follow the rules", "the talk is over", "#adopted")
    assert "follows its rules again" in await visitor.notice()
    assert visitor.complaints == []


async def test_everything_is_stopped_after_a_second_look_and_every_page_says_so(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("/channels")
    await page.get_by_role("link", name="Stop everything").click()
    await page.fill("input[name=reason]", "codes leaked: 卡密泄露")
    await page.check("input[name=confirm]")
    await page.get_by_role("button", name="Stop now").click()
    await expect(page.locator(".banner")).to_contain_text("Everything is stopped")
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        for path in ("", "/stock", "/prices", "/orders", "/alerts", "/money"):
            await visitor.open(path)
            await expect(page.locator(".banner")).to_contain_text("codes leaked")
            assert await visitor.overflow() == 0
        await visitor.picture("banner")
    await page.locator(".banner a").click()
    await page.get_by_text("Let sell again", exact=True).click()
    await page.fill("input[name=reason]", "mended")
    await page.check("input[name=confirm]")
    await page.get_by_role("button", name="Let sell again").click()
    await expect(page.locator(".banner")).to_have_count(0)
    assert visitor.complaints == []


async def test_a_page_that_is_open_hears_of_a_stop_by_itself(visitor: Visitor) -> None:
    await visitor.open("/stock")
    body = {"scope": "channel", "name": "hasty", "reason": "by the API"}
    assert (await visitor.room.call("POST", "/switches/stop", body=body)).status == 200
    await expect(visitor.page.locator(".banner")).to_contain_text("Channel hasty is stopped")


async def test_a_page_that_answered_a_form_stays_live_and_keeps_what_it_showed(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.open("/codes/0.1.1")
    await visitor.decide("Show code", "the buyer cannot read it")
    await expect(page.locator(".revealed")).to_contain_text("CODE-0001")
    await expect(page.locator("#live")).to_have_text("live")
    await visitor.room.sell("heard-of-it")
    await expect(page.locator("#story")).to_contain_text("heard-of-it")
    await expect(page.locator(".revealed")).to_contain_text("CODE-0001")
    assert visitor.complaints == []


async def test_a_page_that_says_what_went_wrong_hears_of_a_stop_and_asks_for_nothing_else(
    visitor: Visitor,
) -> None:
    await visitor.open("/codes/0.1.1")
    await visitor.decide("Show code", " ")
    await expect(visitor.page.locator("h1")).to_contain_text("Not understood")
    visitor.complaints.clear()
    body = {"scope": "channel", "name": "hasty", "reason": "by the API"}
    assert (await visitor.room.call("POST", "/switches/stop", body=body)).status == 200
    await expect(visitor.page.locator(".banner")).to_contain_text("Channel hasty is stopped")
    assert visitor.complaints == []
