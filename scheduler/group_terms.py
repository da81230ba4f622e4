"""Turns what the operator wrote of group offers into terms and prices of the listings they hold for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from config import group_buying as written
from config.settings import Settings
from connectors.kit.errors import OptionsRefused
from connectors.kit.traits import Contract, Traits
from core.db.pool import Connection
from core.errors import InvalidInput
from core.group_buying.offers import GroupOffer
from core.money.money import Money
from core.offers.catalogue import find_sku, listings_of_sku
from core.offers.price.book import PriceBook, PriceLayer
from core.offers.price.rule import Aim, Target, Window
from core.offers.terms import ChannelTerms
from core.types import ListingRef

# A group's price holds as long as its offer stands in the settings.
_ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


async def sell_to_groups(
    conn: Connection, settings: Settings, terms: ChannelTerms, traits: Traits
) -> ChannelTerms:
    """The channel's terms with its group offers; those for a SKU hold for the listings it has there now."""
    own = {name: offer for name, offer in settings.group_offers.items() if offer.channel == terms.name}
    refs: dict[str, Sequence[ListingRef]] = {}
    for name, offer in own.items():
        if offer.sku is None:
            continue
        try:
            sku = await find_sku(conn, offer.sku)
        except InvalidInput as error:
            raise OptionsRefused(f"group_offers.{name}.sku: {error}") from None
        refs[name] = await listings_of_sku(conn, terms.channel_id, sku)
    return with_group_offers(settings, terms, traits, refs)


def with_group_offers(
    settings: Settings, terms: ChannelTerms, traits: Traits, refs: Mapping[str, Sequence[ListingRef]]
) -> ChannelTerms:
    """The same where the listings of SKUs are known, by the offer's name. Pure."""
    offers: dict[ListingRef, GroupOffer] = {}
    layers = dict(terms.price.by_listing)
    for name, offer in settings.group_offers.items():
        if offer.channel != terms.name:
            continue
        place = f"group_offers.{name}"
        if traits.contract is not Contract.OWN_SHOP:
            raise OptionsRefused(
                f"{place}.channel: buyers of {terms.name} would have to wait for a group, which only an own"
                " shop can have them do"
            )
        for ref in refs.get(name, ()) if offer.sku is not None else map(ListingRef, offer.listings):
            if ref in offers:
                raise OptionsRefused(f"{place}: listing {ref} is of group offer {offers[ref].name} already")
            offers[ref] = group_offer(name, offer)
            layers[ref] = _layer(place, offer, terms.currency, layers.get(ref))
    if not offers:
        return terms
    book = PriceBook(
        terms.price.everywhere, terms.price.by_sku, terms.price.channel, layers, terms.price.pivot
    )
    return replace(terms, group_offers=offers, price=book)


def group_offer(name: str, offer: written.GroupOffer) -> GroupOffer:
    """An offer in core's words."""
    return GroupOffer(
        name=name,
        size=offer.size,
        lasts=timedelta(hours=offer.hours),
        at_least=offer.enough,
        limit_per_buyer=offer.limit_per_buyer,
        groups_at_once=offer.groups_at_once,
    )


def _layer(place: str, offer: written.GroupOffer, currency: str, own: PriceLayer | None) -> PriceLayer:
    """A price that is what the operator wrote, above the floor; it passes the brake, as a window's does."""
    layer = own or PriceLayer(place=place)
    if layer.target is not None or layer.windows is not None:
        raise OptionsRefused(
            f"{layer.place}: {place} sets the price of this listing: remove target and windows"
        )
    try:
        price = Money.parse(str(offer.price), currency)
    except InvalidInput as error:
        raise OptionsRefused(f"{place}.price: {error}") from None
    window = Window(place, *_ALWAYS, price)
    return replace(layer, target=Target(Aim.FIXED, price), windows=(window,), label=place)
