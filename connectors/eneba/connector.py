"""Decides what consignd can do at Eneba, and tells what Eneba demands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Self

import structlog

from connectors.eneba import callbacks
from connectors.eneba.client import EnebaClient
from connectors.eneba.competition import PRODUCTS_PER_QUERY, CompetitionReader
from connectors.eneba.models import RegisteredCallback, Stock, Transaction
from connectors.eneba.options import EnebaOptions
from connectors.eneba.publisher import OfferPublisher
from connectors.kit.abilities import (
    AnswersReservations,
    ListsOffers,
    PublishesOffers,
    QuotesFees,
    RegistersCallbacks,
    ReportsPayouts,
    WatchesCompetitors,
)
from connectors.kit.connector import Account, Connector, read_options
from connectors.kit.errors import ChannelRefused
from connectors.kit.messages import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CancelAsked,
    Competition,
    FeeQuote,
    OfferPage,
    OfferResult,
    PayoutKind,
    PayoutLine,
    PayoutPage,
    ProvideAsked,
    ReserveAsked,
)
from connectors.kit.traits import Contract, Penalty, RateLimit, Traits
from core.money.money import Money
from core.types import (
    Asked,
    CountedOver,
    Formula,
    LineCodes,
    ListingRef,
    OfferObserved,
    OfferWanted,
    OrderRef,
    PenaltyLine,
    PriceBasis,
)

_HOUR = 3600
_CALLBACK_TYPES = (
    "DECLARED_STOCK_RESERVATION",
    "DECLARED_STOCK_PROVISION",
    "DECLARED_STOCK_CANCELLATION",
)
_PAYOUT_KINDS: Mapping[str, PayoutKind] = MappingProxyType(
    {
        "SALE": PayoutKind.SALE,
        "FEE": PayoutKind.FEE,
        "NEW_AUCTION_FEE": PayoutKind.FEE,
        "AUCTION_RENEW_FEE": PayoutKind.FEE,
        "AUCTION_CAMPAIGN_FEE": PayoutKind.FEE,
        "FUNDS_RELEASE_FEE": PayoutKind.RELEASE_FEE,
        "AUCTION_EDIT_FEE": PayoutKind.EDIT_FEE,
        "AUCTION_UNFULFILLED_SALE_FEE": PayoutKind.UNFULFILLED_FEE,
        "PARTIAL_ITEM_REFUND": PayoutKind.REFUND,
        "WITHDRAW": PayoutKind.WITHDRAWAL,
    }
)

_log = structlog.get_logger()


def _line(asked: Asked, formula: Formula, at: float) -> PenaltyLine:
    """Eneba does not say whether it adds up an auction or the whole account, so both are kept below."""
    return PenaltyLine(asked, formula, at, _HOUR, (CountedOver.LISTING, CountedOver.CHANNEL))


class Eneba(
    Connector[EnebaOptions],
    PublishesOffers,
    ListsOffers,
    RegistersCallbacks,
    AnswersReservations,
    QuotesFees,
    WatchesCompetitors,
    ReportsPayouts,
):
    """A seller of declared stock at Eneba."""

    title = "Eneba"
    # One quantity mutation each, when they have to be asked one by one, fill one request.
    offers_per_call: ClassVar[int] = 100
    listings_per_look: ClassVar[int] = PRODUCTS_PER_QUERY
    traits = Traits(
        contract=Contract.ANSWERED,
        written_price=PriceBasis.GROSS,
        rate_limit=RateLimit(requests=240, per_seconds=60),
        reservation_is_authoritative=True,
        hold_seconds=48 * _HOUR,
        # Three attempts five seconds apart: what was not there at once has ten seconds.
        deliver_within_seconds=10,
        answer_within_seconds=60,
        free_price_changes_per_day=10,
        penalties=(
            Penalty(
                "failed reservations",
                "log(failed) / log(completed) >= 0.4",
                _HOUR,
                "hidden for 2 hours",
                _line(Asked.RESERVE, Formula.LOG_RATIO, 0.4),
            ),
            Penalty(
                "failed provisions",
                "log(failed) / log(completed) >= 0.2",
                _HOUR,
                "hidden for 2 hours",
                _line(Asked.PROVIDE, Formula.LOG_RATIO, 0.2),
            ),
            Penalty("failed provision", "each", 0, "the order is cancelled and its commission charged"),
            Penalty(
                "failed provisions",
                "3 in a row, different buyers",
                0,
                "the auction is disabled",
                PenaltyLine(Asked.PROVIDE, Formula.STREAK, 3, 0),
            ),
        ),
    )

    def __init__(self, account: Account, options: EnebaOptions) -> None:
        super().__init__(account, options)
        self._client = EnebaClient(account.channel, self.http, options, account.now)
        self._competition = CompetitionReader(self._client)
        self._publisher = OfferPublisher(
            account.channel, self._client, options.action_wait_seconds, options.action_poll_seconds
        )

    @classmethod
    def open(cls, account: Account) -> Self:
        """Make the connector from the operator's options."""
        return cls(account, read_options(account, EnebaOptions))

    async def check_account(self) -> str:
        """Count the account's auctions."""
        count = await self._client.count_auctions()
        return f"Eneba seller with {'some' if count is None else count} auctions"

    # Offers.

    async def publish_offers(self, offers: Sequence[OfferWanted]) -> Sequence[OfferResult]:
        """Write switch, quantity and price in one request, and wait for Eneba to carry them out."""
        assert len(offers) <= self.offers_per_call, "more offers than a call takes"
        return await self._publisher.publish(offers)

    async def list_offers(self, cursor: str | None) -> OfferPage:
        """A page of our auctions; the quantity is the declared stock, keys at Eneba itself are `held`."""
        page = await self._client.stock(after=cursor)
        more = page.page_info.has_next_page and bool(page.edges)
        return OfferPage(
            [_observed(edge.node) for edge in page.edges], page.page_info.end_cursor if more else None
        )

    # Callbacks.

    async def register_callbacks(self, callback_url: str) -> None:
        """Register the three kinds of callback, each only where URL or bearer value are not on file yet."""
        for type_name in _CALLBACK_TYPES:
            known = [each for each in await self._client.callbacks() if each.type == type_name]
            if not any(self._is_ours(each, callback_url) for each in known):
                await self._register(type_name, callback_url, known)
            await self._remove([each for each in known if not self._is_ours(each, callback_url)])

    async def _register(self, type_name: str, url: str, known: Sequence[RegisteredCallback]) -> None:
        """New before old, so that no question goes unanswered; old before new where Eneba takes but one."""
        token = self.options.callback_token.get_secret_value()
        try:
            await self._client.register_callback(type_name, url, token)
        except ChannelRefused:
            on_file = [each for each in await self._client.callbacks() if each.type == type_name]
            if any(self._is_ours(each, url) for each in on_file):
                return
            if not known:
                raise
            await self._remove(known)
            await self._client.register_callback(type_name, url, token)
        _log.info("eneba.callback_registered", channel=self.account.channel, type=type_name, url=url)

    async def _remove(self, outdated: Sequence[RegisteredCallback]) -> None:
        for each in outdated:
            try:
                await self._client.remove_callback(each.id)
            except ChannelRefused as error:
                # It is gone already, or stays on file beside ours.
                _log.info("eneba.callback_not_removed", channel=self.account.channel, reason=str(error))

    def _is_ours(self, known: RegisteredCallback, url: str) -> bool:
        return known.url == url and known.authorization == self.options.callback_token.get_secret_value()

    def verify_callback(self, request: CallbackRequest) -> None:
        """Compare the bearer value with the one that we registered."""
        callbacks.verify(request, self.options.callback_token.get_secret_value())

    def parse_callback(self, request: CallbackRequest) -> Callback:
        """RESERVE, PROVIDE or CANCEL."""
        return callbacks.parse(request, self.account.now())

    def answer_reserve(self, asked: ReserveAsked, *, granted: bool) -> CallbackReply:
        """Yes promises the keys for up to 48 hours."""
        return callbacks.reserve_reply(asked.order.order_ref, granted=granted)

    def answer_provide(self, asked: ProvideAsked, lines: Sequence[LineCodes] | None) -> CallbackReply:
        """The keys, auction by auction."""
        return callbacks.provide_reply(asked.order_ref, lines)

    def answer_provide_later(self, asked: ProvideAsked) -> CallbackReply:
        """HTTP 503 spends one of the three attempts; the next comes after five seconds."""
        return callbacks.provide_later_reply(asked.order_ref)

    def answer_cancel(self, asked: CancelAsked) -> CallbackReply:
        """200 and nothing else: keys that were provided are then deleted at Eneba."""
        return CallbackReply(status=200)

    # Money.

    async def quote_fee(self, listing_ref: ListingRef, price: Money, basis: PriceBasis) -> FeeQuote:
        """Ask Eneba's calculator, which answers both readings of a price at once."""
        auctions = (await self._client.stock(stock_ref=listing_ref)).edges
        if not auctions:
            raise ChannelRefused(f"auction {listing_ref}: not among this account's auctions")
        sums = await self._client.calculate_price(auctions[0].node.product.id, price)
        if basis is PriceBasis.GROSS:
            return FeeQuote(gross=price, net=sums.price_without_commission.money())
        return FeeQuote(gross=sums.price_with_commission.money(), net=price)

    async def watch_competitors(self, listing_refs: Sequence[ListingRef]) -> Sequence[Competition]:
        """Two requests for up to a hundred auctions, one once their products are known."""
        return await self._competition.read(listing_refs, self.account.currency)

    async def list_payout_lines(self, cursor: str | None) -> PayoutPage:
        """A page of the ledger, oldest first; the cursor stays where it is while nothing is new."""
        page = await self._client.transactions(cursor or None)
        lines = [_payout_line(edge.node) for edge in page.edges if edge.node.status != "CANCELED"]
        return PayoutPage(
            lines=lines,
            cursor=page.page_info.end_cursor or cursor or "",
            more=page.page_info.has_next_page and bool(page.edges),
        )


def _observed(stock: Stock) -> OfferObserved:
    return OfferObserved(
        listing_ref=ListingRef(stock.id),
        quantity=stock.declared_stock or 0,
        price=stock.price.money(),
        on=stock.status == "ACTIVE",
        title=stock.product.name,
        held=stock.on_hand + stock.on_hold,
        free_price_changes=stock.price_update_quota.quota if stock.price_update_quota else None,
        next_free_change_seconds=stock.price_update_quota.next_free_in if stock.price_update_quota else None,
    )


def _payout_line(line: Transaction) -> PayoutLine:
    amount = line.money.money()
    outgoing = line.direction != "IN"
    kind = _PAYOUT_KINDS.get(line.type, PayoutKind.OTHER)
    if kind is PayoutKind.SALE and outgoing:
        kind = PayoutKind.REFUND
    return PayoutLine(
        line_ref=line.code,
        kind=kind,
        amount=-amount if outgoing else amount,
        booked_at=line.created_at,
        order_ref=OrderRef(line.order_number) if line.order_number else None,
        listing_ref=ListingRef(line.auction_id) if line.auction_id else None,
    )
