"""Tells who sells a product at Eneba's sandbox: the seller's own auctions and its rivals', cheapest first."""

from __future__ import annotations

from connectors.kit.json import Json
from connectors.sandbox.eneba_books import Auction, EnebaBooks
from connectors.sandbox.rivals import Rival, Rivals

PRODUCTS_PER_COMPETITION = 100
_OUR_NAME = "sandbox-seller"


def competition_of(product_ref: str, books: EnebaBooks, rivals: Rivals) -> Json:
    """One product's entry; a product nobody knows has no competition."""
    own = [auction for auction in books.auctions.values() if auction.product_ref == product_ref]
    if not own:
        return {"productId": product_ref, "competition": None}
    currency = books.ledger.currency
    sku_ref = own[0].listing.sku_ref
    sellers = [*(_ours(auction) for auction in own), *(_theirs(rival) for rival in rivals.of(sku_ref))]
    sellers.sort()
    edges: list[Json] = [
        {
            "node": {
                "isInStock": in_stock,
                "merchantName": name,
                "belongsToYou": ours,
                "price": {"amount": price_minor, "currency": currency},
            }
        }
        for price_minor, name, ours, in_stock in sellers
    ]
    return {"productId": product_ref, "competition": {"totalCount": len(edges), "edges": edges}}


def _ours(auction: Auction) -> tuple[int, str, bool, bool]:
    listing = auction.listing
    in_stock = auction.for_sale and (listing.quantity > 0 or bool(auction.on_hand))
    return listing.price_minor, _OUR_NAME, True, in_stock


def _theirs(rival: Rival) -> tuple[int, str, bool, bool]:
    return rival.price_minor, rival.seller, False, rival.quantity != 0
