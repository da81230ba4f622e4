"""Pays grants, part by part, in what they are paid in, and takes parts back; all in the caller's transaction.

The cost stands on ("operator", CAMPAIGN, "rebate") whatever it is paid in, but for coupons, which cost when
they are redeemed. What referrers get stands where split plans put it: `held` until it vests, then `payable`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Protocol

from core.buyers.buyers import Buyer
from core.campaigns.campaign import Pays, PaysKind
from core.campaigns.deciding import Part, PointTerms
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.money.booking import Booker, Booking, BookingKind
from core.money.money import Money
from core.money.posting import Posting
from core.wallets.lots import MONEY, LotId, Source, TakenBack
from core.wallets.points import Measured, Points
from core.wallets.programmes import Programme, level_of
from core.wallets.wallets import NewLot, Wallets

_SQL = load_queries("core.campaigns", "paying.sql")
_DUE_PARTS = _SQL["due_parts"]
_SET_VESTED = _SQL["set_vested"]
_PARTS_AT_ONCE = 500
_WHOLE_PERCENT = 100
_LOTS = frozenset({PaysKind.WALLET, PaysKind.POINTS})
ACTOR = "campaigns"


class Issued(Protocol):
    """A coupon that was issued."""

    @property
    def coupon_id(self) -> int: ...


class CouponDoor(Protocol):
    """What campaigns ask of coupons."""

    async def issue(
        self, conn: Connection, series: str, buyer: Buyer | None, now: datetime, *, source: Source
    ) -> Issued: ...

    async def revoke(
        self, conn: Connection, coupon_id: int, now: datetime, *, actor: str, reason: str
    ) -> bool: ...


@dataclass(frozen=True, slots=True)
class Payment:
    """Who is paid what for which grant. `source` is the same whenever this grant is paid."""

    campaign: str
    pays: Pays
    buyer: Buyer
    beneficiary: str
    currency: str
    source: str
    expires_days: int | None

    def part(self, number: int) -> Source:
        """The source of one part."""
        return Source("campaign", f"{self.source}#{number}")

    @property
    def cost(self) -> tuple[str, str, str]:
        """The account that bears it."""
        return "operator", self.campaign, "rebate"


@dataclass(frozen=True, slots=True)
class Paid:
    """What a part became: the lot or coupon; a referrer's part has none, and may be payable already."""

    paid_ref: str | None
    vested_at: datetime | None


