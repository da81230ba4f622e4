"""Moves coupons at a shop's checkout: held against a basket, given when it is paid, released, given back.

Who bears a coupon decides what is an entry. Where we bear it, the buyer pays less, the order that the shop
tells us costs less, and its split gives away what there is: what never came in is booked nowhere, and what we
did without stands in the report. Where a third party bears it, that party owes us what the buyer did not pay:
debit ("party", NAME, "coupon"), credit ("operator", SERIES, "coupon_borne"), posted when the use is given,
and negatively for whatever comes back. A coupon that was issued and never used is owed to nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from core.buyers.buyers import known_buyers
from core.coupons.judging import Basket, Discount, Refused, Standing, Why, judge
from core.coupons.sealing import CouponSeal
from core.coupons.series import Series, series_from_json
from core.coupons.uses import Moved, Redeemed, UseState, add_step, free_use, is_overdue, redeemed, release_use
from core.coupons.writing import read_code
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import InvalidInput, MoveRefused, ReferenceReused, UnknownChannel, UnknownCoupon
from core.money.booking import Booker, Booking, BookingKind
from core.money.posting import Posting
from core.types import BuyerId, ChannelId

_SQL = load_queries("core.coupons", "uses.sql")
_FIND_CHANNEL = _SQL["find_channel"]
_LOCK_BASKET = _SQL["lock_basket"]
_FIND_COUPON = _SQL["find_coupon"]
_LOCK_COUPON = _SQL["lock_coupon"]
_LOCK_BUYER = _SQL["lock_buyer"]
_READ_COUPON = _SQL["read_coupon"]
_USES_OF_COUPON = _SQL["uses_of_coupon"]
_BUYER_USES = _SQL["buyer_uses"]
_TAKEN = _SQL["taken"]
_TAKE = _SQL["take"]
_UNTAKE = _SQL["untake"]
_TAGS_OF_SKUS = _SQL["tags_of_skus"]
_USE_OF_BASKET = _SQL["use_of_basket"]
_ADD_USE = _SQL["add_use"]
_CONFIRM_USE = _SQL["confirm_use"]
_RETURN_USE = _SQL["return_use"]
_REFUND_OF_USE = _SQL["refund_of_use"]
_REVOKE = _SQL["revoke"]

_NO_CODE = Refused(Why.NOT_A_CODE, "this is no coupon: look for a sign that was mistyped")
_UNKNOWN = Refused(Why.UNKNOWN, "no such coupon was ever issued")
_SPENT = Refused(Why.BUDGET_SPENT, "what was set aside for these coupons is used up")


@dataclass(frozen=True, slots=True)
class _Found:
    """A coupon with what is known of it, judged for one basket."""

    coupon_id: int
    terms: Series
    standing: Standing
    verdict: Discount | Refused
    free_use: int


class Checkout:
    """What a shop's checkout asks for. What writes does so in the caller's transaction."""

    def __init__(self, pool: Pool, seal: CouponSeal) -> None:
        self._seal = seal
        self._booker = Booker(pool)

    async def check(self, conn: Connection, code: str, basket: Basket, now: datetime) -> Discount | Refused:
        """Whether a coupon would hold for this basket now, and what it would take off. Holds nothing."""
        channel_id = await _channel(conn, basket.channel)
        coupon_id = await self.find(conn, code)
        if isinstance(coupon_id, Refused):
            return coupon_id
        row = await conn.fetchrow(_USE_OF_BASKET, channel_id, basket.ref)
        if row is not None and row["state"] != UseState.RELEASED and row["coupon_id"] != coupon_id:
            return _another(basket)
        buyer = await _buyer(conn, channel_id, basket, now)
        return (await self._judged(conn, coupon_id, channel_id, basket, buyer, now)).verdict

    async def redeem(
        self, conn: Connection, code: str, basket: Basket, now: datetime, *, actor: str
    ) -> Redeemed | Refused:
        """Hold a coupon for a basket; the same basket again gets the same answer.

        ReferenceReused: the basket's reference came with other lines; release it first.
        """
        assert conn.is_in_transaction(), "locks last as long as the transaction"
        channel_id = await _channel(conn, basket.channel)
        coupon_id = await self.find(conn, code)
        if isinstance(coupon_id, Refused):
            return coupon_id
        await conn.execute(_LOCK_BASKET, channel_id, basket.ref)
        asked = _request_hash(coupon_id, basket)
        row = await conn.fetchrow(_USE_OF_BASKET, channel_id, basket.ref)
        if row is not None and row["state"] != UseState.RELEASED:
            return _again(row, coupon_id, asked, basket)
        buyer = await _buyer(conn, channel_id, basket, now)
        # Basket, coupon, buyer, series: all lock in this order.
        await conn.execute(_LOCK_COUPON, coupon_id)
        if buyer is not None:
            await conn.execute(_LOCK_BUYER, buyer)
        await self._free_overdue(conn, coupon_id, now)
        found = await self._judged(conn, coupon_id, channel_id, basket, buyer, now)
        if isinstance(found.verdict, Refused):
            return found.verdict
        moved = Moved(now, actor, "")
        return await self._hold(conn, channel_id, basket, asked, buyer, found, found.verdict, moved) or _SPENT

    async def _hold(
        self,
        conn: Connection,
        channel_id: ChannelId,
        basket: Basket,
        asked: bytes,
        buyer: BuyerId | None,
        found: _Found,
        discount: Discount,
        moved: Moved,
    ) -> Redeemed | None:
        """Write it down; None where somebody else took what was left of the budget meanwhile."""
        terms, minor = found.terms, discount.total.amount_minor
        budget_minor = found.standing.budget_minor
        if await conn.fetchval(_TAKE, terms.name, terms.currency, minor, budget_minor) is None:
            return None
        use_id: int = await conn.fetchval(
            _ADD_USE,
            found.coupon_id,
            found.free_use,
            channel_id,
            basket.ref,
            asked,
            buyer,
            terms.currency,
            discount.good_for_minor,
            minor,
            list(discount.lines_minor),
            moved.now,
            moved.now + terms.hold,
        )
        await add_step(conn, use_id, UseState.RESERVED, minor, moved)
        row = await conn.fetchrow(_USE_OF_BASKET, channel_id, basket.ref)
        assert row is not None, "it was just written"
        return redeemed(row)

    async def confirm(
        self,
        conn: Connection,
        channel: str,
        basket_ref: str,
        now: datetime,
        *,
        actor: str,
        reason: str = "paid",
    ) -> Redeemed:
        """The order is paid: the discount is given. Said again it changes nothing.

        A basket that was released is taken up again where the coupon is still free; else MoveRefused: the
        buyer paid a price that nothing gave him, and a person has to decide.
        """
        row = await self._locked(conn, channel, basket_ref)
        state = UseState(row["state"])
        if state is UseState.CONFIRMED:
            return redeemed(row)
        if state in (UseState.RETURNED, UseState.KEPT):
            raise MoveRefused(f"basket {basket_ref}: its order was refunded before")
        use_no, terms = int(row["use_no"]), series_from_json(row["name"], row["terms"])
        if state is UseState.RELEASED:
            use_no = await self._take_up(conn, row, terms, now)
        await conn.execute(_CONFIRM_USE, row["use_id"], use_no, now)
        minor = int(row["discount_minor"])
        posted = await self._post(conn, terms, minor, now)
        await add_step(
            conn, row["use_id"], UseState.CONFIRMED, minor, Moved(now, actor, reason), posted=posted
        )
        return replace(redeemed(row), state=UseState.CONFIRMED)

    async def _take_up(self, conn: Connection, row: Record, terms: Series, now: datetime) -> int:
        """What was promised counts, whatever the budget says now; but a use can be had once only."""
        await self._free_overdue(conn, row["coupon_id"], now)
        uses = await conn.fetch(_USES_OF_COUPON, row["coupon_id"])
        if len(uses) >= terms.uses:
            raise MoveRefused(
                f"basket {row['basket_ref']}: coupon {row['mask']} was released unpaid, and is used elsewhere"
            )
        await conn.execute(_TAKE, terms.name, terms.currency, row["discount_minor"], None)
        return free_use(uses)

    async def release(
        self, conn: Connection, channel: str, basket_ref: str, now: datetime, *, actor: str, reason: str
    ) -> Redeemed:
        """The basket was given up unpaid: the coupon is free again. Said again it changes nothing."""
        row = await self._locked(conn, channel, basket_ref)
        if row["state"] == UseState.RELEASED:
            return redeemed(row)
        if row["state"] != UseState.RESERVED:
            raise MoveRefused(f"basket {basket_ref}: it is paid: give the coupon back with its refund")
        await release_use(conn, row, Moved(now, actor, reason))
        return replace(redeemed(row), state=UseState.RELEASED)

    async def give_back(
        self,
        conn: Connection,
        channel: str,
        basket_ref: str,
        now: datetime,
        *,
        actor: str,
        reason: str,
        part: tuple[str, int] | None = None,
    ) -> Redeemed:
        """The order was refunded: the discount was not given after all.

        `part`: a refund of some goods, by the shop's reference and what of the discount fell on them. Once
        nothing of the discount is left the use is free again, or stays spent, as the series says.
        """
        row = await self._locked(conn, channel, basket_ref)
        if row["state"] in (UseState.RETURNED, UseState.KEPT):
            return redeemed(row)
        if row["state"] != UseState.CONFIRMED:
            raise MoveRefused(f"basket {basket_ref}: it was never paid: release it instead")
        refund_ref, back = part or (None, int(row["discount_minor"]) - int(row["returned_minor"]))
        if refund_ref is not None and await _told_before(conn, row, refund_ref, back):
            return redeemed(row)
        left = int(row["discount_minor"]) - int(row["returned_minor"]) - back
        if back < 0 or left < 0:
            raise InvalidInput(f"basket {basket_ref}: {back} is not part of what is left of the discount")
        terms = series_from_json(row["name"], row["terms"])
        over = UseState.RETURNED if terms.comes_back else UseState.KEPT
        state = UseState.CONFIRMED if left else over
        await conn.execute(_RETURN_USE, row["use_id"], state, back)
        await conn.execute(_UNTAKE, terms.name, terms.currency, back)
        posted = await self._post(conn, terms, -back, now)
        moved = Moved(now, actor, reason)
        await add_step(conn, row["use_id"], state, -back, moved, refund_ref=refund_ref, posted=posted)
        return replace(redeemed(row), state=state, returned_minor=int(row["returned_minor"]) + back)

    async def currency_of(self, conn: Connection, channel: str, basket_ref: str) -> str:
        """In what currency a basket's coupon takes off; UnknownCoupon where it never had one."""
        currency: str = (await self._locked(conn, channel, basket_ref))["currency"]
        return currency

    async def revoke(
        self, conn: Connection, coupon_id: int, now: datetime, *, actor: str, reason: str
    ) -> bool:
        """Take a coupon back: it holds for no basket from now on. False: it was before.

        A basket that holds it already keeps the price it was promised.
        """
        if not reason.strip():
            raise InvalidInput(f"coupon {coupon_id}: say why it is taken back; the reason is kept")
        if await conn.fetchval(_LOCK_COUPON, coupon_id) is None:
            raise UnknownCoupon(f"coupon {coupon_id} is not known; `consignd coupons list` lists them")
        revoked = await conn.fetchval(_REVOKE, coupon_id, now, actor, reason.strip())
        return revoked is not None

    async def find(self, conn: Connection, typed: str) -> int | Refused:
        """The number of the coupon with this code, as somebody typed it."""
        code = read_code(typed)
        if code is None:
            return _NO_CODE
        coupon_id: int | None = await conn.fetchval(_FIND_COUPON, self._seal.fingerprint(code))
        return _UNKNOWN if coupon_id is None else coupon_id

    async def _judged(
        self,
        conn: Connection,
        coupon_id: int,
        channel_id: ChannelId,
        basket: Basket,
        buyer: BuyerId | None,
        now: datetime,
    ) -> _Found:
        row = await conn.fetchrow(_READ_COUPON, coupon_id)
        assert row is not None, "a coupon is never deleted"
        terms = series_from_json(row["name"], row["terms"])
        # A basket does not stand in its own way.
        own = (int(channel_id), basket.ref)
        uses = [
            use
            for use in await conn.fetch(_USES_OF_COUPON, coupon_id)
            if (use["channel_id"], use["basket_ref"]) != own and not is_overdue(use, now)
        ]
        held = sum(use["state"] == UseState.RESERVED for use in uses)
        own_use = await conn.fetchrow(_USE_OF_BASKET, channel_id, basket.ref)
        own_id = 0 if own_use is None else int(own_use["use_id"])
        of_buyer = 0 if buyer is None else int(await conn.fetchval(_BUYER_USES, buyer, terms.name, own_id))
        standing = Standing(
            expires_at=row["expires_at"],
            revoked=row["revoked"],
            owner=None if row["buyer_id"] is None else BuyerId(row["buyer_id"]),
            buyer=buyer,
            spent_uses=len(uses) - held,
            held_uses=held,
            buyer_uses=of_buyer,
            taken_minor=int(await conn.fetchval(_TAKEN, terms.name, terms.currency) or 0),
            budget_minor=row["budget_minor"],
        )
        verdict = judge(terms, basket, await _tags(conn, basket), standing, now)
        return _Found(coupon_id, terms, standing, verdict, free_use(uses))

    async def _free_overdue(self, conn: Connection, coupon_id: int, now: datetime) -> None:
        """Release what nobody paid in time, rather than wait for the sweep."""
        for use in await conn.fetch(_USES_OF_COUPON, coupon_id):
            if is_overdue(use, now):
                row = await conn.fetchrow(_USE_OF_BASKET, use["channel_id"], use["basket_ref"])
                assert row is not None, "it was just read"
                await release_use(conn, row, Moved(now, "consignd", "not paid in time"))

    async def _locked(self, conn: Connection, channel: str, basket_ref: str) -> Record:
        assert conn.is_in_transaction(), "locks last as long as the transaction"
        channel_id = await _channel(conn, channel)
        await conn.execute(_LOCK_BASKET, channel_id, basket_ref)
        row = await conn.fetchrow(_USE_OF_BASKET, channel_id, basket_ref)
        if row is None:
            raise UnknownCoupon(f"basket {basket_ref} of {channel}: no coupon was ever held for it")
        await conn.execute(_LOCK_COUPON, row["coupon_id"])
        row = await conn.fetchrow(_USE_OF_BASKET, channel_id, basket_ref)
        assert row is not None, "a use is never deleted"
        return row

    async def _post(self, conn: Connection, terms: Series, minor: int, now: datetime) -> int | None:
        """What a third party owes us for it; nothing where we bear it ourselves."""
        if terms.borne_by is None:
            return None
        owed = Posting("party", terms.borne_by, "coupon", minor, terms.currency)
        borne = Posting("operator", terms.name, "coupon_borne", -minor, terms.currency)
        (posted,) = await self._booker.post(conn, [Booking(BookingKind.COUPON, (owed, borne))], now)
        return posted


