"""Money in a real browser: what pages say ties to the books, and what finance does there is done."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from core.db.pool import open_pool
from core.money.journal.periods import Period
from core.money.journal.trial import trial_balance
from core.types import ListingId
from core.views.ledger import balances, explain_order
from core.views.money_standing import DEBIT, standing_of
from tests.browser.visitor import WIDTHS, Visitor, browse, open_visitor
from tests.database import TestServer
from tests.web.bench import open_room
from tests.web.money_day import FILE, MoneyDay, live_money_day
from web.access import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class House:
    """One browser on one house, for the whole module."""

    visitor: Visitor
    finance: Visitor
    day: MoneyDay


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    database_server: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """An administrator, signed in to a console with money behind it."""
    name, folder = await database_server.create(), tmp_path_factory.mktemp("money")
    pool = await open_pool(database_server.dsn_of(name), min_size=1, max_size=8, application_name="test")
    try:
        async with browse() as browser, open_room(pool, folder) as room:
            day = await live_money_day(room, folder)
            async with (
                open_visitor(browser, room, ListingId(1)) as visitor,
                open_visitor(browser, room, ListingId(1), Role.FINANCE) as finance,
            ):
                yield House(visitor, finance, day)
    finally:
        pool.terminate()
        await database_server.drop(name)


async def test_every_page_fits_its_window_and_nothing_complains(house: House) -> None:
    visitor, day = house.visitor, house.day
    pages = {
        "money": "/money",
        "money-month": "/money?month=2026-11",
        "money-one-party": "/money?party=consignor",
        "money-channels": "/money/channels",
        "money-split": f"/orders/{day.plain}/split",
        "money-split-refunded": f"/orders/{day.refunded}/split",
        "money-split-loss": f"/orders/{day.lossy}/split",
        "money-order": f"/orders/{day.refunded}",
        "money-statements": "/money/statements",
        "money-statement": "/money/statements/1",
        "money-discrepancies": "/money/discrepancies",
        "money-discrepancies-all": "/money/discrepancies?state=all",
        "money-discrepancy": "/money/discrepancies/1",
        "money-settlements": "/money/settlements",
        "money-settlement": "/money/settlements/1",
        "money-campaigns": "/money/campaigns",
        "money-campaign": "/money/campaigns/telling",
    }
    too_wide = {}
    for width in WIDTHS:
        await visitor.page.set_viewport_size({"width": width, "height": 800})
        for name, path in pages.items():
            await visitor.open(path)
            await visitor.picture(name)
            if pixels := await visitor.overflow():
                too_wide[f"{name} at {width}"] = pixels
    assert too_wide == {}
    assert visitor.complaints == []


async def test_who_has_what_is_what_the_ledger_says(house: House) -> None:
    visitor = house.visitor
    async with visitor.room.pool.acquire() as conn:
        found = await balances(conn)
    wanted: Counter[str] = Counter()
    for balance in found:
        standing = standing_of(balance.party, balance.purpose)
        wanted[standing.value] += balance.balance_minor if standing in DEBIT else -balance.balance_minor
    for path in ("/money", f"/money?month={Period.of(datetime.now(UTC))}"):
        await visitor.open(path)
        sums = visitor.page.locator("#money-EUR tfoot td[data-minor]")
        told = [int(await cell.get_attribute("data-minor") or "") for cell in await sums.all()]
        assert told == [wanted[name] for name in ("owed_to_us", "between", "held", "payable", "earned")]
        await expect(visitor.page.locator("#money-EUR tfoot .badge")).to_have_text("balances")
    mei = next(each for each in found if each.party_name == "Mei")
    row = visitor.page.locator("#money-EUR tbody tr", has=visitor.page.get_by_text("Mei", exact=True))
    assert await _minor(row.locator("td[data-label=Payable]")) == -mei.balance_minor


async def test_what_channels_brought_is_what_the_month_moved(house: House) -> None:
    visitor, month = house.visitor, Period.of(datetime.now(UTC))
    async with visitor.room.pool.acquire() as conn:
        trial = await trial_balance(conn, month)
    moved: Counter[str] = Counter()
    for row in trial.rows:
        if standing_of(row.party, row.purpose) not in DEBIT:
            moved[row.party] += row.credit_minor - row.debit_minor
    await visitor.open("/money/channels")
    told: Counter[str] = Counter()
    for each in await visitor.page.locator("#flows-EUR tbody tr[data-key]").all():
        kind = (await each.get_attribute("data-key") or "").split("-")[1]
        told[kind] += await _minor(each.locator("td").last)
        amounts = [await _minor(cell) for cell in await each.locator("td.num").all()]
        assert sum(amounts[:-1]) == amounts[-1]
    assert told.pop("ours") == sum(moved.values())
    assert {kind: minor for kind, minor in told.items() if minor} == {
        kind: minor for kind, minor in moved.items() if minor
    }
    for sum_ in await visitor.page.locator("#flows-EUR tfoot td.num").all():
        await expect(sum_).to_have_text("0.00 EUR")


async def test_an_order_leads_to_its_split_and_that_to_the_last_cent(house: House) -> None:
    visitor, page, order_id = house.visitor, house.visitor.page, house.day.refunded
    await visitor.open(f"/orders/{order_id}")
    await page.get_by_role("link", name="Rule by rule").click()
    async with visitor.room.pool.acquire() as conn:
        [line] = (await explain_order(conn, order_id)).lines
    down, back = await page.locator(".waterfall").all()
    told = [await _minor(cell) for cell in await down.locator(".took").all()]
    assert told == [line.gross_minor, *(step.amount_minor for step in line.steps)]
    given = [await _minor(cell) for cell in await back.locator(".took").all()]
    assert given[0] == sum(given[1:]) == -line.refunded_minor == -3000
    assert await back.locator("li.loss").count() == len([minor for minor in given if minor])
    for step in line.steps:
        await expect(page.locator(".split-rules").first).to_contain_text(step.formula)
    title = await down.locator("title").nth(1).text_content()
    assert line.steps[0].formula in (title or "")
    await expect(page.locator("#line-1")).to_contain_text("agrees with the entries")
    assert visitor.complaints == []


async def test_a_rule_below_zero_is_red(house: House) -> None:
    await house.visitor.open(f"/orders/{house.day.lossy}/split")
    red = house.visitor.page.locator(".waterfall li.loss")
    await expect(red.locator(".took")).to_have_text("-0.38 EUR")


async def test_a_file_is_looked_at_before_any_of_it_is_kept(house: House, tmp_path: Path) -> None:
    visitor, page, pool = house.visitor, house.visitor.page, house.visitor.room.pool
    file = tmp_path / "export 十一月.csv"
    file.write_text(FILE, encoding="utf-8")
    before = await pool.fetchval("SELECT count(*) FROM payout_line")
    await visitor.open("/money/statements")
    await page.set_input_files("input[name=file]", file)
    await page.click("#upload button")
    await expect(page.locator("#refused")).to_contain_text("yesterday")
    await expect(page.locator("#refused")).to_contain_text("bonus")
    await expect(page.locator("#first-lines tbody tr")).to_have_count(2)
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        await visitor.picture("money-upload")
        assert await visitor.overflow() == 0
    assert await pool.fetchval("SELECT count(*) FROM payout_line") == before
    await page.get_by_role("button", name="Keep 2 new lines").click()
    assert "2 new of 2 lines" in await visitor.notice()
    await expect(page.locator("#lines")).to_contain_text("n-2")
    await expect(page.locator("h1")).to_contain_text("export 十一月.csv")
    assert await pool.fetchval("SELECT count(*) FROM payout_line") == before + 2
    assert visitor.room.synced == ["answering"]
    assert visitor.complaints == []


async def test_a_discrepancy_is_taken_on_noted_and_settled_with_a_reason(house: House) -> None:
    visitor, page, pool = house.visitor, house.visitor.page, house.visitor.room.pool
    number = await pool.fetchval("SELECT discrepancy_id FROM discrepancy WHERE line_ref = 's-x'")
    await visitor.open("/money/discrepancies")
    row = page.locator(f"#inbox article[data-key^='{number}-']")
    await row.get_by_role("button", name="Take it on").click()
    assert f"Discrepancy {number} is yours" in await visitor.notice()
    await visitor.decide("Note", "they looked: 正在核对")
    await expect(page.locator("#steps")).to_contain_text("正在核对")
    act = page.locator("details.act", has=page.get_by_text("Settle", exact=True))
    await act.locator("summary").click()
    await act.locator("select").select_option("bank")
    await act.locator("input[name=reason]").fill("a deposit of ours")
    await act.locator("button").click()
    assert "19.99 EUR settled" in await visitor.notice()
    await visitor.picture("money-discrepancy-settled")
    await expect(page.locator("#steps tr")).to_have_count(3)
    await expect(page.get_by_text("Still open").locator("..")).to_contain_text("0.00 EUR")
    await visitor.open("/money/discrepancies")
    await expect(page.locator("#settled")).to_contain_text("taken to the bank by admin-person")
    await expect(page.locator(f"#inbox article[data-key^='{number}-']")).to_have_count(0)
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE action LIKE 'discrepancy.%'") == 4
    assert visitor.complaints == []


async def test_two_that_are_each_other_s_other_side_settle_one_another(house: House) -> None:
    visitor, page, pool = house.visitor, house.visitor.page, house.visitor.room.pool
    twice = await pool.fetchval("SELECT discrepancy_id FROM discrepancy WHERE line_ref = 's-4b'")
    await visitor.open("/money/discrepancies?kind=missing_sale")
    await page.locator("#inbox a").first.click()
    panel = page.locator("#panel[open]")
    act = panel.locator("details.act", has=page.get_by_text("Settle", exact=True))
    await act.locator("summary").click()
    await act.locator("select").select_option(f"pair:{twice}")
    await act.locator("input[name=reason]").fill("they wrote the wrong order")
    await act.locator("button").click()
    assert "25.00 EUR settled" in await visitor.notice()
    assert await pool.fetchval("SELECT state FROM discrepancy WHERE discrepancy_id = $1", twice) == "resolved"


async def test_a_settlement_needs_a_second_person_and_is_paid_by_entries(house: House) -> None:
    finance, admin, pool = house.finance, house.visitor, house.visitor.room.pool
    await finance.open("/money/settlements")
    row = finance.page.locator("#owed tbody tr", has=finance.page.get_by_text("Mei", exact=True))
    owed = await _minor(row.locator("td[data-label='In none yet']"))
    await row.get_by_role("button", name="Draw up").click()
    assert "consignor/Mei is drawn up" in await finance.notice()
    number = int(finance.page.url.rpartition("/")[2])
    await finance.decide("Approve", "it is mine, so it is right")
    await expect(finance.page.locator("main")).to_contain_text("somebody else has to approve it")
    assert await pool.fetchval("SELECT state FROM settlement WHERE settlement_id = $1", number) == "draft"
    await admin.open(f"/money/settlements/{number}")
    await admin.decide("Approve", "looked through: 同意")
    assert "may be paid" in await admin.notice()
    await expect(admin.page.locator("#approvals")).to_contain_text("同意")
    act = admin.page.locator("details.act", has=admin.page.get_by_text("Paid", exact=True))
    await act.locator("summary").click()
    await act.locator("input[name=paid_on]").fill(f"{datetime.now(UTC):%Y-%m-%dT%H:%M}")
    await act.locator("input[name=payment_ref]").fill("SEPA 2026-11/7")
    await act.locator("button").click()
    assert "left the bank" in await admin.notice()
    await expect(admin.page.locator("#approvals")).to_contain_text("SEPA 2026-11/7")
    await expect(admin.page.locator(".head .acts details")).to_have_count(0)
    told = await _minor(admin.page.locator("#settlement .figure b").first)
    for form, begins in {"html": b"<!", "pdf": b"%PDF", "csv": b"", "xlsx": b"PK"}.items():
        async with admin.page.expect_download() as waiting:
            await admin.page.get_by_role("link", name=form.upper(), exact=True).click()
        path = Path(await (await waiting.value).path())
        content = await asyncio.to_thread(path.read_bytes)
        assert content.startswith(begins)
        assert b"CODE-0001" not in content
    lines = [await _minor(each) for each in await admin.page.locator("#lines td:last-child").all()]
    async with pool.acquire() as conn:
        left = [
            each for each in await balances(conn) if (each.party_name, each.purpose) == ("Mei", "payable")
        ]
    assert told == sum(lines) == owed
    assert [each.balance_minor for each in left] == [0]
    assert admin.complaints == []


async def test_a_settlement_is_withdrawn_with_a_reason(house: House) -> None:
    visitor = house.visitor
    await visitor.open("/money/settlements?state=approved")
    await visitor.page.locator("#settlements tbody a").first.click()
    await visitor.decide("Withdraw", "another bank account")
    assert "is withdrawn" in await visitor.notice()
    await expect(visitor.page.locator("#approvals")).to_contain_text("another bank account")
    await visitor.open("/money/settlements?state=approved")
    await expect(visitor.page.locator("#settlements")).to_contain_text("No settlement of this kind")


async def test_a_campaign_tells_what_it_cost_brought_gave_and_refused(house: House) -> None:
    visitor, page, pool = house.visitor, house.visitor.page, house.visitor.room.pool
    spent = await pool.fetchval("SELECT spent_minor FROM campaign WHERE name = 'telling'")
    await visitor.open("/money/campaigns")
    card = page.locator("article", has=page.get_by_role("link", name="telling"))
    await expect(card).to_contain_text(f"{spent / 100:.2f} EUR of 50.00 EUR")
    await expect(page.locator("#late tbody tr")).to_have_count(1)
    await card.get_by_role("link").click()
    await expect(page.locator("#late")).to_contain_text("not taken back")
    await expect(page.locator("#report dd").first).to_have_text(f"{spent / 100:.2f} EUR")
    await expect(page.locator("#report svg rect.now").first).to_be_attached()
    await expect(page.locator("#grants tbody tr")).to_have_count(5)
    await expect(page.locator("#grants")).to_contain_text("answering/李雷")
    await expect(page.locator("#refusals")).to_contain_text("this account has had 2 of 2 rewards")
    assert visitor.complaints == []


async def _minor(cell: Locator) -> int:
    """An amount as it stands on the page, in minor units; a dash is nothing."""
    digits = re.sub(r"[^0-9-]", "", (await cell.inner_text()).partition("EUR")[0])
    return int(digits or 0)
