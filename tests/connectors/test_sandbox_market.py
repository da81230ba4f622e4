"""The sandbox marketplaces' common base: its tally, its callbacks, its faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import aiohttp
import pytest
from aiohttp import web

from connectors.kit.contract import eventually
from connectors.sandbox.faults import MANY, NONE, PRESETS, SOME, Fault, Faults
from connectors.sandbox.market import MarketCounts, SandboxMarket, SandboxOrder, SandboxOrderState
from core.types import ListingRef, OrderRef

LISTING = ListingRef("L-1")


class Kiosk(SandboxMarket):
    """The least that a marketplace is: one route, and buyers who always pay."""

    name = "kiosk"

    def __init__(self, *, faults: Faults | None = None, seed: int = 0) -> None:
        super().__init__(faults=faults, seed=seed)
        self.rung = 0

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.post("/ring", self._ring)]

    def connection_options(self) -> Mapping[str, object]:
        return {"url": self.url}

    async def buy(
        self, listing_ref: ListingRef, quantity: int = 1, *, abandon: bool = False
    ) -> SandboxOrder | None:
        order = SandboxOrder(OrderRef(f"O-{len(self.orders) + 1}"), listing_ref, quantity, 1999)
        order.state = SandboxOrderState.CANCELLED if abandon else SandboxOrderState.PAID
        self.orders[order.order_ref] = order
        return order

    async def refund(self, order_ref: OrderRef) -> None:
        self.orders[order_ref].state = SandboxOrderState.REFUNDED

    async def _ring(self, request: web.Request) -> web.Response:
        self.rung += 1
        return web.json_response({})


@pytest.fixture
async def kiosk() -> AsyncIterator[Kiosk]:
    async with Kiosk() as market:
        market.add_listing(LISTING, "SKU-1", quantity=5, price_minor=1999)
        yield market


async def ring(market: Kiosk) -> int:
    async with aiohttp.ClientSession() as client, client.post(f"{market.url}/ring") as reply:
        return reply.status


async def bought(market: Kiosk) -> SandboxOrder:
    order = await market.buy(LISTING)
    assert order is not None
    return order


def draws(faults: Faults) -> list[bool]:
    return [faults.strikes(fault) for _ in range(300) for fault in Fault]


def test_the_same_seed_misbehaves_the_same_way() -> None:
    first, again, other = Faults(MANY, seed=7), Faults(MANY, seed=7), Faults(MANY, seed=8)
    assert draws(first) == draws(again)
    assert first.happened == again.happened
    assert draws(other) != draws(Faults(MANY, seed=7))


def test_every_fault_that_strikes_is_counted() -> None:
    faults = Faults(MANY, seed=1)
    assert sum(draws(faults)) == faults.happened.total() > 0


def test_without_rates_nothing_happens() -> None:
    faults = Faults(NONE, seed=1)
    assert not any(draws(faults))
    assert faults.happened.total() == 0


def test_a_sure_fault_always_strikes_and_leaves_the_others_alone() -> None:
    faults = Faults({Fault.SERVER_ERROR: 1.0})
    assert all(faults.strikes(Fault.SERVER_ERROR) for _ in range(50))
    assert not faults.strikes(Fault.LATENCY)


def test_a_planned_fault_strikes_once_at_its_opportunity() -> None:
    faults = Faults()
    faults.once(Fault.LOST_REPLY, after=2)
    assert [faults.strikes(Fault.LOST_REPLY) for _ in range(5)] == [False, False, True, False, False]
    assert faults.happened[Fault.LOST_REPLY] == 1


def test_planned_faults_of_one_kind_strike_one_after_the_other() -> None:
    faults = Faults()
    faults.once(Fault.LOST_REPLY)
    faults.once(Fault.LOST_REPLY)
    faults.once(Fault.SERVER_ERROR)
    assert [faults.strikes(Fault.LOST_REPLY) for _ in range(4)] == [True, True, False, False]
    assert faults.strikes(Fault.SERVER_ERROR)


def test_switched_off_faults_stay_counted() -> None:
    faults = Faults({Fault.LATENCY: 1.0})
    assert faults.strikes(Fault.LATENCY)
    faults.once(Fault.SERVER_ERROR)
    faults.off()
    assert not faults.strikes(Fault.LATENCY)
    assert not faults.strikes(Fault.SERVER_ERROR)
    assert faults.happened == {Fault.LATENCY: 1}


def test_switching_one_market_off_leaves_the_presets_alone() -> None:
    Faults(PRESETS["some"]).off()
    assert PRESETS["some"] == SOME
    assert set(SOME) == set(Fault)
    assert all(SOME[fault] <= MANY[fault] <= 0.25 for fault in Fault)


async def test_a_market_listens_on_loopback_while_it_is_open() -> None:
    async with Kiosk() as market:
        assert market.url.startswith("http://127.0.0.1:")
        assert await ring(market) == 200
    with pytest.raises(aiohttp.ClientConnectorError):
        await ring(market)


async def test_a_server_error_does_no_work(kiosk: Kiosk) -> None:
    kiosk.faults.once(Fault.SERVER_ERROR)
    assert await ring(kiosk) == 500
    assert kiosk.rung == 0
    assert await ring(kiosk) == 200


async def test_too_many_requests_says_when_to_come_again(kiosk: Kiosk) -> None:
    kiosk.faults.once(Fault.TOO_MANY_REQUESTS)
    async with aiohttp.ClientSession() as client, client.post(f"{kiosk.url}/ring") as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
    assert kiosk.rung == 0


@pytest.mark.parametrize(("fault", "work_done"), [(Fault.DROPPED_CONNECTION, 0), (Fault.LOST_REPLY, 1)])
async def test_a_connection_breaks_before_or_after_the_work(
    kiosk: Kiosk, fault: Fault, work_done: int
) -> None:
    kiosk.faults.once(fault)
    with pytest.raises(aiohttp.ClientError):
        await ring(kiosk)
    assert kiosk.rung == work_done
    assert await ring(kiosk) == 200


async def test_the_tally_counts_what_was_paid_delivered_and_refunded(kiosk: Kiosk) -> None:
    delivered, waiting, refunded = [await bought(kiosk) for _ in range(3)]
    await kiosk.buy(LISTING, abandon=True)
    kiosk.receive_codes(delivered, ["A"])
    kiosk.receive_codes(refunded, ["B"])
    await kiosk.refund(refunded.order_ref)
    assert kiosk.counts() == MarketCounts(
        orders=3, delivered=2, refunded=1, duplicates_received=0, oversold=0
    )
    assert waiting.state is SandboxOrderState.PAID


async def test_the_same_codes_again_are_no_duplicate(kiosk: Kiosk) -> None:
    order = await bought(kiosk)
    for _ in range(3):
        kiosk.receive_codes(order, ["A", "B"])
    assert kiosk.counts().duplicates_received == 0
    assert order.codes == ["A", "B"]


async def test_a_second_set_for_one_order_is_a_duplicate_and_the_buyer_keeps_the_first(kiosk: Kiosk) -> None:
    order = await bought(kiosk)
    kiosk.receive_codes(order, ["A"])
    kiosk.receive_codes(order, ["B"])
    assert kiosk.counts().duplicates_received == 1
    assert order.codes == ["A"]


async def test_one_code_for_two_orders_is_a_duplicate(kiosk: Kiosk) -> None:
    first, second = await bought(kiosk), await bought(kiosk)
    kiosk.receive_codes(first, ["A"])
    kiosk.receive_codes(second, ["A"])
    assert kiosk.counts().duplicates_received == 1


async def test_the_codes_are_not_in_an_orders_repr(kiosk: Kiosk) -> None:
    order = await bought(kiosk)
    kiosk.receive_codes(order, ["SECRET-1"])
    assert "SECRET-1" not in repr(order)


async def told(kiosk: Kiosk, fault: Fault | None, texts: Sequence[str]) -> list[str]:
    """What a seller hears of some events when a fault strikes the first of them."""
    heard: list[str] = []

    def telling(text: str) -> None:
        async def tell() -> None:
            heard.append(text)

        kiosk.send_callback(tell)

    if fault is not None:
        kiosk.faults.once(fault)
    for text in texts:
        telling(text)
    async with asyncio.timeout(10):
        while kiosk._tasks:
            await asyncio.gather(*kiosk._tasks)
            await asyncio.sleep(0)
    return heard


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (None, ["one", "two"]),
        (Fault.CALLBACK_LOST, ["two"]),
        (Fault.CALLBACK_DOUBLED, ["one", "one", "two"]),
        (Fault.CALLBACK_LATE, ["two", "one"]),
        (Fault.CALLBACK_REORDERED, ["two", "one"]),
    ],
)
async def test_callbacks_go_wrong_as_their_fault_says(
    kiosk: Kiosk, fault: Fault | None, heard: list[str]
) -> None:
    assert await told(kiosk, fault, ["one", "two"]) == heard


async def test_a_callback_held_back_comes_even_when_nothing_follows(kiosk: Kiosk) -> None:
    assert await told(kiosk, Fault.CALLBACK_REORDERED, ["one"]) == ["one"]


async def test_a_callback_is_under_way_until_it_has_ended(kiosk: Kiosk) -> None:
    may_end = asyncio.Event()

    async def tell() -> None:
        await may_end.wait()
        raise ConnectionError

    kiosk.send_callback(tell)
    assert kiosk.callbacks_under_way == 1
    may_end.set()
    await eventually(lambda: kiosk.callbacks_under_way == 0)


async def test_stopping_drops_what_was_still_to_be_sent() -> None:
    heard: list[str] = []

    async def tell() -> None:
        heard.append("too late")

    async with Kiosk() as market:
        market.send_callback(tell, after_seconds=30)
    assert heard == []


async def test_a_hand_edit_changes_only_what_it_names(kiosk: Kiosk) -> None:
    kiosk.edit_by_hand(LISTING, quantity=0)
    assert (kiosk.listings[LISTING].quantity, kiosk.listings[LISTING].price_minor) == (0, 1999)
    kiosk.edit_by_hand(LISTING, price_minor=5)
    assert (kiosk.listings[LISTING].quantity, kiosk.listings[LISTING].price_minor) == (0, 5)


async def test_hand_edits_strike_until_they_are_stopped(kiosk: Kiosk) -> None:
    kiosk.faults.once(Fault.EDITED_BY_HAND)
    editing = asyncio.create_task(kiosk.edits(every_seconds=0.01))
    await eventually(lambda: kiosk.faults.happened[Fault.EDITED_BY_HAND])
    editing.cancel()
    await asyncio.gather(editing, return_exceptions=True)
    assert kiosk.listings[LISTING].quantity in (3, 8)