class Payer:
    """Wallets, points, coupons and the journal, behind one door."""

    def __init__(self, wallets: Wallets, points: Points, coupons: CouponDoor | None, booker: Booker) -> None:
        self._wallets = wallets
        self._points = points
        self._coupons = coupons
        self._booker = booker

    def programme(self, pays: Pays, currency: str) -> Programme | None:
        """The programme of points that is paid; None where there is no such, or none is asked for."""
        if pays.kind is not PaysKind.POINTS:
            return None
        try:
            programme = self._points.programme(pays.name)
        except InvalidInput:
            return None
        return programme if programme.currency == currency else None

    async def measured(self, conn: Connection, asked: Collection[Measured]) -> dict[Measured, int]:
        """By what the levels of members are told."""
        return await self._points.measured(conn, asked)

    def terms(self, programme: Programme, measured: int) -> PointTerms:
        """What points come to for a buyer of whom so much was measured."""
        level = level_of(programme, measured)
        return PointTerms(
            lambda points: programme.worth(points).amount_minor, Fraction(level.percent) / _WHOLE_PERCENT
        )

    async def pay(
        self, conn: Connection, dues: Sequence[tuple[Payment, Sequence[Part]]], now: datetime
    ) -> list[list[Paid]]:
        """Pay every part of grants; the same grant again makes nothing new, but for what is payable.

        Money and points are credited at once, and so is posted what referrers get; coupons come one by one.
        """
        parts = [(payment, number, part) for payment, given in dues for number, part in enumerate(given, 1)]
        lots = [each for each in parts if each[0].pays.kind in _LOTS]
        owed = [each for each in parts if each[0].pays.kind is PaysKind.PAYABLE]
        news = [self._lot(payment, number, part, now) for payment, number, part in lots]
        made = await self._wallets.credit_many(conn, news, now) if news else []
        lot_ids = {new.source: lot_id for new, lot_id in zip(news, made, strict=True)}
        bookings = [
            _moved(payment.cost, _referrer(payment, vested=part.vests_at <= now), part.amount, payment)
            for payment, _, part in owed
        ]
        await self._booker.post(conn, bookings, now)
        paid: list[list[Paid]] = []
        for payment, given in dues:
            paid.append(
                [
                    await self._paid(conn, payment, payment.part(number), part, lot_ids, now)
                    for number, part in enumerate(given, 1)
                ]
            )
        return paid

    async def _paid(
        self,
        conn: Connection,
        payment: Payment,
        source: Source,
        part: Part,
        lot_ids: Mapping[Source, LotId],
        now: datetime,
    ) -> Paid:
        """What a part became; a coupon is issued here."""
        if payment.pays.kind is PaysKind.PAYABLE:
            return Paid(None, now if part.vests_at <= now else None)
        if payment.pays.kind is PaysKind.COUPON:
            coupons = self._coupons_or_refuse()
            issued = await coupons.issue(conn, payment.pays.name, payment.buyer, now, source=source)
            return Paid(str(issued.coupon_id), None)
        return Paid(str(lot_ids[source]), None)

    def _lot(self, payment: Payment, number: int, part: Part, now: datetime) -> NewLot:
        source, buyer = payment.part(number), payment.buyer
        vests_at = part.vests_at if part.vests_at > now else None
        if payment.pays.kind is PaysKind.POINTS:
            name, cost = payment.pays.name, payment.cost
            return self._points.lot(
                buyer, name, part.amount, now, source=source, cost=cost, vests_at=vests_at
            )
        days = payment.expires_days
        expires_at = None if days is None else (vests_at or now) + timedelta(days=days)
        amount = Money(part.amount, payment.currency)
        return NewLot(buyer, MONEY, part.amount, amount, source, payment.cost, vests_at, expires_at)

    async def take_back(
        self, conn: Connection, payment: Payment, paid: Paid, amount: int, now: datetime, reason: str
    ) -> int:
        """Take so much of one part back; what of it came back to the cost, in minor units."""
        if payment.pays.kind is PaysKind.PAYABLE:
            stands = _referrer(payment, vested=paid.vested_at is not None)
            await self._booker.post(conn, [_moved(stands, payment.cost, amount, payment)], now)
            return amount
        assert paid.paid_ref is not None, "what was paid says as what"
        number = int(paid.paid_ref)
        match payment.pays.kind:
            case PaysKind.WALLET:
                money = Money(amount, payment.currency)
                return _returned(
                    await self._wallets.take_back(conn, LotId(number), money, now, reason=reason)
                )
            case PaysKind.POINTS:
                return _returned(
                    await self._points.take_back(conn, LotId(number), amount, now, reason=reason)
                )
            case PaysKind.COUPON:
                coupons = self._coupons_or_refuse()
                revoked = await coupons.revoke(conn, number, now, actor=ACTOR, reason=reason)
                return amount if revoked else 0

    async def vest_due(self, conn: Connection, now: datetime) -> int:
        """Make payable what referrers waited for; how many parts. Wallets and points vest by themselves."""
        rows = await conn.fetch(_DUE_PARTS, now, _PARTS_AT_ONCE)
        bookings = [_vested(row) for row in rows if row["amount_minor"]]
        await self._booker.post(conn, bookings, now)
        await conn.execute(
            _SET_VESTED, [row["grant_id"] for row in rows], [row["part_no"] for row in rows], now
        )
        return len(rows)

    def _coupons_or_refuse(self) -> CouponDoor:
        if self._coupons is None:
            raise InvalidInput("no coupons are issued here: write a series under [coupons]")
        return self._coupons


def _referrer(payment: Payment, *, vested: bool) -> tuple[str, str, str]:
    return "referrer", payment.beneficiary, "payable" if vested else "held"


def _moved(
    debit: tuple[str, str, str], credit: tuple[str, str, str], amount_minor: int, payment: Payment
) -> Booking:
    """Debit is positive: a cost rises, or a debt falls."""
    return Booking(
        BookingKind.REBATE,
        (
            Posting(*debit, amount_minor, payment.currency),
            Posting(*credit, -amount_minor, payment.currency),
        ),
    )


def _vested(row: Record) -> Booking:
    name, amount_minor, currency = row["beneficiary"], int(row["amount_minor"]), row["currency"]
    return Booking(
        BookingKind.REBATE,
        (
            Posting("referrer", name, "held", amount_minor, currency),
            Posting("referrer", name, "payable", -amount_minor, currency),
        ),
    )


def _returned(taken: TakenBack) -> int:
    """What bore the cost has it back: what was left, and what the buyer owes us now. The expired is ours."""
    return taken.left.amount_minor + taken.claimed.amount_minor
