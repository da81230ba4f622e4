"""Reads what other sellers ask at Eneba for the products of our auctions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from connectors.eneba import documents
from connectors.eneba.client import EnebaClient
from connectors.eneba.models import Amount, EnebaModel, Reference, read
from connectors.kit.errors import ProtocolBroken
from connectors.kit.json import Json
from connectors.kit.messages import Competition, CompetitorOffer
from core.types import ListingRef

PRODUCTS_PER_QUERY = 100


class Competitor(EnebaModel):
    """One seller's auction of a product; the price may be missing where nothing is in stock."""

    merchant_name: str = ""
    belongs_to_you: bool = False
    is_in_stock: bool = True
    price: Amount | None = None


class CompetitorEdge(EnebaModel):
    """Relay's wrapping of a node."""

    node: Competitor


class CompetitorConnection(EnebaModel):
    """The sellers of one product, in Eneba's order."""

    edges: list[CompetitorEdge] = Field(default_factory=list)


class ProductCompetition(EnebaModel):
    """A product and who sells it; null where Eneba knows of none."""

    product_id: Reference
    competition: CompetitorConnection | None = None


class ProductIds(EnebaModel):
    """The product of an auction."""

    id: Reference


class ProductNode(EnebaModel):
    """An auction of ours, asked for its product alone."""

    id: Reference
    product: ProductIds


class ProductEdge(EnebaModel):
    """Relay's wrapping of a node."""

    node: ProductNode


class ProductConnection(EnebaModel):
    """The auction that was asked for, if it is ours."""

    edges: list[ProductEdge]


class CompetitionReader:
    """Asks for the competition of auctions; which product an auction sells is asked once."""

    def __init__(self, client: EnebaClient) -> None:
        self._client = client
        # An auction never changes its product; the account's auctions bound it.
        self._products: dict[ListingRef, str] = {}

    async def read(self, refs: Sequence[ListingRef], currency: str) -> list[Competition]:
        """What others ask, one answer an auction, in their order."""
        assert len(refs) <= PRODUCTS_PER_QUERY, "more auctions than a look takes"
        await self._learn_products([ref for ref in refs if ref not in self._products])
        products = sorted({self._products[ref] for ref in refs if ref in self._products})
        seen = await self._ask(products, currency) if products else {}
        return [self._answer(ref, seen) for ref in refs]

    def _answer(self, ref: ListingRef, seen: Mapping[str, list[CompetitorOffer]]) -> Competition:
        product = self._products.get(ref)
        if product is None:
            return Competition(ref, None, f"auction {ref} is not among this account's auctions")
        return Competition(ref, seen.get(product, []))

    async def _learn_products(self, refs: Sequence[ListingRef]) -> None:
        if not refs:
            return
        variables: dict[str, Json] = {f"p{number}": ref for number, ref in enumerate(refs)}
        declared = ", ".join(f"${alias}: S_Uuid!" for alias in variables)
        fields = "\n".join(f"  {alias}: {documents.PRODUCT_FIELD % {'alias': alias}}" for alias in variables)
        envelope = await self._client.run(f"query Products({declared}) {{\n{fields}\n}}", variables)
        if envelope.data is None:
            raise ProtocolBroken("S_stock: the reply has no data")
        for alias, ref in zip(variables, refs, strict=True):
            if (answer := envelope.data.get(alias)) is not None:
                for edge in read(ProductConnection, answer, "S_stock").edges:
                    if edge.node.id == ref:
                        self._products[ref] = edge.node.product.id

    async def _ask(self, products: Sequence[str], currency: str) -> dict[str, list[CompetitorOffer]]:
        document = documents.COMPETITION % {"currency": currency.lower()}
        data = await self._client.fetch("S_competition", document, {"productIds": list(products)})
        entries = data if isinstance(data, list) else []
        told = [read(ProductCompetition, entry, "S_competition") for entry in entries]
        return {each.product_id: _offers(each) for each in told}


def _offers(told: ProductCompetition) -> list[CompetitorOffer]:
    """Who has it in stock; the others compete with nobody."""
    edges = told.competition.edges if told.competition else []
    return [
        CompetitorOffer(edge.node.merchant_name, edge.node.price.money(), own=edge.node.belongs_to_you)
        for edge in edges
        if edge.node.is_in_stock and edge.node.price is not None and edge.node.price.amount > 0
    ]
