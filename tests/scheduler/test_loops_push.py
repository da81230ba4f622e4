"""Offers go out so that no code is promised twice, whatever the marketplaces answer; drift is mended once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.kit.errors import ChannelRefused, OutcomeUnknown, ProtocolBroken, TryLater
from connectors.kit.messages import OfferStatus
from core.offers.catalogue import pause_channel
from core.offers.drift.reconciling import Reconciliation
from core.types import OfferWanted
from scheduler.composition import utc_now
from scheduler.loops.push import Pusher
from scheduler.loops.reconcile import Reconciler
from tests.database import TestServer
from tests.scheduler.bench import Bench, Stall, open_bench


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path, codes=10, channels=2) as opened:
        yield opened


def pusher(bench: Bench, stall: Stall) -> Pusher:
    return Pusher(bench.outbox, stall.terms, stall.connector, stall.connector.traits)


async def push(bench: Bench, *stalls: Stall) -> None:
    """One round of each, with everything due that was put off."""
    await bench.make_due()
    for stall in stalls:
        await pusher(bench, stall).push()


def shown(stall: Stall) -> int | None:
    offer = stall.connector.shown.get(stall.listing_ref)
    return None if offer is None else offer.quantity if offer.on else 0


async def dirty(bench: Bench) -> int:
    count: int = await bench.core.pool.fetchval(
        "SELECT count(*) FROM offer WHERE dirty_version > acked_version"
    )
    return count


async def pause(bench: Bench, stall: Stall) -> None:
    async with bench.core.pool.acquire() as conn, conn.transaction():
        await pause_channel(conn, stall.terms.name, bench.core.allocator, at=utc_now(), reason="a holiday")


async def resume(bench: Bench, stall: Stall) -> None:
    async with bench.core.pool.acquire() as conn, conn.transaction():
        await pause_channel(conn, stall.terms.name, bench.core.allocator, at=None, reason=None)


async def test_what_is_wanted_is_told_and_then_left_alone(bench: Bench) -> None:
    first, second = bench.stalls
    await push(bench, first, second, first, second)
    assert (shown(first), shown(second)) == (5, 5)
    assert await dirty(bench) == 0
    told = len(first.connector.told)
    await push(bench, first, second)
    assert len(first.connector.told) == told


async def test_another_channel_goes_down_before_this_one_goes_up(bench: Bench) -> None:
    first, second = bench.stalls
    await push(bench, first, second)
    await pause(bench, second)
    await push(bench, first)
    assert shown(first) == 5, "the other may still sell five"
    await push(bench, second)
    assert shown(second) == 0
    await push(bench, first)
    assert shown(first) == 10
    assert await dirty(bench) == 0


@pytest.mark.parametrize(
    "answer",
    [OfferStatus.UNKNOWN, OfferStatus.TRY_LATER, OutcomeUnknown("?"), TryLater("busy"), ProtocolBroken("?")],
    ids=str,
)
async def test_a_decrease_that_was_not_acknowledged_frees_nothing(
    bench: Bench, answer: OfferStatus | Exception
) -> None:
    first, second = bench.stalls
    await push(bench, first, second)
    await pause(bench, second)
    second.connector.publish_script.append(answer)
    await bench.make_due()
    with suppress(OutcomeUnknown, TryLater, ProtocolBroken):
        await pusher(bench, second).push()
    assert not second.connector.publish_script
    await push(bench, first)
    assert shown(first) == 5
    await push(bench, second, first)
    assert (shown(second), shown(first)) == (0, 10)


async def test_who_wants_it_later_is_not_asked_again_in_the_same_breath(bench: Bench) -> None:
    bench.stall.connector.publish_script.extend([OfferStatus.TRY_LATER] * 5)
    await push(bench, bench.stall)
    assert len(bench.stall.connector.told) == 1


async def test_a_refused_offer_is_left_alone_until_something_changes(bench: Bench) -> None:
    first, _ = bench.stalls
    first.connector.publish_script.append(ChannelRefused("not this product"))
    with pytest.raises(ChannelRefused):
        await push(bench, first)
    refusal: str = await bench.core.pool.fetchval("SELECT refusal FROM offer WHERE refusal IS NOT NULL")
    assert refusal == "not this product"
    await push(bench, first)
    assert len(first.connector.told) == 1
    await bench.import_codes(10, seed=3)
    await push(bench, first)
    assert shown(first) is not None


async def test_an_acknowledgement_clears_no_change_that_came_after_it_was_told(bench: Bench) -> None:
    stall = bench.stall
    channel_id = stall.terms.channel_id
    await bench.outbox.collect(channel_id)
    claim = await bench.outbox.claim(channel_id, 10)
    await bench.outbox.touch_channel(channel_id)
    await bench.outbox.settle(claim.plans, [], [])
    assert (await bench.outbox.claim(channel_id, 10)).looked_at == 1, "the change was not lost"
    assert (await bench.outbox.claim(channel_id, 10)).looked_at == 0


async def test_a_crash_between_telling_and_hearing_leaves_both_quantities_promised(bench: Bench) -> None:
    first, second = bench.stalls
    await push(bench, first, second)
    await pause(bench, second)
    await bench.outbox.collect(second.terms.channel_id)
    await bench.outbox.claim(second.terms.channel_id, 10)
    # The daemon died here; another pushes the first channel.
    await push(bench, first)
    assert shown(first) == 5
    await push(bench, second, first)
    assert (shown(second), shown(first)) == (0, 10)


async def test_a_refusal_does_not_end_the_doubt_that_an_earlier_telling_left(bench: Bench) -> None:
    """The first telling may have been carried out: until it is looked at, it counts as promised."""
    first, second = bench.stalls
    await pause(bench, first)
    second.connector.publish_script.extend([OfferStatus.UNKNOWN, OfferStatus.REFUSED])
    await push(bench, second)
    await push(bench, second)
    assert shown(second) == 10
    await resume(bench, first)
    await push(bench, first)
    assert shown(first) in (None, 0)
    await reconciler(bench, second).reconcile()
    await push(bench, second, first)
    assert (shown(second), shown(first)) == (5, 5)


async def test_pushers_that_race_for_one_sku_do_not_overpromise(bench: Bench) -> None:
    for seed in range(3):
        await bench.import_codes(5, seed=10 + seed)
        await bench.make_due()
        await asyncio.gather(*(pusher(bench, stall).push() for stall in bench.stalls))
        assert sum(shown(stall) or 0 for stall in bench.stalls) <= await free(bench)


# What a channel shows.


def reconciler(bench: Bench, stall: Stall) -> Reconciler:
    compared = Reconciliation(bench.core.pool, utc_now)
    return Reconciler(bench.outbox, compared, stall.terms, stall.connector, utc_now, None, lambda: None)


def show(stall: Stall, **changes: object) -> None:
    """Somebody edits the listing at the marketplace."""
    offer = stall.connector.shown[stall.listing_ref]
    stall.connector.shown[stall.listing_ref] = replace(offer, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"quantity": 9}, {"quantity": 1}, {"on": False}], ids=str)
async def test_drift_is_put_right_once_and_counted(bench: Bench, changes: dict[str, object]) -> None:
    stall = bench.stall
    await push(bench, *bench.stalls, *bench.stalls)
    show(stall, **changes)
    for _ in range(3):
        await reconciler(bench, stall).reconcile()
        await push(bench, *bench.stalls)
    assert shown(stall) == 5
    drifts: int = await bench.core.pool.fetchval("SELECT sum(drifts)::int FROM offer")
    assert drifts == 1
    assert await dirty(bench) == 0


async def test_what_was_told_after_the_look_is_no_drift(bench: Bench) -> None:
    stall = bench.stall
    await push(bench, *bench.stalls, *bench.stalls)
    at = utc_now()
    page = await stall.connector.list_offers(None)
    await bench.import_codes(10, seed=3)
    await push(bench, *bench.stalls, *bench.stalls)
    await bench.outbox.observe(stall.terms, page.offers, at)
    assert await Reconciliation(bench.core.pool, utc_now).compare(stall.terms, at) == []


# Any history.


async def free(bench: Bench) -> int:
    """Codes that could be sold now."""
    count: int = await bench.core.pool.fetchval(
        "SELECT (SELECT count(*) FROM code) - (SELECT count(*) FROM allocation)"
    )
    return count


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens, and what the marketplaces answer meanwhile."""

    what: str
    stall: int
    amount: int
    answers: tuple[OfferStatus, ...]


