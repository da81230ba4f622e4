"""Holds the GraphQL documents that are sent to Eneba, named by what they ask."""

from __future__ import annotations

ACCOUNT = "query Account { S_stock(first: 1) { totalCount } }"

STOCK = """
query Stock($first: Int, $after: String, $stockId: S_Uuid) {
  S_stock(first: $first, after: $after, stockId: $stockId) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges {
      node {
        id
        product { id name }
        status
        declaredStock
        onHand
        onHold
        price { amount currency }
        priceUpdateQuota { quota nextFreeIn }
      }
    }
  }
}
"""

# The currency is a name in the document, not a variable: an enum whose type's name is not documented.
COMPETITION = """
query Competition($productIds: [S_Uuid!]!) {
  S_competition(productIds: $productIds) {
    productId
    competition {
      edges {
        node {
          isInStock
          merchantName
          belongsToYou
          price(currency: %(currency)s) { amount currency }
        }
      }
    }
  }
}
"""

PRODUCT_FIELD = "S_stock(stockId: $%(alias)s) { edges { node { id product { id } } } }"

CALCULATE_PRICE = """
query CalculatePrice($input: S_API_CalculatePriceInput!) {
  S_calculatePrice(input: $input) {
    priceWithCommission { amount currency }
    priceWithoutCommission { amount currency }
  }
}
"""

# Fragments only on types that Eneba documents: naming an unknown type fails the whole query.
TRANSACTIONS = """
query Transactions($first: Int, $after: String) {
  B_transactions(first: $first, after: $after, sort: CREATED_AT_ASC) {
    pageInfo { hasNextPage endCursor }
    edges {
      node {
        code
        type
        status
        direction
        money { amount currency }
        createdAt
        ... on B_API_SaleTransaction { orderNumber }
        ... on B_API_AuctionCampaignFeeTransaction { orderNumber }
        ... on B_API_AuctionEditFeeTransaction { auctionId }
      }
    }
  }
}
"""

CALLBACKS = "query Callbacks { P_apiCallbacks { id type url authorization } }"

# Written into the document by `register_callback`: Eneba answers 500 to variables here.
REGISTER_CALLBACK = """
mutation RegisterCallback {
  P_registerCallback(input: { type: %(type)s, url: %(url)s, authorization: %(authorization)s }) { success }
}
"""

REMOVE_CALLBACK = """
mutation RemoveCallback {
  P_removeCallback(input: { id: %(id)s }) { success }
}
"""

QUOTA_FIELD = "S_stock(stockId: $%(alias)s) { edges { node { id priceUpdateQuota { quota nextFreeIn } } } }"
ACTION_FIELD = "A_action(actionId: $%(alias)s) { state }"
PRICE_FIELD = (
    "P_updateAuctionPrice(input: $%(alias)s)"
    " { items { auctionId success error paidForPriceChange }%(action)s }"
)
STOCK_FIELD = "P_updateDeclaredStock(input: $%(alias)s) { success%(action)s }"
