"""Money in a real browser: what pages say ties to the books, and what finance does there is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from core.db.pool import open_pool
from core.types import ListingId
from tests.browser.visitor import WIDTHS, Visitor, browse, open_visitor
from tests.database import TestServer
from tests.web.bench import open_room
from tests.web.money_day import MoneyDay, live_money_day

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class House:
    """One browser on one house, for the whole module."""

    visitor: Visitor
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
            async with open_visitor(browser, room, ListingId(1)) as visitor:
                yield House(visitor, day)
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
        "money-statements": "/money/statements",
        "money-statement": "/money/statements/1",
        "money-discrepancies": "/money/discrepancies",
        "money-discrepancies-all": "/money/discrepancies?state=all",
        "money-discrepancy": "/money/discrepancies/1",
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
