"""Proves that the Eneba sandbox takes only sound requests: queries, batch sizes, tokens."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as some

from connectors.kit.json import Json
from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.graphql import GraphqlProblem, parse_document
from tests.connectors.eneba_bench import FIRST, QUICK, market_with


async def ask(market: EnebaSandbox, query: str, variables: dict[str, Json] | None = None) -> tuple[int, Json]:
    """Ask the market over its socket with a good token, past the connector."""
    terms = market.terms
    form = {"grant_type": "api_consumer", "client_id": terms.client_id, "id": terms.auth_id}
    async with aiohttp.ClientSession() as client:
        async with client.post(
            f"{market.url}/oauth/token", data={**form, "secret": terms.auth_secret}
        ) as reply:
            token = (await reply.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        content = {"query": query, "variables": variables or {}}
        async with client.post(f"{market.url}/graphql/", json=content, headers=headers) as reply:
            answer: Json = await reply.json()
            return reply.status, answer


PRICES = (
    "mutation M($i: P_API_UpdateAuctionPriceInput!) { P_updateAuctionPrice(input: $i) { items { success } } }"
)
STOCKS = "mutation M($i: P_API_UpdateDeclaredStockInput!) { P_updateDeclaredStock(input: $i) { success } }"


async def test_batches_over_the_limit_are_refused_whole() -> None:
    async with market_with() as market:
        items: list[Json] = [{"auctionId": f"auction-{n}", "enabled": False} for n in range(201)]
        _, answer = await ask(market, PRICES, {"i": {"items": items}})
        assert "At most 200" in str(answer)
        statuses: list[Json] = [{"auctionId": FIRST, "declaredStock": n} for n in range(51)]
        _, answer = await ask(market, STOCKS, {"i": {"statuses": statuses}})
        assert "At most 50" in str(answer)
        many = " ".join(f'm{n}: A_action(actionId: "x") {{ state }}' for n in range(101))
        status, answer = await ask(market, f"{{ {many} }}")
        assert status == 400
        assert "at most 100" in str(answer)
        assert (market.listings[FIRST].on, market.listings[FIRST].quantity) == (True, 5)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("", "unexpected end"),
        ("{ S_stock { totalCount }", "unexpected end"),
        ("{ S_stock { } }", "empty selection"),
        ("{ S_stock }", "subfields"),
        ("{ S_stock { totalCount { x } } }", "subfields"),
        ("{ S_stocks { totalCount } }", "Cannot query field"),
        ("{ S_stock { total } }", "Cannot query field"),
        ("{ S_stock(page: 2) { totalCount } }", "Unknown argument"),
        ('{ S_stock(first: "2") { totalCount } }', "invalid value"),
        ("query Q($n: Int) { S_stock(first: $m) { totalCount } }", "not defined"),
        ("query Q($n: String) { S_stock(first: $n) { totalCount } }", "used as"),
        ("query Q($n: Int!) { S_stock(first: $n) { totalCount } }", "not provided"),
        ("{ A_action { state } }", "is required"),
        (
            'mutation { P_registerCallback(input: {type: NO_SUCH, url: "", authorization: ""}) { success } }',
            "invalid",
        ),
        ('mutation { P_removeCallback(input: {id: "x", why: "y"}) { success } }', "not defined by type"),
        ("mutation { P_removeCallback(input: {}) { success } }", "was not provided"),
        ("subscription { S_stock { totalCount } }", "unexpected name"),
        ("{ S_stock { totalCount } } { S_stock { totalCount } }", "one operation"),
        ("{ a: S_stock { totalCount } a: S_stock { totalCount } }", "the same name twice"),
        ("{ S_stock { ... on B_API_SaleTransaction { code } } }", "Unknown type"),
        ("{ S_stock { totalCount } } %", "unexpected character"),
    ],
)
async def test_an_unsound_query_is_refused_with_400(query: str, complaint: str) -> None:
    async with market_with() as market:
        status, answer = await ask(market, query)
        assert status == 400
        assert complaint in str(answer)


async def test_without_a_token_nothing_is_told() -> None:
    async with market_with() as market, aiohttp.ClientSession() as client:
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            async with client.post(
                f"{market.url}/graphql/", json={"query": "{ x }"}, headers=headers
            ) as reply:
                assert reply.status == 401


@given(some.text(max_size=60) | some.text(alphabet='{}()[]!:$"\\ a1.=@,', max_size=60))
def test_any_text_is_a_document_or_a_problem(text: str) -> None:
    try:
        parse_document(text)
    except GraphqlProblem:
        return


async def test_a_price_change_over_the_quota_is_charged_where_the_seller_does_not_prevent_it() -> None:
    async with market_with(replace(QUICK, price_quota=0)) as market:
        item: Json = {"auctionId": FIRST, "price": {"amount": 1500, "currency": "EUR"}}
        await ask(market, PRICES, {"i": {"items": [item]}})
        [line] = market.books.ledger.transactions
        assert (line.type, line.direction, line.amount_minor) == ("AUCTION_EDIT_FEE", "OUT", 5)
