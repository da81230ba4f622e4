"""Somebody who looks at pages: signs in, opens them wide and narrow, keeps pictures, hears complaints."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from core.types import ListingId
from tests.web.bench import TOKENS, Room
from web.access import Role

PICTURES = Path(__file__).parents[2] / "build" / "console"
WIDTHS = (1280, 390)
_WAIT_MS = 10_000
# How far the page's content reaches beyond the window, in pixels.
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass(slots=True)
class Visitor:
    """One browser window on one console, and what the browser complained about."""

    page: Page
    room: Room
    listing_id: ListingId
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Go to a page; an answer that is an error is ours to mend."""
        response = await self.page.goto(f"{self.room.url}/console{path}", wait_until="load")
        assert response is not None
        assert response.ok, f"{path}: {response.status}"

    async def picture(self, name: str) -> None:
        """Keep how it looks, whole."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        width = (self.page.viewport_size or {"width": 0})["width"]
        await self.page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)

    async def overflow(self) -> int:
        """By how many pixels one would have to scroll sideways."""
        pixels: int = await self.page.evaluate(_OVERFLOW)
        return pixels

    async def decide(self, summary: str, reason: str, within: str = "main") -> None:
        """Open a form with a reason, write it, and send it."""
        act = self.page.locator(f"{within} details.act", has=self.page.get_by_text(summary, exact=True)).first
        await act.locator("summary").click()
        await act.locator("input[name=reason]").fill(reason)
        await act.locator("button").click()
        await self.page.wait_for_load_state("load")

    async def notice(self) -> str:
        """What the console says it did."""
        return await self.page.locator("p.notice").inner_text()


@asynccontextmanager
async def browse() -> AsyncIterator[Browser]:
    """Debian's chromium, without a window."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium here: `apt-get install chromium`")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        await opened.close()


@asynccontextmanager
async def open_visitor(
    browser: Browser, room: Room, listing_id: ListingId, role: Role = Role.ADMIN
) -> AsyncIterator[Visitor]:
    """Somebody, signed in: an administrator, unless said otherwise."""
    context = await browser.new_context(viewport={"width": WIDTHS[0], "height": 800}, locale="en-GB")
    page = await context.new_page()
    page.set_default_timeout(_WAIT_MS)
    visitor = Visitor(page, room, listing_id)

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visitor.complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    await page.goto(f"{room.url}/console/sign-in")
    await page.fill("input[name=token]", TOKENS[role])
    await page.click("main button")
    await page.wait_for_load_state("load")
    try:
        yield visitor
    finally:
        await context.close()
