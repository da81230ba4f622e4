"""Keeps what the Eneba sandbox knows: its terms, its auctions, its registered callbacks and its ledger."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from connectors.kit.json import Json
from connectors.sandbox.eneba_health import AuctionHealth
from connectors.sandbox.market import SandboxListing
from core.types import ListingRef, OrderRef


@dataclass(frozen=True, slots=True)
class EnebaTerms:
    """How this sandbox behaves; what the facts declare is the default, times can be compressed."""

    client_id: str = "sandbox-client"
    auth_id: str = "sandbox-auth-id"
    auth_secret: str = "sandbox-auth-secret"  # noqa: S105 - a sandbox has no secrets
    token_seconds: float = 2_505_600.0
    requests_per_minute: int = 600
    prices_per_mutation: int = 200
    stocks_per_mutation: int = 50
    mutations_per_request: int = 100
    largest_page: int = 100
    # Bulk mutations answer with an action that is carried out after the delay; without, at once.
    actions: bool = True
    action_delay_seconds: float = 0.2
    # Free price changes of one auction, and how long one takes to come back.
    price_quota: int = 10
    quota_recharge_seconds: float = 3600.0
    price_change_fee_minor: int = 5
    commission_ppm: int = 60_000
    commission_fixed_minor: int = 25
    one_callback_per_type: bool = True
    http_loopback_callbacks: bool = True
    callback_timeout_seconds: float = 60.0
    provide_retry_seconds: float = 5.0
    cancel_retry_seconds: float = 5.0
    late_seconds: float = 2.0
    payment_seconds: float = 0.0
    abandon_after_seconds: float = 5.0
    # Whether a reservation that failed is cancelled with a callback; the documents do not say that it is.
    cancels_failed_reservations: bool = False
    # Whether the ledger names orders by a number of its own ("o-000001") instead of the callbacks' id.
    own_order_numbers: bool = False

    def commission_minor(self, gross_minor: int) -> int:
        """The commission on one piece: a share of the gross price and a fixed part."""
        return (gross_minor * self.commission_ppm + 500_000) // 1_000_000 + self.commission_fixed_minor

    def gross_minor(self, net_minor: int) -> int:
        """The lowest gross price that leaves so much after commission."""
        gross = net_minor
        while gross - self.commission_minor(gross) < net_minor:
            gross += max(1, net_minor - (gross - self.commission_minor(gross)))
        while gross > 1 and gross - 1 - self.commission_minor(gross - 1) >= net_minor:
            gross -= 1
        return gross


@dataclass(slots=True)
class Auction:
    """A listing with what only Eneba knows of it."""

    listing: SandboxListing
    product_ref: str
    terms: EnebaTerms
    health: AuctionHealth
    # False: declared stock was set to null.
    declares_stock: bool = True
    # Switched off by Eneba for failed provisions.
    disabled: bool = False
    on_hand: list[str] = field(default_factory=list, repr=False)
    _free_changes_used_at: list[float] = field(default_factory=list)

    @property
    def for_sale(self) -> bool:
        """Whether buyers can order it at all."""
        return self.listing.on and not self.disabled and not self.health.hidden

    @property
    def status(self) -> str:
        """The selling status as `S_stock` tells it; being hidden does not show in it."""
        if self.disabled:
            return "DISABLED"
        return "ACTIVE" if self.listing.on else "INACTIVE"

    def free_changes(self) -> tuple[int, int | None]:
        """Free price changes left, and in how many seconds the next comes back; None: none is missing."""
        now = time.monotonic()
        recharge = self.terms.quota_recharge_seconds
        self._free_changes_used_at = [used for used in self._free_changes_used_at if used + recharge > now]
        used_at = self._free_changes_used_at
        next_free = int(used_at[0] + recharge - now) + 1 if used_at else None
        return max(0, self.terms.price_quota - len(used_at)), next_free

    def use_free_change(self) -> None:
        """Take one of the free price changes."""
        self._free_changes_used_at.append(time.monotonic())


class CallbackType(StrEnum):
    """The kinds of callback of declared stock."""

    RESERVATION = "DECLARED_STOCK_RESERVATION"
    PROVISION = "DECLARED_STOCK_PROVISION"
    CANCELLATION = "DECLARED_STOCK_CANCELLATION"


@dataclass(frozen=True, slots=True)
class RegisteredCallback:
    """Where events of one type are sent, and the bearer value they carry."""

    callback_ref: str
    type: CallbackType
    url: str
    authorization: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A line of the seller's ledger; the amount is positive, the direction says whose it is."""

    code: str
    type: str
    direction: str
    amount_minor: int
    currency: str
    created_at: datetime
    order_number: str | None = None
    auction_ref: str | None = None
    status: str = "COMPLETE"

    def node(self) -> dict[str, Json]:
        """The transaction as the API tells it."""
        typenames = {
            "SALE": "B_API_SaleTransaction",
            "AUCTION_EDIT_FEE": "B_API_AuctionEditFeeTransaction",
            "WITHDRAW": "B_API_WithdrawTransaction",
        }
        return {
            "__typename": typenames.get(self.type, "B_API_FeeTransaction"),
            "code": self.code,
            "type": self.type,
            "status": self.status,
            "direction": self.direction,
            "money": {"amount": self.amount_minor, "currency": self.currency},
            "createdAt": self.created_at.isoformat(timespec="seconds"),
            "orderNumber": self.order_number,
            "auctionId": self.auction_ref,
            "referenceName": None,
            "keyId": None,
            "presale": False,
            "feeType": None,
            "invoiceUrl": None,
        }


