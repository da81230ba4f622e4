"""What people are told of groups: alerts that are theirs, and what was tampered with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.alerts.readings.looking import View
from core.alerts.readings.taking import take_readings
from core.alerts.rules import Measure, Metric
from core.group_buying.offers import GroupOffer
from core.views.invariants import check
from scheduler.composition import utc_now
from tests.group_buying.bench import DAY, GroupBench, open_groups
from tests.scheduler.bench import mute

TRIO = GroupOffer("trio", 3, DAY)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE buying_group SET size = 2", "has 3 buyers on 2 seats"),
        ("UPDATE group_seat SET state = 'seated' WHERE order_ref = 'A'", "order A still has a seat in it"),
        ("UPDATE group_seat SET state = 'failed' WHERE order_ref = 'B'", "order B is delivered, though"),
    ],
)
async def test_a_group_that_was_tampered_with_is_told(dsn: str, tmp_path: Path, harm: str, said: str) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        for ref, buyer in (("A", "ann"), ("B", "bob"), ("C", "cid")):
            await room.buy(ref, buyer)
        await room.turn()
        await room.deliver()
        await room.check()
        await room.bench.core.pool.execute(harm)
        core = room.bench.core
        report = await check(core.pool, bound_permille=1000, now=utc_now(), vault=None)
        (broken,) = [each for each in report.invariants if not each.ok]
        assert broken.name == "no-lost-order"
        assert said in broken.detail[0]


async def test_alerts_tell_a_wait_for_a_group_from_a_wait_for_a_person(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        await room.buy("A", "ann")
        await room.turn()
        assert await measured(room, Metric.ORDERS_HELD) == 0
        assert await measured(room, Metric.REFUNDS_OWED) == 0
        await room.later(DAY)
        await room.deliver(mute(room.stall))
        assert await measured(room, Metric.REFUNDS_OWED) == 1
        await room.settle("A")
        assert await measured(room, Metric.REFUNDS_OWED) == 0


async def measured(room: GroupBench, metric: Metric) -> float:
    in_a_day = View(utc_now() + DAY, (room.terms.name,))
    async with room.bench.core.pool.acquire() as conn:
        readings = await take_readings(conn, Measure(metric, after=timedelta(hours=1)), in_a_day)
    return sum(reading.value for reading in readings)
