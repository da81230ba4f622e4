"""The door to coupons: issues them, says what they would take off, and moves their uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from core.buyers.buyers import Buyer
from core.codes.keys import Keyring
from core.codes.vault import Vault
from core.coupons.issuing import CouponPress, IssuedCoupon, Source
from core.coupons.sealing import CouponSeal
from core.coupons.series import Series
from core.db.pool import Connection


class Coupons:
    """All that is done with coupons, in the caller's transaction."""

    def __init__(
        self,
        vault: Vault,
        series: Mapping[str, Series],
        reload_keys: Callable[[], Keyring] | None = None,
    ) -> None:
        self.seal = CouponSeal(vault, reload_keys)
        self.press = CouponPress(self.seal, series)

    async def publish(self, conn: Connection, now: datetime) -> None:
        """Make known what settings say of series; once, when the program starts."""
        await self.press.publish(conn, now)

    async def issue(
        self, conn: Connection, series: str, buyer: Buyer | None, now: datetime, *, source: Source
    ) -> IssuedCoupon:
        """A coupon for a reason; asked again for the same reason, the same coupon with the same code."""
        return await self.press.issue(conn, series, buyer, now, source=source)