STATUSES = st.sampled_from(OfferStatus)
STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["sale", "import", "push", "push", "push", "pause", "resume"]),
        st.integers(0, 2),
        st.integers(1, 6),
        st.lists(STATUSES, max_size=3).map(tuple),
    ),
    min_size=3,
    max_size=14,
)


@given(steps=STEPS, codes=st.integers(1, 12))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_history_of_sales_imports_and_answers_promises_a_code_twice(
    database_server: TestServer, tmp_path_factory: pytest.TempPathFactory, steps: Sequence[Step], codes: int
) -> None:
    async def play() -> None:
        name = await database_server.create()
        folder = tmp_path_factory.mktemp("history")
        try:
            async with open_bench(database_server.dsn_of(name), folder, codes=codes, channels=3) as bench:
                for number, step in enumerate(steps):
                    await happen(bench, step, number)
                await come_to_rest(bench)
        finally:
            await database_server.drop(name)

    with asyncio.Runner() as runner:
        runner.run(play())


async def happen(bench: Bench, step: Step, number: int) -> None:
    stall = bench.stalls[step.stall]
    match step.what:
        case "sale":
            await bench.take_in(bench.told(f"sale-{number}", quantity=step.amount, stall=stall), stall)
        case "import":
            await bench.import_codes(step.amount, seed=100 + number)
        case "push":
            await push_watched(bench, stall, step.answers)
        case _:
            async with bench.core.pool.acquire() as conn, conn.transaction():
                at = utc_now() if step.what == "pause" else None
                await pause_channel(conn, stall.terms.name, bench.core.allocator, at=at, reason=step.what)


