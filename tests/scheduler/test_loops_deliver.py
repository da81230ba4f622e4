"""Open orders are worked off by their state, whatever the marketplace answers and whoever comes between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from connectors.kit.errors import (
    AuthenticationFailed,
    ChannelRefused,
    OutcomeUnknown,
    ProtocolBroken,
    TryLater,
)
from connectors.kit.messages import DeliveryFound
from core.orders.closing import Closing, SaleCloser
from core.types import OrderState, Payment
from scheduler.composition import utc_now
from tests.scheduler.bench import Bench, mute, open_bench


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path) as opened:
        yield opened


async def entries(bench: Bench) -> int:
    total: int = await bench.core.pool.fetchval("SELECT coalesce(sum(amount_minor), 0)::int FROM entry")
    assert total == 0
    count: int = await bench.core.pool.fetchval("SELECT count(*) FROM entry")
    return count


async def test_a_paid_order_gets_its_codes_and_its_split(bench: Bench) -> None:
    await bench.take_in(bench.told("a", quantity=2))
    await bench.deliverer().deliver()
    [delivery] = bench.stall.connector.deliveries
    assert [len(line.codes) for line in delivery.lines] == [2]
    assert await bench.state("a") is OrderState.DELIVERED
    assert await entries(bench) >= 2


async def test_an_unknown_outcome_is_asked_about_before_anything_is_repeated(bench: Bench) -> None:
    connector = bench.stall.connector
    connector.delivery_script.append(OutcomeUnknown("lost"))
    await bench.take_in(bench.told("a"))
    await bench.deliverer().deliver()
    assert len(connector.deliveries) == 2, "asked, heard that nothing arrived, and only then repeated"
    assert connector.asked == 1
    assert connector.deliveries[0].lines == connector.deliveries[1].lines
    assert await bench.state("a") is OrderState.DELIVERED


async def test_what_did_arrive_is_not_sent_again(bench: Bench) -> None:
    connector = bench.stall.connector
    connector.delivery_script.append(OutcomeUnknown("lost"))
    connector.found_script.append(DeliveryFound.DELIVERED)
    await bench.take_in(bench.told("a"))
    await bench.deliverer().deliver()
    assert len(connector.deliveries) == 1
    assert await bench.state("a") is OrderState.DELIVERED


async def test_while_nobody_knows_nothing_is_repeated(bench: Bench) -> None:
    connector = bench.stall.connector
    connector.delivery_script.append(OutcomeUnknown("lost"))
    connector.found_script.extend([DeliveryFound.UNKNOWN] * 3)
    await bench.take_in(bench.told("a"))
    for _ in range(3):
        await bench.deliverer().deliver()
        await bench.make_due()
    assert connector.asked == 3
    assert len(connector.deliveries) == 1
    assert await bench.state("a") is OrderState.UNSURE


async def test_an_order_that_cannot_be_asked_about_waits_and_tells(bench: Bench) -> None:
    connector = bench.stall.connector
    connector.delivery_script.append(OutcomeUnknown("lost"))
    connector.found_script.append(TryLater("busy", 7.0))
    await bench.take_in(bench.told("a"))
    with pytest.raises(TryLater):
        await bench.deliverer().deliver()
    assert await bench.state("a") is OrderState.UNSURE
    assert (await bench.order("a")).failures == 1


async def test_what_was_surely_not_done_is_repeated_as_the_same_attempt(bench: Bench) -> None:
    connector = bench.stall.connector
    connector.delivery_script.extend([TryLater("busy"), TryLater("busy")])
    await bench.take_in(bench.told("a"))
    for _ in range(3):
        await bench.deliverer().deliver()
        await bench.make_due()
    first, *others = connector.deliveries
    assert len(others) == 2
    assert {(each.attempt_key, each.lines) for each in others} == {(first.attempt_key, first.lines)}
    assert await bench.state("a") is OrderState.DELIVERED


async def test_codes_that_a_channel_refused_are_never_sold_again(bench: Bench) -> None:
    bench.stall.connector.delivery_script.append(ChannelRefused("no"))
    await bench.take_in(bench.told("a", quantity=2))
    await bench.deliverer().deliver()
    assert await bench.state("a") is OrderState.CANCELLED
    assert await bench.departed("quarantined") == 2
    assert await bench.departed("released") == 0


@pytest.mark.parametrize("error", [AuthenticationFailed("who?"), ProtocolBroken("what?")])
async def test_an_error_for_people_is_raised_and_the_order_keeps_its_attempt(
    bench: Bench, error: Exception
) -> None:
    bench.stall.connector.delivery_script.append(error)
    await bench.take_in(bench.told("a"))
    with pytest.raises(type(error)):
        await bench.deliverer().deliver()
    assert await bench.state("a") is OrderState.DELIVERING
    await bench.make_due()
    await bench.deliverer().deliver()
    first, second = bench.stall.connector.deliveries
    assert first == second
    assert await bench.state("a") is OrderState.DELIVERED


async def test_one_order_that_fails_keeps_no_other_from_its_codes(bench: Bench) -> None:
    bench.stall.connector.delivery_script.append(ProtocolBroken("what?"))
    for ref in ("a", "b", "c"):
        await bench.take_in(bench.told(ref))
    with pytest.raises(ProtocolBroken):
        await bench.deliverer().deliver()
    states = [await bench.state(ref) for ref in ("a", "b", "c")]
    assert sorted(states) == [OrderState.DELIVERED, OrderState.DELIVERED, OrderState.DELIVERING]


async def test_where_the_channel_asks_for_the_codes_nothing_is_sent(bench: Bench) -> None:
    await bench.take_in(bench.told("a"))
    await bench.take_in(bench.told("b", payment=Payment.PENDING))
    deliverer = bench.deliverer_of(bench.stall.terms, mute(bench.stall))
    await deliverer.deliver()
    assert await bench.state("a") is OrderState.ACCEPTED
    lines = await bench.core.fulfilment.provide(bench.stall.terms, (await bench.order("a")).order_ref)
    assert lines is not None
    assert await bench.state("a") is OrderState.DELIVERED


async def test_an_unpaid_order_lets_its_codes_go_when_its_time_is_over(bench: Bench) -> None:
    kept, gone = (bench.told(ref, payment=Payment.PENDING) for ref in ("kept", "gone"))
    await bench.take_in(kept)
    await bench.take_in(replace(gone, hold_until=utc_now() - timedelta(seconds=1)))
    await bench.deliverer().deliver()
    assert await bench.state("kept") is OrderState.RESERVED
    assert await bench.state("gone") is OrderState.RELEASED
    assert await bench.departed("released") == 1


async def test_a_channel_that_changes_hands_lets_no_reservation_go_early(bench: Bench) -> None:
    told = bench.told("a", payment=Payment.PENDING)
    await bench.take_in(replace(told, hold_until=utc_now() + timedelta(seconds=45)))
    await bench.core.fulfilment.adopt(bench.stall.terms)
    await bench.deliverer().deliver()
    assert await bench.state("a") is OrderState.RESERVED


async def test_a_delivery_that_a_dead_daemon_left_is_asked_about_by_the_next(bench: Bench) -> None:
    await bench.take_in(bench.told("a"))
    await bench.core.fulfilment.start([await bench.order("a")])
    await bench.deliverer().deliver()
    assert bench.stall.connector.asked == 0, "its driver may still be at work"
    await bench.core.fulfilment.adopt(bench.stall.terms)
    bench.stall.connector.found_script.append(DeliveryFound.DELIVERED)
    await bench.deliverer().deliver()
    assert bench.stall.connector.asked == 1
    assert not bench.stall.connector.deliveries
    assert await bench.state("a") is OrderState.DELIVERED


async def test_a_delivery_that_could_not_be_written_down_is_asked_about_as_soon_as_it_can_be(
    bench: Bench,
) -> None:
    connector, deliverer = bench.stall.connector, bench.deliverer()
    await bench.take_in(bench.told("a"))
    await bench.core.pool.execute("ALTER TABLE entry RENAME TO gone")
    with pytest.raises(asyncpg.PostgresError):
        await deliverer.deliver()
    await bench.core.pool.execute("ALTER TABLE gone RENAME TO entry")
    assert await bench.state("a") is OrderState.DELIVERING
    connector.found_script.append(DeliveryFound.DELIVERED)
    await deliverer.deliver()
    assert connector.asked == 1
    assert len(connector.deliveries) == 1
    assert await bench.state("a") is OrderState.DELIVERED


# Shortage.


async def test_a_parked_order_gets_codes_when_some_come(bench: Bench) -> None:
    await bench.take_in(bench.told("a", quantity=6))
    await bench.deliverer().deliver()
    assert await bench.state("a") is OrderState.PARKED
    await bench.import_codes(5, seed=2)
    await bench.make_due()
    await bench.deliverer().deliver()
    assert await bench.state("a") is OrderState.DELIVERED


async def test_a_parked_order_is_cancelled_there_before_it_is_here(dsn: str, tmp_path: Path) -> None:
    async with open_bench(dsn, tmp_path, codes=0, patience=timedelta(0)) as bench:
        connector = bench.stall.connector
        connector.cancel_script.append(OutcomeUnknown("lost"))
        await bench.take_in(bench.told("a"))
        await bench.make_due()
        with pytest.raises(OutcomeUnknown):
            await bench.deliverer().deliver()
        assert await bench.state("a") is OrderState.PARKED
        await bench.make_due()
        await bench.deliverer().deliver()
        assert connector.cancelled == ["a"]
        assert await bench.state("a") is OrderState.CANCELLED


# Races with the channel's word.


async def test_a_cancellation_and_a_delivery_that_race_end_in_one_of_the_two(bench: Bench) -> None:
    for n in range(4):
        ref = f"race-{n}"
        await bench.take_in(bench.told(ref))
        taken_back = bench.take_in(bench.told(ref, payment=Payment.CANCELLED))
        await asyncio.gather(bench.deliverer().deliver(), taken_back)
        assert await bench.state(ref) in (OrderState.CANCELLED, OrderState.DELIVERED, OrderState.REFUNDED)
    assert await bench.departed("quarantined") == 0


@pytest.mark.parametrize("found", [DeliveryFound.DELIVERED, DeliveryFound.NOT_DELIVERED])
async def test_money_that_went_back_while_the_delivery_was_unsure_is_not_forgotten(
    bench: Bench, found: DeliveryFound
) -> None:
    connector = bench.stall.connector
    connector.delivery_script.append(OutcomeUnknown("lost"))
    connector.found_script.extend([DeliveryFound.UNKNOWN, found])
    await bench.take_in(bench.told("a"))
    await bench.deliverer().deliver()
    assert await bench.state("a") is OrderState.UNSURE
    taken = await bench.take_in(bench.told("a", payment=Payment.REFUNDED))
    assert taken.state is OrderState.UNSURE
    # Where nothing arrived, the channel refuses codes for what it has taken back.
    connector.delivery_script.append(ChannelRefused("refunded"))
    await bench.make_due()
    await bench.deliverer().deliver()
    ended = OrderState.REFUNDED if found is DeliveryFound.DELIVERED else OrderState.CANCELLED
    assert await bench.state("a") is ended
    await entries(bench)


async def test_a_refund_is_carried_out_by_the_next_daemon_if_the_first_died_before_it(bench: Bench) -> None:
    connector = bench.stall.connector
    connector.delivery_script.append(OutcomeUnknown("lost"))
    connector.found_script.append(DeliveryFound.UNKNOWN)
    await bench.take_in(bench.told("a"))
    await bench.deliverer().deliver()
    await bench.take_in(bench.told("a", payment=Payment.REFUNDED))
    # The sale was closed, and then the daemon died.
    closer = SaleCloser(bench.core.pool, bench.core.ledger, utc_now)
    await closer.close(Closing(await bench.order("a"), bench.stall.terms, "deliver", ""))
    assert await bench.state("a") is OrderState.DELIVERED
    await bench.core.fulfilment.adopt(bench.stall.terms)
    assert await bench.state("a") is OrderState.REFUNDED
