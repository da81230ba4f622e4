"""Lets callers see flash sales: what is on, sold and left, and what one will show when."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InvalidInput
from core.views.flash import FlashListing, FlashPreview, flash_preview, flash_sales
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route


@dataclass(frozen=True, slots=True)
class FlashList:
    """Every listing in every sale; those that begin first stand first."""

    sales: tuple[FlashListing, ...]


@dataclass(frozen=True, slots=True)
class FlashPreviews:
    """One sale, listing by listing."""

    listings: tuple[FlashPreview, ...]


async def list_flash(call: Call) -> FlashList:
    """All sales."""
    services = call.services
    async with services.pool.acquire() as conn:
        return FlashList(await flash_sales(conn, services.terms(), services.now()))


async def preview_flash(call: Call) -> FlashPreviews:
    """One sale."""
    services = call.services
    try:
        async with services.pool.acquire() as conn:
            found = await flash_preview(conn, services.terms(), services.now(), call.path("name"))
    except InvalidInput as error:
        raise Problem(404, "Not known", str(error)) from None
    return FlashPreviews(found)


ROUTES = (
    Route("GET", "/flash", Right.READ, "List flash sales, sold and left", FlashList, list_flash),
    Route("GET", "/flash/{name}", Right.READ, "Show what a sale shows when", FlashPreviews, preview_flash),
)