async def push_watched(bench: Bench, stall: Stall, answers: Sequence[OfferStatus]) -> None:
    """Push, and look whether anything that was told raised the sum of all above what there is."""
    connector = stall.connector
    available = await free(bench)
    others = sum(shown(other) or 0 for other in bench.stalls if other is not stall)
    before = shown(stall) or 0
    told_before = len(connector.told)
    connector.publish_script.extend(answers)
    await push(bench, stall)
    connector.publish_script.clear()
    offers: list[OfferWanted] = [offer for call in connector.told[told_before:] for offer in call]
    for offer in offers:
        quantity = offer.quantity if offer.on else 0
        assert quantity <= before or quantity + others <= available, (
            f"{quantity} told while the others show {others} of {available}"
        )


async def come_to_rest(bench: Bench) -> None:
    """Every marketplace accepts everything from now on: all show what is wanted, and no code twice."""
    for stall in bench.stalls:
        await bench.outbox.touch_channel(stall.terms.channel_id)
    for _ in range(3):
        await push(bench, *bench.stalls)
    assert await dirty(bench) == 0
    rows = await bench.core.pool.fetch(
        "SELECT listing_ref, wanted_quantity FROM offer JOIN listing USING (listing_id)"
    )
    wanted = {str(row["listing_ref"]): int(row["wanted_quantity"]) for row in rows}
    assert {stall.listing_ref: shown(stall) or 0 for stall in bench.stalls} == wanted
    assert sum(wanted.values()) <= await free(bench)
