"""The guard in front of the Eneba sandbox, which keeps its own sum and hides an auction at its own line."""

from __future__ import annotations

from pathlib import Path

from connectors.sandbox.eneba import EnebaSandbox
from core.types import ListingRef
from tests.e2e.house import House, listing_of, open_house, until


def auction(eneba: EnebaSandbox) -> ListingRef:
    return listing_of(eneba).listing_ref


async def fail_one(house: House) -> None:
    """Somebody edits the quantity up, and a buyer is quicker than its repair: we have to say no."""
    eneba = house.markets.eneba
    ref = auction(eneba)
    for _ in range(50):
        eneba.edit_by_hand(ref, quantity=500)
        if await eneba.buy(ref, 400) is None and eneba.results:
            return
    raise AssertionError("nobody asked us")


async def test_one_failure_takes_the_listing_off_before_the_market_hides_it(dsn: str, tmp_path: Path) -> None:
    async with open_house(dsn, tmp_path, codes=20) as house:
        eneba = house.markets.eneba
        await fail_one(house)

        def off() -> bool:
            listing = listing_of(eneba)
            return not (listing.on and listing.quantity > 0)

        await until(off, "the listing is off")
        assert not eneba.books.auctions[auction(eneba)].health.hidden
        assert await eneba.buy(auction(eneba)) is None
        # The others go on selling.
        assert listing_of(house.markets.kinguin).quantity > 0
        why: str = await house.core.pool.fetchval(
            "SELECT why::text FROM offer JOIN listing USING (listing_id) WHERE listing_ref = $1",
            auction(eneba),
        )
        assert "closed by the guard: 1 of 1 reserve failed" in why

        async def told() -> bool:
            ok: bool | None = await house.core.pool.fetchval(
                "SELECT ok FROM channel_health WHERE subject = 'penalties'"
            )
            return ok is False

        await until(told, "the channel's health says so")
        opened = await house.daemon.services().guard.reopen("eneba", None, actor="anna", reason="mended")
        assert opened >= 1
        await until(lambda: not off(), "the listing is back")
