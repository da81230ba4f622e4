"""Decides what may become of a lot: when it vests and expires, what is spent first, what is taken back. Pure.

A lot is money or points that a buyer was credited at once. Points carry the money that they stand for in the
journal; what of it is left depends on the points that are left alone, so that whatever pieces they leave in,
the pieces sum to the lot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

from core.errors import MoveRefused
from core.money.booking import BookingKind
from core.money.money import Money, share
from core.money.posting import Posting

LotId = NewType("LotId", int)
# Party, name, purpose: the words of an account but for its currency.
Account = tuple[str, str, str]

_NEVER = datetime.max.replace(tzinfo=UTC)
BREAKAGE: Account = ("operator", "", "breakage")
# A lot of money; any other word is a programme of points.
MONEY = ""


class UseKind(StrEnum):
    """What happens to a lot."""

    VESTED = "vested"  # from now on it can be used
    SPENT = "spent"
    EXPIRED = "expired"
    TAKEN_BACK = "taken_back"  # what was left goes back to who bore it
    SET_OFF = "set_off"  # against what the buyer owed us
    CLAIMED = "claimed"  # what was taken back after it was spent: the buyer owes it


_REDUCE = frozenset({UseKind.SPENT, UseKind.EXPIRED, UseKind.TAKEN_BACK, UseKind.SET_OFF})
_GONE = frozenset({UseKind.SPENT, UseKind.SET_OFF})
_BY_CAMPAIGNS = frozenset({UseKind.TAKEN_BACK, UseKind.CLAIMED})


@dataclass(frozen=True, slots=True)
class Source:
    """Why something is credited: ("campaign", "spring#12"). The same source twice is the same lot."""

    kind: str
    ref: str


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot as it stands. `units` are points, or the minor units of money."""

    lot_id: LotId
    buyer: str
    programme: str
    currency: str
    units: int
    amount_minor: int
    cost: Account
    vested: bool
    vests_at: datetime | None
    expires_at: datetime | None
    units_left: int
    amount_left_minor: int
    # How much of it was spent or set off, and how much of that is claimed already.
    gone_units: int = 0
    gone_minor: int = 0
    claimed_units: int = 0
    claimed_minor: int = 0
    back_units: int = 0
    uses: int = 0

    @property
    def account(self) -> Account:
        """Where what is left of it stands."""
        return standing_account(self.buyer, self.programme, vested=self.vested)

    @property
    def due_at(self) -> datetime | None:
        """When it vests or expires next."""
        return self.expires_at if self.vested else self.vests_at

    def minor_of(self, units: int) -> int:
        """The money that leaves with so many of the units that are left."""
        rest = self.units_left - units
        assert rest >= 0, f"lot {self.lot_id} has {self.units_left} left, not {units}"
        return self.amount_left_minor - share(self.amount_minor, [rest, self.units - rest])[0]

    def after(self, use: Use) -> Lot:
        """The lot once that has happened."""
        lot = replace(self, uses=self.uses + 1)
        if use.kind in _REDUCE:
            lot = replace(
                lot,
                units_left=self.units_left - use.units,
                amount_left_minor=self.amount_left_minor - use.amount_minor,
            )
        if use.kind in _GONE:
            lot = replace(
                lot,
                gone_units=self.gone_units + use.units,
                gone_minor=self.gone_minor + use.amount_minor,
            )
        match use.kind:
            case UseKind.VESTED:
                return replace(lot, vested=True)
            case UseKind.TAKEN_BACK:
                return replace(lot, back_units=self.back_units + use.units)
            case UseKind.CLAIMED:
                return replace(
                    lot,
                    claimed_units=self.claimed_units + use.units,
                    claimed_minor=self.claimed_minor + use.amount_minor,
                )
            case _:
                return lot


@dataclass(frozen=True, slots=True)
class Use:
    """Something that happens to a lot, which is told as it stood before; `to` is the other account."""

    lot: Lot
    kind: UseKind
    units: int
    amount_minor: int
    to: Account

    @property
    def use_no(self) -> int:
        """Its number among all that happened to the lot."""
        return self.lot.uses + 1

    @property
    def booking(self) -> BookingKind:
        """What kind of transaction it is."""
        if self.lot.programme != MONEY:
            return BookingKind.POINTS
        return BookingKind.REBATE if self.kind in _BY_CAMPAIGNS else BookingKind.WALLET

    @property
    def postings(self) -> tuple[Posting, ...]:
        """Its entries: from the buyer's account to the other one."""
        lot = self.lot
        source = claim_account(lot.buyer) if self.kind is UseKind.CLAIMED else lot.account
        return moved(source, self.to, self.amount_minor, lot.currency)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What became of something taken back: it was left, was spent and is owed, or had expired before."""

    lot_id: LotId
    left: Money
    claimed: Money
    expired: Money
    # The same in points, where the lot is of points.
    left_points: int = 0
    claimed_points: int = 0
    expired_points: int = 0


def standing_account(buyer: str, programme: str, *, vested: bool) -> Account:
    """Where a buyer's money or points stand."""
    purpose = "wallet" if programme == MONEY else "points"
    return "buyer", buyer, purpose if vested else f"{purpose}_pending"


