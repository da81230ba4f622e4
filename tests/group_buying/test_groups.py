"""Groups on a real database: full, failed, completed by rule, left, let through by hand, cut off half-way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.kit.errors import ChannelRefused, TryLater
from core.errors import InvalidInput, MoveRefused
from core.group_buying.ending import close_group
from core.group_buying.groups import GroupBuying
from core.group_buying.offers import GroupOffer
from core.orders.decisions import approve, begin_cancel, finish_cancel
from core.types import BuyerId, OrderState, Payment
from core.views.groups import group, group_detail
from scheduler.composition import utc_now
from tests.group_buying.bench import DAY, GroupBench, open_groups
from tests.scheduler.bench import mute

S = OrderState
TRIO = GroupOffer("trio", 3, DAY)
PAIR = GroupOffer("pair", 2, DAY)
BY_RULE = GroupOffer("by-rule", 4, DAY, at_least=2)


async def test_a_full_group_is_delivered_together_and_not_before(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        for ref, buyer in (("A", "ann"), ("B", "bob")):
            assert await room.buy(ref, buyer) is S.HELD
        await room.turn()
        await room.deliver()
        assert (await room.states("A", "B"), room.sold()) == ([S.HELD, S.HELD], set())
        (waiting,) = await room.groups(only_open=True)
        assert (waiting.taken, waiting.seats_left, waiting.state) == (2, 1, "open")
        assert await room.buy("C", "cid") is S.HELD
        await room.turn()
        assert await room.states("A", "B", "C") == [S.ACCEPTED] * 3
        await room.deliver()
        assert await room.states("A", "B", "C") == [S.DELIVERED] * 3
        assert room.sold() == {"A", "B", "C"}
        (full,) = await room.groups()
        assert (full.state, full.seats_left, full.why) == ("full", 0, "all 3 seats are taken")
        await room.check()


async def test_a_group_that_is_short_at_its_end_gives_money_and_codes_back(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        await room.buy("A", "ann")
        await room.buy("B", "bob")
        await room.turn()
        assert await room.free_codes() == 6
        await room.later(DAY)
        await room.deliver()
        assert await room.states("A", "B") == [S.CANCELLED] * 2
        assert (room.refunded(), room.sold()) == ({"A", "B"}, set())
        assert await room.free_codes() == 8
        (failed,) = await room.groups()
        assert (failed.state, failed.why) == ("failed", "2 of 3 joined in time")
        assert await room.owed() == []
        await room.check()


async def test_a_group_that_is_short_may_be_completed_by_rule(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, BY_RULE) as room:
        await room.buy("A", "ann")
        await room.buy("B", "bob")
        await room.later(timedelta(0))
        await room.later(DAY)
        await room.deliver()
        assert await room.states("A", "B") == [S.DELIVERED] * 2
        await room.buy("C", "cid")
        await room.later(timedelta(0))
        await room.later(DAY)
        await room.deliver()
        assert await room.states("C") == [S.CANCELLED]
        assert [each.state for each in await room.groups()] == ["failed", "by rule"]
        await room.check()


async def test_an_order_that_is_paid_later_joins_when_its_money_is_there(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, PAIR) as room:
        assert await room.buy("A", "ann", payment=Payment.PENDING) is S.RESERVED
        await room.turn()
        assert await room.seats() == {}
        assert await room.buy("A", "ann") is S.HELD
        assert await room.buy("B", "bob") is S.HELD
        await room.turn()
        assert await room.states("A", "B") == [S.ACCEPTED] * 2


async def test_an_order_without_codes_gets_them_before_a_seat(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, PAIR, codes=1) as room:
        assert await room.buy("A", "ann") is S.HELD
        assert await room.buy("B", "bob") is S.PARKED
        await room.turn()
        assert (await room.groups())[0].taken == 1
        await room.bench.import_codes(1, seed=7)
        await room.deliver()
        await room.turn()
        assert await room.states("A", "B") == [S.ACCEPTED] * 2


async def test_a_leaver_reopens_his_seat(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, PAIR) as room:
        await room.buy("A", "ann")
        await room.turn()
        assert await room.buy("A", "ann", payment=Payment.REFUNDED) is S.CANCELLED
        await room.turn()
        assert (await room.groups())[0].seats_left == 2
        await room.buy("B", "bob")
        await room.buy("A2", "ann")
        await room.turn()
        await room.deliver()
        assert room.sold() == {"B", "A2"}
        assert await room.seats() == {"A": "left", "B": "bought", "A2": "bought"}
        detail = await detail_of(room)
        assert [each["state"] for each in detail] == ["left", "bought", "bought"]
        await room.check()


async def test_a_buyer_who_leaves_between_the_look_and_the_end_is_seen(dsn: str, tmp_path: Path) -> None:
    """The last to join and one to leave, side by side: nobody is delivered with a seat that is empty."""
    async with open_groups(dsn, tmp_path, PAIR) as room:
        await room.buy("A", "ann")
        await room.turn()
        await room.buy("B", "bob")
        await asyncio.gather(
            room.turn(), room.buy("A", "ann", payment=Payment.REFUNDED), return_exceptions=True
        )
        await room.turn()
        await room.deliver()
        a, b = await room.states("A", "B")
        assert (a, b) in {(S.CANCELLED, S.HELD), (S.CANCELLED, S.DELIVERED)}
        assert "A" not in room.sold()
        await room.check()


async def test_nothing_is_owed_to_who_left_or_was_let_through_as_the_group_failed(
    dsn: str, tmp_path: Path
) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        for number in range(4):
            left, let = f"left-{number}", f"let-{number}"
            await room.buy(left, f"ann-{number}")
            await room.buy(let, f"bob-{number}")
            await room.turn()
            room.clock[0] += DAY
            await asyncio.gather(
                room.turn(),
                room.buy(left, f"ann-{number}", payment=Payment.REFUNDED),
                let_through(room, let),
                room.turn(),
                return_exceptions=True,
            )
            await room.turn()
            await room.deliver(mute(room.stall))
            assert await room.states(left) == [S.CANCELLED]
            (state,) = await room.states(let)
            expected = [(let, 2500)] if state is S.CANCELLED else []
            assert await room.owed() == expected
            await room.check()
            for ref, _ in expected:
                await room.settle(ref)


async def test_a_buyer_cannot_fill_a_group_alone_by_whatever_name(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, GroupOffer("pair", 2, DAY, limit_per_buyer=5)) as room:
        await room.buy("A", "ann")
        await room.buy("B", "ann@example.com")
        await room.turn()
        assert [each.state for each in await room.groups()] == ["full"]
        await join_by_mark(room, "stall-0/carl", "stall-0/carl@example.com")
        await room.buy("C", "carl")
        await room.buy("D", "carl@example.com")
        await room.turn()
        assert [each.taken for each in await room.groups(only_open=True)] == [1, 1]
        assert await room.states("C", "D") == [S.HELD] * 2


async def test_above_the_limit_the_money_goes_back(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, PAIR) as room:
        await room.buy("A", "ann")
        await room.buy("B", "ann")
        await room.buy("C", "cid", quantity=2)
        await room.buy("D", None)
        await room.turn()
        await room.deliver()
        assert await room.states("A", "B", "C", "D") == [S.HELD, S.CANCELLED, S.CANCELLED, S.CANCELLED]
        assert room.refunded() == {"B", "C", "D"}
        assert await room.seats() == {"A": "seated", "B": "refused", "C": "refused", "D": "refused"}
        await room.check()


async def test_a_shop_names_its_groups(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, PAIR) as room:
        for ref, buyer, named in (("A", "ann", "red"), ("B", "bob", "blue"), ("C", "cid", "blue")):
            await room.buy(ref, buyer, group=named)
        await room.turn()
        assert {each.ref: each.state for each in await room.groups()} == {"red": "open", "blue": "full"}
        async with room.bench.core.pool.acquire() as conn:
            assert (await group(conn, "red", utc_now())).seats_left == 1
            with pytest.raises(InvalidInput, match="no group is called"):
                await group(conn, "green", utc_now())


async def test_when_the_last_seat_is_raced_for_one_gets_it(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, PAIR) as room:
        terms = {room.terms.channel_id: room.terms}
        others = [GroupBuying(room.bench.core.pool, terms, utc_now) for _ in range(3)]
        await asyncio.gather(
            *(room.buy(f"order-{n}", f"buyer-{n}") for n in range(8)),
            *(each.turn() for each in others * 4),
        )
        await asyncio.gather(*(each.turn() for each in others))
        await room.turn()
        assert [each.taken for each in await room.groups()] == [2] * 4
        await room.deliver()
        assert len(room.sold()) == 8
        await room.check()


async def test_a_person_completes_or_ends_a_group_early(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        await room.buy("A", "ann", group="yes")
        await room.buy("B", "bob", group="no")
        await room.turn()
        assert await close(room, "yes", complete=True) == 1
        assert await close(room, "no", complete=False) == 1
        await room.deliver()
        assert await room.states("A", "B") == [S.DELIVERED, S.CANCELLED]
        assert room.refunded() == {"B"}
        with pytest.raises(MoveRefused, match="has ended: by hand"):
            await close(room, "yes", complete=False)
        with pytest.raises(InvalidInput, match="no group is called"):
            await close(room, "maybe", complete=True)
        await room.check()


async def test_who_was_let_through_by_hand_keeps_his_codes_when_the_group_fails(
    dsn: str, tmp_path: Path
) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        await room.buy("A", "ann")
        await room.buy("B", "bob")
        await room.turn()
        await let_through(room, "A")
        await room.deliver()
        await room.later(DAY)
        with pytest.raises(MoveRefused, match="money is on the way back"):
            await let_through(room, "B")
        await room.deliver()
        assert await room.states("A", "B") == [S.DELIVERED, S.CANCELLED]
        assert (room.sold(), room.refunded()) == ({"A"}, {"B"})


async def test_an_order_that_a_person_is_cancelling_is_not_delivered_with_its_group(
    dsn: str, tmp_path: Path
) -> None:
    async with open_groups(dsn, tmp_path, PAIR) as room:
        await room.buy("A", "ann")
        await room.turn()
        pool, order_id = room.bench.core.pool, (await room.order("A")).order_id
        await begin_cancel(pool, order_id, now=utc_now(), actor="kim", reason="asked for it")
        await room.buy("B", "bob")
        await room.turn()
        assert await room.states("A", "B") == [S.HELD, S.HELD]
        await finish_cancel(pool, room.bench.core.intake, order_id, actor="kim", reason="asked for it")
        assert await room.seats() == {"A": "left", "B": "seated"}


async def test_where_the_channel_cannot_refund_a_person_owes_it(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        await room.buy("A", "ann")
        await room.buy("B", "bob")
        await room.turn()
        await room.later(DAY)
        await room.deliver(mute(room.stall))
        assert await room.states("A", "B") == [S.CANCELLED] * 2
        assert await room.free_codes() == 8
        assert await room.owed() == [("A", 2500), ("B", 2500)]
        await room.settle("A")
        with pytest.raises(MoveRefused, match="is owed no refund"):
            await room.settle("A")
        # The other is refunded in the shop, and the shop tells.
        await room.buy("B", "bob", payment=Payment.REFUNDED)
        assert await room.owed() == []
        await room.check()


async def test_a_refund_is_tried_until_it_is_done_and_owed_when_it_is_refused(
    dsn: str, tmp_path: Path
) -> None:
    async with open_groups(dsn, tmp_path, TRIO) as room:
        await room.buy("A", "ann")
        await room.turn()
        await room.later(DAY)
        room.stall.connector.cancel_script.append(TryLater("busy", 1.0))
        with pytest.raises(TryLater):
            await room.deliver()
        assert await room.states("A") == [S.HELD]
        await room.deliver()
        assert (await room.states("A"), room.refunded()) == ([S.CANCELLED], {"A"})
        await room.buy("B", "bob")
        await room.turn()
        await room.later(DAY)
        room.stall.connector.cancel_script.append(ChannelRefused("the gateway says no"))
        await room.deliver()
        assert (await room.states("B"), await room.owed()) == ([S.CANCELLED], [("B", 2500)])


async def test_an_offer_that_is_gone_from_the_settings_lets_its_groups_end_and_takes_nobody_in(
    dsn: str, tmp_path: Path
) -> None:
    async with open_groups(dsn, tmp_path, PAIR) as room:
        await room.buy("A", "ann")
        await room.turn()
        await room.buy("B", "bob")
        forgetful = GroupBuying(room.bench.core.pool, {}, lambda: room.clock[0])
        await forgetful.turn()
        room.clock[0] += DAY
        await forgetful.turn()
        await room.deliver()
        assert await room.states("A", "B") == [S.CANCELLED] * 2
        assert await room.seats() == {"A": "failed", "B": "refused"}


async def test_ordinary_orders_know_nothing_of_groups(dsn: str, tmp_path: Path) -> None:
    async with open_groups(dsn, tmp_path, PAIR) as room:
        plain = replace(room.stall, terms=replace(room.terms, group_offers={}))
        assert (await room.bench.take_in(room.bench.told("A"), plain)).state is S.ACCEPTED
        assert await room.seats() == {}


# What tests do as people.


async def close(room: GroupBench, ref: str, *, complete: bool) -> int:
    terms = {room.terms.channel_id: room.terms}
    async with room.bench.core.pool.acquire() as conn, conn.transaction():
        return await close_group(
            conn, terms, ref, complete=complete, actor="kim", reason="a word", now=room.clock[0]
        )


async def let_through(room: GroupBench, ref: str) -> None:
    order_id = (await room.order(ref)).order_id
    await approve(room.bench.core.pool, order_id, now=utc_now(), actor="kim", reason="a friend")


async def detail_of(room: GroupBench) -> list[dict[str, str]]:
    (one,) = await room.groups()
    async with room.bench.core.pool.acquire() as conn:
        detail = await group_detail(conn, one.ref, utc_now())
    return [{"state": each.state, "order": each.order_ref} for each in detail.members]


async def join_by_mark(room: GroupBench, *names: str) -> None:
    """These buyers left the same device."""
    for name in names:
        buyer_id: int = await room.bench.core.pool.fetchval(
            "INSERT INTO buyer (name, known_since) VALUES ($1, now()) RETURNING buyer_id", name
        )
        await room.bench.core.pool.execute(
            "INSERT INTO buyer_handle (channel_id, buyer_ref, buyer_id, since) VALUES ($1, $2, $3, now())",
            room.terms.channel_id,
            name.partition("/")[2],
            buyer_id,
        )
        await room.bench.core.pool.execute(
            "INSERT INTO buyer_mark VALUES ($1, 'device', $2, now(), now())", BuyerId(buyer_id), b"\x07" * 32
        )
