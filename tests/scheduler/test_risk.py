"""Orders that risk holds or refuses, by every way they come to be paid, and what people then decide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from connectors.kit.errors import ChannelRefused, TryLater
from core.errors import MoveRefused, OrderHeld
from core.orders.risk import RiskRule
from core.types import OrderRef, OrderState, Payment
from core.views.invariants import check
from core.views.orders import order_detail
from scheduler.composition import utc_now
from tests.scheduler.bench import Bench, Stall, mute, open_bench
from web.decisions import Decisions
from web.services import ServedChannel

S = OrderState
# A piece costs 25.00: two are held, four are refused.
RULE = RiskRule(hold_above_minor=4000, refuse_above_minor=9000, currency="EUR")
HELD, REFUSED = 2, 4


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path) as opened:
        opened.stalls[0] = guarded(opened.stall)
        yield opened
        async with opened.core.pool.acquire() as conn:
            found = await check(conn, bound_permille=1000, now=utc_now(), vault=opened.core.vault)
        assert found.ok, found.to_json()


def guarded(stall: Stall) -> Stall:
    return replace(stall, terms=replace(stall.terms, risk=RULE))


def decisions(bench: Bench, *, can_cancel: bool = True) -> Decisions:
    connector = bench.stall.connector if can_cancel else mute(bench.stall)
    channels = {bench.stall.terms.name: ServedChannel(bench.stall.terms, connector)}
    return Decisions(bench.core.pool, bench.core.intake, channels, utc_now)


async def moves(bench: Bench, order_ref: str) -> list[tuple[OrderState, str, str]]:
    async with bench.core.pool.acquire() as conn:
        detail = await order_detail(conn, (await bench.order(order_ref)).order_id)
    return [(move.to_state, move.actor, move.reason) for move in detail.moves]


async def test_a_paid_order_above_the_limit_is_held_with_its_codes_and_says_why(bench: Bench) -> None:
    assert (await bench.take_in(bench.told("a", quantity=HELD))).state is S.HELD
    await bench.deliverer().deliver()
    await bench.make_due()
    await bench.deliverer().deliver()
    assert bench.stall.connector.deliveries == []
    assert await bench.state("a") is S.HELD
    [(state, _, reason)] = await moves(bench, "a")
    assert (state, "50.00 EUR is above 40.00 EUR" in reason) == (S.HELD, True)
    assert await bench.core.pool.fetchval("SELECT count(*) FROM allocation") == HELD
    assert (await bench.take_in(bench.told("a", quantity=HELD))).state is S.HELD


async def test_an_order_within_the_limit_is_not_touched(bench: Bench) -> None:
    await bench.take_in(bench.told("a"))
    await bench.deliverer().deliver()
    assert await bench.state("a") is S.DELIVERED


async def test_an_approved_order_is_delivered(bench: Bench) -> None:
    taken = await bench.take_in(bench.told("a", quantity=HELD))
    assert taken.order_id is not None
    await decisions(bench).approve(taken.order_id, actor="ann", reason="a known buyer")
    await bench.deliverer().deliver()
    assert await bench.state("a") is S.DELIVERED
    assert (S.ACCEPTED, "ann", "a known buyer") in await moves(bench, "a")
    row = await bench.core.pool.fetchrow("SELECT actor, action, reason FROM audit WHERE actor = 'ann'")
    assert row is not None
    assert tuple(row) == ("ann", "approve", "a known buyer")
    with pytest.raises(MoveRefused):
        await decisions(bench).approve(taken.order_id, actor="ann", reason="again")


async def test_a_reservation_is_judged_when_it_is_paid(bench: Bench) -> None:
    pending = bench.told("a", payment=Payment.PENDING, quantity=HELD)
    assert (await bench.take_in(pending)).state is S.RESERVED
    assert (await bench.take_in(replace(pending, payment=Payment.PAID))).state is S.HELD
    assert "50.00 EUR" in (await moves(bench, "a"))[-1][2]


async def test_an_unpaid_order_that_risk_refuses_takes_no_codes(bench: Bench) -> None:
    pending = bench.told("a", payment=Payment.PENDING, quantity=REFUSED)
    assert (await bench.take_in(pending)).state is S.REFUSED
    assert await bench.core.pool.fetchval("SELECT count(*) FROM allocation") == 0
    assert "are refused" in (await moves(bench, "a"))[0][2]


async def test_one_that_is_paid_all_the_same_gets_its_money_back(bench: Bench) -> None:
    pending = bench.told("a", payment=Payment.PENDING, quantity=REFUSED)
    await bench.take_in(pending)
    assert (await bench.take_in(replace(pending, payment=Payment.PAID))).state is S.HELD
    await bench.deliverer().deliver()
    assert await bench.state("a") is S.CANCELLED


async def test_a_paid_order_that_risk_refuses_goes_back_at_the_channel(bench: Bench) -> None:
    await bench.take_in(bench.told("a", quantity=REFUSED))
    await bench.deliverer().deliver()
    assert bench.stall.connector.cancelled == [OrderRef("a")]
    assert await bench.state("a") is S.CANCELLED
    assert (await moves(bench, "a"))[-1][1:] == (
        "risk",
        "risk: 100.00 EUR is above 90.00 EUR, where orders are refused",
    )
    assert await bench.departed("released") == REFUSED


async def test_where_the_channel_cannot_cancel_a_person_is_asked(bench: Bench) -> None:
    await bench.take_in(bench.told("a", quantity=REFUSED))
    await bench.deliverer_of(bench.stall.terms, mute(bench.stall)).deliver()
    order = await bench.order("a")
    assert (order.state, order.failures) == (S.HELD, 0)
    await decisions(bench, can_cancel=False).approve(order.order_id, actor="ann", reason="known")
    assert await bench.state("a") is S.ACCEPTED


async def test_a_channel_that_says_no_or_not_now_leaves_the_order_held(bench: Bench) -> None:
    bench.stall.connector.cancel_script.extend([TryLater("busy"), ChannelRefused("no")])
    await bench.take_in(bench.told("a", quantity=REFUSED))
    with pytest.raises(TryLater):
        await bench.deliverer().deliver()
    await bench.make_due()
    await bench.deliverer().deliver()
    assert await bench.state("a") is S.HELD
    await bench.make_due()
    await bench.deliverer().deliver()
    assert await bench.state("a") is S.CANCELLED


async def test_an_order_whose_money_is_on_the_way_back_is_not_approved(bench: Bench) -> None:
    taken = await bench.take_in(bench.told("a", quantity=REFUSED))
    assert taken.order_id is not None
    with pytest.raises(MoveRefused, match="raise refuse_above"):
        await decisions(bench).approve(taken.order_id, actor="ann", reason="known")


async def test_a_parked_order_that_gets_codes_later_is_held_too(dsn: str, tmp_path: Path) -> None:
    async with open_bench(dsn, tmp_path, codes=1) as bench:
        bench.stalls[0] = guarded(bench.stall)
        await bench.take_in(bench.told("a", quantity=HELD))
        assert await bench.state("a") is S.PARKED
        await bench.import_codes(3, seed=2)
        await bench.make_due()
        await bench.deliverer().deliver()
        assert await bench.state("a") is S.HELD
        assert bench.stall.connector.deliveries == []


async def test_a_parked_order_that_risk_refuses_does_not_wait_for_codes(dsn: str, tmp_path: Path) -> None:
    async with open_bench(dsn, tmp_path, codes=1) as bench:
        bench.stalls[0] = guarded(bench.stall)
        await bench.take_in(bench.told("a", quantity=REFUSED))
        assert await bench.state("a") is S.PARKED
        await bench.make_due()
        await bench.deliverer().deliver()
        assert await bench.state("a") is S.CANCELLED


async def pause_seconds(bench: Bench) -> float:
    """How long until the one open order is looked at again."""
    due: float = await bench.core.pool.fetchval(
        "SELECT extract(epoch FROM due_at - now())::float8 FROM open_order"
    )
    return due


@pytest.mark.parametrize("refused_by", ["risk", "shortage"])
async def test_a_channel_whose_no_is_final_is_asked_ever_less_often_to_end_a_parked_order(
    dsn: str, tmp_path: Path, refused_by: str
) -> None:
    async with open_bench(dsn, tmp_path, codes=1, patience=timedelta(0)) as bench:
        if refused_by == "risk":
            bench.stalls[0] = guarded(bench.stall)
        bench.stall.connector.cancel_script.extend([ChannelRefused("never")] * 12)
        await bench.take_in(bench.told("a", quantity=REFUSED))
        pauses = []
        for _ in range(12):
            await bench.make_due()
            await bench.deliverer().deliver()
            pauses.append(await pause_seconds(bench))
        assert await bench.state("a") is S.PARKED
        assert not bench.stall.connector.cancel_script
        assert all(later > 1.5 * sooner for sooner, later in pairwise(pauses[:6]))
        assert 300 < pauses[-1] <= 600
        # It is not forgotten: one that relents ends it, and codes that come are still looked for.
        await bench.make_due()
        await bench.deliverer().deliver()
        assert await bench.state("a") is S.CANCELLED


async def test_a_parked_order_that_the_channel_would_not_end_still_gets_codes(
    dsn: str, tmp_path: Path
) -> None:
    async with open_bench(dsn, tmp_path, codes=0, patience=timedelta(0)) as bench:
        bench.stall.connector.cancel_script.extend([ChannelRefused("never")] * 3)
        await bench.take_in(bench.told("a"))
        for _ in range(3):
            await bench.make_due()
            await bench.deliverer().deliver()
        await bench.import_codes(1, seed=2)
        await bench.make_due()
        await bench.deliverer().deliver()
        assert await bench.state("a") is S.DELIVERED


async def test_codes_that_are_asked_for_wait_until_a_person_has_looked(bench: Bench) -> None:
    terms = bench.stall.terms
    taken = await bench.take_in(bench.told("a", payment=Payment.PENDING, quantity=HELD))
    assert taken.order_id is not None
    for _ in range(2):
        with pytest.raises(OrderHeld):
            await bench.core.fulfilment.provide(terms, OrderRef("a"))
    await decisions(bench).approve(taken.order_id, actor="ann", reason="known")
    first = await bench.core.fulfilment.provide(terms, OrderRef("a"))
    assert first is not None
    assert first == await bench.core.fulfilment.provide(terms, OrderRef("a"))


@pytest.mark.parametrize("quantity", [1, HELD])
async def test_a_person_ends_an_order_at_its_channel_first(bench: Bench, quantity: int) -> None:
    taken = await bench.take_in(bench.told("a", quantity=quantity))
    assert taken.order_id is not None
    ended = await decisions(bench).cancel(taken.order_id, actor="ann", reason="a fraud")
    assert (ended.state, ended.given_back) == (S.CANCELLED, True)
    assert bench.stall.connector.cancelled == [OrderRef("a")]
    assert await bench.departed("released") == quantity
    await bench.deliverer().deliver()
    assert bench.stall.connector.deliveries == []


async def test_while_the_channel_will_not_cancel_nothing_is_delivered(bench: Bench) -> None:
    bench.stall.connector.cancel_script.append(ChannelRefused("no"))
    taken = await bench.take_in(bench.told("a"))
    assert taken.order_id is not None
    with pytest.raises(ChannelRefused):
        await decisions(bench).cancel(taken.order_id, actor="ann", reason="a fraud")
    await bench.make_due()
    await bench.deliverer().deliver()
    assert bench.stall.connector.deliveries == []
    assert (await moves(bench, "a"))[-1] == (S.HELD, "ann", "to be cancelled: a fraud")


async def test_where_the_channel_cannot_be_told_the_person_is_sent_there(bench: Bench) -> None:
    taken = await bench.take_in(bench.told("a", quantity=HELD))
    assert taken.order_id is not None
    ended = await decisions(bench, can_cancel=False).cancel(taken.order_id, actor="ann", reason="a fraud")
    assert (ended.state, ended.given_back) == (S.CANCELLED, False)
    assert "refund a there yourself" in ended.told


async def test_what_a_buyer_may_have_is_not_cancelled_by_hand(bench: Bench) -> None:
    taken = await bench.take_in(bench.told("a"))
    assert taken.order_id is not None
    await bench.deliverer().deliver()
    with pytest.raises(MoveRefused):
        await decisions(bench).cancel(taken.order_id, actor="ann", reason="too late")
    assert bench.stall.connector.cancelled == []


async def test_a_channel_that_takes_a_held_order_back_ends_it(bench: Bench) -> None:
    told = bench.told("a", quantity=HELD)
    await bench.take_in(told)
    assert (await bench.take_in(replace(told, payment=Payment.CANCELLED))).state is S.CANCELLED
    assert await bench.departed("released") == HELD
