"""The door to coupons: one object that holds what issues, uses and sweeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from core.buyers.buyers import Buyer
from core.codes.keys import Keyring
from core.codes.vault import Vault
from core.coupons.bulk import BulkPress
from core.coupons.checkout import Checkout
from core.coupons.issuing import CouponPress, IssuedCoupon, Source
from core.coupons.sealing import CouponSeal
from core.coupons.series import Series
from core.coupons.sweeping import CouponSweep
from core.db.pool import Connection, Pool


class Coupons:
    """All that is done with coupons. Whatever is handed a `conn` is done in the caller's transaction."""

    def __init__(
        self,
        pool: Pool,
        vault: Vault,
        series: Mapping[str, Series],
        reload_keys: Callable[[], Keyring] | None = None,
    ) -> None:
        seal = CouponSeal(vault, reload_keys)
        self._press = CouponPress(seal, series)
        self.checkout = Checkout(pool, seal)
        self.bulk = BulkPress(pool, self._press, seal)
        self.sweep = CouponSweep(pool, self.checkout)

    async def publish(self, conn: Connection, now: datetime) -> None:
        """Make known what settings say: budgets hold from then on, other terms for what is issued."""
        await self._press.publish(conn, now)

    async def issue(
        self, conn: Connection, series: str, buyer: Buyer | None, now: datetime, *, source: Source
    ) -> IssuedCoupon:
        """A coupon for a reason; asked again for the same reason, the same coupon with the same code.

        InvalidInput: the series is not one of ours, is over, or is personal and nobody is named.
        """
        return await self._press.issue(conn, series, buyer, now, source=source)

    async def revoke(
        self, conn: Connection, coupon_id: int, now: datetime, *, actor: str, reason: str
    ) -> bool:
        """A coupon holds for no basket from now on. False: it was taken back before."""
        return await self.checkout.revoke(conn, coupon_id, now, actor=actor, reason=reason)
