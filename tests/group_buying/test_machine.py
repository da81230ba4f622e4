"""Whatever happens to groups, cut off wherever: no code is lost, and no buyer has both or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConsigndError
from core.group_buying.offers import GroupOffer
from core.types import OrderState, Payment
from tests.database import TestServer
from tests.group_buying.bench import DAY, GroupBench, killed, open_groups

S = OrderState
CODES = 10
_BUYERS = ("ann", "bob", "cid", "dan", "eve")
_NAMES = (None, "red", "blue")


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens; `cut_after` seconds it is cut off, and the world goes on. None: it ends."""

    what: str
    which: int
    group: str | None
    cut_after: float | None


steps = st.builds(
    Step,
    st.sampled_from(["buy", "buy", "buy", "buy", "turn", "turn", "leave", "deliver", "time", "day"]),
    st.integers(0, 9),
    st.sampled_from(_NAMES),
    st.one_of(st.none(), st.none(), st.floats(0.0, 0.02)),
)
offers = st.builds(
    lambda size, at_least, limit, at_once: GroupOffer(
        "drawn", size, DAY, min(at_least, size) if at_least else None, limit, at_once
    ),
    st.integers(2, 4),
    st.sampled_from([None, 2, 3]),
    st.integers(1, 3),
    st.sampled_from([None, 1, 2]),
)


@given(offer=offers, played=st.lists(steps, min_size=5, max_size=30))
@settings(max_examples=25)
def test_every_buyer_is_delivered_or_refunded_and_every_code_stays_one(
    database_server: TestServer, offer: GroupOffer, played: Sequence[Step]
) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_play(database_server, offer, played))


async def _play(server: TestServer, offer: GroupOffer, played: Sequence[Step]) -> None:
    name = await server.create()
    try:
        with TemporaryDirectory() as folder:
            async with open_groups(server.dsn_of(name), Path(folder), offer, codes=CODES) as room:
                for step in played:
                    await _happen(room, step)
                await _come_to_an_end(room)
                await _judge(room, offer)
    finally:
        await server.drop(name)


async def _happen(room: GroupBench, step: Step) -> None:
    ref, buyer = f"order-{step.which}", _BUYERS[step.which % len(_BUYERS)]
    match step.what:
        case "buy":
            work = room.buy(ref, buyer, group=step.group)
        case "leave":
            work = room.buy(ref, buyer, payment=Payment.REFUNDED)
        case "deliver":
            work = room.deliver()
        case "time" | "day":
            work = room.later(DAY if step.what == "day" else timedelta(hours=5))
        case _:
            work = room.turn()
    try:
        if step.cut_after is None:
            await work
        else:
            await killed(work, step.cut_after)
    except ConsigndError:
        # The world says no now and then, and is asked again.
        return


async def _come_to_an_end(room: GroupBench) -> None:
    """Nothing is cut off any more: the channel tells all again, and time passes until all is decided."""
    for ref, buyer in list(room.told.items()):
        await room.buy(ref, buyer)
    for _ in range(4):
        await room.later(DAY)
        await room.bench.core.fulfilment.adopt(room.terms)
        await room.deliver()


async def _judge(room: GroupBench, offer: GroupOffer) -> None:
    sold, back, seats = room.sold(), room.refunded(), await room.seats()
    for ref in room.told:
        order = await room.order(ref)
        assert order.state in (S.DELIVERED, S.CANCELLED, S.REFUNDED, S.PARKED), f"{ref} is {order.state}"
        if order.state is S.DELIVERED:
            assert ref in sold
            assert ref not in back
        elif order.state is S.CANCELLED:
            assert ref not in sold
    for view in await room.groups():
        assert view.state != "open"
        assert view.taken <= view.size
        enough = view.taken == offer.size or (offer.at_least is not None and view.taken >= offer.at_least)
        assert view.state == "failed" or enough
    assert "seated" not in seats.values()
    delivered = sum([(await room.order(ref)).state in (S.DELIVERED, S.REFUNDED) for ref in room.told])
    assert await room.free_codes() == CODES - delivered
    await room.check()
