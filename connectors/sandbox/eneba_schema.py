"""Decides what Eneba's sandbox may be asked: the part of the schema that sellers of declared stock use."""

from __future__ import annotations

from connectors.sandbox.graphql_schema import Schema, parse_schema

_SCHEMA = """
type Query {
  S_stock(first: Int, after: String, stockId: S_Uuid, productId: S_Uuid): S_API_StockConnection
  S_competition(productIds: [S_Uuid!]!): [S_API_Competition]
  S_calculatePrice(input: S_API_CalculatePriceInput!): S_API_CalculatedAuctionPrice
  B_transactions(first: Int, after: String, types: [B_TransactionType!], status: B_TransactionStatus,
    direction: B_DirectionEnum, createdFrom: B_DateTime, createdTo: B_DateTime,
    sort: B_API_TransactionsSort): B_API_TransactionConnection
  A_action(actionId: A_Uuid!): A_Action
  P_apiCallbacks: [P_API_Callback!]
}
type Mutation {
  P_updateAuctionPrice(input: P_API_UpdateAuctionPriceInput!): P_API_UpdateAuctionPriceResponse
  P_updateDeclaredStock(input: P_API_UpdateDeclaredStockInput!): P_API_UpdateDeclaredStockResponse
  P_registerCallback(input: P_API_RegisterCallbackInput!): P_API_CallbackResponse
  P_removeCallback(input: P_API_RemoveCallbackInput!): P_API_CallbackResponse
}

input S_MoneyInput { amount: Int!, currency: String! }
input S_API_CalculatePriceInput { price: S_MoneyInput!, productId: S_Uuid! }
input P_API_UpdateAuctionPriceInput { items: [P_API_AuctionPriceInput!]! }
input P_API_AuctionPriceInput {
  auctionId: S_Uuid!, enabled: Boolean, price: S_MoneyInput, priceIWantToGet: S_MoneyInput
  preventPaidPriceChange: Boolean
}
input P_API_UpdateDeclaredStockInput { statuses: [P_API_AuctionDeclaredStockInput!]! }
input P_API_AuctionDeclaredStockInput { auctionId: S_Uuid!, declaredStock: Int }
input P_API_RegisterCallbackInput { type: P_API_CallbackTypeEnum!, url: String!, authorization: String! }
input P_API_RemoveCallbackInput { id: Uuid! }

type S_Money { amount: Int!, currency: String! }
type PageInfo { hasNextPage: Boolean!, endCursor: String }
type S_API_StockConnection { totalCount: Int, pageInfo: PageInfo!, edges: [S_API_StockEdge] }
type S_API_StockEdge { node: S_API_Stock, cursor: String! }
type S_API_Stock {
  id: S_Uuid!, product: S_API_Product!, unitsSold: Int!, onHand: Int!, onHold: Int!, declaredStock: Int
  status: S_API_SellingStatus!, price: S_Money!, priceUpdateQuota: S_API_PriceUpdateQuota!
}
type S_API_Competition { productId: S_Uuid!, competition: S_API_CompetitionConnection }
type S_API_CompetitionConnection { totalCount: Int, edges: [S_API_CompetitionEdge] }
type S_API_CompetitionEdge { node: S_API_CompetitionAuction }
type S_API_CompetitionAuction {
  isInStock: Boolean!, merchantName: String, belongsToYou: Boolean!, price(currency: S_Currency): S_Money
}
type S_API_Product { id: S_Uuid, name: String, slug: String }
type S_API_PriceUpdateQuota { quota: Int!, nextFreeIn: Int, totalFree: Int! }
type S_API_CalculatedAuctionPrice {
  priceWithCommission: S_Money, priceWithoutCommission: S_Money, commission: S_API_Commission
}
type S_API_Commission { label: String, rate: S_Money }

type P_API_UpdateAuctionPriceResponse { items: [P_API_AuctionPriceItem!]! }
type P_API_AuctionPriceItem {
  auctionId: S_Uuid!, price: S_Money, success: Boolean!, paidForPriceChange: Boolean, error: String
}
type P_API_UpdateDeclaredStockResponse { success: Boolean! }
type P_API_CallbackResponse { success: Boolean! }
type P_API_Callback { id: Uuid!, type: P_API_CallbackTypeEnum!, url: String!, authorization: String }
type A_Action { id: A_Uuid!, state: A_ActionStateEnum! }

type B_API_TransactionConnection { totalCount: Int, pageInfo: PageInfo!, edges: [B_API_TransactionEdge] }
type B_API_TransactionEdge { node: B_API_TransactionInterface, cursor: String! }
interface B_API_TransactionInterface {
  code: String, type: B_TransactionType, status: B_TransactionStatus, direction: B_DirectionEnum
  money: S_Money, createdAt: B_DateTime
}
type B_API_SaleTransaction implements B_API_TransactionInterface {
  code: String, orderNumber: String, referenceName: String, keyId: B_Uuid, presale: Boolean
}
type B_API_FeeTransaction implements B_API_TransactionInterface { code: String, feeType: String }
type B_API_AuctionEditFeeTransaction implements B_API_TransactionInterface {
  code: String, feeType: String, auctionId: B_Uuid, referenceName: String
}
type B_API_AuctionCampaignFeeTransaction implements B_API_TransactionInterface {
  code: String, orderNumber: String, referenceName: String, keyId: B_Uuid
}
type B_API_WithdrawTransaction implements B_API_TransactionInterface { code: String, invoiceUrl: String }

enum P_API_CallbackTypeEnum {
  DECLARED_STOCK_RESERVATION DECLARED_STOCK_PROVISION DECLARED_STOCK_CANCELLATION
}
enum B_TransactionType {
  DEPOSIT WITHDRAW SALE AFFILIATE FEE NEW_AUCTION_FEE AUCTION_EDIT_FEE AUCTION_RENEW_FEE FUNDS_RELEASE_FEE
  AUCTION_CAMPAIGN_FEE AUCTION_UNFULFILLED_SALE_FEE ADMIN_MANUAL_FUNDS PARTIAL_ITEM_REFUND
}
enum B_TransactionStatus { PENDING ON_HOLD CANCELED COMPLETE }
enum S_Currency { eur usd gbp pln }
enum B_DirectionEnum { IN OUT }
enum B_API_TransactionsSort { CREATED_AT_ASC CREATED_AT_DESC }
enum S_API_SellingStatus { ACTIVE INACTIVE CONFIRMATION_PENDING REJECTED DISABLED }
enum A_ActionStateEnum { NEW COMPLETED FAILED }
"""


def eneba_schema(*, actions: bool) -> Schema:
    """The schema; with `actions` the bulk mutations also return the id of the action they started."""
    text = _SCHEMA
    if actions:
        text = text.replace(
            "{ items: [P_API_AuctionPriceItem!]! }", "{ items: [P_API_AuctionPriceItem!]!, actionId: S_Uuid }"
        )
        text = text.replace(
            "P_API_UpdateDeclaredStockResponse { success: Boolean! }",
            "P_API_UpdateDeclaredStockResponse { success: Boolean!, actionId: S_Uuid }",
        )
    return parse_schema(text)
