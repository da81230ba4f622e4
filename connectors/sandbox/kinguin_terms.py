"""Decides what the Kinguin sandbox says: its commission, an offer's counters, and the shape of its JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from connectors.sandbox.market import SandboxListing, SandboxOrder

# JSON as this server writes and reads it.
Body = bool | int | float | str | list["Body"] | dict[str, "Body"] | None

FREE_PRICE_CHANGES_PER_DAY = 3
_WHOLE_BP = 10_000


@dataclass(frozen=True, slots=True)
class Commission:
    """The marketplace's rule: buyers pay the seller's price, plus basis points of it, plus a fixed sum."""

    percent_bp: int = 1_000
    fixed_minor: int = 10

    def net_of(self, gross_minor: int) -> int:
        """What the seller gets of a buyer's price, to the nearest cent; never less than nothing."""
        scaled = (gross_minor - self.fixed_minor) * _WHOLE_BP
        whole = _WHOLE_BP + self.percent_bp
        return max(0, (2 * scaled + whole) // (2 * whole))

    def lowest_gross_of(self, net_minor: int) -> int:
        """The lowest of the buyer's prices that all leave the seller this much."""
        doubled = (2 * net_minor - 1) * (_WHOLE_BP + self.percent_bp)
        return self.fixed_minor - (-doubled // (2 * _WHOLE_BP))

    def body(self) -> Body:
        """The rule as offers and reservations carry it."""
        return {
            "id": "86650000-0000-4000-8000-000000000001",
            "ruleName": "SandboxBaseCommission",
            "fixedAmount": self.fixed_minor,
            "percentValue": self.percent_bp / 100,
        }


@dataclass(slots=True)
class OfferState:
    """What Kinguin keeps of an offer beyond the listing: keys of its own, and what it charges for.

    `listing.quantity` is what buyers can take, and the declared stock follows from it, so that whoever
    edits the listing edits the declaration: buyable = declared + available - reserved, never below zero.
    `missing` is by how much that difference is below zero.
    """

    listing: SandboxListing
    product_id: str
    available: list[str] = field(default_factory=list, repr=False)
    missing: int = 0
    text_stock: int = 0
    block: str | None = None
    price_changes: Counter[date] = field(default_factory=Counter)
    price_change_fees: int = 0
    minimal_price_minor: int = 0

    @property
    def declared(self) -> int:
        """How many keys the seller has promised to upload when asked."""
        return self.listing.quantity - self.missing + self.listing.held - len(self.available)

    def declare(self, declared: int) -> None:
        """Take the seller's declaration; what is reserved or uploaded counts against it."""
        self._set_buyable(declared + len(self.available) - self.listing.held)

    def reserve(self) -> None:
        """A buyer takes one."""
        assert self.listing.quantity > 0, "buyers only take what is there"
        self.listing.quantity -= 1
        self.listing.held += 1

    def let_go(self) -> None:
        """A reservation ended unsold: buyers may take the piece again."""
        self.listing.held -= 1
        self._set_buyable(self.listing.quantity - self.missing + 1)

    def hand_over(self) -> None:
        """A reserved piece reached its buyer: it leaves the reserved count and the stock alike."""
        self.listing.held -= 1
        self.listing.sold += 1

    def put_in_stock(self, key: str) -> None:
        """Keep a key at the marketplace; buyers see one more."""
        self.available.append(key)
        self._set_buyable(self.listing.quantity - self.missing + 1)

    def note_price_change(self, today: date) -> None:
        """Count a price change; those beyond the free ones of a day cost a fee."""
        self.price_changes[today] += 1
        self.price_change_fees += self.price_changes[today] > FREE_PRICE_CHANGES_PER_DAY

    def counters(self) -> dict[str, Body]:
        """The stock counters that offers and webhooks show."""
        return {
            "declaredStock": max(0, self.declared),
            "reservedStock": self.listing.held,
            "availableStock": len(self.available),
            "buyableStock": self.listing.quantity,
        }

    def _set_buyable(self, pieces: int) -> None:
        self.listing.quantity = max(0, pieces)
        self.missing = max(0, -pieces)


@dataclass(slots=True)
class Reservation:
    """One key that one buyer wants, with the marketplace's own status."""

    order: SandboxOrder
    net_minor: int
    created_at: datetime
    status: str = "BUYING"
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    released_at: datetime | None = None
    released_stock_id: str | None = None
    paid: bool = False
    # Somebody is working on it right now; others are told to come again.
    processing: bool = False

    def move(self, status: str) -> None:
        """Take a new status."""
        self.status = status
        self.updated_at = datetime.now(UTC)


def moment(at: datetime) -> str:
    """A time as Kinguin writes it: milliseconds and +0000."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"


def euros(amount_minor: int) -> Body:
    """An amount as Kinguin writes it."""
    return {"amount": amount_minor, "currency": "EUR"}


def offer_body(offer: OfferState, commission: Commission) -> dict[str, Body]:
    """An offer as it is read: `price` is the buyer's."""
    gross_minor = offer.listing.price_minor
    return {
        "id": offer.listing.listing_ref,
        "productId": offer.product_id,
        "name": offer.listing.title,
        "status": "ACTIVE" if offer.listing.on else "INACTIVE",
        "block": offer.block,
        "price": euros(gross_minor),
        "priceIWTR": euros(commission.net_of(gross_minor)),
        "commissionRule": commission.body(),
        "declaredTextStock": offer.text_stock,
        "sold": offer.listing.sold,
        **offer.counters(),
    }


def reservation_body(reservation: Reservation, offer: OfferState, commission: Commission) -> dict[str, Body]:
    """A reservation as the list shows it."""
    order = reservation.order
    released = reservation.released_at
    return {
        "id": order.order_ref,
        "orderIncrementId": f"SB{order.order_ref[:8]}",
        "offerId": order.listing_ref,
        "productId": offer.product_id,
        "name": offer.listing.title,
        "price": euros(order.unit_price_minor),
        "priceIWTR": euros(reservation.net_minor),
        "commissionRule": commission.body(),
        "createdDate": moment(reservation.created_at),
        "updatedAt": moment(reservation.updated_at),
        "releasedDate": moment(released) if released else None,
        "releasedStockId": reservation.released_stock_id,
        "status": reservation.status,
    }


def event_body(reservation: Reservation, offer: OfferState, commission: Commission) -> dict[str, Body]:
    """What a webhook about a reservation carries."""
    return {
        "name": offer.listing.title,
        "price": euros(reservation.order.unit_price_minor),
        "priceIWTR": euros(reservation.net_minor),
        "commissionRule": commission.body(),
        "productId": offer.product_id,
        "offerId": reservation.order.listing_ref,
        "status": reservation.status,
        "reservationId": reservation.order.order_ref,
        "requestedKeyType": None,
        "updatedAt": moment(reservation.updated_at),
        **offer.counters(),
    }