@dataclass(slots=True)
class Ledger:
    """The seller's balance, line by line, oldest first."""

    currency: str
    transactions: list[Transaction] = field(default_factory=list)

    def book(
        self,
        type_name: str,
        amount_minor: int,
        *,
        incoming: bool = False,
        order_number: str | None = None,
        auction_ref: ListingRef | None = None,
    ) -> None:
        """Write one line."""
        self.transactions.append(
            Transaction(
                code=f"t-{len(self.transactions) + 1:06d}",
                type=type_name,
                direction="IN" if incoming else "OUT",
                amount_minor=amount_minor,
                currency=self.currency,
                created_at=datetime.now(UTC),
                order_number=order_number,
                auction_ref=auction_ref,
            )
        )


@dataclass(slots=True)
class EnebaBooks:
    """All that the API and the sales share."""

    terms: EnebaTerms
    ledger: Ledger
    auctions: dict[ListingRef, Auction] = field(default_factory=dict)
    callbacks: list[RegisteredCallback] = field(default_factory=list)
    order_numbers: dict[OrderRef, str] = field(default_factory=dict)

    def order_number(self, order_ref: OrderRef) -> str:
        """How the ledger names an order."""
        if not self.terms.own_order_numbers:
            return order_ref
        return self.order_numbers.setdefault(order_ref, f"o-{len(self.order_numbers) + 1:06d}")


def cursor_at(index: int) -> str:
    """The cursor of the element at an index."""
    return b64encode(f"arrayconnection:{index}".encode()).decode()


def connection(nodes: Sequence[dict[str, Json]], after: Json, first: Json, largest: int) -> dict[str, Json]:
    """One page of a list as a connection; an unknown cursor starts at the beginning, as Relay's does."""
    cursors = [cursor_at(index) for index in range(len(nodes))]
    start = cursors.index(after) + 1 if isinstance(after, str) and after in cursors else 0
    size = min(first if isinstance(first, int) else largest, largest)
    end = min(start + size, len(nodes))
    edges: list[Json] = [{"node": nodes[index], "cursor": cursors[index]} for index in range(start, end)]
    return {
        "totalCount": len(nodes),
        "edges": edges,
        "pageInfo": {
            "hasNextPage": end < len(nodes),
            "endCursor": cursors[end - 1] if end > start else None,
        },
    }