def claim_account(buyer: str) -> Account:
    """Where stands what a buyer owes us."""
    return "buyer", buyer, "claim"


def moved(debit: Account, credit: Account, amount_minor: int, currency: str) -> tuple[Posting, ...]:
    """The two entries of an amount that goes from one account to another."""
    if not amount_minor:
        return ()
    return Posting(*debit, amount_minor, currency), Posting(*credit, -amount_minor, currency)


def vest(lot: Lot) -> Use:
    """It becomes usable."""
    to = standing_account(lot.buyer, lot.programme, vested=True)
    return Use(lot, UseKind.VESTED, lot.units_left, lot.amount_left_minor, to)


def set_off(lot: Lot, owed_minor: int) -> Use | None:
    """What of usable money goes against what the buyer owes; None: nothing. Points never do."""
    amount_minor = min(lot.amount_left_minor, owed_minor)
    if lot.programme != MONEY or amount_minor <= 0:
        return None
    return Use(lot, UseKind.SET_OFF, amount_minor, amount_minor, claim_account(lot.buyer))


def due(lot: Lot, now: datetime, owed_minor: int) -> list[Use]:
    """What time has done to a lot: it vested, was set off as it did, and expired; in this order."""
    uses: list[Use] = []
    if not lot.vested and lot.vests_at is not None and lot.vests_at <= now:
        uses.append(vest(lot))
        lot = lot.after(uses[-1])
        against = set_off(lot, owed_minor)
        if against is not None:
            uses.append(against)
            lot = lot.after(against)
    if lot.vested and lot.units_left and lot.expires_at is not None and lot.expires_at <= now:
        uses.append(Use(lot, UseKind.EXPIRED, lot.units_left, lot.amount_left_minor, BREAKAGE))
    return uses


def spend(lots: Sequence[Lot], units: int, to: Account) -> list[Use] | None:
    """So much of usable lots, what expires soonest first and ties by id; None: there is not enough."""
    uses: list[Use] = []
    for lot in sorted(lots, key=_soonest):
        taken = min(lot.units_left, units) if lot.vested else 0
        if taken:
            uses.append(Use(lot, UseKind.SPENT, taken, lot.minor_of(taken), to))
            units -= taken
    return uses if units == 0 else None


def _soonest(lot: Lot) -> tuple[bool, datetime, LotId]:
    never = lot.expires_at is None
    return never, lot.expires_at or _NEVER, lot.lot_id


def take_back(lot: Lot, units: int) -> tuple[list[Use], TakenBack]:
    """What is left goes back first, then what was spent becomes a claim; what had expired is gone already.

    MoveRefused: more than was credited and not taken back before; or it was the buyer's already, as points.
    """
    if lot.cost[0] == "buyer":
        raise MoveRefused(
            f"lot {lot.lot_id} was redeemed from points: take back the points, by the lot they came of"
        )
    most = lot.units - lot.back_units - lot.claimed_units
    if units > most:
        raise MoveRefused(f"lot {lot.lot_id}: {most} of {lot.units} units can be taken back, not {units}")
    uses: list[Use] = []
    left, claimed = min(units, lot.units_left), 0
    if left:
        uses.append(Use(lot, UseKind.TAKEN_BACK, left, lot.minor_of(left), lot.cost))
        lot = lot.after(uses[-1])
    owing = lot.gone_units - lot.claimed_units
    if units > left and owing:
        claimed = min(units - left, owing)
        owing_minor = lot.gone_minor - lot.claimed_minor
        amount_minor = share(owing_minor, [claimed, owing - claimed])[0]
        uses.append(Use(lot, UseKind.CLAIMED, claimed, amount_minor, lot.cost))
    return uses, _told(lot, uses, left, claimed, units - left - claimed)


def _told(lot: Lot, uses: Sequence[Use], left: int, claimed: int, expired: int) -> TakenBack:
    sums = {use.kind: use.amount_minor for use in uses}
    money = lot.programme == MONEY
    return TakenBack(
        lot.lot_id,
        left=Money(sums.get(UseKind.TAKEN_BACK, 0), lot.currency),
        claimed=Money(sums.get(UseKind.CLAIMED, 0), lot.currency),
        expired=Money(share(lot.amount_minor, [expired, lot.units - expired])[0], lot.currency),
        left_points=0 if money else left,
        claimed_points=0 if money else claimed,
        expired_points=0 if money else expired,
    )
