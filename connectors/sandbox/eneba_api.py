"""Answers what sellers ask Eneba's sandbox: its queries and mutations, field by field."""

from __future__ import annotations

import asyncio
import ipaddress
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from connectors.kit.json import Json
from connectors.sandbox.eneba_books import (
    Auction,
    CallbackType,
    EnebaBooks,
    RegisteredCallback,
    connection,
)
from connectors.sandbox.eneba_competition import PRODUCTS_PER_COMPETITION, competition_of
from connectors.sandbox.graphql import GraphqlProblem
from connectors.sandbox.rivals import Rivals
from core.types import ListingRef

_LONGEST_CALLBACK_URL = 1024

Arguments = Mapping[str, Json]
Change = Callable[[], None]


@dataclass(slots=True)
class Action:
    """A bulk mutation that is under way; state None: not started yet."""

    action_ref: str
    state: str | None = None


class EnebaApi:
    """What the seller's fields answer; requests were checked against the schema before."""

    def __init__(
        self,
        books: EnebaBooks,
        rivals: Rivals,
        later: Callable[[Callable[[], Awaitable[None]], float], None],
    ) -> None:
        self.books = books
        self._rivals = rivals
        # What tests set: how many of the next actions fail.
        self.failing_actions = 0
        self._later = later
        self._actions: dict[str, Action] = {}
        self.resolvers: dict[str, Callable[[Arguments], Json]] = {
            "S_stock": self._stock,
            "S_competition": self._competition,
            "S_calculatePrice": self._calculate_price,
            "B_transactions": self._transactions,
            "A_action": self._action,
            "P_apiCallbacks": self._callbacks,
            "P_updateAuctionPrice": self._update_prices,
            "P_updateDeclaredStock": self._update_stock,
            "P_registerCallback": self._register_callback,
            "P_removeCallback": self._remove_callback,
        }

    # Queries.

    def _stock(self, arguments: Arguments) -> Json:
        wanted, product = arguments.get("stockId"), arguments.get("productId")
        nodes = [
            self._stock_node(auction)
            for ref, auction in self.books.auctions.items()
            if wanted in (None, ref) and product in (None, auction.product_ref)
        ]
        return connection(
            nodes, arguments.get("after"), arguments.get("first"), self.books.terms.largest_page
        )

    def _stock_node(self, auction: Auction) -> dict[str, Json]:
        listing = auction.listing
        quota, next_free = auction.free_changes()
        return {
            "id": listing.listing_ref,
            "product": {"id": auction.product_ref, "name": listing.title, "slug": listing.sku_ref},
            "unitsSold": listing.sold,
            "onHand": len(auction.on_hand),
            "onHold": listing.held,
            "declaredStock": listing.quantity if auction.declares_stock or listing.quantity else None,
            "status": auction.status,
            "price": self._money(listing.price_minor),
            "priceUpdateQuota": {
                "quota": quota,
                "nextFreeIn": next_free,
                "totalFree": self.books.terms.price_quota,
            },
        }

    def _money(self, amount_minor: int) -> dict[str, Json]:
        return {"amount": amount_minor, "currency": self.books.ledger.currency}

    def _calculate_price(self, arguments: Arguments) -> Json:
        asked = _object(arguments["input"])
        if all(auction.product_ref != asked["productId"] for auction in self.books.auctions.values()):
            raise GraphqlProblem("Product not found")
        amount = self._amount(asked["price"])
        fee = self.books.terms.commission_minor(amount)
        return {
            "priceWithCommission": self._money(self.books.terms.gross_minor(amount)),
            "priceWithoutCommission": self._money(amount - fee),
            "commission": {"label": "sandbox", "rate": self._money(fee)},
        }

    def _competition(self, arguments: Arguments) -> Json:
        products = [str(product) for product in _array(arguments["productIds"])]
        if len(products) > PRODUCTS_PER_COMPETITION:
            raise GraphqlProblem(f"At most {PRODUCTS_PER_COMPETITION} products")
        return [competition_of(product, self.books, self._rivals) for product in dict.fromkeys(products)]

    def _transactions(self, arguments: Arguments) -> Json:
        chosen = [line for line in self.books.ledger.transactions if _is_wanted(line.node(), arguments)]
        if arguments.get("sort") == "CREATED_AT_DESC":
            chosen.reverse()
        return connection(
            [line.node() for line in chosen],
            arguments.get("after"),
            arguments.get("first"),
            self.books.terms.largest_page,
        )

    def _action(self, arguments: Arguments) -> Json:
        action = self._actions.get(str(arguments["actionId"]))
        if action is None or action.state is None:
            return None
        return {"id": action.action_ref, "state": action.state}

    def _callbacks(self, arguments: Arguments) -> Json:
        return [
            {
                "id": known.callback_ref,
                "type": known.type,
                "url": known.url,
                "authorization": known.authorization,
            }
            for known in self.books.callbacks
        ]

    # Mutations.

    def _update_prices(self, arguments: Arguments) -> Json:
        items = [_object(item) for item in _array(_object(arguments["input"])["items"])]
        if len(items) > self.books.terms.prices_per_mutation:
            raise GraphqlProblem(f"At most {self.books.terms.prices_per_mutation} items per mutation")
        refs = [item["auctionId"] for item in items]
        if len(set(map(str, refs))) != len(refs):
            raise GraphqlProblem("The same auction twice in one mutation")
        changes: list[Change] = []
        answers: list[Json] = [self._price_item(item, changes) for item in items]
        return {"items": answers, "actionId": self._carry_out(changes)}

    def _price_item(self, item: Mapping[str, Json], changes: list[Change]) -> dict[str, Json]:
        answer: dict[str, Json] = {
            "auctionId": item["auctionId"],
            "price": None,
            "success": False,
            "paidForPriceChange": False,
            "error": None,
        }
        auction = self.books.auctions.get(ListingRef(str(item["auctionId"])))
        if auction is None:
            return {**answer, "error": "Auction not found"}
        try:
            price_minor = self._wanted_price(item)
        except GraphqlProblem as problem:
            return {**answer, "error": str(problem)}
        paid = False
        if price_minor is not None and price_minor != auction.listing.price_minor:
            if auction.free_changes()[0] > 0:
                auction.use_free_change()
            elif item.get("preventPaidPriceChange") is True:
                return {**answer, "error": "Free price changes are used up"}
            else:
                paid = True
                self.books.ledger.book(
                    "AUCTION_EDIT_FEE",
                    self.books.terms.price_change_fee_minor,
                    auction_ref=auction.listing.listing_ref,
                )
        changes.append(partial(_change_auction, auction, price_minor, item.get("enabled")))
        shown = auction.listing.price_minor if price_minor is None else price_minor
        return {**answer, "price": self._money(shown), "success": True, "paidForPriceChange": paid}

    def _wanted_price(self, item: Mapping[str, Json]) -> int | None:
        if (price := item.get("price")) is not None:
            return self._amount(price)
        if (net := item.get("priceIWantToGet")) is not None:
            return self.books.terms.gross_minor(self._amount(net))
        return None

    def _amount(self, money: Json) -> int:
        given = _object(money)
        amount = given["amount"]
        if given["currency"] != self.books.ledger.currency:
            raise GraphqlProblem(f"The auction is in {self.books.ledger.currency}")
        if not isinstance(amount, int) or amount <= 0:
            raise GraphqlProblem("The price must be positive")
        return amount

    def _update_stock(self, arguments: Arguments) -> Json:
        statuses = [_object(item) for item in _array(_object(arguments["input"])["statuses"])]
        if len(statuses) > self.books.terms.stocks_per_mutation:
            raise GraphqlProblem(f"At most {self.books.terms.stocks_per_mutation} updates per mutation")
        changes: list[Change] = []
        for status in statuses:
            auction = self.books.auctions.get(ListingRef(str(status["auctionId"])))
            quantity = status.get("declaredStock")
            # One flag speaks for all of them: nothing is done when one is wrong.
            if auction is None or (isinstance(quantity, int) and quantity < 0):
                return {"success": False, "actionId": None}
            changes.append(partial(_declare, auction, quantity))
        return {"success": True, "actionId": self._carry_out(changes)}

    def _carry_out(self, changes: Sequence[Change]) -> str | None:
        if not self.books.terms.actions:
            for change in changes:
                change()
            return None
        action = Action(str(uuid.uuid4()))
        self._actions[action.action_ref] = action
        fails = self.failing_actions > 0
        self.failing_actions -= fails

        async def work() -> None:
            action.state = "NEW"
            await asyncio.sleep(self.books.terms.action_delay_seconds / 2)
            for change in () if fails else changes:
                change()
            action.state = "FAILED" if fails else "COMPLETED"

        self._later(work, self.books.terms.action_delay_seconds / 2)
        return action.action_ref

    def _register_callback(self, arguments: Arguments) -> Json:
        asked = _object(arguments["input"])
        kind, url = CallbackType(str(asked["type"])), str(asked["url"])
        if (problem := self._url_problem(url)) is not None:
            raise GraphqlProblem(problem)
        known = [callback for callback in self.books.callbacks if callback.type is kind]
        if known and self.books.terms.one_callback_per_type:
            raise GraphqlProblem("A callback of this type is already registered")
        self.books.callbacks.append(
            RegisteredCallback(str(uuid.uuid4()), kind, url, str(asked["authorization"]))
        )
        return {"success": True}

    def _url_problem(self, url: str) -> str | None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if len(url) > _LONGEST_CALLBACK_URL:
            return "The URL is too long"
        if parts.query or "?" in url:
            return "The URL must not have a query string"
        if self.books.terms.http_loopback_callbacks and host in ("127.0.0.1", "localhost"):
            return None
        if parts.scheme != "https" or not host:
            return "The URL must be https"
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return None
        return "The URL must name a domain, not an address"

    def _remove_callback(self, arguments: Arguments) -> Json:
        callback_ref = _object(arguments["input"])["id"]
        left = [callback for callback in self.books.callbacks if callback.callback_ref != callback_ref]
        if len(left) == len(self.books.callbacks):
            raise GraphqlProblem("Callback not found")
        self.books.callbacks[:] = left
        return {"success": True}


def _change_auction(auction: Auction, price_minor: int | None, enabled: Json) -> None:
    if price_minor is not None:
        auction.listing.price_minor = price_minor
    if isinstance(enabled, bool):
        auction.listing.on = enabled
        auction.disabled = auction.disabled and not enabled


def _declare(auction: Auction, quantity: Json) -> None:
    auction.declares_stock = quantity is not None
    auction.listing.quantity = quantity if isinstance(quantity, int) else 0


def _is_wanted(node: Mapping[str, Json], arguments: Arguments) -> bool:
    types = arguments.get("types")
    created, since, until = node["createdAt"], arguments.get("createdFrom"), arguments.get("createdTo")
    assert isinstance(created, str), "a transaction has a date"
    return (
        (not isinstance(types, list) or node["type"] in types)
        and arguments.get("status") in (None, node["status"])
        and arguments.get("direction") in (None, node["direction"])
        and (not isinstance(since, str) or created >= since)
        and (not isinstance(until, str) or created <= until)
    )


def _object(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict), "the schema was checked before"
    return value


def _array(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]
