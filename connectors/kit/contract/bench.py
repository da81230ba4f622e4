"""Moves the contract suite's own machinery: accounts for a market, bounded waits, sales from start to end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

import pytest
from pydantic import SecretStr

from connectors.kit.abilities import ListsOffers, PullsOrders
from connectors.kit.connector import Account, Connector, Options
from connectors.kit.errors import TryLater
from connectors.kit.http import HttpPolicy
from connectors.sandbox.market import SandboxMarket
from core.types import ChannelOrder, CodePayload, LineCodes, OfferObserved

TEST_SECONDS = 60.0
_MOST_PAGES = 500
_LONGEST_PATIENCE_SECONDS = 5.0
_SHORTEST_SECRET = 6

AnyConnector = Connector[Options]
P = ParamSpec("P")
T = TypeVar("T")
AbilityT = TypeVar("AbilityT")


def bounded(test: Callable[P, Awaitable[None]]) -> Callable[P, Coroutine[None, None, None]]:
    """End a test that hangs: no connector may wait without a bound."""

    @functools.wraps(test)
    async def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async with asyncio.timeout(TEST_SECONDS):
            await test(*args, **kwargs)

    return run


def account_for(market: SandboxMarket, options: Mapping[str, object] | None = None) -> Account:
    """The account with which a connector reaches a sandbox market."""
    return Account(
        channel=market.name,
        currency=market.currency,
        options=dict(market.connection_options() if options is None else options),
        now=lambda: datetime.now(UTC),
        http=HttpPolicy(connect_seconds=5, total_seconds=15, failures_to_open=20, open_seconds=0.5),
    )


def having(connector: object, ability: type[AbilityT]) -> AbilityT:
    """The connector as one that has the ability; skips the test when it has not."""
    if not isinstance(connector, ability):
        pytest.skip(f"{type(connector).__name__} does not inherit {ability.__name__}")
    return connector


async def eventually(found: Callable[[], T | None], seconds: float = 20.0) -> T:
    """Wait until `found` returns something true, and return it; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while True:
            if value := found():
                return value
            await asyncio.sleep(0.02)


async def patience(later: TryLater) -> None:
    """Wait as the daemon would, but not for long."""
    await asyncio.sleep(min(later.after_seconds, _LONGEST_PATIENCE_SECONDS))


async def every_order(connector: PullsOrders, cursor: str | None) -> tuple[list[ChannelOrder], str]:
    """All that pulling brings from a cursor on, and the cursor at its end."""
    orders: list[ChannelOrder] = []
    for _ in range(_MOST_PAGES):
        page = await connector.pull_orders(cursor)
        orders.extend(page.orders)
        cursor = page.cursor
        if not page.more:
            return orders, cursor
    raise AssertionError(f"pull_orders says `more` after {_MOST_PAGES} pages: the cursor does not move")


async def every_offer(connector: ListsOffers) -> tuple[list[OfferObserved], int]:
    """All listings the connector reads, and on how many pages they came."""
    offers: list[OfferObserved] = []
    cursor: str | None = None
    for pages in range(1, _MOST_PAGES):
        page = await connector.list_offers(cursor)
        offers.extend(page.offers)
        cursor = page.next_cursor
        if cursor is None:
            return offers, pages
    raise AssertionError(f"list_offers has a next page after {_MOST_PAGES} pages: the cursor does not move")


def codes_for(order: ChannelOrder, *, series: str = "A") -> list[LineCodes]:
    """One made-up code for each piece of an order; the same order and series give the same codes."""
    return [
        LineCodes(
            line_ref=line.line_ref,
            listing_ref=line.listing_ref,
            codes=[
                CodePayload(secret=f"TEST-{series}-{order.order_ref}-{line.line_ref}-{piece}")
                for piece in range(line.quantity)
            ],
        )
        for line in order.lines
    ]


def texts(lines: Sequence[LineCodes]) -> list[str]:
    """The codes as a buyer reads them, sorted."""
    return sorted(code.text() for line in lines for code in line.codes)


def secret_fields(connector: AnyConnector) -> dict[str, str]:
    """The connector's secret options, name to clear text."""
    secrets = {
        name: value.get_secret_value()
        for name in type(connector.options).model_fields
        if isinstance(value := getattr(connector.options, name), SecretStr)
    }
    short = [name for name, value in secrets.items() if value and len(value) < _SHORTEST_SECRET]
    assert not short, f"use secrets of {_SHORTEST_SECRET} characters or more in the market's options: {short}"
    return {name: value for name, value in secrets.items() if value}


def wrong_secret(secret: str) -> str:
    """A secret of the same form that is not the same."""
    alphabets = ["0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"]
    turned = str.maketrans("".join(alphabets), "".join(each[1:] + each[0] for each in alphabets))
    wrong = secret.translate(turned)
    return wrong if wrong != secret else secret + "x"


def told(error: BaseException) -> str:
    """All that a traceback of this error would print of error texts."""
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(parts) < 50:
        parts.append(f"{link} {link!r}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(parts)
