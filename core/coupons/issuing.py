"""Moves coupons into the database: one for a reason, and never a second one for the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from core.buyers.buyers import Buyer
from core.codes.keys import WrappedKey
from core.coupons.sealing import CouponSeal, SealedCode
from core.coupons.series import Series, series_from_json, series_to_json
from core.coupons.writing import mask_of, new_code
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import InvalidInput, ReferenceReused
from core.types import BuyerId

_SQL = load_queries("core.coupons", "coupons.sql")
_LOCK_SERIES = _SQL["lock_series"]
_LATEST_SERIES = _SQL["latest_series"]
_NEXT_SERIES_ID = _SQL["next_series_id"]
_ADD_SERIES = _SQL["add_series"]
_ADD_COUPONS = _SQL["add_coupons"]
_COUPON_OF_SOURCE = _SQL["coupon_of_source"]


class Source(Protocol):
    """Why a coupon is issued, such as campaign and "spring#12"."""

    @property
    def kind(self) -> str: ...
    @property
    def ref(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Published:
    """A series as it stands in the database: its latest version, and the key of that version's codes."""

    series_id: int
    version: int
    terms: Series
    key: WrappedKey


@dataclass(frozen=True, slots=True)
class IssuedCoupon:
    """A coupon with its code in clear: hand it to its buyer, and never to a log."""

    coupon_id: int
    series: str
    code: str = field(repr=False)
    mask: str
    buyer_id: BuyerId | None
    expires_at: datetime | None


class CouponPress:
    """Publishes the series that settings name, and issues their coupons."""

    def __init__(self, seal: CouponSeal, series: Mapping[str, Series]) -> None:
        self._seal = seal
        self._series = series

    async def publish(self, conn: Connection, now: datetime) -> None:
        """Make known what settings say; other terms under a known name become its next version."""
        async with conn.transaction():
            await conn.execute(_LOCK_SERIES)
            for terms in self._series.values():
                await self._publish(conn, terms, now)

    async def _publish(self, conn: Connection, terms: Series, now: datetime) -> None:
        row = await conn.fetchrow(_LATEST_SERIES, terms.name)
        if row is not None and _published(row).terms == terms:
            return
        series_id: int = await conn.fetchval(_NEXT_SERIES_ID)
        key = self._seal.new_series_key(series_id)
        version = 1 if row is None else int(row["version"]) + 1
        written = series_to_json(terms)
        await conn.execute(_ADD_SERIES, series_id, terms.name, version, written, key.key_id, key.wrapped, now)

    async def find_series(self, conn: Connection, name: str, now: datetime) -> Published:
        """A series as settings have it, published where it was not. InvalidInput for any other."""
        if name not in self._series:
            others = f": there are {', '.join(sorted(self._series))}" if self._series else ""
            raise InvalidInput(f"no series of coupons is named {name}{others}; write [coupons.{name}]")
        row = await conn.fetchrow(_LATEST_SERIES, name)
        if row is None or _published(row).terms != self._series[name]:
            await self.publish(conn, now)
            row = await conn.fetchrow(_LATEST_SERIES, name)
        assert row is not None, "a series is never deleted"
        return _published(row)

    async def issue(
        self, conn: Connection, series: str, buyer: Buyer | None, now: datetime, *, source: Source
    ) -> IssuedCoupon:
        """A coupon for a reason; asked again for the same reason, the same coupon.

        InvalidInput: the series is not one of ours, is over, or is personal and nobody is named.
        ReferenceReused: for that reason somebody has a coupon of another series, or somebody else has it.
        """
        published = await self.find_series(conn, series, now)
        row = await conn.fetchrow(_COUPON_OF_SOURCE, source.kind, source.ref)
        if row is None:
            await self.add(conn, published, [(buyer, source)], now)
            row = await conn.fetchrow(_COUPON_OF_SOURCE, source.kind, source.ref)
        assert row is not None, "a coupon is never deleted"
        wanted = None if buyer is None else buyer.buyer_id
        if row["name"] != series or row["buyer_id"] != wanted:
            raise ReferenceReused(
                f"{source.kind} {source.ref}: a coupon of {row['name']} was issued for it to another; "
                "a coupon is issued for one reason, so give this one a reason of its own"
            )
        return await self._opened(conn, row)

    async def add(
        self,
        conn: Connection,
        published: Published,
        wanted: Sequence[tuple[Buyer | None, Source]],
        now: datetime,
        issue_id: int | None = None,
    ) -> None:
        """Make coupons, in the caller's transaction; those whose reasons have one already are left alone."""
        terms, expires_at = published.terms, published.terms.expires_at(now)
        if expires_at is not None and expires_at <= now:
            raise InvalidInput(f"coupons {terms.name}: the series ended {expires_at:%Y-%m-%d %H:%M} UTC")
        if terms.personal and any(buyer is None for buyer, _ in wanted):
            raise InvalidInput(
                f"coupons {terms.name}: each belongs to a buyer: name one, or write transferable = true"
            )
        codes = [new_code() for _ in wanted]
        sealed = await self._seal.seal(conn, published.series_id, published.key, codes)
        await conn.execute(
            _ADD_COUPONS,
            published.series_id,
            issue_id,
            [each.fingerprint for each in sealed],
            [each.sealed for each in sealed],
            [mask_of(code) for code in codes],
            [None if buyer is None else buyer.buyer_id for buyer, _ in wanted],
            [source.kind for _, source in wanted],
            [source.ref for _, source in wanted],
            now,
            expires_at,
        )

    async def _opened(self, conn: Connection, row: Record) -> IssuedCoupon:
        key = WrappedKey(row["key_id"], row["wrapped_key"])
        sealed = SealedCode(row["fingerprint"], row["sealed"])
        (code,) = await self._seal.open(conn, int(row["series_id"]), key, [sealed])
        return IssuedCoupon(
            coupon_id=int(row["coupon_id"]),
            series=row["name"],
            code=code,
            mask=row["mask"],
            buyer_id=None if row["buyer_id"] is None else BuyerId(row["buyer_id"]),
            expires_at=row["expires_at"],
        )


def _published(row: Record) -> Published:
    terms = series_from_json(row["name"], row["terms"])
    key = WrappedKey(row["key_id"], row["wrapped_key"])
    return Published(int(row["series_id"]), int(row["version"]), terms, key)