async def _channel(conn: Connection, name: str) -> ChannelId:
    channel_id: int | None = await conn.fetchval(_FIND_CHANNEL, name)
    if channel_id is None:
        raise UnknownChannel(f"channel {name!r} is not known; `consignd channels` lists them")
    return ChannelId(channel_id)


async def _buyer(conn: Connection, channel_id: ChannelId, basket: Basket, now: datetime) -> BuyerId | None:
    if basket.buyer_ref is None:
        return None
    handle = (channel_id, basket.buyer_ref)
    return (await known_buyers(conn, [handle], now))[handle].buyer_id


async def _tags(conn: Connection, basket: Basket) -> list[frozenset[str]]:
    refs = [line.sku_ref for line in basket.lines]
    known = {row["sku_ref"]: frozenset(row["tags"]) for row in await conn.fetch(_TAGS_OF_SKUS, refs)}
    return [known.get(ref, frozenset()) for ref in refs]


async def _told_before(conn: Connection, row: Record, refund_ref: str, back: int) -> bool:
    told: int | None = await conn.fetchval(_REFUND_OF_USE, row["use_id"], refund_ref)
    if told is not None and told != -back:
        raise ReferenceReused(
            f"refund {refund_ref} of basket {row['basket_ref']}: it gave back {-told} before"
        )
    return told is not None


def _request_hash(coupon_id: int, basket: Basket) -> bytes:
    lines = [[line.sku_ref, line.quantity, line.unit_price_minor] for line in basket.lines]
    return sha256(json.dumps([coupon_id, basket.currency, basket.buyer_ref, lines]).encode()).digest()


def _again(row: Record, coupon_id: int, asked: bytes, basket: Basket) -> Redeemed | Refused:
    if row["coupon_id"] != coupon_id:
        return _another(basket)
    if row["request_hash"] != asked:
        raise ReferenceReused(
            f"basket {basket.ref}: it had other lines, or another buyer, when the coupon was held for it; "
            "release it, then hold the coupon again"
        )
    return redeemed(row)


def _another(basket: Basket) -> Refused:
    return Refused(Why.ANOTHER_COUPON, f"basket {basket.ref} has a coupon already: one is all it may have")
